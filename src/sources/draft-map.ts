/**
 * A map with changes that are not made yet: what is looked up is as if they were, and making them, or giving them up, costs
 * as much as there are of them. So a change of one zone of ten thousand does not copy what is known of the others.
 */
export class DraftMap<K, V extends {}> {
  readonly #base: Map<K, V>;
  /** Undefined: gone. */
  readonly #changes: Map<K, V | undefined>;
  #size: number;

  /** `base` belongs to the drafts of it: nobody else may change it. */
  constructor(base: Map<K, V> = new Map(), changes: ReadonlyMap<K, V | undefined> = new Map()) {
    this.#base = base;
    this.#changes = new Map(changes);
    this.#size = base.size;
    for (const [key, value] of changes) this.#size += Number(value !== undefined) - Number(base.has(key));
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    if (this.#changes.size > 0 && this.#changes.has(key)) return this.#changes.get(key);
    return this.#base.get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): void {
    if (!this.has(key)) this.#size++;
    this.#changes.set(key, value);
  }

  delete(key: K): void {
    if (!this.has(key)) return;
    this.#size--;
    if (this.#base.has(key)) this.#changes.set(key, undefined);
    else this.#changes.delete(key);
  }

  /** What differs from the base; undefined for what is gone. */
  get changes(): ReadonlyMap<K, V | undefined> {
    return this.#changes;
  }

  /** As it is without the changes. */
  before(key: K): V | undefined {
    return this.#base.get(key);
  }

  /** The same, to be changed on its own. The base must not change while this one is in use. */
  fork(): DraftMap<K, V> {
    return new DraftMap(this.#base, this.#changes);
  }

  /** Makes the changes. Other drafts of the same base are of no use any more. */
  commit(): Map<K, V> {
    for (const [key, value] of this.#changes) {
      if (value === undefined) this.#base.delete(key);
      else this.#base.set(key, value);
    }
    this.#changes.clear();
    return this.#base;
  }

  /** In the order of the base, and what is new behind it: all of them. */
  *[Symbol.iterator](): Generator<readonly [K, V], undefined> {
    for (const [key, value] of this.#base) {
      const now = this.#changes.has(key) ? this.#changes.get(key) : value;
      if (now !== undefined) yield [key, now];
    }
    for (const [key, value] of this.#changes) {
      if (value !== undefined && !this.#base.has(key)) yield [key, value];
    }
    return undefined;
  }

  *keys(): Generator<K, undefined> {
    for (const [key] of this) yield key;
    return undefined;
  }

  *values(): Generator<V, undefined> {
    for (const [, value] of this) yield value;
    return undefined;
  }
}
