import type { Candidate, PickContext } from './picker.js';

/** Candidates in flat arrays, with the running sums of their weights, for draws by weight. */
export interface WeightTable {
  readonly length: number;
  /** Endpoint indexes, weights, and where each one's range of the sum ends, by position. */
  readonly indexes: Int32Array;
  readonly weights: Float64Array;
  readonly ends: Float64Array;
  readonly total: number;
}

export function weightTable(candidates: readonly Candidate[]): WeightTable {
  const weights = Float64Array.from(candidates, ({ weight }) => weight);
  let total = 0;
  const ends = weights.map((weight) => {
    total += weight;
    return total;
  });
  const indexes = Int32Array.from(candidates, ({ index }) => index);
  return { length: candidates.length, indexes, weights, ends, total };
}

/** A position by weight among those not excluded and other than `except` (-1: any), or -1. 0 ≤ draw < 1. */
export function drawPosition(table: WeightTable, context: PickContext, draw: number, except: number): number {
  if (context.exclusions > 0) return drawSlowly(table, context.excluded, draw, except);
  if (except < 0) return locate(table, draw * table.total);
  const weight = table.weights[except]!;
  if (table.length === 1) return -1;
  const start = table.ends[except]! - weight;
  const at = draw * (table.total - weight);
  return locate(table, at < start ? at : at + weight);
}

/** A second draw from the lower bits of the first one, which its choice hardly depends on. */
export function nextDraw(draw: number): number {
  const scaled = draw * 0x1000000;
  return scaled - Math.floor(scaled);
}

function locate({ ends, length }: WeightTable, at: number): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at < ends[middle]!) high = middle;
    else low = middle + 1;
  }
  return high;
}

function drawSlowly(table: WeightTable, excluded: Uint8Array, draw: number, except: number): number {
  const { length, indexes, weights } = table;
  let rest = 0;
  for (let i = 0; i < length; i++) if (i !== except && excluded[indexes[i]!] === 0) rest += weights[i]!;
  let at = draw * rest;
  let last = -1;
  for (let i = 0; i < length; i++) {
    if (i === except || excluded[indexes[i]!] !== 0) continue;
    last = i;
    at -= weights[i]!;
    if (at < 0) return i;
  }
  return last;
}
