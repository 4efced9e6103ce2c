import type { Linux } from './linux.js';

/** `struct sockaddr_in6`, the larger of the two. */
export const NAME_BYTES = 28;
/** One `struct cmsghdr` with `in6_pktinfo`. */
export const CONTROL_BYTES = 64;
const HEADER_BYTES = 64;
const VECTOR_BYTES = 16;
const HEADER_WORDS = HEADER_BYTES / 4;
const VECTOR_WORDS = VECTOR_BYTES / 4;

/**
 * An array of `struct mmsghdr`, each with a name, control data and one `iovec`, on 64-bit Linux:
 *
 *     msg_name 8 | msg_namelen 4 + 4 | msg_iov 8 | msg_iovlen 8 | msg_control 8 | msg_controllen 8 |
 *     msg_flags 4 + 4 | msg_len 4 + 4
 */
export class MessageHeaders {
  readonly names: Uint8Array;
  readonly control: Uint8Array;
  readonly #address: number;
  readonly #headers: Int32Array;
  readonly #vectors: Int32Array;

  constructor(linux: Linux, count: number) {
    const names = linux.allocate(count * NAME_BYTES);
    const control = linux.allocate(count * CONTROL_BYTES);
    const vectors = linux.allocate(count * VECTOR_BYTES);
    const headers = linux.allocate(count * HEADER_BYTES);
    this.names = new Uint8Array(names.buffer);
    this.control = new Uint8Array(control.buffer);
    this.#address = headers.address;
    this.#headers = new Int32Array(headers.buffer);
    this.#vectors = new Int32Array(vectors.buffer);
    const view = new DataView(headers.buffer);
    for (let i = 0; i < count; i++) {
      const at = i * HEADER_BYTES;
      setPointer(view, at, names.address + i * NAME_BYTES);
      setPointer(view, at + 16, vectors.address + i * VECTOR_BYTES);
      setPointer(view, at + 24, 1);
      setPointer(view, at + 32, control.address + i * CONTROL_BYTES);
    }
  }

  /** Of the header at `index`, for the kernel. */
  addressOf(index: number): number {
    return this.#address + index * HEADER_BYTES;
  }

  setData(index: number, address: number, length: number): void {
    const at = index * VECTOR_WORDS;
    this.#vectors[at] = address;
    this.#vectors[at + 1] = Math.floor(address / 0x1_0000_0000);
    this.#vectors[at + 2] = length;
  }

  /** Of data whose address was set before. */
  setDataLength(index: number, length: number): void {
    this.#vectors[index * VECTOR_WORDS + 2] = length;
  }

  setLengths(index: number, name: number, control: number): void {
    this.#headers[index * HEADER_WORDS + 2] = name;
    this.#headers[index * HEADER_WORDS + 10] = control;
  }

  controlLength(index: number): number {
    return this.#headers[index * HEADER_WORDS + 10]!;
  }

  /** Bytes that came in. */
  received(index: number): number {
    return this.#headers[index * HEADER_WORDS + 14]!;
  }
}

/** Writes an address as the kernel reads it. */
export function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
