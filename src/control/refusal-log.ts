/** Names refused reports in the log at a bounded rate: each node and reason once a minute, and not too many of them. */
export class RefusalLog {
  readonly #told = new Map<string, number>();

  /** Whether to log this one. `nowMs` may be any clock. */
  tells(node: string, code: string, nowMs: number): boolean {
    const key = `${code} ${node}`;
    const lastMs = this.#told.get(key);
    if (lastMs !== undefined && Math.abs(nowMs - lastMs) < REPEAT_MS) return false;
    if (lastMs === undefined && this.#told.size >= NAMES_MAX) {
      for (const [known, atMs] of this.#told)
        if (Math.abs(nowMs - atMs) >= REPEAT_MS) this.#told.delete(known);
      if (this.#told.size >= NAMES_MAX) return false;
    }
    this.#told.set(key, nowMs);
    return true;
  }
}

const REPEAT_MS = 60_000;
/** Whoever has a token may make up names. */
const NAMES_MAX = 100;
