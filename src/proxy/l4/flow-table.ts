import { halfSipHash } from '../../core/limit/half-siphash.js';
import { ORIGIN, ORIGIN_BYTES } from '../../io/datagram-network.js';

/**
 * Flows by their origin, in flat arrays: a hash table with chains, and two lists in the order of last use. A flow starts as
 * `tentative`; `assured` are those whose client spoke again after an answer: what spoofed senders cannot easily do.
 */
export class FlowTable {
  readonly capacity: number;
  /** The origin of each slot, ORIGIN_BYTES each. */
  readonly origins: Uint8Array;
  readonly #keys: readonly [number, number];
  readonly #buckets: Int32Array;
  readonly #mask: number;
  /** Next slot of the same bucket, or of the free ones; -1 ends. */
  readonly #chain: Int32Array;
  readonly #bucketOf: Int32Array;
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  readonly #list: Uint8Array;
  readonly #usedMs: Float64Array;
  readonly #oldest: Int32Array = Int32Array.of(-1, -1);
  readonly #newest: Int32Array = Int32Array.of(-1, -1);
  readonly #hash = new Int32Array(2);
  #free = 0;
  #size = 0;

  /** `keys`: two random words, so that nobody can choose origins of one bucket. */
  constructor(capacity: number, keys: readonly [number, number]) {
    this.capacity = capacity;
    this.#keys = keys;
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(capacity, 2)));
    this.origins = new Uint8Array(capacity * ORIGIN_BYTES);
    this.#buckets = new Int32Array(buckets).fill(-1);
    this.#mask = buckets - 1;
    this.#chain = Int32Array.from({ length: capacity }, (_, i) => (i + 1 < capacity ? i + 1 : -1));
    this.#bucketOf = new Int32Array(capacity);
    this.#before = new Int32Array(capacity);
    this.#after = new Int32Array(capacity);
    this.#list = new Uint8Array(capacity);
    this.#usedMs = new Float64Array(capacity);
    if (capacity === 0) this.#free = -1;
  }

  get size(): number {
    return this.#size;
  }

  /** The slot of an origin; -1 if it has none. */
  find(origin: Uint8Array, at: number): number {
    let slot = this.#buckets[this.#bucket(origin, at)]!;
    while (slot >= 0 && !this.#isAt(slot, origin, at)) slot = this.#chain[slot]!;
    return slot;
  }

  /** A slot for an origin that has none yet, tentative; -1 if there is no room. */
  add(origin: Uint8Array, at: number, nowMs: number): number {
    const slot = this.#free;
    if (slot < 0) return -1;
    this.#free = this.#chain[slot]!;
    const bucket = this.#bucket(origin, at);
    this.#chain[slot] = this.#buckets[bucket]!;
    this.#buckets[bucket] = slot;
    this.#bucketOf[slot] = bucket;
    for (let i = 0; i < ORIGIN_BYTES; i++) this.origins[slot * ORIGIN_BYTES + i] = origin[at + i]!;
    this.#list[slot] = TENTATIVE;
    this.#usedMs[slot] = nowMs;
    this.#append(slot);
    this.#size++;
    return slot;
  }

  remove(slot: number): void {
    const bucket = this.#bucketOf[slot]!;
    if (this.#buckets[bucket] === slot) this.#buckets[bucket] = this.#chain[slot]!;
    else {
      let before = this.#buckets[bucket]!;
      while (this.#chain[before] !== slot) before = this.#chain[before]!;
      this.#chain[before] = this.#chain[slot]!;
    }
    this.#unlink(slot);
    this.#chain[slot] = this.#free;
    this.#free = slot;
    this.#size--;
  }

  /** The flow was used now. */
  touch(slot: number, nowMs: number): void {
    this.#usedMs[slot] = nowMs;
    if (this.#newest[this.#list[slot]!] === slot) return;
    this.#unlink(slot);
    this.#append(slot);
  }

  assure(slot: number): void {
    if (this.#list[slot] === ASSURED) return;
    this.#unlink(slot);
    this.#list[slot] = ASSURED;
    this.#append(slot);
  }

  usedMs(slot: number): number {
    return this.#usedMs[slot]!;
  }

  /** The slot of the list that was not used for the longest time; -1 if it is empty. */
  oldest(list: 'tentative' | 'assured'): number {
    return this.#oldest[list === 'assured' ? ASSURED : TENTATIVE]!;
  }

  #append(slot: number): void {
    const list = this.#list[slot]!;
    const last = this.#newest[list]!;
    this.#before[slot] = last;
    this.#after[slot] = -1;
    if (last < 0) this.#oldest[list] = slot;
    else this.#after[last] = slot;
    this.#newest[list] = slot;
  }

  #unlink(slot: number): void {
    const list = this.#list[slot]!;
    const before = this.#before[slot]!;
    const after = this.#after[slot]!;
    if (before < 0) this.#oldest[list] = after;
    else this.#after[before] = after;
    if (after < 0) this.#newest[list] = before;
    else this.#before[after] = before;
  }

  #bucket(origin: Uint8Array, at: number): number {
    const hash = this.#hash;
    const [key0, key1] = this.#keys;
    const first = word(origin, at);
    const source = at + ORIGIN.SOURCE;
    const there = at + ORIGIN.DESTINATION;
    if (origin[at + ORIGIN.FAMILY] === 4) {
      halfSipHash(key0, key1, first, word(origin, source), word(origin, there), 0, hash);
      return hash[0]! & this.#mask;
    }
    const [a, b] = [word(origin, source), word(origin, source + 4)];
    halfSipHash(key0, key1, a, b, word(origin, source + 8), word(origin, source + 12), hash);
    // Of the destination, which is one of ours, the low half differs.
    halfSipHash(key0, key1, first, hash[0]!, hash[1]!, word(origin, there + 12), hash);
    return hash[0]! & this.#mask;
  }

  #isAt(slot: number, origin: Uint8Array, at: number): boolean {
    const from = slot * ORIGIN_BYTES;
    for (let i = 0; i < ORIGIN_BYTES; i++) if (this.origins[from + i] !== origin[at + i]) return false;
    return true;
  }
}

const TENTATIVE = 0;
const ASSURED = 1;

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
