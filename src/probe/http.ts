import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Monitor, StatusRange } from '../core/zone/model.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { describeFailure } from './failure.js';

/** The parts of a monitor that an HTTP probe needs. */
export type HttpCheck = Pick<Monitor, 'port' | 'path' | 'method' | 'host' | 'status'>;

/** The response's head may be this long; more is a failure. */
export const HEAD_BYTES_MAX = 16_384;
/** So much of a body is read and thrown away to end the connection cleanly; after that it is cut. */
export const BODY_BYTES_MAX = 65_536;
/** The verdict rests on the head alone, so a body gets this long to end. */
export const BODY_DRAIN_MS_MAX = 100;

/**
 * Up when the response's status is one of those wanted. Redirects are a status like any other and not followed;
 * each probe has a connection of its own, as a new client would.
 */
export function probeHttp(host: string, check: HttpCheck, options: AttemptOptions): Promise<ProbeResult> {
  return attempt(options, (outcome) => exchange(request(httpRequest(host, check)), check.status, outcome));
}

/** What http and https requests have in common. */
export function httpRequest(host: string, check: HttpCheck): RequestOptions {
  return {
    host,
    port: check.port,
    path: check.path,
    method: check.method,
    agent: false,
    maxHeaderSize: HEAD_BYTES_MAX,
    headers: {
      ...(check.host === undefined ? {} : { Host: check.host }),
      'User-Agent': 'meridian-probe',
      Accept: '*/*',
    },
  };
}

/**
 * Sends a request without a body. The response's head decides; the body is only drained. Returns how to end it at
 * any time.
 */
export function exchange(sent: ClientRequest, wanted: readonly StatusRange[], outcome: Outcome): () => void {
  let drainTimer: NodeJS.Timeout | undefined;
  sent.on('response', (response) => {
    const status = response.statusCode ?? 0;
    const ok = wanted.some(({ from, to }) => status >= from && status <= to);
    const detail = ok ? `status ${status}` : `status ${status}, want ${formatStatus(wanted)}`;
    const end = (): void => outcome.settle(ok, detail);
    outcome.decide(ok, detail);
    drainTimer = setTimeout(end, BODY_DRAIN_MS_MAX);
    drain(response, end);
  });
  sent.on('error', (error) => outcome.settle(false, describeFailure(error)));
  // Node closes a request without an error where the peer switches protocols unasked.
  sent.on('close', () => outcome.settle(false, 'connection closed without a response'));
  sent.end();
  return () => {
    clearTimeout(drainTimer);
    sent.destroy();
  };
}

/** `200–399, 418` */
export function formatStatus(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

function drain(response: IncomingMessage, end: () => void): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) end();
  });
  response.on('end', end);
  response.on('error', end);
  response.on('close', end);
}
