import { answer } from '../core/answer/answer.js';
import { COUNTER } from '../core/answer/counters.js';
import { createQuery, type Query, setPacket } from '../core/answer/query.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import { RCODE } from '../core/dns/iana.js';
import { TRANSPORT } from '../core/tally/cells.js';
import type { DatagramHandler } from '../io/tier.js';
import type { Ledger } from './ledger.js';
import type { WorkerStart } from './protocol.js';

/** Largest DNS message on a stream (RFC 1035 §4.2.2). */
export const STREAM_MESSAGE_MAX = 65_535;

/** Puts packets through `answer()`: the one place where the data plane and the query path meet. */
export class Responder {
  readonly #query: Query;
  readonly #counters: Float64Array;
  readonly #datagramMax: number;
  readonly #onFault: (error: unknown) => void;
  readonly #ledger: Ledger | null;

  /** What streams tell of their idle timeout, in units of 100 ms; -1 for nothing. */
  keepalive: () => number = () => -1;

  /** Without a ledger nothing is limited, and nothing counted by zone. */
  constructor(start: WorkerStart, onFault: (error: unknown) => void, ledger: Ledger | null = null) {
    this.#query = createQuery(start.snapshot, start.health, start.counters, start.seed, start.identity);
    this.#counters = start.counters;
    this.#datagramMax = start.options.datagramMax;
    this.#onFault = onFault;
    this.#ledger = ledger;
  }

  /** Tells the time, about once a second: milliseconds since 1970. */
  tick(epochMs: number): void {
    this.#query.nowSeconds = Math.floor(epochMs / 1000) | 0;
    this.#ledger?.tick();
  }

  get snapshot(): Snapshot {
    return this.#query.snapshot;
  }

  /** Later queries are answered from `snapshot`. */
  use(snapshot: Snapshot): void {
    this.#query.snapshot = snapshot;
  }

  readonly datagram: DatagramHandler = (input, start, end, output, base, source, sourceAt, family) => {
    const counter = family === 4 ? COUNTER.UDP4 : COUNTER.UDP6;
    this.#counters[counter] = this.#counters[counter]! + 1;
    this.#query.stream = false;
    this.#query.transportLimit = this.#datagramMax;
    return this.#respond(TRANSPORT.UDP, input, start, end, output, base, source, sourceAt, family);
  };

  /** As `datagram`, for one message that came on a stream. */
  readonly message: DatagramHandler = (input, start, end, output, base, source, sourceAt, family) => {
    const counter = family === 4 ? COUNTER.TCP4 : COUNTER.TCP6;
    this.#counters[counter] = this.#counters[counter]! + 1;
    this.#query.stream = true;
    this.#query.transportLimit = STREAM_MESSAGE_MAX;
    this.#query.keepalive = this.keepalive();
    const length = this.#respond(TRANSPORT.TCP, input, start, end, output, base, source, sourceAt, family);
    // Put back here, so that datagrams need not.
    this.#query.keepalive = -1;
    return length;
  };

  /** As `message`, for DNS over TLS. */
  readonly dot: DatagramHandler = (input, start, end, output, base, source, sourceAt, family) => {
    this.#query.keepalive = this.keepalive();
    return this.#encrypted(
      family === 4 ? COUNTER.DOT4 : COUNTER.DOT6,
      input,
      start,
      end,
      output,
      base,
      source,
      sourceAt,
      family,
    );
  };

  /** As `message`, for DNS over HTTPS: HTTP has its own ways to keep a connection (RFC 7828 §3.2.2 is for TCP). */
  readonly doh: DatagramHandler = (input, start, end, output, base, source, sourceAt, family) =>
    this.#encrypted(
      family === 4 ? COUNTER.DOH4 : COUNTER.DOH6,
      input,
      start,
      end,
      output,
      base,
      source,
      sourceAt,
      family,
    );

  #encrypted(
    counter: number,
    input: Uint8Array,
    start: number,
    end: number,
    output: Uint8Array,
    base: number,
    source: Uint8Array,
    sourceAt: number,
    family: 4 | 6,
  ): number {
    this.#counters[counter] = this.#counters[counter]! + 1;
    this.#query.stream = true;
    this.#query.encrypted = true;
    this.#query.transportLimit = STREAM_MESSAGE_MAX;
    const transport = counter < COUNTER.DOH4 ? TRANSPORT.DOT : TRANSPORT.DOH;
    const length = this.#respond(transport, input, start, end, output, base, source, sourceAt, family);
    this.#query.encrypted = false;
    this.#query.keepalive = -1;
    return length;
  }

  #respond(
    transport: number,
    input: Uint8Array,
    start: number,
    end: number,
    output: Uint8Array,
    base: number,
    source: Uint8Array,
    sourceAt: number,
    family: 4 | 6,
  ): number {
    const query = this.#query;
    setPacket(query, input, start, end, output, base);
    query.source = source;
    query.sourceAt = sourceAt;
    query.sourceFamily = family;
    let length: number;
    try {
      length = answer(query);
    } catch (error) {
      this.#counters[COUNTER.FAULT] = this.#counters[COUNTER.FAULT]! + 1;
      this.#onFault(error);
      length = this.#fail(input, start, output, base);
    }
    return this.#ledger === null ? length : this.#ledger.settle(query, length, transport);
  }

  /** SERVFAIL, of which nothing is known but that it is an error. */
  #fail(input: Uint8Array, start: number, output: Uint8Array, base: number): number {
    const query = this.#query;
    query.encloser = -1;
    query.pool = -1;
    query.decision = -1;
    query.rcode = RCODE.SERVFAIL;
    query.authoritative = false;
    query.truncated = false;
    return servfail(input, start, output, base);
  }
}

/** Header only: ID, opcode and RD as asked, QR, SERVFAIL. */
function servfail(input: Uint8Array, start: number, output: Uint8Array, base: number): number {
  // Query and answer may be in the same place.
  output[base] = input[start]!;
  output[base + 1] = input[start + 1]!;
  output[base + 2] = 0x80 | (input[start + 2]! & 0x79);
  output.fill(0, base + 3, base + 12);
  output[base + 3] = RCODE.SERVFAIL;
  return 12;
}
