import type { Query } from '../answer/query.js';
import { POOL } from '../answer/snapshot.js';
import { POOL_SLOT_OTHER } from '../tally/cells.js';

/**
 * Queries on their way from one worker to the log: a ring of records of fixed size in shared memory. The worker adds, the
 * main thread takes; neither waits. A record that finds no place is counted and lost.
 *
 *     added | taken | lost | …  (16 words)   then RECORDS × { RECORD_WORDS words, NAME_BYTES of the name in wire form }
 */

/** A power of two: 4096 records of 320 bytes. */
const RECORDS = 4096;
const HEAD_WORDS = 16;
const ADDED = 0;
const TAKEN = 1;
const LOST = 2;

const RECORD_WORDS = 80;
const NAME_WORD = 16;
const NAME_BYTES = (RECORD_WORDS - NAME_WORD) * 4;

const FIELD = {
  SECONDS: 0,
  MILLISECONDS: 1,
  /** Transport, family, flags, action: a byte each. */
  KIND: 2,
  TYPE: 3,
  CLASS: 4,
  RCODE: 5,
  SIZES: 6,
  ZONE: 7,
  POOL: 8,
  DECISION: 9,
  SUBNET: 10,
  NAME_LENGTH: 11,
  /** Four words. */
  SOURCE: 12,
} as const;

/** Bits of `flags`. */
export const LOG_FLAG = { AUTHORITATIVE: 1, TRUNCATED: 2, EDNS: 4, DNSSEC_OK: 8, COOKIE: 16 } as const;

/** What the limiter did, as it is logged; the first is nothing. */
export const LOG_ACTIONS = ['sent', 'dropped', 'slipped', 'logged'] as const;

/** One logged query. Its arrays are its own. */
export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly transport: number;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly flags: number;
  /** Index into LOG_ACTIONS. */
  readonly action: number;
  readonly name: Uint8Array;
  readonly type: number;
  readonly class: number;
  readonly rcode: number;
  readonly querySize: number;
  readonly answerSize: number;
  /** Slots: see `core/tally/cells.ts`. */
  readonly zone: number;
  /** -1 where no pool was chosen. */
  readonly pool: number;
  /** As `Query.decision`. */
  readonly decision: number;
  /** 0 where there was no client subnet, else its family (1 or 2), prefix length and scope. */
  readonly subnetFamily: number;
  readonly subnetPrefix: number;
  readonly scope: number;
}

export function queryRingBytes(): number {
  return 4 * (HEAD_WORDS + RECORDS * RECORD_WORDS);
}

/** Both ends of a ring in `memory`, of `queryRingBytes()` zeros at first. */
export class QueryRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /** The worker's end: adds a query and its answer. Allocates nothing. */
  add(
    query: Query,
    epochMs: number,
    transport: number,
    zone: number,
    action: number,
    answerSize: number,
  ): void {
    const words = this.#words;
    const added = words[ADDED]!;
    if (((added - Atomics.load(words, TAKEN)) | 0) >= RECORDS) {
      words[LOST] = words[LOST]! + 1;
      return;
    }
    const at = HEAD_WORDS + (added & (RECORDS - 1)) * RECORD_WORDS;
    const seconds = Math.floor(epochMs / 1000);
    words[at + FIELD.SECONDS] = seconds;
    words[at + FIELD.MILLISECONDS] = Math.floor(epochMs - seconds * 1000);
    words[at + FIELD.KIND] = transport | (query.sourceFamily << 8) | (flagsOf(query) << 16) | (action << 24);
    this.#question(query, at);
    words[at + FIELD.RCODE] = query.rcode;
    words[at + FIELD.SIZES] = ((query.end - query.start) << 16) | answerSize;
    words[at + FIELD.ZONE] = zone;
    words[at + FIELD.POOL] =
      query.pool < 0 ? -1 : (query.snapshot.pools[query.pool * POOL.STRIDE + POOL.SLOT] ?? POOL_SLOT_OTHER);
    words[at + FIELD.DECISION] = query.decision;
    words[at + FIELD.SUBNET] =
      query.subnetLength > 0 ? (query.subnetFamily << 16) | (query.subnetPrefix << 8) | query.scope : 0;
    const size = query.sourceFamily === 4 ? 4 : 16;
    const source = 4 * (at + FIELD.SOURCE);
    for (let i = 0; i < size; i++) this.#bytes[source + i] = query.source[query.sourceAt + i]!;
    Atomics.store(words, ADDED, (added + 1) | 0);
  }

  /** The other end: up to `max` records, oldest first. */
  take(max: number): LogRecord[] {
    const words = this.#words;
    const taken = words[TAKEN]!;
    const count = Math.min((Atomics.load(words, ADDED) - taken) | 0, max);
    const records = Array.from({ length: Math.max(count, 0) }, (_, i) => this.#read(taken + i));
    Atomics.store(words, TAKEN, (taken + records.length) | 0);
    return records;
  }

  /** Records that found no place, since the start. */
  get lost(): number {
    return this.#words[LOST]! >>> 0;
  }

  /** A message whose question could not be read has no name. */
  #question(query: Query, at: number): void {
    const words = this.#words;
    const isWhole = query.questionEnd > 0;
    const length = isWhole ? Math.min(query.nameLength, NAME_BYTES) : 0;
    words[at + FIELD.TYPE] = isWhole ? query.type : 0;
    words[at + FIELD.CLASS] = isWhole ? query.class : 0;
    words[at + FIELD.NAME_LENGTH] = length;
    const name = at + NAME_WORD;
    for (let i = 0; i < length; i += 4) words[name + (i >> 2)] = query.name.getInt32(i, true);
  }

  #read(number: number): LogRecord {
    const words = this.#words;
    const at = HEAD_WORDS + (number & (RECORDS - 1)) * RECORD_WORDS;
    const word = (field: number) => words[at + field]!;
    const kind = word(FIELD.KIND);
    const subnet = word(FIELD.SUBNET);
    const bytes = (from: number, length: number) => this.#bytes.slice(4 * from, 4 * from + length);
    return {
      timeMs: word(FIELD.SECONDS) * 1000 + word(FIELD.MILLISECONDS),
      transport: kind & 0xff,
      source: bytes(at + FIELD.SOURCE, ((kind >> 8) & 0xff) === 4 ? 4 : 16),
      flags: (kind >> 16) & 0xff,
      action: kind >>> 24,
      name: bytes(at + NAME_WORD, Math.min(word(FIELD.NAME_LENGTH), NAME_BYTES)),
      type: word(FIELD.TYPE),
      class: word(FIELD.CLASS),
      rcode: word(FIELD.RCODE),
      querySize: word(FIELD.SIZES) >>> 16,
      answerSize: word(FIELD.SIZES) & 0xffff,
      zone: word(FIELD.ZONE),
      pool: word(FIELD.POOL),
      decision: word(FIELD.DECISION),
      subnetFamily: subnet >>> 16,
      subnetPrefix: (subnet >> 8) & 0xff,
      scope: subnet & 0xff,
    };
  }
}

function flagsOf(query: Query): number {
  return (
    (query.authoritative ? LOG_FLAG.AUTHORITATIVE : 0) |
    (query.truncated ? LOG_FLAG.TRUNCATED : 0) |
    (query.hasOpt ? LOG_FLAG.EDNS : 0) |
    (query.dnssecOk ? LOG_FLAG.DNSSEC_OK : 0) |
    (query.cookieValid ? LOG_FLAG.COOKIE : 0)
  );
}
