import type { LocationTrie } from './location.js';
import { UniqueNodes } from './unique-nodes.js';

/** A LocationTrie whose equal subtrees are there once. A leaf is `-(locationId + 1)`, as in the base. */
export interface FoldedBase {
  /** Pairs of children; children come before their parents. */
  readonly nodes: Int32Array;
  readonly v4: number;
  readonly v6: number;
  /** For those who compile over it, one after the other: pages that were touched once cost nothing again. */
  readonly scratch: { readonly unique: UniqueNodes; readonly entryOf: Int32Array };
}

/**
 * Folds a base, once: what was folded is kept as long as the base itself. A million nodes of the embedded database
 * become less than a fifth, and every rule set then visits only those.
 */
export function foldBase(base: LocationTrie): FoldedBase {
  const known = foldedOf.get(base);
  if (known) return known;
  const folded = fold(base);
  foldedOf.set(base, folded);
  return folded;
}

const foldedOf = new WeakMap<LocationTrie, FoldedBase>();

function fold(base: LocationTrie): FoldedBase {
  const from = base.nodes;
  const unique = new UniqueNodes(from.length / 8);
  const entryOf = new Int32Array(from.length / 2);
  const entry = (child: number) => (child < 0 ? child : entryOf[child]!);
  // Children come after their parents, so going backwards both are known when their parent is reached.
  for (let node = entryOf.length - 1; node >= 0; node--) {
    entryOf[node] = unique.join(entry(from[2 * node]!), entry(from[2 * node + 1]!));
  }
  const nodes = unique.nodes.slice(0, 2 * unique.count);
  const scratch = { unique, entryOf: new Int32Array(unique.count) };
  return { nodes, v4: entry(base.v4), v6: entry(base.v6), scratch };
}
