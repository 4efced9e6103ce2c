import type { Candidate, PickContext, Picker } from './picker.js';

/**
 * The endpoint with the fewest exchanges in progress for its weight. Ties go round by turn: otherwise an idle
 * pool would send everything to its first endpoint.
 */
export function leastConnections(candidates: readonly Candidate[]): Picker {
  const length = candidates.length;
  return {
    pick({ turn, active, tried }: PickContext): number {
      let best = -1;
      let bestCost = Number.POSITIVE_INFINITY;
      for (let i = 0; i < length; i++) {
        const { index, weight } = candidates[(turn + i) % length]!;
        const cost = ((active[index] ?? 0) + 1) / weight;
        if (cost < bestCost && !tried.includes(index)) {
          best = index;
          bestCost = cost;
        }
      }
      return best;
    },
  };
}
