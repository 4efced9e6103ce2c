/**
 * The search tree of a MaxMind DB file (https://maxmind.github.io/MaxMind-DB/): from node 0, each bit of an address
 * chooses one of the two records of a node. A record below `nodeCount` is a node, `nodeCount` itself means "not
 * found", and a larger one points into the data section, which begins 16 bytes behind the tree.
 */
import type { LocationTrie } from './location.js';

export interface TreeLayout {
  readonly nodeCount: number;
  /** Bits of one record; a node has two. */
  readonly recordSize: 24 | 28 | 32;
  /** A tree of version 6 holds the IPv4 addresses under ::/96. */
  readonly ipVersion: 4 | 6;
  /** Where the data section ends: the offset of the metadata marker. */
  readonly dataEnd: number;
}

export interface TreeProblem {
  readonly code: 'bad-tree' | 'bad-data';
  readonly message: string;
}

export function treeBytes(layout: Pick<TreeLayout, 'nodeCount' | 'recordSize'>): number {
  return (layout.nodeCount * layout.recordSize) / 4;
}

/**
 * Reads the tree into the nodes of a LocationTrie. `locationAt` gives the location id of the record at an offset of
 * the file, or -1 if it can't be read. Every node must be reached once and within the bits of an address, so that
 * cycles end in a problem. What in the IPv6 part leads back to IPv4 nodes (the aliases ::ffff:0:0/96, 2001::/32
 * and 2002::/16 that databases carry) becomes unknown: those addresses are looked up as IPv4.
 */
export function readSearchTree(
  bytes: Uint8Array,
  layout: TreeLayout,
  locationAt: (offset: number) => number,
): Pick<LocationTrie, 'nodes' | 'v4' | 'v6'> | TreeProblem {
  const walk: Walk = {
    bytes,
    layout,
    locationAt,
    owner: new Uint8Array(layout.nodeCount),
    queue: new Int32Array(layout.nodeCount),
    nodes: new Int32Array(2 * layout.nodeCount),
    count: 0,
    problem: undefined,
  };
  let v4 = UNKNOWN;
  let v6 = UNKNOWN;
  if (layout.ipVersion === 4) {
    v4 = readSubtree(walk, 0, 32, V4);
  } else {
    v4 = readSubtree(walk, findV4Root(walk), 32, V4);
    v6 = readSubtree(walk, 0, 128, V6);
  }
  return walk.problem ?? { nodes: walk.nodes.slice(0, 2 * walk.count), v4, v6 };
}

/** Entry of location 0. */
const UNKNOWN = ~0;

/** Who reached a node; 0 is nobody. */
const V4 = 1;
const V6 = 2;

interface Walk {
  readonly bytes: Uint8Array;
  readonly layout: TreeLayout;
  readonly locationAt: (offset: number) => number;
  readonly owner: Uint8Array;
  /** New node number → number in the file. */
  readonly queue: Int32Array;
  readonly nodes: Int32Array;
  count: number;
  problem: TreeProblem | undefined;
}

/** The record that 96 zero bits lead to. Should an IPv4 node lead back to this way, it is reached twice. */
function findV4Root(walk: Walk): number {
  let record = 0;
  for (let depth = 0; depth < 96 && record < walk.layout.nodeCount; depth++) {
    record = readRecord(walk, record, 0);
  }
  return record;
}

/** Copies a subtree breadth first, so that children come after their parents; returns its entry. */
function readSubtree(walk: Walk, root: number, bits: number, owner: typeof V4 | typeof V6): number {
  const first = walk.count;
  const entry = take(walk, root, 0, bits, owner);
  let depth = 0;
  let levelEnd = walk.count;
  for (let node = first; node < walk.count && walk.problem === undefined; node++) {
    if (node === levelEnd) {
      depth++;
      levelEnd = walk.count;
    }
    const inFile = walk.queue[node]!;
    walk.nodes[2 * node] = take(walk, readRecord(walk, inFile, 0), depth + 1, bits, owner);
    walk.nodes[2 * node + 1] = take(walk, readRecord(walk, inFile, 1), depth + 1, bits, owner);
  }
  return entry;
}

/** Turns a record into an entry: queues a node, or looks up the location. */
function take(walk: Walk, record: number, depth: number, bits: number, owner: typeof V4 | typeof V6): number {
  const { nodeCount, dataEnd } = walk.layout;
  if (record === nodeCount) return UNKNOWN;
  if (record < nodeCount) return takeNode(walk, record, depth, bits, owner);
  const offset = record - nodeCount + treeBytes(walk.layout);
  if (record < nodeCount + 16 || offset >= dataEnd) {
    return fail(walk, 'bad-tree', `record ${record} points outside of the data section`);
  }
  const id = walk.locationAt(offset);
  return id < 0 ? fail(walk, 'bad-data', `the data at byte ${offset} can't be decoded`) : ~id;
}

function takeNode(
  walk: Walk,
  node: number,
  depth: number,
  bits: number,
  owner: typeof V4 | typeof V6,
): number {
  const reachedBy = walk.owner[node];
  if (owner === V6 && reachedBy === V4 && depth > 0) return UNKNOWN;
  if (reachedBy === owner || reachedBy === V4) {
    return fail(walk, 'bad-tree', `node ${node} is reached twice`);
  }
  if (depth >= bits) return fail(walk, 'bad-tree', `node ${node} lies deeper than ${bits} bits`);
  walk.owner[node] = owner;
  walk.queue[walk.count] = node;
  return walk.count++;
}

function fail(walk: Walk, code: TreeProblem['code'], message: string): number {
  walk.problem ??= { code, message };
  return UNKNOWN;
}

/** Left (0) or right (1) record of a node that is inside of the tree. */
function readRecord(walk: Walk, node: number, side: 0 | 1): number {
  const { bytes, layout } = walk;
  const at = (node * layout.recordSize) / 4;
  switch (layout.recordSize) {
    case 24: {
      const o = at + 3 * side;
      return (bytes[o]! << 16) | (bytes[o + 1]! << 8) | bytes[o + 2]!;
    }
    case 28: {
      // The middle byte holds the top four bits of the left record, then those of the right one.
      const o = at + 4 * side;
      const top = side === 0 ? bytes[at + 3]! >> 4 : bytes[at + 3]! & 0x0f;
      return (top << 24) | (bytes[o]! << 16) | (bytes[o + 1]! << 8) | bytes[o + 2]!;
    }
    case 32: {
      const o = at + 4 * side;
      return ((bytes[o]! << 24) | (bytes[o + 1]! << 16) | (bytes[o + 2]! << 8) | bytes[o + 3]!) >>> 0;
    }
    default: {
      const never: never = layout.recordSize;
      return never;
    }
  }
}
