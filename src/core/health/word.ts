/**
 * The health word: all that the query path knows of one target, in one 32-bit integer of a shared Int32Array.
 *
 *      31    30      29      28     27 ........ 20 19 .............. 0
 *    +-----+------+-------+-------+---------------+-------------------+
 *    |down |forced|unknown|partial| share (8 bits)|TTL bound (20 bits)|
 *    +-----+------+-------+-------+---------------+-------------------+
 *
 * down     the target must not be used.
 * forced   an operator fixed the state; health has no say.
 * unknown  too few observers have a fresh view; `down` then holds the last verdict.
 * partial  the target takes `share` / 256 of its weight: it came back and its ramp is not over. In the word of a
 *          pool that sheds: the pool takes so much of its answers, the rest goes on to the next pool.
 * share    counts only where `partial` is set; never 0, so that a share never means "down".
 * TTL      an answer that rests on this state may be cached so many seconds; 0xfffff (12 days, more than the
 *          longest TTL of a zone file) means "no bound".
 *
 * A word is written with one atomic store and read with one load, so state and TTL can never be torn apart, and
 * a change of health needs neither a rebuild of the tables nor a message to the workers. `down` is the sign bit:
 * the query path asks `word < 0`. `partial` is one bit, so that the query path may OR the words of a pool together
 * and ask once.
 */

/** What a word says, unpacked. `ttlSeconds` is Infinity where there is no bound. */
export interface HealthWord {
  readonly down: boolean;
  readonly forced: boolean;
  readonly unknown: boolean;
  readonly ttlSeconds: number;
  /** 1 to 255, of 256; absent where all of it counts. */
  readonly share?: number;
}

export const DOWN_BIT = 1 << 31;
export const FORCED_BIT = 1 << 30;
export const UNKNOWN_BIT = 1 << 29;
export const PARTIAL_BIT = 1 << 28;
export const SHARE_SHIFT = 20;
/** A share is in 256ths. */
export const SHARE_FULL = 256;
export const TTL_MASK = 0x000f_ffff;
/** The TTL field of a state that does not limit the TTL of an answer. */
export const TTL_UNBOUNDED = TTL_MASK;

/** Targets without a monitor, and those an operator fixed as up for good, share this slot. */
export const SLOT_ALWAYS_UP = 0;
export const SLOT_ALWAYS_DOWN = 1;
/**
 * What an operator steers is read from one of these, whatever its own word says (`core/steering/marks.ts`). Their TTL
 * bound is 0: while somebody steers, answers are kept as short as their records allow.
 */
export const SLOT_FORCED_DOWN = 2;
export const SLOT_FORCED_UP = 3;
/** Gets no new answers, but may be answered where everything is down. */
export const SLOT_DRAINED = 4;
/** In place of the word of a pool's load: the pool is dialled, and takes part of its answers. */
export const SLOT_DIALLED = 5;
/** The first slot that can be given to a target. */
export const SLOT_FIRST_FREE = 6;

export const WORD_ALWAYS_UP = TTL_UNBOUNDED;
export const WORD_ALWAYS_DOWN = DOWN_BIT | TTL_UNBOUNDED;

/** Whether an operator set what reads this slot down: then not even failing open answers it. */
export function isNeverAnswered(slot: number): boolean {
  return slot === SLOT_ALWAYS_DOWN || slot === SLOT_FORCED_DOWN;
}

/**
 * Packs a word. The TTL is rounded up to whole seconds and kept within 0 and 0xffffe; Infinity (and NaN) is
 * no bound. A share is rounded and kept within 1 and 256, which is all.
 */
export function packHealth(word: HealthWord): number {
  return (
    (word.down ? DOWN_BIT : 0) |
    (word.forced ? FORCED_BIT : 0) |
    (word.unknown ? UNKNOWN_BIT : 0) |
    shareField(word.share) |
    ttlField(word.ttlSeconds)
  );
}

export function unpackHealth(word: number): HealthWord {
  const ttl = word & TTL_MASK;
  return {
    down: isDown(word),
    forced: (word & FORCED_BIT) !== 0,
    unknown: (word & UNKNOWN_BIT) !== 0,
    ...((word & PARTIAL_BIT) !== 0 && { share: shareOf(word) }),
    ttlSeconds: ttl === TTL_UNBOUNDED ? Number.POSITIVE_INFINITY : ttl,
  };
}

/** Whether a word read from the table says down. Takes the signed value that an Int32Array gives. */
export function isDown(word: number): boolean {
  return (word | 0) < 0;
}

/** What part of its weight a target takes, in 256ths: 1 to 256. */
export function shareOf(word: number): number {
  return (word & PARTIAL_BIT) === 0 ? SHARE_FULL : (word >>> SHARE_SHIFT) & 0xff;
}

/** The TTL of an answer: the record's own, or less where the state may change sooner. */
export function boundTtl(word: number, ttlSeconds: number): number {
  return Math.min(word & TTL_MASK, ttlSeconds);
}

/**
 * Makes a table for `slots` targets beside the reserved ones. A target starts as up and unknown: before its
 * first observation there is no reason to take it out.
 *
 * @param buffer shared by the workers; at least `healthTableBytes(slots)` long.
 */
export function createHealthTable(buffer: ArrayBufferLike, slots: number): Int32Array {
  const table = new Int32Array(buffer, 0, SLOT_FIRST_FREE + slots);
  table.fill(UNKNOWN_BIT | TTL_UNBOUNDED);
  table[SLOT_ALWAYS_UP] = WORD_ALWAYS_UP;
  table[SLOT_ALWAYS_DOWN] = WORD_ALWAYS_DOWN;
  table[SLOT_FORCED_DOWN] = FORCED_BIT | DOWN_BIT;
  table[SLOT_FORCED_UP] = FORCED_BIT;
  table[SLOT_DRAINED] = FORCED_BIT | DOWN_BIT;
  table[SLOT_DIALLED] = FORCED_BIT | PARTIAL_BIT | (0xff << SHARE_SHIFT);
  return table;
}

export function healthTableBytes(slots: number): number {
  return (SLOT_FIRST_FREE + slots) * Int32Array.BYTES_PER_ELEMENT;
}

function shareField(share: number | undefined): number {
  const whole = share === undefined ? SHARE_FULL : Math.max(Math.round(share), 1);
  return whole >= SHARE_FULL ? 0 : PARTIAL_BIT | (whole << SHARE_SHIFT);
}

function ttlField(seconds: number): number {
  if (!Number.isFinite(seconds)) return TTL_UNBOUNDED;
  return Math.min(Math.max(Math.ceil(seconds), 0), TTL_UNBOUNDED - 1);
}
