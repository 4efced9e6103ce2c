import type { ParentSide } from './build.js';

interface Zone {
  readonly key: string;
  readonly labels: number;
  readonly sides: readonly ParentSide[];
}

interface Candidate extends ParentSide {
  readonly labels: number;
}

export interface SideTable {
  insert(hash: number, node: number): void;
  remove(hash: number, node: number): void;
}

/**
 * Which zone has the parent's side of each apex, where its DS RRset is: the closest zone above that holds the apex as a
 * name of its own.
 */
export class ParentSides {
  /** By apex and zone above. */
  readonly #candidates = new Map<string, Map<string, Candidate>>();
  readonly #chosen = new Map<string, Candidate>();
  readonly #touched = new Set<string>();

  add({ key: zone, labels, sides }: Zone): void {
    for (const side of sides) {
      const candidates = this.#candidates.get(side.key) ?? new Map<string, Candidate>();
      candidates.set(zone, { ...side, labels });
      this.#candidates.set(side.key, candidates);
      this.#touched.add(side.key);
    }
  }

  remove({ key: zone, sides }: Zone): void {
    for (const { key } of sides) {
      this.#candidates.get(key)?.delete(zone);
      this.#touched.add(key);
    }
  }

  /** Brings a table to the present state. */
  settle(table: SideTable): void {
    for (const key of this.#touched) {
      const candidates = this.#candidates.get(key);
      if (candidates?.size === 0) this.#candidates.delete(key);
      let best: Candidate | undefined;
      for (const side of candidates?.values() ?? []) if (!best || side.labels > best.labels) best = side;
      const before = this.#chosen.get(key);
      if (before) table.remove(before.hash, before.node);
      if (best) {
        table.insert(best.hash, best.node);
        this.#chosen.set(key, best);
      } else this.#chosen.delete(key);
    }
    this.#touched.clear();
  }
}
