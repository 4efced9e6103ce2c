import { addDescriptor, removeDescriptor } from '../descriptor-set.js';
import { PREFACE_MAX, PREFACES_MAX, type Preface } from '../network.js';
import type { ConnectionMemory } from './connection.js';
import { EAGAIN, EINTR, EPOLL, MSG } from './linux.js';
import type { Loop } from './loop.js';

interface Wait {
  readonly preface: Preface;
  readonly deadlineMs: number;
  readonly begin: () => void;
  /** What came so far, which is less than the whole. */
  head: Uint8Array;
}

const SWEEP_MS = 250;
const NOTHING = new Uint8Array(0);

/**
 * Accepted sockets until their preface is read. OpenSSL reads sockets itself, so not a byte more than the preface may be
 * taken: it is looked at first.
 */
export class PrefaceWaits {
  readonly #loop: Loop;
  readonly #memory: ConnectionMemory;
  readonly #waits = new Map<number, Wait>();
  #stopSweep: (() => void) | null = null;

  constructor(loop: Loop, memory: ConnectionMemory) {
    this.#loop = loop;
    this.#memory = memory;
  }

  /** `begin` is called when the preface is gone from the socket, which is then out of epoll. */
  add(fd: number, preface: Preface, begin: () => void): void {
    if (this.#waits.size >= PREFACES_MAX) {
      preface.late();
      this.#loop.linux.close(fd);
      return;
    }
    this.#stopSweep ??= this.#loop.every(SWEEP_MS, () => this.#sweep());
    const deadlineMs = this.#loop.nowMs + preface.timeoutMs;
    this.#waits.set(fd, { preface, deadlineMs, begin, head: NOTHING });
    addDescriptor(this.#memory.open, fd);
    this.#loop.poller.add(fd, EPOLL.IN, () => this.#readable(fd));
  }

  close(): void {
    this.#stopSweep?.();
    for (const fd of [...this.#waits.keys()]) this.#drop(fd);
  }

  #readable(fd: number): void {
    const wait = this.#waits.get(fd);
    if (wait === undefined) return;
    const { linux, poller } = this.#loop;
    const { readAddress, readBytes } = this.#memory;
    const length = linux.recv(fd, readAddress, PREFACE_MAX, MSG.PEEK | MSG.DONTWAIT);
    if (length < 0) {
      const errno = linux.errno();
      if (errno !== EAGAIN && errno !== EINTR) this.#drop(fd);
      return;
    }
    const known = wait.head.length;
    const head = joined(wait.head, readBytes, length);
    const size = length === 0 || head.length > 2 * PREFACE_MAX ? -1 : wait.preface.read(head, 0, head.length);
    if (size < 0) return this.#drop(fd);
    // All of it belongs to a preface that is not whole yet; taken, so that epoll tells of the rest only.
    linux.recv(fd, readAddress, size === 0 ? length : size - known, MSG.DONTWAIT);
    if (size === 0) {
      wait.head = head;
      return;
    }
    this.#waits.delete(fd);
    poller.remove(fd);
    wait.begin();
  }

  #sweep(): void {
    for (const [fd, { deadlineMs, preface }] of this.#waits) {
      if (deadlineMs > this.#loop.nowMs) continue;
      preface.late();
      this.#drop(fd);
    }
  }

  #drop(fd: number): void {
    this.#waits.delete(fd);
    this.#loop.poller.forget(fd);
    removeDescriptor(this.#memory.open, fd);
    this.#loop.linux.close(fd);
  }
}

function joined(head: Uint8Array, bytes: Uint8Array, length: number): Uint8Array {
  const all = new Uint8Array(head.length + Math.max(length, 0));
  all.set(head);
  all.set(bytes.subarray(0, Math.max(length, 0)), head.length);
  return all;
}
