import { type Linux, SO, SOL } from './linux.js';

/** Instructions of classic BPF as `struct sock_filter` has them: code, jump if true, jump if false, operand. */
const DROPS_SYNS: readonly (readonly [code: number, ifTrue: number, ifFalse: number, operand: number])[] = [
  // Loads the byte with the flags of the TCP header (RFC 9293 §3.1).
  [0x30, 0, 0, 13],
  // With SYN among them the packet is dropped, else it is kept whole.
  [0x45, 0, 1, 0x02],
  [0x06, 0, 0, 0],
  [0x06, 0, 0, 0xffffffff],
];
const INSTRUCTION_BYTES = 8;
/** `struct sock_fprog`: how many instructions, and where they are. */
const PROGRAM_BYTES = 16;

/**
 * Has a listening socket overlook connections that begin, so that it can be closed without a reset for anybody: those
 * that have begun end in the queue, and a client that was not heard comes again, to another socket of the address.
 */
export class SynFilter {
  readonly #linux: Linux;
  readonly #program: Uint8Array;

  constructor(linux: Linux) {
    this.#linux = linux;
    const { address, buffer } = linux.allocate(PROGRAM_BYTES + DROPS_SYNS.length * INSTRUCTION_BYTES);
    const view = new DataView(buffer);
    view.setUint16(0, DROPS_SYNS.length, true);
    view.setBigUint64(8, BigInt(address + PROGRAM_BYTES), true);
    DROPS_SYNS.forEach(([code, ifTrue, ifFalse, operand], index) => {
      const at = PROGRAM_BYTES + index * INSTRUCTION_BYTES;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, ifTrue);
      view.setUint8(at + 3, ifFalse);
      view.setUint32(at + 4, operand, true);
    });
    this.#program = new Uint8Array(buffer, 0, PROGRAM_BYTES);
  }

  /** Sockets that are accepted afterwards inherit it, and never see a packet that it drops. */
  attach(fd: number): void {
    this.#linux.setsockopt(fd, SOL.SOCKET, SO.ATTACH_FILTER, this.#program, PROGRAM_BYTES);
  }
}
