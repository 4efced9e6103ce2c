/** What happened at a proxy, for who asks: the last ones, numbered. */
export interface ProxyEvent {
  /** Rises by one; a proxy that starts anew begins at 1. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const KEPT_MAX = 1_000;

export class ProxyEvents {
  readonly #nowMs: () => number;
  readonly #kept: ProxyEvent[] = [];
  #sequence = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  publish(type: string, data: ProxyEvent['data']): void {
    this.#kept.push({ sequence: ++this.#sequence, atMs: this.#nowMs(), type, data });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
  }

  /** Those after a number, oldest first; of the last KEPT_MAX. */
  after(sequence: number): readonly ProxyEvent[] {
    return this.#kept.filter((event) => event.sequence > sequence);
  }

  /** The number of the last one; 0 before the first. */
  get last(): number {
    return this.#sequence;
  }
}
