/** How long to wait before a request is tried once more. */

export interface BackoffModel {
  readonly baseMs: number;
  readonly maxMs: number;
  /** A Retry-After up to this is waited for; one beyond it means no retry. */
  readonly retryAfterMs: number;
}

/**
 * Exponential backoff with full jitter: 0 up to min(max, base × 2^(n − 1)) before retry number `n`, from 1. `draw`: 0 up to 1.
 * After what the endpoint asked for (`retryAfterMs`, null for nothing). Null: it asked for too long a wait.
 */
export function backoffMs(
  n: number,
  { baseMs, maxMs, retryAfterMs: allowedMs }: BackoffModel,
  draw: number,
  askedMs: number | null,
): number | null {
  if (askedMs !== null && askedMs > allowedMs) return null;
  return (askedMs ?? 0) + draw * Math.min(maxMs, baseMs * 2 ** Math.min(n - 1, 30));
}

/** IMF-fixdate, the only form of a date that may still be sent (RFC 9110 §5.6.7). */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Milliseconds that a Retry-After asks for (RFC 9110 §10.2.3): seconds or a date, which is compared with `wallMs`, milliseconds
 * since 1970. Null for none, and for what is neither. A number beyond all bounds is Infinity.
 */
export function retryAfterMs(value: string | null, wallMs: number): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  if (!IMF_FIXDATE.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - wallMs);
}
