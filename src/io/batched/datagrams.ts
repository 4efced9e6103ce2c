import type { DatagramHandler } from '../tier.js';
import { DATAGRAM_IN_MAX } from '../tier.js';
import { EAGAIN, EINTR, type Linux, MSG } from './linux.js';

/** Datagrams taken from the kernel by one call. More gains nothing measurable; fewer cost a call more often. */
const BATCH = 64;
/** Batches from one socket before the others get their turn. */
const ROUNDS = 8;
/** `struct sockaddr_in6`, the larger of the two. */
const ADDRESS_BYTES = 28;
/** One `struct cmsghdr` with `in6_pktinfo`. */
const CONTROL_BYTES = 64;
/** `struct mmsghdr` on 64-bit Linux, in bytes and in 32-bit words; `struct iovec` is 16 bytes. */
const MMSGHDR_BYTES = 64;
const WORDS = 16;
const NAME_LENGTH = 2;
const CONTROL_LENGTH = 10;
const MESSAGE_LENGTH = 14;

/**
 * The buffers for one batch of datagrams and the `mmsghdr` arrays that describe them to the kernel. One is
 * enough for all UDP sockets of a thread.
 *
 *     msg_name 8 | msg_namelen 4 + 4 | msg_iov 8 | msg_iovlen 8 | msg_control 8 | msg_controllen 8 |
 *     msg_flags 4 + 4 | msg_len 4 + 4
 *
 * Answer k is written to output slot k, whichever input it answers: its name and control pointers are set to
 * the input's, so that one contiguous array goes to `sendmmsg`.
 */
export class DatagramBatch {
  readonly #linux: Linux;
  readonly #onSendFailed: (count: number) => void;
  readonly #slotBytes: number;
  readonly #in: Uint8Array;
  readonly #out: Uint8Array;
  readonly #names: Uint8Array;
  readonly #control: Uint8Array;
  readonly #received: Int32Array;
  readonly #sending: Int32Array;
  readonly #sendingLengths: Int32Array;
  /** Low and high words of the address of each input's name and control data. */
  readonly #nameWords: Int32Array;
  readonly #controlWords: Int32Array;
  #used = BATCH;
  #wildcard = false;
  readonly #receivedAddress: number;
  readonly #sendingAddress: number;

  constructor(linux: Linux, datagramMax: number, onSendFailed: (count: number) => void) {
    this.#linux = linux;
    this.#onSendFailed = onSendFailed;
    this.#slotBytes = Math.ceil(datagramMax / 64) * 64;
    const input = linux.allocate(BATCH * DATAGRAM_IN_MAX);
    const output = linux.allocate(BATCH * this.#slotBytes);
    const names = linux.allocate(BATCH * ADDRESS_BYTES);
    const control = linux.allocate(BATCH * CONTROL_BYTES);
    const vectors = linux.allocate(2 * BATCH * 16);
    const received = linux.allocate(BATCH * MMSGHDR_BYTES);
    const sending = linux.allocate(BATCH * MMSGHDR_BYTES);
    this.#in = new Uint8Array(input.buffer);
    this.#out = new Uint8Array(output.buffer);
    this.#names = new Uint8Array(names.buffer);
    this.#control = new Uint8Array(control.buffer);
    this.#received = new Int32Array(received.buffer);
    this.#sending = new Int32Array(sending.buffer);
    this.#sendingLengths = new Int32Array(vectors.buffer, BATCH * 16);
    this.#receivedAddress = received.address;
    this.#sendingAddress = sending.address;
    this.#nameWords = pointerWords(names.address, ADDRESS_BYTES);
    this.#controlWords = pointerWords(control.address, CONTROL_BYTES);
    const iovec = new DataView(vectors.buffer);
    for (let i = 0; i < BATCH; i++) {
      const outVector = BATCH * 16 + i * 16;
      setPointer(iovec, i * 16, input.address + i * DATAGRAM_IN_MAX);
      setPointer(iovec, i * 16 + 8, DATAGRAM_IN_MAX);
      setPointer(iovec, outVector, output.address + i * this.#slotBytes);
      for (const [header, vector] of [
        [received, i * 16],
        [sending, outVector],
      ] as const) {
        const view = new DataView(header.buffer, i * MMSGHDR_BYTES);
        setPointer(view, 0, names.address + i * ADDRESS_BYTES);
        setPointer(view, 16, vectors.address + vector);
        setPointer(view, 24, 1);
      }
      // Control data is asked for by its length: see #arm.
      setPointer(new DataView(received.buffer, i * MMSGHDR_BYTES), 32, control.address + i * CONTROL_BYTES);
    }
  }

  /** Answers what waits on a socket, up to a bound. `wildcard` asks for the destination of each datagram. */
  serve(fd: number, family: 4 | 6, wildcard: boolean, handler: DatagramHandler): void {
    for (let round = 0; round < ROUNDS; round++) {
      this.#arm(wildcard);
      const count = this.#linux.recvmmsg(fd, this.#receivedAddress, BATCH, MSG.DONTWAIT, null);
      // EAGAIN, or an ICMP error for an earlier answer, which nobody waits for.
      if (count <= 0) return;
      this.#used = count;
      const answers = this.#answer(count, family, wildcard, handler);
      if (answers > 0) this.#send(fd, answers);
      if (count < BATCH) return;
    }
  }

  /** The kernel overwrote the lengths of those slots that the last batch used; a socket of another kind needs all. */
  #arm(wildcard: boolean): void {
    const received = this.#received;
    const controlLength = wildcard ? CONTROL_BYTES : 0;
    const count = wildcard === this.#wildcard ? this.#used : BATCH;
    this.#wildcard = wildcard;
    for (let i = 0; i < count; i++) {
      received[i * WORDS + NAME_LENGTH] = ADDRESS_BYTES;
      received[i * WORDS + CONTROL_LENGTH] = controlLength;
    }
  }

  #answer(count: number, family: 4 | 6, wildcard: boolean, handler: DatagramHandler): number {
    const received = this.#received;
    const addressAt = family === 4 ? 4 : 8;
    let answers = 0;
    for (let i = 0; i < count; i++) {
      const start = i * DATAGRAM_IN_MAX;
      const name = i * ADDRESS_BYTES;
      // Nobody sends from port 0 and waits for an answer.
      if (this.#names[name + 2] === 0 && this.#names[name + 3] === 0) continue;
      const length = handler(
        this.#in,
        start,
        start + received[i * WORDS + MESSAGE_LENGTH]!,
        this.#out,
        answers * this.#slotBytes,
        this.#names,
        name + addressAt,
        family,
      );
      if (length === 0) continue;
      this.#address(answers, i, wildcard);
      this.#sendingLengths[answers * 4 + 2] = length;
      answers++;
    }
    return answers;
  }

  /** Points the header of answer `k` at the client of datagram `i`. */
  #address(k: number, i: number, wildcard: boolean): void {
    const sending = this.#sending;
    const header = k * WORDS;
    sending[header] = this.#nameWords[2 * i]!;
    sending[header + 1] = this.#nameWords[2 * i + 1]!;
    sending[header + NAME_LENGTH] = this.#received[i * WORDS + NAME_LENGTH]!;
    if (!wildcard) {
      sending[header + CONTROL_LENGTH] = 0;
      return;
    }
    sending[header + 8] = this.#controlWords[2 * i]!;
    sending[header + 9] = this.#controlWords[2 * i + 1]!;
    const controlLength = this.#received[i * WORDS + CONTROL_LENGTH]!;
    sending[header + CONTROL_LENGTH] = controlLength;
    if (controlLength > 0) this.#forgetInterface(i * CONTROL_BYTES);
  }

  /**
   * Control data as received is fit to send: the destination becomes the source. Only the interface is set to
   * "any", since the way back may be another. It is the first word of `in_pktinfo`, the last of `in6_pktinfo`.
   */
  #forgetInterface(at: number): void {
    const v4 = this.#control[at + 8] === 0;
    this.#control.fill(0, at + (v4 ? 16 : 32), at + (v4 ? 20 : 36));
  }

  #send(fd: number, answers: number): void {
    let sent = 0;
    while (sent < answers) {
      const result = this.#linux.sendmmsg(
        fd,
        this.#sendingAddress + sent * MMSGHDR_BYTES,
        answers - sent,
        MSG.DONTWAIT,
      );
      if (result > 0) {
        sent += result;
        continue;
      }
      const errno = this.#linux.errno();
      if (errno === EINTR) continue;
      // A full send buffer fails for all that is left, anything else for one client.
      const lost = errno === EAGAIN ? answers - sent : 1;
      this.#onSendFailed(lost);
      sent += lost;
    }
  }
}

function pointerWords(address: number, stride: number): Int32Array {
  const view = new DataView(new ArrayBuffer(BATCH * 8));
  for (let i = 0; i < BATCH; i++) setPointer(view, i * 8, address + i * stride);
  return new Int32Array(view.buffer);
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt(value), true);
}
