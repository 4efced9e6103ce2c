import { LATENCY_BUCKETS, latencyCount, latencyQuantile } from '../tally/latency.js';
import { byChance } from './chance.js';
import type { RolloutFigures } from './plan.js';

/** What a pool did since the last time. */
export interface RolloutDelta {
  readonly requests: number;
  readonly errors: number;
  /** How many took how long, by bucket of `core/tally/latency.ts`. */
  readonly latency?: ArrayLike<number>;
}

/** Rate and 99th percentile of fewer requests of an old pool say little; of fewer than the second, nothing. */
const CERTAIN_MIN = 1_000;
const COMPARED_MIN = 100;

/** So many slow answers are passed over at least: the third one is the first that counts. */
const SLOW_SPARED = 2;

/** A window is cut into so many pieces; what is older than a window is forgotten piece by piece. */
const PIECES = 20;

interface Piece {
  number: number;
  requests: number;
  errors: number;
  latency: Float64Array | undefined;
}

/** Sums of what a pool did over the last time, in a bounded room. */
export class FigureWindow {
  readonly #pieceMs: number;
  readonly #pieces: Piece[] = [];

  constructor(windowMs: number) {
    this.#pieceMs = Math.max(windowMs / PIECES, 1);
  }

  add(nowMs: number, { requests, errors, latency }: RolloutDelta): void {
    const number = Math.floor(nowMs / this.#pieceMs);
    let piece = this.#pieces.at(-1);
    if (piece?.number !== number) {
      piece = { number, requests: 0, errors: 0, latency: undefined };
      this.#pieces.push(piece);
      if (this.#pieces.length > PIECES) this.#pieces.shift();
    }
    piece.requests += requests;
    piece.errors += errors;
    if (!latency) return;
    piece.latency ??= new Float64Array(LATENCY_BUCKETS);
    for (let i = 0; i < LATENCY_BUCKETS; i++) piece.latency[i]! += latency[i] ?? 0;
  }

  /**
   * What it did. `cautious`: the 99th percentile is the least that it can well be, for a pool that is to be judged. Of a few answers
   * it would be the slowest one, whatever made that slow. Where too few are left there is none.
   * `sinceMs`: only what came after that.
   */
  sum(nowMs: number, { cautious = false, sinceMs = 0 } = {}): RolloutFigures {
    const oldest = Math.max(
      Math.floor(nowMs / this.#pieceMs) - PIECES,
      Math.ceil(sinceMs / this.#pieceMs) - 1,
    );
    const counts = new Float64Array(LATENCY_BUCKETS);
    let requests = 0;
    let errors = 0;
    for (const piece of this.#pieces) {
      if (piece.number <= oldest) continue;
      requests += piece.requests;
      errors += piece.errors;
      if (piece.latency) for (let i = 0; i < LATENCY_BUCKETS; i++) counts[i]! += piece.latency[i]!;
    }
    const p99 = cautious ? cautiousPercentile(counts) : latencyQuantile(counts, 0.99);
    return { requests, errors, ...(p99 !== undefined && { p99_ms: Math.round(p99 * 100) / 100 }) };
  }

  /**
   * What an old pool did, for a new one to be compared with: since a step began at `sinceMs`, so that both are seen over the same time. Where
   * that is little, what it did over the whole window counts too: the worse of both, since neither is certain.
   */
  lately(nowMs: number, sinceMs: number): RolloutFigures {
    const since = this.sum(nowMs, { sinceMs });
    if (since.requests >= CERTAIN_MIN) return since;
    const whole = this.sum(nowMs);
    if (since.requests < COMPARED_MIN) return whole;
    const worse = since.errors * whole.requests > whole.errors * since.requests ? since : whole;
    const p99 = Math.max(since.p99_ms ?? 0, whole.p99_ms ?? 0);
    return { requests: worse.requests, errors: worse.errors, ...(p99 > 0 && { p99_ms: p99 }) };
  }

  /** What follows is of another step. */
  clear(): void {
    this.#pieces.length = 0;
  }
}

/** More slow answers are passed over than the 1 % that chance may bring: a mean of m has a deviation of √m (Poisson). */
function cautiousPercentile(counts: Float64Array): number | undefined {
  const answers = latencyCount(counts);
  const spared = Math.max(byChance(0.01 * answers), SLOW_SPARED);
  return answers > spared ? latencyQuantile(counts, (answers - spared) / answers) : undefined;
}
