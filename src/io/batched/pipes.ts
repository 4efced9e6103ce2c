import { F_SETPIPE_SZ, type Linux, SOCK } from './linux.js';

/** A pipe that bytes pass through on their way from socket to socket. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** Bytes that one holds if the system allows it: more than a socket has ready at once, so that calls are few. */
export const PIPE_BYTES = 262_144;
/** Open at once, in use or not: two descriptors each. */
const OPEN_MAX = 1024;
/** Kept for the next ones. */
const IDLE_MAX = 64;

/** The pipes of a thread. */
export class Pipes {
  readonly #linux: Linux;
  readonly #idle: Pipe[] = [];
  #open = 0;

  constructor(linux: Linux) {
    this.#linux = linux;
  }

  /** All that are open, in use or not. */
  get open(): number {
    return this.#open;
  }

  /** Null if there are enough, or the system has no more. */
  take(): Pipe | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#open >= OPEN_MAX) return null;
    const descriptors = new Uint8Array(8);
    if (this.#linux.pipe2(descriptors, SOCK.NONBLOCK | SOCK.CLOEXEC) < 0) return null;
    const view = new DataView(descriptors.buffer);
    const pipe = { readFd: view.getInt32(0, true), writeFd: view.getInt32(4, true) };
    // Refused where a user's pipes have too much memory already; then it stays smaller.
    this.#linux.fcntl(pipe.writeFd, F_SETPIPE_SZ, PIPE_BYTES);
    this.#open++;
    return pipe;
  }

  /** Gives one back; one that is not empty is closed. */
  give(pipe: Pipe, empty: boolean): void {
    if (empty && this.#idle.length < IDLE_MAX) this.#idle.push(pipe);
    else this.#close(pipe);
  }

  close(): void {
    for (const pipe of this.#idle.splice(0)) this.#close(pipe);
  }

  #close({ readFd, writeFd }: Pipe): void {
    this.#open--;
    this.#linux.close(readFd);
    this.#linux.close(writeFd);
  }
}
