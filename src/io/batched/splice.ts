import { EAGAIN, EINTR, EPOLL, SPLICE } from './linux.js';
import type { Loop, Soon } from './loop.js';
import { PIPE_BYTES, type Pipe, type Pipes } from './pipes.js';

/** Times that a direction fills and empties its pipe before others get their turn. */
const ROUNDS = 8;

/** What two joined sockets tell. Called from the loop only. */
export interface SpliceObserver {
  /** Bytes went from one side (0 or 1) to the other. */
  onMoved(from: 0 | 1, bytes: number): void;
  /** The side's peer will send no more, and all it sent is with the other one. */
  onEnd(from: 0 | 1): void;
  /** Reading from the side, or writing to it, failed; nothing more comes. */
  onError(side: 0 | 1, errno: number): void;
}

/**
 * Moves bytes between two plain TCP sockets in both directions without copying them to this process: from the socket to
 * a pipe and on to the other socket, by splice(2). Takes over the events of both descriptors, which have to be in epoll,
 * edge-triggered, for reading and writing. Null if there are no pipes; nothing was changed then. The sockets stay with
 * the caller, who closes them, after `stop`.
 */
export function joinBySplice(
  descriptors: readonly [number, number],
  modules: { readonly loop: Loop; readonly pipes: Pipes },
  observer: SpliceObserver,
): { stop(): void } | null {
  const { loop, pipes } = modules;
  const [one, two] = [pipes.take(), pipes.take()];
  if (one === null || two === null) {
    if (one !== null) pipes.give(one, true);
    if (two !== null) pipes.give(two, true);
    return null;
  }
  const [a, b] = descriptors;
  const forth = new SpliceDirection({ side: 0, from: a, to: b, pipe: one }, modules, observer);
  const back = new SpliceDirection({ side: 1, from: b, to: a, pipe: two }, modules, observer);
  loop.poller.redirect(a, (events) => dispatch(events, forth, back));
  loop.poller.redirect(b, (events) => dispatch(events, back, forth));
  // Edges may have passed already: both are tried once.
  forth.later();
  back.later();
  return {
    stop() {
      forth.stop();
      back.stop();
    },
  };
}

/** Events of the socket that `out` reads from and `into` writes to. */
function dispatch(events: number, out: SpliceDirection, into: SpliceDirection): void {
  if (events & (EPOLL.IN | EPOLL.RDHUP | EPOLL.HUP | EPOLL.ERR)) out.readable();
  if (events & (EPOLL.OUT | EPOLL.HUP | EPOLL.ERR)) into.writable();
}

interface Route {
  readonly side: 0 | 1;
  readonly from: number;
  readonly to: number;
  readonly pipe: Pipe;
}

class SpliceDirection implements Soon {
  readonly #route: Route;
  readonly #modules: { readonly loop: Loop; readonly pipes: Pipes };
  readonly #observer: SpliceObserver;
  #readable = true;
  #writable = true;
  #inPipe = 0;
  #ended = false;
  #stopped = false;
  #scheduled = false;

  constructor(
    route: Route,
    modules: { readonly loop: Loop; readonly pipes: Pipes },
    observer: SpliceObserver,
  ) {
    this.#route = route;
    this.#modules = modules;
    this.#observer = observer;
  }

  readable(): void {
    this.#readable = true;
    this.#pump();
  }

  writable(): void {
    this.#writable = true;
    this.#pump();
  }

  later(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#modules.loop.soon(this);
  }

  runSoon(): void {
    this.#scheduled = false;
    this.#pump();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#modules.pipes.give(this.#route.pipe, this.#inPipe === 0);
  }

  #pump(): void {
    for (let round = 0; round < ROUNDS; round++) {
      if (this.#stopped || this.#ended) return;
      // Only an empty pipe is filled: EAGAIN then means the socket, and a slow reader stops the sender.
      if (this.#inPipe === 0 && !this.#fill()) return;
      if (!this.#drain()) return;
    }
    this.later();
  }

  /** True if the pipe has something now. */
  #fill(): boolean {
    if (!this.#readable) return false;
    const { from, pipe, side } = this.#route;
    const moved = this.#splice(from, pipe.writeFd, PIPE_BYTES);
    if (moved > 0) {
      this.#inPipe = moved;
      return true;
    }
    if (moved === 0) {
      this.#ended = true;
      this.#observer.onEnd(side);
    } else if (moved === AGAIN) this.#readable = false;
    else this.#fail(side, -moved);
    return false;
  }

  /** True if the pipe is empty now. */
  #drain(): boolean {
    const { to, pipe, side } = this.#route;
    while (this.#inPipe > 0) {
      if (!this.#writable) return false;
      const moved = this.#splice(pipe.readFd, to, this.#inPipe);
      if (moved > 0) {
        this.#inPipe -= moved;
        this.#observer.onMoved(side, moved);
        if (this.#stopped) return false;
      } else if (moved === AGAIN) this.#writable = false;
      else {
        this.#fail(side === 0 ? 1 : 0, -moved);
        return false;
      }
    }
    return true;
  }

  /** Bytes moved, 0 at the end, AGAIN, or the errno as a negative number. */
  #splice(from: number, to: number, length: number): number {
    const { linux } = this.#modules.loop;
    for (;;) {
      const moved = linux.splice(from, null, to, null, length, SPLICE.MOVE | SPLICE.NONBLOCK);
      if (moved >= 0) return moved;
      const errno = linux.errno();
      if (errno === EAGAIN) return AGAIN;
      if (errno !== EINTR) return -errno;
    }
  }

  #fail(side: 0 | 1, errno: number): void {
    this.#ended = true;
    this.#observer.onError(side, errno);
  }
}

const AGAIN = -EAGAIN;
