import type { Candidate, PickContext, Picker } from './picker.js';
import { weightTable } from './weight-table.js';

/** The golden ratio: multiples of it, modulo 1, fall evenly into every interval (a Weyl sequence). */
const GOLDEN = 0x9e3779b9;

/**
 * The endpoint with the fewest exchanges in progress for its weight. Ties go round by weight: an idle pool would
 * otherwise send everything to its first or its heaviest endpoint.
 */
export function leastConnections(candidates: readonly Candidate[]): Picker {
  const { length, indexes, weights } = weightTable(candidates);
  return {
    pick({ turn, active, excluded }: PickContext): number {
      let best = -1;
      // The load of the best one as a fraction: products are exact and cheaper than divisions.
      let bestActive = 1;
      let bestWeight = 0;
      let tied = 0;
      for (let i = 0; i < length; i++) {
        const index = indexes[i]!;
        const weight = weights[i]!;
        const worse = active[index]! * bestWeight - bestActive * weight;
        if (worse > 0 || excluded[index] !== 0) continue;
        if (worse === 0) {
          tied += weight;
          continue;
        }
        best = i;
        bestActive = active[index]!;
        bestWeight = tied = weight;
      }
      if (best < 0) return -1;
      let at = ((Math.imul(turn, GOLDEN) >>> 0) / 0x1_0000_0000) * tied;
      for (let i = best; at >= 0 && i < length; i++) {
        const index = indexes[i]!;
        if (active[index]! * bestWeight !== bestActive * weights[i]! || excluded[index] !== 0) continue;
        at -= weights[i]!;
        best = i;
      }
      return indexes[best]!;
    },
  };
}
