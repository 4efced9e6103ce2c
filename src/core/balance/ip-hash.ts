import { mix, NO_KEY } from './hash.js';
import type { Candidate, PickContext, Picker } from './picker.js';

/**
 * A client's address decides: rendezvous hashing with weights, where the endpoint with the highest score wins. When
 * one goes, only its clients move, each to its own second choice. No bound and no table; the price of a pick grows
 * with the pool, so large pools do better with `maglev`.
 */
export function ipHash(candidates: readonly Candidate[]): Picker {
  const length = candidates.length;
  const indexes = Int32Array.from(candidates, ({ index }) => index);
  const identities = Int32Array.from(candidates, ({ identity }) => identity);
  const weights = Float64Array.from(candidates, ({ weight }) => weight);
  // With equal weights the order of the hashes is the order of the scores, without a logarithm.
  const even = weights.every((weight) => weight === weights[0]);
  return {
    pick({ key, draw, excluded }: PickContext): number {
      const client = key === NO_KEY ? Math.floor(draw * 0x7fffffff) : key;
      let best = -1;
      let bestScore = -1;
      for (let i = 0; i < length; i++) {
        if (excluded[indexes[i]!] !== 0) continue;
        const hash = mix(client ^ identities[i]!);
        // −ln(u) ≥ 1 − u: most endpoints can't win, which needs no logarithm to see.
        if (!even && weights[i]! <= bestScore * (1 - (hash + 0.5) / 0x1_0000_0000)) continue;
        const score = even ? hash : weights[i]! / -Math.log((hash + 0.5) / 0x1_0000_0000);
        if (score <= bestScore) continue;
        best = indexes[i]!;
        bestScore = score;
      }
      return best;
    },
  };
}
