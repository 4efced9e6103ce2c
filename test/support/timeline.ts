import { REGIONS, type Region, type RegionNetwork } from './region-network.js';
import { until } from './until.js';

/** What each node answers, by region; see `RegionNetwork.ask`. */
export type Answers = Readonly<Record<Region, string>>;

/** Asks every DNS node again and again, and keeps what changed and when. */
export class Timeline {
  readonly #network: RegionNetwork;
  readonly #startMs = performance.now();
  readonly #lines: string[] = [];
  readonly #last = new Map<Region, { readonly line: string; readonly held: number }>();
  readonly #seen = new Map<Region, Set<string>>();
  #loops: readonly Promise<void>[] = [];
  #isWatching = true;

  constructor(network: RegionNetwork) {
    this.#network = network;
  }

  watch(): void {
    this.#loops = REGIONS.map((region) => this.#watch(region));
  }

  async close(): Promise<void> {
    this.#isWatching = false;
    await Promise.all(this.#loops);
  }

  get text(): string {
    return this.#lines.join('\n');
  }

  note(text: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(2);
    this.#lines.push(`${seconds.padStart(7)} s  ${text}`);
  }

  /** What happens now; what was answered before is forgotten by `seen`. */
  event(text: string): void {
    this.note(`── ${text}`);
    for (const region of REGIONS) {
      const line = this.#last.get(region)?.line;
      this.#seen.set(region, new Set(line === undefined ? [] : [line]));
    }
  }

  /** All different lines that a node answered since the last event, the one before it first. */
  seen(region: Region): readonly string[] {
    return [...(this.#seen.get(region) ?? [])];
  }

  /** Waits until the nodes of the regions that `wanted` has answer that; returns how many milliseconds it took. */
  async settled(what: string, wanted: Partial<Answers>, withinMs: number): Promise<number> {
    const fromMs = performance.now();
    const missing = () =>
      REGIONS.filter((region) => wanted[region] && this.#last.get(region)?.line !== wanted[region]);
    try {
      await until(what, () => missing().length === 0, withinMs);
    } catch (error) {
      this.note(`too late: ${what}, at ${missing().join(', ')}`);
      throw error;
    }
    const tookMs = Math.round(performance.now() - fromMs);
    this.note(`   ${what}: after ${tookMs} ms (allowed: ${withinMs})`);
    return tookMs;
  }

  /** Waits until so many answers of a node say that they rest on a verdict that is held. */
  async held(region: Region, count: number, withinMs: number): Promise<void> {
    await until(
      `${count} answers of ${region} are held`,
      () => this.#last.get(region)?.held === count,
      withinMs,
    );
  }

  async #watch(region: Region): Promise<void> {
    while (this.#isWatching) {
      const now = await this.#network.ask(region);
      const last = this.#last.get(region);
      this.#last.set(region, now);
      this.#seen.get(region)?.add(now.line);
      if (now.line !== last?.line || now.held !== last.held) {
        this.note(`dns-${region}: ${now.line}${now.held > 0 ? `  (${now.held} of 6 held)` : ''}`);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

const PAUSE_MS = 100;
