/**
 * Nodes of a binary trie of which equal ones are there once: the trie is a directed acyclic graph (trie folding;
 * Rétvári et al., "Compressing IP Forwarding Tables", SIGCOMM 2013; the unique table of Bryant's decision diagrams).
 * What a lookup touches then stays in the cache. A leaf doesn't know its depth, so that equal subtrees at different
 * depths are one.
 *
 * An entry ≥ 0 is the number of a node, an entry < 0 a leaf. Children have smaller numbers than their parents.
 */
export class UniqueNodes {
  #nodes: Int32Array;
  #count = 0;
  /** Open addressing: the number of a node plus one, 0 where free. A power of two, at most half full. */
  #table: Int32Array;

  /** `expected`: how many nodes there will be, for the first size of the tables. */
  constructor(expected = 0) {
    let size = START;
    while (size < expected) size *= 2;
    this.#nodes = new Int32Array(2 * size);
    this.#table = new Int32Array(2 * size);
  }

  /** Forgets all nodes, but keeps the room. */
  clear(): void {
    this.#table.fill(0);
    this.#count = 0;
  }

  /** Pairs of children; only the first `count` are in use, and only until the next `make()`. */
  get nodes(): Int32Array {
    return this.#nodes;
  }

  get count(): number {
    return this.#count;
  }

  /** The node with these children, or the leaf that both of them are. */
  join(left: number, right: number): number {
    return left === right && left < 0 ? left : this.make(left, right);
  }

  /** The node with these children. */
  make(left: number, right: number): number {
    const mask = this.#table.length - 1;
    for (let at = hash(left, right) & mask; ; at = (at + 1) & mask) {
      const node = this.#table[at]! - 1;
      if (node < 0) {
        this.#table[at] = this.#count + 1;
        return this.#add(left, right);
      }
      if (this.#nodes[2 * node] === left && this.#nodes[2 * node + 1] === right) return node;
    }
  }

  #add(left: number, right: number): number {
    const node = this.#count++;
    this.#nodes[2 * node] = left;
    this.#nodes[2 * node + 1] = right;
    if (2 * this.#count === this.#nodes.length) this.#grow();
    return node;
  }

  #grow(): void {
    const nodes = new Int32Array(2 * this.#nodes.length);
    nodes.set(this.#nodes);
    const table = new Int32Array(nodes.length);
    const mask = table.length - 1;
    for (let node = 0; node < this.#count; node++) {
      let at = hash(nodes[2 * node]!, nodes[2 * node + 1]!) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = node + 1;
    }
    this.#nodes = nodes;
    this.#table = table;
  }
}

const START = 4096;

function hash(left: number, right: number): number {
  const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
