/**
 * What each worker counts, in a shared Float64Array that only it writes and `metrics/` reads at scrape time.
 * The name is the metric's label value where it has one.
 */
export const COUNTER = {
  UDP4: 0,
  UDP6: 1,
  TCP4: 2,
  TCP6: 3,
  /** Dropped without an answer: shorter than a header. */
  DROP_SHORT: 4,
  /** Dropped without an answer: a response (QR set). */
  DROP_RESPONSE: 5,
  TRUNCATED: 6,
  EDNS: 7,
  ECS: 8,
  /** Response codes 0 to 15 and then BADVERS. */
  RCODE: 9,
  /** Exceptions in the query path: each is a bug; the query got SERVFAIL. */
  FAULT: 26,
  SEND_FAILED: 27,
  TCP_ACCEPTED: 28,
  TCP_REFUSED: 29,
  TCP_TIMEOUT: 30,
  /** Cookie options: with a client cookie only, with a server cookie of ours, with one that is not (any more). */
  COOKIE_NEW: 31,
  COOKIE_VALID: 32,
  COOKIE_INVALID: 33,
  // Encrypted transports and the PROXY protocol.
  DOT4: 48,
  DOT6: 49,
  DOH4: 50,
  DOH6: 51,
  TLS_ACCEPTED: 52,
  /** Over a limit. */
  TLS_REFUSED: 53,
  /** The handshake failed, or took too long. */
  TLS_FAILED: 54,
  /** Closed for its age, for asking nothing, or to make room. */
  TLS_TIMEOUT: 55,
  /** Requests of DNS over HTTPS that were answered with an HTTP error. */
  DOH_REFUSED: 56,
  /** Trusted senders without a proper PROXY header. */
  PROXY_REFUSED: 57,
  /** Connections of DNS over HTTPS closed for a head, a body or a reader that is too slow. */
  TLS_SLOW: 58,
  SIZE: 64,
} as const;

/** RCODE_COUNT slots from COUNTER.RCODE on; the last is BADVERS. */
export const RCODE_COUNT = 17;

export function countRcode(counters: Float64Array, rcode: number): void {
  const at = COUNTER.RCODE + Math.min(rcode, 16);
  counters[at] = counters[at]! + 1;
}
