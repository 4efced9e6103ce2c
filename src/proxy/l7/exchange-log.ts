import type { AccessReason } from '../../core/access-log/entry.js';
import type { AccessWriter } from '../access-writer.js';
import type { Attempts } from './attempts.js';
import type { HttpContext } from './context.js';
import type { RequestRelay } from './request-relay.js';
import type { ResponseRelay } from './response-relay.js';

/** An exchange that ends now. */
export interface EndedExchange {
  readonly clientAddress: string;
  readonly beganMs: number;
  readonly request: RequestRelay;
  readonly attempts: Attempts;
  readonly response: ResponseRelay;
}

/** Counts what ends now for its pool, and logs it perhaps. `status`: 0 if the client got no whole response. */
export function account(
  exchange: EndedExchange,
  context: HttpContext,
  status: number,
  reason: AccessReason,
): void {
  const { endpoint, pool } = exchange.attempts;
  const { facts } = exchange.response;
  const { deadlines, access } = context;
  const { nowMs } = deadlines;
  if (facts !== null && endpoint !== null) {
    pool.tally.answered(endpoint.index, facts.status, nowMs - exchange.beganMs);
  } else pool.tally.failed(reason);
  if (access?.takes(status, nowMs)) log(access, exchange, context, { status, reason });
}

function log(
  access: AccessWriter,
  { clientAddress, beganMs, request, attempts, response }: EndedExchange,
  { counters, proto, deadlines }: HttpContext,
  { status, reason }: { readonly status: number; readonly reason: AccessReason },
): void {
  const { method, host, target, http10 } = request.facts;
  const { endpoint } = attempts;
  const entry = access.begin(counters.listener, clientAddress, proto === 'https');
  entry.protocol = http10 ? 'HTTP/1.0' : 'HTTP/1.1';
  entry.method = method;
  entry.host = host ?? '';
  entry.path = target.path;
  entry.status = status === 0 && response.facts !== null ? response.facts.status : status;
  entry.bytesIn = request.bytesSent;
  entry.bytesOut = response.bytesPassed;
  entry.durationMs = deadlines.nowMs - beganMs;
  if (response.answeredMs >= beganMs) entry.upstreamMs = response.answeredMs - beganMs;
  entry.pool = attempts.pool.name;
  entry.endpoint = endpoint === null ? '' : endpoint.name;
  entry.retries = attempts.repeats;
  entry.reason = reason;
  access.write();
}
