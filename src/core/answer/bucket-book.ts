import { bucketCount, createBuckets, insertNode, removeNode } from './name-table.js';
import { IntTable, sharedInts } from './table.js';

/** A change of more entries than this is not made twice: the whole table is copied next time. */
const LOG_MAX = 100_000;

/**
 * The hash table of names, twice: one is read, and the other is changed and takes its place. What was changed is done
 * once more to the one that was read, when nobody reads it any more. So a change costs as much as it has entries.
 */
export class BucketBook {
  #live: Int32Array;
  #names: number;
  /** As `#live` was before `#log`; absent: a copy has to be made. */
  #spare: Int32Array | undefined;
  /** What distinguishes them: triples of 1 or 0 (put in or taken out), hash and node. */
  #log = new IntTable();
  #draft: { table: Int32Array; names: number; log: IntTable; grown: boolean } | undefined;

  constructor(live: Int32Array, names: number) {
    this.#live = live;
    this.#names = names;
  }

  /** The table with what was changed. */
  get table(): Int32Array {
    return this.#draft?.table ?? this.#live;
  }

  /** Begins a change. `isSpareFree`: nobody reads the table that was read before this one. */
  begin(isSpareFree: boolean): void {
    let table = isSpareFree ? this.#spare : undefined;
    if (table) replay(table, this.#log);
    else {
      table = sharedInts(this.#live.length);
      table.set(this.#live);
    }
    this.#spare = undefined;
    this.#draft = { table, names: this.#names, log: new IntTable(), grown: false };
  }

  insert(hash: number, node: number): void {
    const draft = this.#draft!;
    if (++draft.names * 4 > draft.table.length) this.#grow();
    insertNode(draft.table, hash, node);
    draft.log.push(1, hash, node);
  }

  /** Takes a name out, if it is there. */
  remove(hash: number, node: number): void {
    const draft = this.#draft!;
    if (!removeNode(draft.table, hash, node)) return;
    draft.names--;
    draft.log.push(0, hash, node);
  }

  /** The change is made: it is read from now. */
  commit(): void {
    const { table, names, log, grown } = this.#draft!;
    this.#draft = undefined;
    this.#spare = grown || log.length > 3 * LOG_MAX ? undefined : this.#live;
    this.#log = log;
    this.#live = table;
    this.#names = names;
  }

  #grow(): void {
    const draft = this.#draft!;
    const before = draft.table;
    draft.table = createBuckets(2 * bucketCount(before), sharedInts);
    draft.grown = true;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1]! >= 0) insertNode(draft.table, before[at]!, before[at + 1]!);
    }
  }
}

function replay(table: Int32Array, log: IntTable): void {
  for (let at = 0; at < log.length; at += 3) {
    if (log.get(at) === 1) insertNode(table, log.get(at + 1), log.get(at + 2));
    else removeNode(table, log.get(at + 1), log.get(at + 2));
  }
}
