import { SLOT_FIRST_FREE } from '../core/health/word.js';

/**
 * Which health word belongs to which target. Slots are given out once per key and come back only when no
 * worker reads them any more, so that a word never changes its meaning under a query.
 */
export class HealthSlots {
  readonly #capacity: number;
  readonly #slots = new Map<string, number>();
  readonly #keys = new Map<number, string>();
  readonly #free: number[] = [];
  #next: number = SLOT_FIRST_FREE;

  /** `capacity`: slots beside the reserved ones. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The slot of a key, or undefined when the table is full. */
  take(key: string): number | undefined {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot =
      this.#free.pop() ?? (this.#next < SLOT_FIRST_FREE + this.#capacity ? this.#next++ : undefined);
    if (slot === undefined) return undefined;
    this.#slots.set(key, slot);
    this.#keys.set(slot, key);
    return slot;
  }

  keyOf(slot: number): string | undefined {
    return this.#keys.get(slot);
  }

  slotOf(key: string): number | undefined {
    return this.#slots.get(key);
  }

  /** Gives back every slot whose key is not wanted. Call it when no snapshot in use names them. */
  retain(wanted: ReadonlySet<string>): void {
    for (const [key, slot] of this.#slots) {
      if (wanted.has(key)) continue;
      this.#slots.delete(key);
      this.#keys.delete(slot);
      this.#free.push(slot);
    }
  }

  get size(): number {
    return this.#slots.size;
  }
}
