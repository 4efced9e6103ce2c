import type { FixedReply } from '../../core/http/fixed-reply.js';

/** A response that the proxy writes itself: one short line of text. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  /** The connection ends after it. */
  readonly close: boolean;
  /** The request was HEAD: no body follows. */
  readonly toHead: boolean;
  /** Seconds, for Retry-After (RFC 9110 §10.2.3); absent: nothing is said. */
  readonly retryAfter?: number | undefined;
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

export function replyBytes({ status, text, close, toHead, retryAfter }: Reply): Uint8Array {
  const body = `${status} ${text}\n`;
  const allow = status === 405 ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n' : '';
  const later = retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`;
  const head =
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n` +
    'Content-Type: text/plain; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Cache-Control: no-store\r\n${allow}${later}Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n`;
  return Buffer.from(toHead ? head : head + body, 'utf8');
}

/** The same, for every connection and method. */
export function textReply(status: number, text: string): FixedReply {
  return { status, bytes: ({ close, toHead }) => replyBytes({ status, text, close, toHead }) };
}
