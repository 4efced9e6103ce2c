/** Copies of a sample of a route's requests to another pool, whose answers nobody gets. Plain data. */
export interface MirrorModel {
  readonly pool: string;
  /** Which part of the requests, above 0 to 1. */
  readonly sample: number;
  /** Copies in progress at once, in each worker; beyond that none is made. */
  readonly maxInFlight: number;
  /** Bytes of a body; a request with a longer one is not copied. */
  readonly maxBody: number;
  /** Where it is counted; put in when workers are started. */
  readonly slot?: number;
}

export const MIRROR_DEFAULT = { sample: 0.01, maxInFlight: 32, maxBody: 16_384 } as const;
export const MIRROR_IN_FLIGHT_MAX = 1_024;
export const MIRROR_BODY_MAX = 1_048_576;

/** The field that marks a copy. */
export const MIRROR_FIELD = 'X-Meridian-Mirror';

/** Why a request of the sample was not copied, or its copy got no whole answer. */
export const MIRROR_SKIPS = [
  /** So many are in progress already. */
  'in_flight',
  /** The body is longer than `max_body`, or of unknown length and longer. */
  'body',
  /** An upgrade of the protocol, such as a WebSocket. */
  'upgrade',
  /** The pool has no endpoint that may be used, or none with room. */
  'no_endpoint',
  /** The request ended before its body was whole. */
  'cut',
  /** No connection, no valid answer, or none in time. */
  'failed',
] as const;

export type MirrorSkip = (typeof MIRROR_SKIPS)[number];
