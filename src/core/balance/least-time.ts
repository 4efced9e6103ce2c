import type { Candidate, PickContext, Picker } from './picker.js';
import { drawPosition, nextDraw, weightTable } from './weight-table.js';

/** The second choice must be this much cheaper: below it, differences are noise, and weights should decide. */
const MARGIN = 0.8;
/** An endpoint that never answered gets one request, and more only when all others are worse than this. */
const UNKNOWN_MS = 1e9;

/**
 * The least response time: of two endpoints drawn by weight, the one where a new request would be done first, which
 * is its response time × (requests in progress + 1), for its weight.
 */
export function leastTime(candidates: readonly Candidate[]): Picker {
  const table = weightTable(candidates);
  const { indexes, weights, length } = table;
  const mean = length === 0 ? 1 : table.total / length;
  const cost = (context: PickContext, position: number): number => {
    const index = indexes[position]!;
    const active = (context.active[index]! * mean) / weights[position]!;
    const estimate = context.latency.estimateMs(index, context.nowMs);
    if (estimate > 0) return estimate * (active + 1);
    return active === 0 ? 0 : UNKNOWN_MS + active;
  };
  return {
    pick(context: PickContext): number {
      const a = drawPosition(table, context, context.draw, -1);
      if (a < 0) return -1;
      const b = drawPosition(table, context, nextDraw(context.draw), a);
      if (b < 0) return indexes[a]!;
      return indexes[cost(context, b) < cost(context, a) * MARGIN ? b : a]!;
    },
  };
}
