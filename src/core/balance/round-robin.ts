import type { Candidate, PickContext, Picker } from './picker.js';

/** Longest schedule: larger sums of weights are scaled down to it, which rounds shares by at most 1/4096. */
const SCHEDULE_MAX = 4_096;

/**
 * Weighted round-robin: the turns of one round are laid out beforehand, each endpoint's as evenly as its
 * weight allows (its k-th turn of w stands at (k + ½) / w of the round), so heavy endpoints get no bursts.
 */
export function roundRobin(candidates: readonly Candidate[]): Picker {
  const schedule = layOut(candidates);
  const length = schedule.length;
  return {
    pick({ turn, excluded }: PickContext): number {
      for (let i = 0; i < length; i++) {
        const index = schedule[(turn + i) % length]!;
        if (excluded[index] === 0) return index;
      }
      return -1;
    },
  };
}

/** One round: every index as often as its weight says. */
export function layOut(candidates: readonly Pick<Candidate, 'index' | 'weight'>[]): Int32Array {
  const divisor = candidates.reduce((all, { weight }) => gcd(all, weight), 0);
  const sum = candidates.reduce((all, { weight }) => all + weight / divisor, 0);
  const scale = sum > SCHEDULE_MAX ? SCHEDULE_MAX / sum : 1;
  const turns: { at: number; index: number }[] = [];
  for (const { index, weight } of candidates) {
    const count = Math.max(1, Math.round((weight / divisor) * scale));
    for (let k = 0; k < count; k++) turns.push({ at: (k + 0.5) / count, index });
  }
  turns.sort((a, b) => a.at - b.at || a.index - b.index);
  return Int32Array.from(turns, ({ index }) => index);
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
