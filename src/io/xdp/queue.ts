import { AF, type Linux, SOCK, SOL } from '../batched/linux.js';
import { XdpError } from './bpf.js';
import { HEADERS_MAX } from './frame.js';

/** Frames of one receive queue: so many datagrams can wait for their worker. */
export const FRAMES = 2048;
/** The kernel leaves this room before a frame (`XDP_PACKET_HEADROOM`). */
const HEADROOM = 256;
/** Sizes of a frame's memory that the kernel takes; the larger one must not be more than a page. */
const CHUNK_BYTES = [2048, 4096] as const;
/** Largest answer for which there is room behind the headers. */
export const DATAGRAM_MAX: number = CHUNK_BYTES[1] - HEADROOM - HEADERS_MAX;

/** Socket options of AF_XDP, and where its rings are found by mmap(2) (`linux/if_xdp.h`). */
const XDP = { OFFSETS: 1, RECEIVE: 2, SEND: 3, MEMORY: 4, FILL: 5, COMPLETION: 6 } as const;
const PAGE = { RECEIVE: 0, SEND: 0x80000000, FILL: 0x100000000, COMPLETION: 0x180000000 } as const;
/** The kernel says when it wants to be called. */
const USE_NEED_WAKEUP = 8;
/** In receive and send rings: address (8 bytes), length, options. In the other two: the address. */
export const DESCRIPTOR_BYTES = 16;
const ADDRESS_BYTES = 8;

/** One ring that this program and the kernel share: where its parts are in memory. */
export interface RingPlace {
  readonly address: number;
  readonly bytes: number;
  /** Offsets. */
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  readonly entries: number;
}

/** An AF_XDP socket of one receive queue: numbers only, so that it can be told to the thread that serves it. */
export interface XdpQueue {
  readonly interface: string;
  readonly index: number;
  readonly fd: number;
  /** Memory of the frames. */
  readonly address: number;
  readonly chunkBytes: number;
  readonly receive: RingPlace;
  readonly send: RingPlace;
  readonly fill: RingPlace;
  readonly completion: RingPlace;
}

export interface QueueOptions {
  readonly interface: string;
  readonly interfaceIndex: number;
  readonly index: number;
  /** Largest frame of the interface, bytes. */
  readonly mtu: number;
  /** Largest answer. */
  readonly datagramMax: number;
}

/** Opens the socket, with all frames ready for the kernel to fill. Throws XdpError. */
export function openQueue(linux: Linux, options: QueueOptions): XdpQueue {
  const doing = `take queue ${options.index} of ${options.interface}`;
  const fd = linux.socket(AF.XDP, SOCK.RAW | SOCK.CLOEXEC, 0);
  if (fd < 0) throw new XdpError(`open a socket to ${doing}`, linux.errno());
  const mapped: { address: number; bytes: number }[] = [];
  const map = (from: number, bytes: number, offset: number): number => {
    const address = linux.mmap(from, bytes, offset);
    if (address === -1) throw new XdpError(doing, linux.errno());
    mapped.push({ address, bytes });
    return address;
  };
  try {
    const largest = Math.max(options.mtu + HEADERS_MAX, options.datagramMax + HEADERS_MAX);
    const chunkBytes = HEADROOM + largest <= CHUNK_BYTES[0] ? CHUNK_BYTES[0] : CHUNK_BYTES[1];
    const address = map(-1, FRAMES * chunkBytes, 0);
    registerMemory(linux, fd, { address, chunkBytes }, doing);
    const [receive, send, fill, completion] = ringsOf(linux, fd, doing, map);
    const queue = { address, chunkBytes, receive, send, fill, completion };
    fillAll(linux, queue);
    bind(linux, fd, options, doing);
    return { interface: options.interface, index: options.index, fd, ...queue };
  } catch (error) {
    linux.close(fd);
    for (const { address, bytes } of mapped) linux.munmap(address, bytes);
    throw error;
  }
}

/** Nobody may look at its memory any more. */
export function closeQueue(linux: Linux, queue: XdpQueue): void {
  linux.close(queue.fd);
  linux.munmap(queue.address, FRAMES * queue.chunkBytes);
  for (const { address, bytes } of [queue.receive, queue.send, queue.fill, queue.completion])
    linux.munmap(address, bytes);
}

/** `struct xdp_umem_reg`: address 8, length 8, chunk size 4, headroom 4, flags 4 + 4. */
function registerMemory(
  linux: Linux,
  fd: number,
  memory: { readonly address: number; readonly chunkBytes: number },
  doing: string,
): void {
  const region = new DataView(new ArrayBuffer(32));
  region.setBigUint64(0, BigInt(memory.address), true);
  region.setBigUint64(8, BigInt(FRAMES * memory.chunkBytes), true);
  region.setUint32(16, memory.chunkBytes, true);
  option(linux, fd, XDP.MEMORY, new Uint8Array(region.buffer), doing);
}

/** Rings have as many entries as there are frames, so none of them is ever too full. */
function ringsOf(
  linux: Linux,
  fd: number,
  doing: string,
  map: (fd: number, bytes: number, offset: number) => number,
): readonly [RingPlace, RingPlace, RingPlace, RingPlace] {
  const entries = new Uint8Array(Uint32Array.of(FRAMES).buffer);
  for (const ring of [XDP.FILL, XDP.COMPLETION, XDP.RECEIVE, XDP.SEND])
    option(linux, fd, ring, entries, doing);
  // `struct xdp_mmap_offsets`: of receive, send, fill and completion, each producer, consumer, entries and flags.
  const offsets = new BigUint64Array(16);
  const length = new Uint8Array(Uint32Array.of(128).buffer);
  if (linux.getsockopt(fd, SOL.XDP, XDP.OFFSETS, new Uint8Array(offsets.buffer), length) < 0) {
    throw new XdpError(doing, linux.errno());
  }
  const place = (index: number, page: number, entryBytes: number): RingPlace => {
    const [producer, consumer, at, flags] = [...offsets.subarray(index * 4, index * 4 + 4)].map(Number);
    const bytes = at! + FRAMES * entryBytes;
    const address = map(fd, bytes, page);
    return { address, bytes, producer: producer!, consumer: consumer!, flags: flags!, entries: at! };
  };
  return [
    place(0, PAGE.RECEIVE, DESCRIPTOR_BYTES),
    place(1, PAGE.SEND, DESCRIPTOR_BYTES),
    place(2, PAGE.FILL, ADDRESS_BYTES),
    place(3, PAGE.COMPLETION, ADDRESS_BYTES),
  ];
}

function fillAll(linux: Linux, { fill, chunkBytes }: Pick<XdpQueue, 'fill' | 'chunkBytes'>): void {
  const memory = linux.view(fill.address, fill.bytes);
  const addresses = new BigUint64Array(memory, fill.entries, FRAMES);
  for (let i = 0; i < FRAMES; i++) addresses[i] = BigInt(i * chunkBytes);
  Atomics.store(new Uint32Array(memory, fill.producer, 1), 0, FRAMES);
}

/** `struct sockaddr_xdp`: family 2, flags 2, interface 4, queue 4, shared descriptor 4. */
function bind(linux: Linux, fd: number, { interfaceIndex, index }: QueueOptions, doing: string): void {
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, AF.XDP, true);
  address.setUint16(2, USE_NEED_WAKEUP, true);
  address.setUint32(4, interfaceIndex, true);
  address.setUint32(8, index, true);
  if (linux.bind(fd, new Uint8Array(address.buffer), 16) < 0) throw new XdpError(doing, linux.errno());
}

function option(linux: Linux, fd: number, name: number, value: Uint8Array, doing: string): void {
  if (linux.setsockopt(fd, SOL.XDP, name, value, value.length) < 0) throw new XdpError(doing, linux.errno());
}
