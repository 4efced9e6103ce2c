import { EPOLL, type Linux } from './linux.js';

const EVENTS_MAX = 256;
/** `struct epoll_event` is packed to 12 bytes on x86_64 only. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_AT = process.arch === 'x64' ? 4 : 8;

/** One epoll instance, and a callback for each descriptor in it. Level-triggered. */
export class Poller {
  readonly #linux: Linux;
  /** Of the epoll instance itself. */
  readonly fd: number;
  /** By descriptor: those are small numbers, taken again. */
  readonly #callbacks = [] as (((events: number) => void) | undefined)[];
  readonly #event = new Uint8Array(EVENT_BYTES);
  readonly #eventView = new DataView(this.#event.buffer);
  readonly #events: { readonly address: number; readonly view: DataView };

  constructor(linux: Linux) {
    this.#linux = linux;
    this.fd = linux.epollCreate(0);
    if (this.fd < 0) throw new Error(`epoll_create1 failed: errno ${linux.errno()}`);
    const memory = linux.allocate(EVENTS_MAX * EVENT_BYTES);
    this.#events = { address: memory.address, view: new DataView(memory.buffer) };
  }

  add(fd: number, events: number, callback: (events: number) => void): void {
    this.#callbacks[fd] = callback;
    this.#control(EPOLL.ADD, fd, events);
  }

  change(fd: number, events: number): void {
    this.#control(EPOLL.MOD, fd, events);
  }

  remove(fd: number): void {
    if (this.#callbacks[fd] === undefined) return;
    this.#callbacks[fd] = undefined;
    this.#control(EPOLL.DEL, fd, 0);
  }

  /** Calls another one from now on, for the events that were asked for when the descriptor was added. */
  redirect(fd: number, callback: (events: number) => void): void {
    this.#callbacks[fd] = callback;
  }

  /** No more calls for a descriptor that is about to be closed, which takes it out of the epoll instance by itself. */
  forget(fd: number): void {
    if (fd >= 0) this.#callbacks[fd] = undefined;
  }

  /** Waits at most `timeoutMs` and calls back for each descriptor that is ready. */
  poll(timeoutMs: number): void {
    const count = this.#linux.epollWait(this.fd, this.#events.address, EVENTS_MAX, timeoutMs);
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      // A callback may have removed a later descriptor of this round.
      const callback = this.#callbacks[this.#events.view.getInt32(at + DATA_AT, true)];
      callback?.(this.#events.view.getUint32(at, true));
    }
  }

  close(): void {
    this.#callbacks.length = 0;
    this.#linux.close(this.fd);
  }

  #control(operation: number, fd: number, events: number): void {
    this.#eventView.setUint32(0, events, true);
    this.#eventView.setInt32(DATA_AT, fd, true);
    this.#linux.epollCtl(this.fd, operation, fd, this.#event);
  }
}
