import { COUNTER } from '../../src/core/answer/counters.js';
import { TcpService } from '../../src/dataplane/tcp.js';
import type { StreamConnection } from '../../src/io/tier.js';
import { FuzzPackets } from './fuzz-packets.js';
import { FuzzFailure } from './fuzz-run.js';
import { fuzzResponder } from './fuzz-world.js';
import { tcpLimits } from './tcp-limits.js';

const LIMITS = tcpLimits({ maxConnections: 4 });
/** As a tier reads. */
const READ_MAX = 4096;
const MESSAGES_MAX = 12;

/** Collects what is written. */
class Peer implements StreamConnection {
  attached: object | null = null;
  readonly family = 4;
  readonly source: Uint8Array = Uint8Array.of(203, 0, 113, 7);
  readonly written: Uint8Array[] = [];
  closed = false;

  write(bytes: Uint8Array, from: number, end: number): boolean {
    this.written.push(bytes.slice(from, end));
    return true;
  }

  end(): void {
    this.closed = true;
  }

  destroy(): void {
    this.closed = true;
  }
}

/**
 * The framing of TCP: streams of mutated messages, lengths that lie, cut anywhere. What comes back must be, byte for
 * byte, what a second responder says to each message by itself, up to the first that gets no answer.
 */
export class StreamFuzz {
  readonly #seed: number;
  readonly #packets: FuzzPackets;
  readonly #service: TcpService;
  readonly #single: ReturnType<typeof fuzzResponder>;
  readonly #reply = new Uint8Array(65_535);
  #fault: unknown;

  constructor(seed: number) {
    this.#seed = seed;
    this.#packets = new FuzzPackets(seed);
    const onFault = (error: unknown) => {
      this.#fault = error;
    };
    const served = fuzzResponder(seed, onFault);
    this.#single = fuzzResponder(seed, onFault);
    this.#service = new TcpService(served.responder.message, LIMITS, new Float64Array(COUNTER.SIZE), 0);
  }

  /** Streams `from` to `end`, without the last. Throws FuzzFailure. */
  run(from: number, end: number): void {
    for (let index = from; index < end; index++) this.#one(index);
  }

  #one(index: number): void {
    const peer = new Peer();
    if (!this.#service.opened(peer)) this.#fail('refused a connection', index, new Uint8Array(0));
    const { stream, expected, closes } = this.#make(index);
    this.#packets.make(index);
    for (let at = 0; at < stream.length && !peer.closed; ) {
      const size = Math.min(
        1 + this.#packets.below(this.#packets.below(3) === 0 ? READ_MAX : 30),
        stream.length - at,
      );
      this.#service.received(peer, stream.slice(at, at + size), size);
      at += size;
    }
    if (this.#fault !== undefined) this.#fail(`exception: ${String(this.#fault)}`, index, stream);
    if (Buffer.compare(Buffer.concat(peer.written), expected) !== 0)
      this.#fail('other replies', index, stream);
    if (peer.closed !== closes) this.#fail(`closed: ${peer.closed}, expected: ${closes}`, index, stream);
    this.#service.closed(peer);
  }

  /** A stream, and what must come back. */
  #make(index: number) {
    const stream: Uint8Array[] = [];
    const expected: Uint8Array[] = [];
    const packets = this.#packets;
    let closes = false;
    packets.make(index);
    const messages = packets.below(MESSAGES_MAX);
    for (let i = 0; i < messages && !closes; i++) {
      packets.make(index * MESSAGES_MAX + i);
      const { length } = packets;
      const lie = packets.below(24);
      // The last message of a stream may be cut, or promise more than is taken from anybody.
      const promised =
        lie === 0 ? length + 1 + packets.below(100) : lie === 1 ? 4097 + packets.below(60_000) : length;
      stream.push(Uint8Array.of(promised >> 8, promised & 0xff), packets.bytes.slice(0, length));
      if (promised !== length) {
        closes = promised > 4096;
        break;
      }
      const { bytes } = packets;
      const replied = this.#single.responder.message(bytes, 0, length, this.#reply, 0, SOURCE, 0, 4);
      closes = replied === 0;
      if (!closes) expected.push(Uint8Array.of(replied >> 8, replied & 0xff), this.#reply.slice(0, replied));
    }
    return { stream: Buffer.concat(stream), expected: Buffer.concat(expected), closes };
  }

  #fail(what: string, index: number, stream: Uint8Array): never {
    throw new FuzzFailure(what, this.#seed, index, stream);
  }
}

const SOURCE = Uint8Array.of(203, 0, 113, 7);
