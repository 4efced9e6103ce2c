/**
 * What part of the requests a pool takes after the breakers of all its endpoints were open at once. The first one that closes would
 * otherwise get everything, break again, and so on for ever: the pool would stay down though every endpoint is well.
 */

/** The part grows to the whole in so many times the longest opening: until then, every breaker has tried. */
const GROWTH = 2;
const NEVER = Number.NEGATIVE_INFINITY;

export class Recovery {
  readonly #growthMs: number;
  #collapsedMs = NEVER;

  /** `openMsMax`: the longest time that a breaker is open. */
  constructor(openMsMax: number) {
    this.#growthMs = GROWTH * openMsMax;
  }

  /** All breakers are open. */
  collapse(nowMs: number): void {
    this.#collapsedMs = nowMs;
  }

  /** 0 to 1; `able`: what the endpoints that are in use again can carry, as a part of all requests. */
  admitted(able: number, nowMs: number): number {
    const part = able + (nowMs - this.#collapsedMs) / this.#growthMs;
    if (part < 1) return part;
    this.#collapsedMs = NEVER;
    return 1;
  }
}
