import type { Candidate, PickContext, Picker } from './picker.js';

/**
 * The first endpoint of the list that can be used: the others stay idle until it is full or down. Weights don't
 * count, but an endpoint in its slow start lets the rest of the requests pass.
 */
export function first(candidates: readonly Candidate[]): Picker {
  const length = candidates.length;
  const indexes = Int32Array.from(candidates, ({ index }) => index);
  const shares = Float64Array.from(candidates, ({ share }) => share);
  return {
    pick({ draw, excluded }: PickContext): number {
      let passed = -1;
      let rest = draw;
      for (let i = 0; i < length; i++) {
        const index = indexes[i]!;
        if (excluded[index] !== 0) continue;
        const share = shares[i]!;
        if (rest < share) return index;
        rest = (rest - share) / (1 - share);
        if (passed < 0) passed = index;
      }
      return passed;
    },
  };
}
