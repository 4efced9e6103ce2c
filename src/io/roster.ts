/** Of one that is in no roster. */
export const NO_SLOT = -1;

/**
 * Members that come and go by the thousand, each at a slot that it keeps until it leaves. A `Set` would do the same, but
 * leaves a used-up table behind every hundred changes or so; once such a table is old, all that were in it at the time, and
 * all that they know, survive the collections of young objects, which costs more than serving them did.
 */
export class Roster<T extends object> {
  readonly #members: (T | null)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#members.length - this.#free.length;
  }

  /** The slot of the new member. */
  add(member: T): number {
    const slot = this.#free.pop();
    if (slot === undefined) return this.#members.push(member) - 1;
    this.#members[slot] = member;
    return slot;
  }

  /** False if `member` is not at `slot`, or not any more. */
  remove(slot: number, member: T): boolean {
    if (slot < 0 || this.#members[slot] !== member) return false;
    this.#members[slot] = null;
    this.#free.push(slot);
    return true;
  }

  /** Those that are added or removed meanwhile may be among them or not. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const member of this.#members) if (member !== null) yield member;
  }

  clear(): void {
    this.#members.length = 0;
    this.#free.length = 0;
  }
}
