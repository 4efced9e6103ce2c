import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What may be given as one: safe in logs, headers and file names. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;

/** The number of a request: its `X-Request-Id` if that is 1 to 64 letters, digits, ".", "_", "~" and "-"; else a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}
