import { mix } from './hash.js';
import type { Candidate } from './picker.js';

/** A prime, a hundred times the largest usual pool: shares are then even within a percent. */
export const MAGLEV_SLOTS = 65_537;

const FREE = 0xffff;

/**
 * The look-up table of Maglev (Eisenbud and others, NSDI 2016, §3.4): slot → position among `candidates`. Every
 * candidate has a preference list of all slots, and they take turns at taking their next free one; a lighter one
 * has a turn in every (heaviest weight / own weight)-th round. Adding or removing one moves little else.
 * At most 1,000 candidates, at least one.
 */
export function maglevTable(candidates: readonly Candidate[]): Uint16Array {
  const table = new Uint16Array(MAGLEV_SLOTS).fill(FREE);
  const turns = new Turns(candidates);
  const next = Int32Array.from(candidates, ({ identity }) => mix(identity ^ 0x5bd1e995) % MAGLEV_SLOTS);
  const skip = Int32Array.from(
    candidates,
    ({ identity }) => (mix(identity ^ 0x1b873593) % (MAGLEV_SLOTS - 1)) + 1,
  );
  for (let filled = 0; filled < MAGLEV_SLOTS; filled++) {
    const position = turns.next();
    const step = skip[position]!;
    let slot = next[position]!;
    while (table[slot] !== FREE) slot = after(slot, step);
    table[slot] = position;
    next[position] = after(slot, step);
  }
  return table;
}

function after(slot: number, step: number): number {
  const next = slot + step;
  return next < MAGLEV_SLOTS ? next : next - MAGLEV_SLOTS;
}

/**
 * Whose turn it is: candidates wait in the list of the round of their next turn, so that a light one costs nothing
 * in the rounds where it has none.
 */
class Turns {
  /** Rounds between two turns of each candidate. */
  readonly #every: Float64Array;
  readonly #taken: Int32Array;
  /** First of each round's list, and the one after each candidate; -1 ends a list. */
  readonly #firstOf: Int32Array;
  readonly #after: Int32Array;
  #round = 0;
  #at = -1;

  constructor(candidates: readonly Candidate[]) {
    const heaviest = candidates.reduce((most, { weight }) => Math.max(most, weight), 0);
    this.#every = Float64Array.from(candidates, ({ weight }) => heaviest / weight);
    this.#taken = new Int32Array(candidates.length);
    this.#after = new Int32Array(candidates.length);
    this.#firstOf = new Int32Array(MAGLEV_SLOTS + 1).fill(-1);
    const order = candidates.map((_, position) => position);
    order.sort((a, b) => candidates[b]!.identity - candidates[a]!.identity);
    for (const position of order) this.#wait(position);
    this.#at = this.#firstOf[0]!;
  }

  next(): number {
    // The heaviest has a turn in every round: no list before the last round is empty.
    if (this.#at < 0) this.#at = this.#firstOf[++this.#round]!;
    const position = this.#at;
    this.#at = this.#after[position]!;
    this.#taken[position]!++;
    this.#wait(position);
    return position;
  }

  #wait(position: number): void {
    const round = Math.ceil(this.#taken[position]! * this.#every[position]!);
    if (round > MAGLEV_SLOTS) return;
    this.#after[position] = this.#firstOf[round]!;
    this.#firstOf[round] = position;
  }
}
