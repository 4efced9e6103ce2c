import { EPOLL } from './linux.js';
import type { Poller } from './poller.js';

/** Datagrams at once say that more will come in a moment. */
const BUSY = 2;
/** Looks without a datagram, after which it is quiet again. */
const EMPTY_MAX = 3;
/**
 * Between two looks at what is busy; the kernel adds about 50 by the slack of its timers (PR_SET_TIMERSLACK). To be woken for each few
 * datagrams costs as much as to answer them; network cards wait as long for the same reason.
 */
export const NAP_MICROSECONDS = 5;

/** What a source of datagrams has to be waited for with. */
export const WAIT = { EVENT: 0, NAP: 1, NOTHING: 2 } as const;
export type Wait = (typeof WAIT)[keyof typeof WAIT];

/**
 * How one source of datagrams is waited on. A quiet one waits in epoll. A busy one is taken out of it and looked at after naps, so that
 * nobody has to be woken or told of every datagram.
 */
export class BusyWatch {
  readonly #poller: Pick<Poller, 'add' | 'remove'>;
  readonly #fd: number;
  readonly #serve: () => void;
  #wait: Wait = WAIT.EVENT;
  #empty = 0;

  /** `serve` is called when there is something to read while it is quiet. */
  constructor(poller: Pick<Poller, 'add' | 'remove'>, fd: number, serve: () => void) {
    this.#poller = poller;
    this.#fd = fd;
    this.#serve = serve;
    this.#watch();
  }

  /** Until the next look. But for `EVENT` somebody has to look, since epoll does not watch it. */
  get wait(): Wait {
    return this.#wait;
  }

  /** What a look found, and whether it left some. */
  saw(datagrams: number, left: boolean): void {
    this.#empty = datagrams > 0 ? 0 : this.#empty + 1;
    const busy = datagrams >= BUSY || (this.#wait !== WAIT.EVENT && this.#empty < EMPTY_MAX);
    if (busy === (this.#wait === WAIT.EVENT)) {
      if (busy) this.#poller.remove(this.#fd);
      else this.#watch();
    }
    this.#wait = !busy ? WAIT.EVENT : left ? WAIT.NOTHING : WAIT.NAP;
  }

  close(): void {
    this.#poller.remove(this.#fd);
  }

  #watch(): void {
    this.#poller.add(this.#fd, EPOLL.IN, this.#serve);
  }
}
