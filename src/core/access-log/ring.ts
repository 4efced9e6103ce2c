/**
 * Requests on their way from one worker to the access log: a ring of records of fixed size in shared memory. The worker
 * adds, the main thread takes; neither waits. A record that finds no place is counted and lost.
 *
 *     added | taken | lost | …  (64 bytes)   then RECORDS × { numbers | lengths of the texts | texts, one byte a letter }
 */

import { ACCESS_PROTOCOLS, ACCESS_REASONS, type AccessEntry, newAccessEntry } from './entry.js';

/** A power of two: 2048 records of 768 bytes. */
const RECORDS = 2048;
const RECORD_BYTES = 768;
const HEAD_BYTES = 64;
const ADDED = 0;
const TAKEN = 1;
const LOST = 2;

/** Doubles at the start of a record; the status of a request and the like are integers, but there is room. */
const NUMBER = {
  TIME: 0,
  BYTES_IN: 1,
  BYTES_OUT: 2,
  DURATION: 3,
  UPSTREAM: 4,
  STATUS: 5,
  RETRIES: 6,
  PROTOCOL: 7,
  REASON: 8,
  TLS: 9,
} as const;
const NUMBERS = 10;

/** The texts in their order, and how much of each is kept. */
const TEXTS = [
  ['client', 45],
  ['listener', 56],
  ['method', 24],
  ['pool', 64],
  ['endpoint', 80],
  ['host', 128],
  ['path', 256],
] as const satisfies readonly (readonly [keyof AccessEntry, number])[];
const LENGTHS_AT = NUMBERS * 8;
const TEXT_AT = LENGTHS_AT + 2 * TEXTS.length;
/** Added to the length of a text that was longer than what is kept. */
const CUT = 0x8000;

/** An entry as it comes out; its texts are Latin-1, one letter for each byte that was sent. */
export interface AccessRecord extends AccessEntry {
  /** Texts of which only the beginning is there. */
  readonly cut: readonly string[];
}

export function accessRingBytes(): number {
  return HEAD_BYTES + RECORDS * RECORD_BYTES;
}

/** Both ends of a ring in `memory`, of `accessRingBytes()` zeros at first. */
export class AccessRing {
  readonly #head: Int32Array;
  readonly #numbers: Float64Array;
  readonly #lengths: Uint16Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#head = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#numbers = new Float64Array(memory);
    this.#lengths = new Uint16Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /** The worker's end: adds an entry, whose texts are copied as far as there is room. Allocates nothing. */
  add(entry: AccessEntry): void {
    const head = this.#head;
    const added = head[ADDED]!;
    if (((added - Atomics.load(head, TAKEN)) | 0) >= RECORDS) {
      head[LOST] = head[LOST]! + 1;
      return;
    }
    const at = HEAD_BYTES + (added & (RECORDS - 1)) * RECORD_BYTES;
    const numbers = this.#numbers;
    const number = at / 8;
    numbers[number + NUMBER.TIME] = entry.timeMs;
    numbers[number + NUMBER.BYTES_IN] = entry.bytesIn;
    numbers[number + NUMBER.BYTES_OUT] = entry.bytesOut;
    numbers[number + NUMBER.DURATION] = entry.durationMs;
    numbers[number + NUMBER.UPSTREAM] = entry.upstreamMs;
    numbers[number + NUMBER.STATUS] = entry.status;
    numbers[number + NUMBER.RETRIES] = entry.retries;
    numbers[number + NUMBER.PROTOCOL] = ACCESS_PROTOCOLS.indexOf(entry.protocol);
    numbers[number + NUMBER.REASON] = ACCESS_REASONS.indexOf(entry.reason);
    numbers[number + NUMBER.TLS] = entry.tls ? 1 : 0;
    let to = at + TEXT_AT;
    for (let i = 0; i < TEXTS.length; i++) to = this.#addText(entry[TEXTS[i]![0]], TEXTS[i]![1], at, i, to);
    Atomics.store(head, ADDED, (added + 1) | 0);
  }

  /** The other end: up to `max` records, oldest first. */
  take(max: number): AccessRecord[] {
    const head = this.#head;
    const taken = head[TAKEN]!;
    const count = Math.min((Atomics.load(head, ADDED) - taken) | 0, max);
    const records = Array.from({ length: Math.max(count, 0) }, (_, i) => this.#read(taken + i));
    Atomics.store(head, TAKEN, (taken + records.length) | 0);
    return records;
  }

  /** Records that found no place, since the start. */
  get lost(): number {
    return this.#head[LOST]! >>> 0;
  }

  #addText(text: string, max: number, at: number, index: number, to: number): number {
    const length = text.length <= max ? text.length : max;
    this.#lengths[(at + LENGTHS_AT) / 2 + index] = length | (text.length > max ? CUT : 0);
    for (let i = 0; i < length; i++) this.#bytes[to + i] = text.charCodeAt(i);
    return to + length;
  }

  #read(number: number): AccessRecord {
    const at = HEAD_BYTES + (number & (RECORDS - 1)) * RECORD_BYTES;
    const value = (cell: number) => this.#numbers[at / 8 + cell]!;
    const cut: string[] = [];
    const texts: Partial<Record<(typeof TEXTS)[number][0], string>> = {};
    let from = at + TEXT_AT;
    for (const [i, [name, max]] of TEXTS.entries()) {
      const written = this.#lengths[(at + LENGTHS_AT) / 2 + i]!;
      const length = Math.min(written & ~CUT, max);
      if ((written & CUT) !== 0) cut.push(name);
      texts[name] = String.fromCharCode(...this.#bytes.subarray(from, from + length));
      from += length;
    }
    return {
      ...newAccessEntry(),
      ...texts,
      timeMs: value(NUMBER.TIME),
      bytesIn: value(NUMBER.BYTES_IN),
      bytesOut: value(NUMBER.BYTES_OUT),
      durationMs: value(NUMBER.DURATION),
      upstreamMs: value(NUMBER.UPSTREAM),
      status: value(NUMBER.STATUS),
      retries: value(NUMBER.RETRIES),
      protocol: ACCESS_PROTOCOLS[value(NUMBER.PROTOCOL)] ?? 'HTTP/1.1',
      reason: ACCESS_REASONS[value(NUMBER.REASON)] ?? 'none',
      tls: value(NUMBER.TLS) === 1,
      cut,
    };
  }
}
