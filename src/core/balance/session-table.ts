/**
 * Which endpoint a key of requests stays with: a table of fixed size in memory that all workers of a proxy share, and that
 * outlives their configuration. Buckets of eight entries of four words:
 *
 *     keyed hash | place | endpoint id, 0: none yet | seconds of the last use
 *
 * The bucket follows from the keyed hash, so that nobody can aim at one. The place is the key of `pick`: all proxies of a region
 * compute the same one, and with it put a new session to the same endpoint. In a full bucket, whoever was silent for longest gives way: what it then
 * loses is its memory only: it is placed anew. Nobody locks: an entry that another worker changes
 * meanwhile is not found, or found as it was before.
 */

export const SESSION_SLOTS: number = 2 ** 17;
const BUCKET = 8;
const ENTRY_WORDS = 4;
const MASK = SESSION_SLOTS / BUCKET - 1;
/** Bits of the place that go along with a slot: a slot that another session took meanwhile is told by them. */
const MARKS = 2 ** 12;
/** Slots and marks together: what `find` gives is below. */
export const SESSION_HANDLES: number = SESSION_SLOTS * MARKS;

export function sessionTableBytes(): number {
  return SESSION_SLOTS * ENTRY_WORDS * 4;
}

export class SessionTable {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /**
   * The handle of a session, which is made where there is none. Entries without a use for `idleSeconds` count as gone.
   *
   * @param hash 32 bits, keyed.
   * @param place as `pick` wants it: 0 or more, below 2^31.
   */
  find(hash: number, place: number, nowSeconds: number, idleSeconds: number): number {
    const words = this.#words;
    // 0 is an empty entry.
    const first = hash === 0 ? 1 : hash;
    const base = (first & MASK) * BUCKET;
    let victim = base;
    let oldest = Number.POSITIVE_INFINITY;
    for (let slot = base; slot < base + BUCKET; slot++) {
      const at = slot * ENTRY_WORDS;
      const known = Atomics.load(words, at);
      const used = Atomics.load(words, at + 3) >>> 0;
      if (known === first && Atomics.load(words, at + 1) === place) {
        if (nowSeconds - used > idleSeconds) Atomics.store(words, at + 2, 0);
        if (used !== nowSeconds) Atomics.store(words, at + 3, nowSeconds);
        return handleOf(slot, place);
      }
      const age = known === 0 ? -1 : used;
      if (age >= oldest) continue;
      oldest = age;
      victim = slot;
    }
    const at = victim * ENTRY_WORDS;
    Atomics.store(words, at, 0);
    Atomics.store(words, at + 1, place);
    Atomics.store(words, at + 2, 0);
    Atomics.store(words, at + 3, nowSeconds);
    Atomics.store(words, at, first);
    return handleOf(victim, place);
  }

  /** The endpoint's id; 0 if there is none, or the session is gone. */
  endpoint(handle: number): number {
    const at = (handle % SESSION_SLOTS) * ENTRY_WORDS;
    const id = Atomics.load(this.#words, at + 2);
    return this.#isSame(handle, at) ? id : 0;
  }

  /** Where the session is placed while it has no endpoint. */
  placeOf(handle: number): number {
    return Atomics.load(this.#words, (handle % SESSION_SLOTS) * ENTRY_WORDS + 1);
  }

  /** From now on the session stays with this endpoint. */
  move(handle: number, endpoint: number): void {
    const at = (handle % SESSION_SLOTS) * ENTRY_WORDS;
    if (this.#isSame(handle, at)) Atomics.store(this.#words, at + 2, endpoint);
  }

  #isSame(handle: number, at: number): boolean {
    return (Atomics.load(this.#words, at + 1) & (MARKS - 1)) === Math.floor(handle / SESSION_SLOTS);
  }
}

function handleOf(slot: number, place: number): number {
  return slot + (place & (MARKS - 1)) * SESSION_SLOTS;
}
