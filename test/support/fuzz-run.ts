import { decodeMessage } from '../../src/core/dns/message.js';
import { expectSameAsOracle } from './dns-oracle.js';
import { FUZZ_PACKET_MAX, FuzzPackets } from './fuzz-packets.js';
import { replyProblem } from './fuzz-reply.js';
import { FUZZ_DATAGRAM_MAX, fuzzResponder } from './fuzz-world.js';

/** A packet that broke a rule: seed and index make it again. */
export class FuzzFailure extends Error {
  constructor(what: string, seed: number, index: number, packet: Uint8Array) {
    super(`${what}\nseed ${seed}, packet ${index}: ${Buffer.from(packet).toString('hex')}`);
    this.name = 'FuzzFailure';
  }
}

const STREAM_MAX = 65_535;
/** Where query and reply lie in their arrays. */
const START = 24;
const BASE = 19;
const GUARD = 0xa5;
const GUARD_BYTES = 16;
/** One packet in so many is also read by the two whole decoders, which are slow. */
const DECODED_EVERY = 64;
const STREAM_EVERY = 8;
/** No answer takes this long; a pause of the machine may. */
const SLOW_MS = 2000;
const SOURCE_4 = Uint8Array.of(203, 0, 113, 7);
const SOURCE_6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** The arrays of one transport: the query, which may be answered in place, and the place for an answer apart. */
interface Lane {
  readonly stream: boolean;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  /** Bytes from START of `input`, and from BASE of `output`, that may be written; the guard is behind. */
  readonly inputRoom: number;
  readonly outputRoom: number;
}

function lane(stream: boolean, inputRoom: number, outputRoom: number): Lane {
  const guarded = (size: number) => new Uint8Array(START + size + GUARD_BYTES).fill(GUARD);
  return { stream, inputRoom, outputRoom, input: guarded(inputRoom), output: guarded(outputRoom) };
}

/** Puts mutated packets through two responders, one answering apart and one in place, and checks every reply. */
export class QueryPathFuzz {
  readonly #seed: number;
  readonly #packets: FuzzPackets;
  readonly #apart: ReturnType<typeof fuzzResponder>;
  readonly #inPlace: ReturnType<typeof fuzzResponder>;
  readonly #datagrams: Lane = lane(false, FUZZ_PACKET_MAX, FUZZ_DATAGRAM_MAX);
  readonly #streams: Lane = lane(true, STREAM_MAX, STREAM_MAX);
  #fault: unknown;

  constructor(seed: number) {
    this.#seed = seed;
    this.#packets = new FuzzPackets(seed);
    const onFault = (error: unknown) => {
      this.#fault = error;
    };
    this.#apart = fuzzResponder(seed, onFault);
    this.#inPlace = fuzzResponder(seed, onFault);
  }

  /** What the responder counted, for "was this reached at all". */
  get counters(): Float64Array {
    return this.#apart.counters;
  }

  /** Packets `from` to `end`, without the last. Throws FuzzFailure. */
  run(from: number, end: number): void {
    for (let index = from; index < end; index++) this.#one(index);
  }

  #one(index: number): void {
    this.#packets.make(index);
    const way = index % STREAM_EVERY === 0 ? this.#streams : this.#datagrams;
    const startMs = performance.now();
    const length = this.#answer(this.#apart, way, way.output, BASE);
    const what = this.#checkApart(way, length) ?? this.#checkInPlace(way, length);
    if (what !== undefined) this.#fail(what, index);
    if (performance.now() - startMs > SLOW_MS) this.#fail('too slow', index);
    if (index % DECODED_EVERY === 1 && length > 0) this.#decode(way.output.slice(BASE, BASE + length), index);
  }

  #checkApart(way: Lane, length: number): string | undefined {
    const { bytes, length: asked } = this.#packets;
    if (this.#fault !== undefined) return `exception: ${String(this.#fault)}`;
    if (!isGuarded(way.output, BASE, way.outputRoom)) return 'wrote outside its output';
    for (let i = 0; i < asked; i++) if (way.input[START + i] !== bytes[i]) return 'wrote to its input';
    return replyProblem(bytes, asked, way.output, BASE, length, way.stream);
  }

  /** The same once more, over its own query. */
  #checkInPlace(way: Lane, length: number): string | undefined {
    const again = this.#answer(this.#inPlace, way, way.input, START);
    if (this.#fault !== undefined) return `exception, in place: ${String(this.#fault)}`;
    if (!isGuarded(way.input, START, way.inputRoom)) return 'wrote outside its output, in place';
    if (again !== length) return `in place ${again} bytes, apart ${length}`;
    for (let i = 0; i < length; i++) {
      if (way.input[START + i] !== way.output[BASE + i]) return 'another answer in place than apart';
    }
    return undefined;
  }

  #answer(
    { responder }: ReturnType<typeof fuzzResponder>,
    { stream, input }: Lane,
    output: Uint8Array,
    base: number,
  ): number {
    const { bytes, length } = this.#packets;
    for (let i = 0; i < length; i++) input[START + i] = bytes[i]!;
    this.#fault = undefined;
    const six = (bytes[0]! & 3) === 0;
    const source = six ? SOURCE_6 : SOURCE_4;
    const handler = stream ? responder.message : responder.datagram;
    return handler(input, START, START + length, output, base, source, 0, six ? 6 : 4);
  }

  #decode(reply: Uint8Array, index: number): void {
    const message = decodeMessage(reply);
    if (!message) return this.#fail('unreadable reply', index);
    try {
      expectSameAsOracle(reply, message);
    } catch (error) {
      this.#fail(String(error), index);
    }
  }

  #fail(what: string, index: number): never {
    const { bytes, length } = this.#packets;
    throw new FuzzFailure(what, this.#seed, index, bytes.slice(0, length));
  }
}

function isGuarded(bytes: Uint8Array, base: number, room: number): boolean {
  for (let i = 0; i < GUARD_BYTES; i++) {
    if (bytes[base - 1 - i] !== GUARD || bytes[base + room + i] !== GUARD) return false;
  }
  return true;
}
