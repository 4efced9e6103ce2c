/** Wrong tokens by address: so many in a minute are told so, further ones are turned away. */

/** Enough for some scripts with an old token; far too few to guess one. */
export const FAILURES_PER_MINUTE = 60;
const WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;

export class FailureLimit {
  readonly #now: () => number;
  readonly #perMinute: number;
  readonly #windows = new Map<string, { untilMs: number; count: number }>();

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number, perMinute: number = FAILURES_PER_MINUTE) {
    this.#now = now;
    this.#perMinute = perMinute;
  }

  /** Counts a failure. 0 where it is one of the allowed ones, else the seconds until the next window. */
  count(address: string): number {
    const nowMs = this.#now();
    const key = networkOf(address);
    const known = this.#windows.get(key);
    if (known && known.untilMs > nowMs) {
      known.count++;
      return known.count > this.#perMinute ? Math.max(1, Math.ceil((known.untilMs - nowMs) / 1000)) : 0;
    }
    this.#windows.delete(key);
    if (this.#windows.size >= ADDRESSES_MAX) this.#forget();
    this.#windows.set(key, { untilMs: nowMs + WINDOW_MS, count: 1 });
    return 0;
  }

  /** The oldest goes: windows are in the order of their begin. */
  #forget(): void {
    for (const key of this.#windows.keys()) {
      this.#windows.delete(key);
      return;
    }
  }
}

/** One host has a whole /64 of IPv6. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...middle, ...right].slice(0, 4).join(':');
}
