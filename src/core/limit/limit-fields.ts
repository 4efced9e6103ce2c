import type { RateLimitModel } from './limit-model.js';

/** Retry-After never says more: who has to wait for longer may ask once in a while. */
const RETRY_SECONDS_MAX = 86_400;

/**
 * Fields of an answer to a request that a limit refused: Retry-After (RFC 9110 §10.2.3), and RateLimit and RateLimit-Policy as
 * structured fields (draft-ietf-httpapi-ratelimit-headers-10).
 *
 * @param waitSeconds until the next request can pass, at least 1.
 */
export function refusalFields(
  { name, requests, periodMs, burst }: Pick<RateLimitModel, 'name' | 'requests' | 'periodMs' | 'burst'>,
  waitSeconds: number,
): readonly { readonly name: string; readonly value: string }[] {
  const windowSeconds = Math.max(1, Math.ceil((burst * periodMs) / requests / 1000));
  return [
    { name: 'Retry-After', value: String(waitSeconds) },
    { name: 'RateLimit-Policy', value: `"${name}";q=${burst};w=${windowSeconds}` },
    { name: 'RateLimit', value: `"${name}";r=0;t=${waitSeconds}` },
  ];
}

/** Whole seconds that a client is asked to wait. */
export function waitSeconds(waitMs: number): number {
  return Math.min(Math.max(1, Math.ceil(waitMs / 1000)), RETRY_SECONDS_MAX);
}
