import { DATAGRAM_MAX, HEADROOM, ORIGIN, ORIGIN_BYTES } from '../datagram-network.js';
import { type Linux, MSG, type NativeMemory } from './linux.js';
import { CONTROL_BYTES, MessageHeaders, NAME_BYTES } from './message-headers.js';

/** Datagrams taken by one call. */
const BATCH = 8;
/** Room for the largest; the skew keeps slots from starting at the same place of a page. */
const SLOT_BYTES = HEADROOM + DATAGRAM_MAX + 1 + 64;
/** Offsets in `struct cmsghdr` with `in_pktinfo` (the local address is in its middle) and `in6_pktinfo`. */
const LOCAL_V4 = 20;
const LOCAL_V6 = 16;

/** The memory that datagrams come in to: one for all sockets of a thread, each batch being handed on before the next. */
export class InBatch {
  readonly size = BATCH;
  readonly bytes: Uint8Array;
  /** As `readOrigin` filled it. */
  readonly origin: Uint8Array = new Uint8Array(ORIGIN_BYTES);
  readonly #linux: Linux;
  readonly #slots: NativeMemory;
  readonly #headers: MessageHeaders;
  readonly #copy: NativeMemory;
  readonly #copyBytes: Uint8Array;

  constructor(linux: Linux) {
    this.#linux = linux;
    this.#slots = linux.allocate(BATCH * SLOT_BYTES);
    this.bytes = new Uint8Array(this.#slots.buffer);
    this.#headers = new MessageHeaders(linux, BATCH);
    for (let i = 0; i < BATCH; i++) {
      this.#headers.setData(i, this.#slots.address + i * SLOT_BYTES + HEADROOM, DATAGRAM_MAX);
    }
    this.#copy = linux.allocate(DATAGRAM_MAX + 1);
    this.#copyBytes = new Uint8Array(this.#copy.buffer);
  }

  /** Takes what waits, at most `size` datagrams. 0 or less: nothing, or an error. */
  receive(fd: number, wildcard: boolean): number {
    for (let i = 0; i < BATCH; i++) this.#headers.setLengths(i, NAME_BYTES, wildcard ? CONTROL_BYTES : 0);
    return this.#linux.recvmmsg(fd, this.#headers.addressOf(0), BATCH, MSG.DONTWAIT, null);
  }

  start(index: number): number {
    return index * SLOT_BYTES + HEADROOM;
  }

  end(index: number): number {
    return index * SLOT_BYTES + HEADROOM + this.#headers.received(index);
  }

  /** Fills `origin` with that of a datagram; false if nobody can answer it. */
  readOrigin(index: number): boolean {
    const { names, control } = this.#headers;
    const name = index * NAME_BYTES;
    // Nobody sends from port 0 and waits for an answer.
    if (names[name + 2] === 0 && names[name + 3] === 0) return false;
    const v4 = names[name] === 2;
    const origin = this.origin.fill(0);
    origin[ORIGIN.FAMILY] = v4 ? 4 : 6;
    origin[ORIGIN.PORT] = names[name + 2]!;
    origin[ORIGIN.PORT + 1] = names[name + 3]!;
    const length = v4 ? 4 : 16;
    copy(names, name + (v4 ? 4 : 8), origin, ORIGIN.SOURCE, length);
    if (!v4) copy(names, name + 24, origin, ORIGIN.SCOPE, 4);
    if (this.#headers.controlLength(index) > 0) {
      copy(control, index * CONTROL_BYTES + (v4 ? LOCAL_V4 : LOCAL_V6), origin, ORIGIN.DESTINATION, length);
    }
    return true;
  }

  /** Where the kernel finds `bytes[start, end)`: datagrams that came in are sent on from where they lie. */
  addressFor(bytes: Uint8Array, start: number, end: number): number {
    if (bytes === this.bytes) return this.#slots.address + start;
    this.#copyBytes.set(bytes.subarray(start, end));
    return this.#copy.address;
  }
}

function copy(from: Uint8Array, at: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[at + i]!;
}
