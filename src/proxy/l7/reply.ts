import type { PickFailure } from '../upstream-pool.js';

/** A response that the proxy writes itself: one short line of text. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  /** The connection ends after it. */
  readonly close: boolean;
  /** The request was HEAD: no body follows. */
  readonly toHead: boolean;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

export function replyBytes({ status, text, close, toHead }: Reply): Uint8Array {
  const body = `${status} ${text}\n`;
  const allow = status === 405 ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n' : '';
  const head =
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n` +
    'Content-Type: text/plain; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Cache-Control: no-store\r\n${allow}Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n`;
  return Buffer.from(toHead ? head : head + body, 'utf8');
}

/** The sentence of a 503, which names the pool. */
export function noEndpointText(failure: PickFailure, pool: string): string {
  switch (failure) {
    case 'none_up':
      return `pool ${pool} has no healthy endpoint`;
    case 'no_room':
      return `every endpoint of pool ${pool} is at its limit of connections`;
    case 'all_tried':
      return `no other endpoint of pool ${pool} is left to try`;
  }
}
