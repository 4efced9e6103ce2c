import type { Prefix } from '../zone/model.js';
import type { LocationTrie } from './location.js';

/**
 * Prefixes that lie nowhere: private, shared, local and documentation addresses of the IANA special-purpose
 * registries (RFC 6890). What a public database says of them is an error: of the registry's owner, not of the client.
 */
const SPECIAL_PREFIXES: readonly Prefix[] = [
  v4([0], 8),
  v4([10], 8),
  v4([100, 64], 10),
  v4([127], 8),
  v4([169, 254], 16),
  v4([172, 16], 12),
  v4([192, 0, 2], 24),
  v4([192, 168], 16),
  v4([198, 18], 15),
  v4([198, 51, 100], 24),
  v4([203, 0, 113], 24),
  v6([0x20, 0x01, 0x0d, 0xb8], 32),
  v6([0x3f, 0xff], 20),
  v6([0xfc], 7),
  v6([0xfe, 0x80], 10),
];

/** The same trie with special-purpose addresses at the unknown location. */
export function forgetSpecialPrefixes(trie: LocationTrie): LocationTrie {
  const spare = SPECIAL_PREFIXES.reduce((sum, prefix) => sum + prefix.length, 0);
  const nodes = new Int32Array(trie.nodes.length + 2 * spare);
  nodes.set(trie.nodes);
  const work: Work = { nodes, count: trie.nodes.length / 2 };
  let { v4: rootV4, v6: rootV6 } = trie;
  for (const prefix of SPECIAL_PREFIXES) {
    if (prefix.bytes.length === 4) rootV4 = forget(work, rootV4, prefix);
    else rootV6 = forget(work, rootV6, prefix);
  }
  return { ...trie, nodes: nodes.slice(0, 2 * work.count), v4: rootV4, v6: rootV6 };
}

const UNKNOWN = ~0;

interface Work {
  readonly nodes: Int32Array;
  count: number;
}

/** Returns the new root entry. New nodes go to the end, so children stay behind their parents. */
function forget(work: Work, root: number, prefix: Prefix): number {
  const nodeAt = (entry: number): number => {
    if (entry >= 0 || entry === UNKNOWN) return entry;
    work.nodes.fill(entry, 2 * work.count, 2 * work.count + 2);
    return work.count++;
  };
  const newRoot = nodeAt(root);
  let node = newRoot;
  for (let depth = 0; node >= 0; depth++) {
    const slot = 2 * node + ((prefix.bytes[depth >> 3]! >> (7 - (depth & 7))) & 1);
    node = depth === prefix.length - 1 ? UNKNOWN : nodeAt(work.nodes[slot]!);
    work.nodes[slot] = node;
  }
  return newRoot;
}

function v4(start: readonly number[], length: number): Prefix {
  const bytes = new Uint8Array(4);
  bytes.set(start);
  return { bytes, length };
}

function v6(start: readonly number[], length: number): Prefix {
  const bytes = new Uint8Array(16);
  bytes.set(start);
  return { bytes, length };
}
