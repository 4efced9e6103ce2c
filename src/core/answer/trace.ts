/**
 * The steps that led to an answer, told by the query path itself while somebody listens: `explain` runs the
 * very code that answers packets. Numbers are indices into the snapshot's tables.
 */
export interface Trace {
  /** The name that answers: exact, `*` below the closest encloser, or the delegation or DNAME above it. */
  name(node: number, how: 'exact' | 'wildcard' | 'delegation' | 'dname' | 'missing' | 'not-ours'): void;
  /** A CNAME is followed to `target` (a node, or one of CHASE). */
  alias(target: number): void;
  /** An ALIAS goes on at `target`: a node, or one of ALIAS. */
  flatten(target: number): void;
  /** What follows is about the address hints of this type; 0 ends it. */
  hints(type: number): void;
  /** The DNAME of a node leads to another name. */
  dname(node: number): void;
  /** The client's address fell into class `cls` of the geo trie, which ends at prefix length `depth`. */
  client(trie: number, cls: number, depth: number): void;
  /** A pool was looked at: weight that is up, total, needed, and whether it serves. */
  pool(pool: number, family: number, up: number, total: number, serves: boolean): void;
  /** The pool takes `share` / 256 of its answers, and passes this one on or not. */
  part(pool: number, share: number, passed: boolean): void;
  /** The operator leaves `dial` / DIAL_FULL of its answers to the pool; this one goes elsewhere or not. */
  dial?(pool: number, dial: number, away: boolean): void;
  /**
   * A rollout gives `share` / DIAL_FULL of the clients of a pool to another one; this client is among them or not, and
   * that pool can answer or not.
   */
  divert?(pool: number, to: number, share: number, away: boolean, serves: boolean): void;
  /** No pool is up: `open` answers with the first all the same, `closed` with nothing, `pool` with one named for that. */
  allDown(how: 'open' | 'closed' | 'pool'): void;
  /** An endpoint went into the answer. */
  endpoint(endpoint: number): void;
  /** The pool is passed by: it has no address of this family. */
  noFamily(pool: number, family: number): void;
  /** So many values of ACME challenges stand at the name. */
  challenges?(count: number): void;
}

const nothing = (): void => {};

/** Hears nothing: for those who listen to a few steps only. */
export const SILENT_TRACE: Trace = {
  name: nothing,
  alias: nothing,
  flatten: nothing,
  hints: nothing,
  dname: nothing,
  client: nothing,
  pool: nothing,
  part: nothing,
  allDown: nothing,
  endpoint: nothing,
  noFamily: nothing,
};
