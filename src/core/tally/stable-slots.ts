/**
 * Slots that names keep as long as there is room, gone and come back or not. When all are taken, a new name gets the slot
 * that has been out of use for longest.
 */
export class StableSlots {
  readonly #first: number;
  readonly #end: number;
  readonly #clear: (slot: number) => void;
  /** In the order in which they were given out. */
  readonly #slots = new Map<string, number>();
  readonly #names = new Map<number, string>();
  /** Names out of use, the one that went first in front. */
  readonly #idle = new Set<string>();
  #next: number;

  /** Slots from `first` to `end - 1`. `clear` is called before a slot changes its name. */
  constructor(first: number, end: number, clear: (slot: number) => void) {
    this.#first = first;
    this.#end = end;
    this.#clear = clear;
    this.#next = first;
  }

  /** The slot of a name, which is in use from now; undefined if there is none left. */
  take(name: string): number | undefined {
    const known = this.#slots.get(name);
    if (known !== undefined) {
      this.#idle.delete(name);
      return known;
    }
    const slot = this.#next < this.#end ? this.#next++ : this.#reuse();
    if (slot === undefined) return undefined;
    this.#slots.set(name, slot);
    this.#names.set(slot, name);
    return slot;
  }

  /** Names that are not in `used` are out of use. Call it when no snapshot with them is answered from. */
  retain(used: ReadonlySet<string>): void {
    for (const name of this.#slots.keys()) if (!used.has(name)) this.#idle.add(name);
  }

  /** Those of `left` that are not in `used` are out of use, as with `retain`. */
  release(left: ReadonlySet<string>, used: ReadonlySet<string>): void {
    for (const name of left) if (this.#slots.has(name) && !used.has(name)) this.#idle.add(name);
  }

  /** Whether some slot could get another name. */
  get hasIdle(): boolean {
    return this.#idle.size > 0;
  }

  /** How many names have a slot. */
  get size(): number {
    return this.#slots.size;
  }

  nameOf(slot: number): string | undefined {
    return this.#names.get(slot);
  }

  /** All names that have a slot, in use or not. */
  entries(): readonly (readonly [slot: number, name: string])[] {
    return Array.from({ length: this.#next - this.#first }, (_, i) => this.#first + i).flatMap((slot) => {
      const name = this.#names.get(slot);
      return name === undefined ? [] : [[slot, name] as const];
    });
  }

  #reuse(): number | undefined {
    const [name] = this.#idle;
    if (name === undefined) return undefined;
    const slot = this.#slots.get(name)!;
    this.#idle.delete(name);
    this.#slots.delete(name);
    this.#clear(slot);
    return slot;
  }
}
