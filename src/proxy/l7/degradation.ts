import type { AccessReason } from '../../core/access-log/entry.js';
import type { PoolModel } from '../../core/balance/model.js';
import { type FixedReply, fixedReply } from '../../core/http/fixed-reply.js';
import type { HttpRoute } from './context.js';

/** What a route gives where its pool can't: exactly one of the two is there. */
export interface Degradation {
  readonly route: HttpRoute | null;
  readonly page: FixedReply | null;
}

/** Null where a request gets the error itself. `forward` makes the route to another pool. */
export function degradation(
  { fallback }: PoolModel,
  forward: (pool: string) => HttpRoute | null,
): Degradation | null {
  if (fallback === undefined) return null;
  if ('respond' in fallback) return { route: null, page: fixedReply(fallback.respond) };
  const route = forward(fallback.pool);
  return route === null ? null : { route, page: null };
}

/** No endpoint has seen the request: another pool may have it, whatever its method. */
export function isUnseen(reason: AccessReason): boolean {
  return (
    reason === 'no_endpoint' ||
    reason === 'no_room' ||
    reason === 'breaker_open' ||
    reason === 'queue_timeout' ||
    reason === 'connect_failed' ||
    reason === 'connect_timeout'
  );
}

/** RFC 5861 §4: what counts as an error of the endpoint. */
export function isStaleStatus(status: number): boolean {
  return status === 500 || (status >= 502 && status <= 504);
}

/** The pool failed, not the client: a page is better than an error. */
export function isOfPool(reason: AccessReason): boolean {
  return (
    isUnseen(reason) ||
    reason === 'response_timeout' ||
    reason === 'malformed_response' ||
    reason === 'upstream_closed'
  );
}
