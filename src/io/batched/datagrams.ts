import type { DatagramHandler } from '../tier.js';
import { DATAGRAM_IN_MAX } from '../tier.js';
import { EAGAIN, EINTR, type Linux, MSG } from './linux.js';
import { CONTROL_BYTES, MessageHeaders, NAME_BYTES } from './message-headers.js';

/**
 * Datagrams taken from the kernel by one call. Measured: 10 to 24 cost the same; from 32 on what a batch touches
 * (2 KB of each, with the kernel's part) no longer stays in the first-level cache between reading and sending.
 */
const BATCH = 14;
/** Keeps slots from starting at the same place of a 4 KB page, where they would push each other out of the cache. */
const SKEW = 64;
/** Batches from one socket before the others get their turn. */
const ROUNDS = 16;
/** Most that `serve` takes; more may be left then. */
export const DATAGRAMS_MAX = ROUNDS * BATCH;

/**
 * The buffers for one batch of datagrams and the headers that describe them to the kernel. One is
 * enough for all UDP sockets of a thread.
 *
 * An answer is written over its query, so the headers as `recvmmsg` filled them, with the client's address and
 * the control data, are fit for `sendmmsg`: only the length in the iovec is set.
 */
export class DatagramBatch {
  readonly #linux: Linux;
  readonly #onSendFailed: (count: number) => void;
  readonly #slotBytes: number;
  readonly #slots: Uint8Array;
  readonly #headers: MessageHeaders;
  /** Headers that have to be made ready for the next batch, and whether for a wildcard socket. */
  #used = BATCH;
  #wildcard = false;

  constructor(linux: Linux, datagramMax: number, onSendFailed: (count: number) => void) {
    this.#linux = linux;
    this.#onSendFailed = onSendFailed;
    this.#slotBytes = Math.max(Math.ceil(datagramMax / 64) * 64, DATAGRAM_IN_MAX) + SKEW;
    const slots = linux.allocate(BATCH * this.#slotBytes);
    this.#slots = new Uint8Array(slots.buffer);
    this.#headers = new MessageHeaders(linux, BATCH);
    for (let i = 0; i < BATCH; i++) {
      this.#headers.setData(i, slots.address + i * this.#slotBytes, DATAGRAM_IN_MAX);
    }
  }

  /**
   * Answers what waits on a socket, batch after batch, bounded in rounds so that others get their turn. `wildcard` asks
   * for the destination of each datagram. Returns how many there were.
   */
  serve(fd: number, family: 4 | 6, wildcard: boolean, handler: DatagramHandler): number {
    let served = 0;
    for (let round = 0; round < ROUNDS; round++) {
      this.#arm(wildcard);
      const count = this.#linux.recvmmsg(fd, this.#headers.addressOf(0), BATCH, MSG.DONTWAIT, null);
      // EAGAIN, or an ICMP error for an earlier answer, which nobody waits for.
      if (count <= 0) break;
      this.#used = count;
      this.#answer(fd, count, family, wildcard, handler);
      served += count;
      if (count < BATCH) break;
    }
    return served;
  }

  /** The kernel and the answers overwrote the lengths of the last batch; a socket of another kind needs all. */
  #arm(wildcard: boolean): void {
    const headers = this.#headers;
    const controlLength = wildcard ? CONTROL_BYTES : 0;
    const count = wildcard === this.#wildcard ? this.#used : BATCH;
    this.#wildcard = wildcard;
    this.#used = 0;
    for (let i = 0; i < count; i++) {
      headers.setLengths(i, NAME_BYTES, controlLength);
      headers.setDataLength(i, DATAGRAM_IN_MAX);
    }
  }

  /** Answers a batch and sends the answers, in as many runs as there are gaps of datagrams without one. */
  #answer(fd: number, count: number, family: 4 | 6, wildcard: boolean, handler: DatagramHandler): void {
    const headers = this.#headers;
    const slots = this.#slots;
    const { names } = headers;
    const addressAt = family === 4 ? 4 : 8;
    let first = 0;
    for (let i = 0; i < count; i++) {
      const start = i * this.#slotBytes;
      const end = start + headers.received(i);
      const name = i * NAME_BYTES;
      // Nobody sends from port 0 and waits for an answer.
      const reachable = names[name + 2] !== 0 || names[name + 3] !== 0;
      const length = reachable
        ? handler(slots, start, end, slots, start, names, name + addressAt, family)
        : 0;
      if (length === 0) {
        this.#send(fd, first, i);
        first = i + 1;
        continue;
      }
      headers.setDataLength(i, length);
      if (wildcard) this.#forgetInterface(i);
    }
    this.#send(fd, first, count);
  }

  /**
   * Control data as received makes the datagram's destination the answer's source. Only the interface is set to
   * "any", since the way back may be another. It is the first word of `in_pktinfo`, the last of `in6_pktinfo`.
   */
  #forgetInterface(i: number): void {
    if (this.#headers.controlLength(i) === 0) return;
    const { control } = this.#headers;
    const at = i * CONTROL_BYTES;
    const v4 = control[at + 8] === 0;
    control.fill(0, at + (v4 ? 16 : 32), at + (v4 ? 20 : 36));
  }

  #send(fd: number, first: number, end: number): void {
    let at = first;
    while (at < end) {
      const address = this.#headers.addressOf(at);
      const result = this.#linux.sendmmsg(fd, address, end - at, MSG.DONTWAIT);
      if (result > 0) {
        at += result;
        continue;
      }
      const errno = this.#linux.errno();
      if (errno === EINTR) continue;
      // A full send buffer fails for all that is left, anything else for one client.
      const lost = errno === EAGAIN ? end - at : 1;
      this.#onSendFailed(lost);
      at += lost;
    }
  }
}
