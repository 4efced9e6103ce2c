/**
 * A queue that serves its groups in turn, and the items of a group in their order: a group with thousands of items
 * delays another one's by one item at a time. All operations take constant time.
 */
export class FairQueue<T> {
  /** In the order of their turns; no group is empty. */
  readonly #groups = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends an item; nothing happens if it is there already. */
  push(group: string, item: T): void {
    const items = this.#groups.get(group);
    if (items?.has(item)) return;
    if (items) items.add(item);
    else this.#groups.set(group, new Set([item]));
    this.#size++;
  }

  delete(group: string, item: T): void {
    const items = this.#groups.get(group);
    if (!items?.delete(item)) return;
    this.#size--;
    if (items.size === 0) this.#groups.delete(group);
  }

  /** Takes the next item, or undefined if there is none. */
  shift(): T | undefined {
    for (const [group, items] of this.#groups) {
      for (const item of items) {
        items.delete(item);
        this.#groups.delete(group);
        if (items.size > 0) this.#groups.set(group, items);
        this.#size--;
        return item;
      }
    }
    return undefined;
  }

  clear(): void {
    this.#groups.clear();
    this.#size = 0;
  }
}
