/** What became of requests of pools with sticky sessions; their order is that of the cells. */
export const STICKY_RESULTS = [
  /** At the endpoint of the session. */
  'kept',
  /** A client without a session. */
  'new',
  /** A cookie that is none of ours, cut or changed; a header that is too long. */
  'forged',
  /** A cookie beyond its lifetime. */
  'expired',
  /** The endpoint is not in the pool, is not up, or drained for too long: another one was picked. */
  'gone',
  /** The endpoint is up, but had no room or did not accept: another one answered. */
  'moved',
] as const;

export type StickyResult = (typeof STICKY_RESULTS)[number];
