/**
 * Writes subtrees of a binary trie so that equal ones are there once: the trie becomes a directed acyclic graph
 * (trie folding; Rétvári et al., "Compressing IP Forwarding Tables", SIGCOMM 2013). What a lookup touches then
 * stays in the cache. A leaf doesn't know its depth, so that equal subtrees at different depths are one.
 */
export class SubtreeFolder {
  readonly #from: Int32Array;
  #nodes = new Int32Array(2 * 4096);
  #count = 0;
  /** Open addressing: the number of a node plus one, 0 where free. A power of two, at most half full. */
  #table = new Int32Array(2 * 4096);

  /** `from`: pairs of children; ≥ 0 is a node, < 0 a leaf. */
  constructor(from: Int32Array) {
    this.#from = from;
  }

  /** Pairs of children as in the source; only the first `count` are in use. */
  get nodes(): Int32Array {
    return this.#nodes;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes the subtree in, if it isn't yet; returns the number of its root. A leaf is returned as it is. */
  fold(entry: number): number {
    if (entry < 0) return entry;
    const left = this.fold(this.#from[2 * entry]!);
    const right = this.fold(this.#from[2 * entry + 1]!);
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

function hash(left: number, right: number): number {
  const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
