/** How long a request counts: half of it after this. */
const HALF_LIFE_MS = 60_000;
/** Fewer requests say nothing. */
const REQUESTS_MIN = 10;

export interface StickyShare {
  readonly endpoint: string;
  /** Requests that came because of their session, since the start. */
  readonly count: number;
  /** 0 for an endpoint that takes nobody new. */
  readonly weight: number;
}

/**
 * How unevenly sessions load the endpoints of each pool: the largest of their shares of the requests with a session, divided by its
 * share of the weight. 1 is even; 2: an endpoint has twice what it should have. Recent requests count most.
 */
export class StickyImbalance {
  readonly #recent = new Map<string, { count: number; recent: number }>();
  #atMs: number | null = null;

  /** `pools`: all of them as they are at `nowMs`, which never goes back. A pool without recent sessions has no row. */
  measure(
    pools: readonly { readonly pool: string; readonly endpoints: readonly StickyShare[] }[],
    nowMs: number,
  ): readonly (readonly [pool: string, ratio: number])[] {
    const kept = this.#atMs === null ? 0 : 0.5 ** ((nowMs - this.#atMs) / HALF_LIFE_MS);
    this.#atMs = nowMs;
    const seen = new Set<string>();
    const rows = pools.flatMap(({ pool, endpoints }) => {
      const shares = endpoints.map(({ endpoint, count, weight }) => {
        const name = `${pool}\n${endpoint}`;
        seen.add(name);
        const known = this.#recent.get(name) ?? { count: 0, recent: 0 };
        // What is counted anew began anew.
        const more = count >= known.count ? count - known.count : count;
        const recent = known.recent * kept + more;
        this.#recent.set(name, { count, recent });
        return { recent, weight };
      });
      const ratio = ratioOf(shares);
      return ratio === null ? [] : [[pool, ratio] as const];
    });
    for (const name of this.#recent.keys()) if (!seen.has(name)) this.#recent.delete(name);
    return rows;
  }
}

function ratioOf(shares: readonly { readonly recent: number; readonly weight: number }[]): number | null {
  const used = shares.filter(({ weight }) => weight > 0);
  const requests = used.reduce((sum, { recent }) => sum + recent, 0);
  const weights = used.reduce((sum, { weight }) => sum + weight, 0);
  if (requests < REQUESTS_MIN) return null;
  return Math.max(...used.map(({ recent, weight }) => recent / requests / (weight / weights)));
}
