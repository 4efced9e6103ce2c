import { DATAGRAM_MAX, ORIGIN } from '../datagram-network.js';
import { AF, EAGAIN, IP_PKTINFO, type Linux, MSG, type NativeMemory, SOL } from './linux.js';
import type { Loop, Soon } from './loop.js';
import { CONTROL_BYTES, MessageHeaders, NAME_BYTES } from './message-headers.js';

/** Datagrams sent by one call. */
const BATCH = 16;
/** Of all together: small ones fill the batch first, large ones the memory. */
const MEMORY_BYTES = 2 * (DATAGRAM_MAX + 1);
/** `IPV6_PKTINFO`, which is also the type of the control data that `IPV6_RECVPKTINFO` asks for. */
const IPV6_PKTINFO = 50;
/** `struct cmsghdr` (16) with `in_pktinfo` (12) or `in6_pktinfo` (20): length, and with padding. */
const CONTROL_V4 = { length: 28, space: 32 } as const;
const CONTROL_V6 = { length: 36, space: 40 } as const;

/** The socket that datagrams leave by. */
export interface OutSocket {
  readonly fd: number;
  /** It has a wildcard address: the source of each datagram is to be named. */
  readonly wildcard: boolean;
}

/** Datagrams on their way to clients: those of one listener, until another one has some, or until the round is over. */
export class OutBatch implements Soon {
  readonly #loop: Loop;
  readonly #linux: Linux;
  readonly #headers: MessageHeaders;
  readonly #memory: NativeMemory;
  readonly #bytes: Uint8Array;
  readonly #control: DataView;
  #socket: OutSocket | null = null;
  #scheduled = false;
  #count = 0;
  #used = 0;

  constructor(loop: Loop) {
    const { linux } = loop;
    this.#loop = loop;
    this.#linux = linux;
    this.#headers = new MessageHeaders(linux, BATCH);
    this.#memory = linux.allocate(MEMORY_BYTES);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#control = new DataView(this.#headers.control.buffer);
  }

  add(
    socket: OutSocket,
    bytes: Uint8Array,
    start: number,
    end: number,
    origin: Uint8Array,
    originAt: number,
  ): void {
    const length = end - start;
    const full = this.#count === BATCH || this.#used + length > MEMORY_BYTES;
    if (full || socket !== this.#socket) this.flush();
    this.#socket = socket;
    const index = this.#count++;
    const v4 = origin[originAt + ORIGIN.FAMILY] === 4;
    this.#bytes.set(bytes.subarray(start, end), this.#used);
    this.#headers.setData(index, this.#memory.address + this.#used, length);
    this.#used += length;
    this.#writeName(index, v4, origin, originAt);
    if (socket.wildcard) this.#writeControl(index, v4, origin, originAt + ORIGIN.DESTINATION);
    const space = v4 ? CONTROL_V4.space : CONTROL_V6.space;
    this.#headers.setLengths(index, v4 ? 16 : NAME_BYTES, socket.wildcard ? space : 0);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#loop.soon(this);
  }

  runSoon(): void {
    this.#scheduled = false;
    this.flush();
  }

  /** Sends all; one that cannot be sent is lost, as any datagram may be. */
  flush(): void {
    const fd = this.#socket?.fd ?? -1;
    let at = 0;
    while (at < this.#count) {
      const headers = this.#headers.addressOf(at);
      const sent = this.#linux.sendmmsg(fd, headers, this.#count - at, MSG.DONTWAIT);
      // No room in the socket: the next would fare no better.
      if (sent < 0 && this.#linux.errno() === EAGAIN) break;
      at += Math.max(sent, 1);
    }
    this.#count = 0;
    this.#used = 0;
    this.#socket = null;
  }

  #writeName(index: number, v4: boolean, origin: Uint8Array, originAt: number): void {
    const { names } = this.#headers;
    const at = index * NAME_BYTES;
    names[at] = v4 ? AF.INET : AF.INET6;
    names[at + 1] = 0;
    names[at + 2] = origin[originAt + ORIGIN.PORT]!;
    names[at + 3] = origin[originAt + ORIGIN.PORT + 1]!;
    const address = originAt + ORIGIN.SOURCE;
    if (v4) {
      copy(origin, address, names, at + 4, 4);
      return;
    }
    names.fill(0, at + 4, at + 8);
    copy(origin, address, names, at + 8, 16);
    copy(origin, originAt + ORIGIN.SCOPE, names, at + 24, 4);
  }

  /** The address that the client wrote to becomes the source; the interface is left to routing. */
  #writeControl(index: number, v4: boolean, origin: Uint8Array, destination: number): void {
    const { control } = this.#headers;
    const at = index * CONTROL_BYTES;
    control.fill(0, at, at + CONTROL_BYTES);
    this.#control.setUint32(at, v4 ? CONTROL_V4.length : CONTROL_V6.length, true);
    this.#control.setUint32(at + 8, v4 ? SOL.IP : SOL.IPV6, true);
    this.#control.setUint32(at + 12, v4 ? IP_PKTINFO : IPV6_PKTINFO, true);
    if (v4) copy(origin, destination, control, at + 20, 4);
    else copy(origin, destination, control, at + 16, 16);
  }
}

function copy(from: Uint8Array, at: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[at + i]!;
}
