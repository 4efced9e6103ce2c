import { BusyWatch, type Wait } from '../batched/busy-watch.js';
import { EAGAIN, EINTR, type Linux, MSG } from '../batched/linux.js';
import type { Poller } from '../batched/poller.js';
import type { DatagramHandler } from '../tier.js';
import { type Datagram, readFrame, turnFrame } from './frame.js';
import { FRAMES, type XdpQueue } from './queue.js';
import { Ring } from './ring.js';

/** Frames answered before the answers leave: see datagrams.ts. */
const BATCH = 32;
/** Batches from one queue before others get their turn. */
const ROUNDS = 16;
/** Calls for one batch; the kernel takes 32 frames by each. */
const SENDS = 4;
const EBUSY = 16;

export interface XdpModules {
  readonly linux: Pick<Linux, 'view' | 'send' | 'recv' | 'errno'>;
  readonly poller: Pick<Poller, 'add' | 'remove'>;
  readonly handler: DatagramHandler;
  /** Largest answer. */
  readonly datagramMax: number;
}

/** Serves one receive queue of a network card: an answer is written over its query, in the frame that brought it. */
export class XdpListener {
  readonly #queue: XdpQueue;
  readonly #modules: XdpModules;
  readonly #bytes: Uint8Array;
  readonly #words: Uint16Array;
  readonly #receive: Ring;
  readonly #send: Ring;
  readonly #fill: Ring;
  readonly #completion: Ring;
  readonly #watch: BusyWatch;
  readonly #datagram: Datagram = { family: 4, start: 0, end: 0, sourceAt: 0 };

  constructor(queue: XdpQueue, modules: XdpModules) {
    const { linux } = modules;
    this.#queue = queue;
    this.#modules = modules;
    const memory = linux.view(queue.address, FRAMES * queue.chunkBytes);
    this.#bytes = new Uint8Array(memory);
    this.#words = new Uint16Array(memory);
    this.#receive = new Ring(linux, queue.receive, 'descriptors');
    this.#send = new Ring(linux, queue.send, 'descriptors');
    this.#fill = new Ring(linux, queue.fill, 'addresses');
    this.#completion = new Ring(linux, queue.completion, 'addresses');
    this.#watch = new BusyWatch(modules.poller, queue.fd, () => this.serve());
  }

  /** What to wait for before `serve` is called again. */
  get wait(): Wait {
    return this.#watch.wait;
  }

  /** Answers what waits, batch after batch, bounded so that others get their turn. */
  serve(): void {
    let served = 0;
    // Left over where the card had no room.
    if (this.#send.waiting > 0) this.#flush();
    for (let round = 0; round < ROUNDS; round++) {
      const waiting = this.#receive.waiting;
      if (waiting === 0) break;
      const count = Math.min(waiting, BATCH);
      this.#answer(count);
      this.#flush();
      this.#recycle();
      served += count;
    }
    this.#watch.saw(served, this.#receive.waiting > 0);
    if (this.#fill.needsWakeup) this.#modules.linux.recv(this.#queue.fd, 0, 0, MSG.DONTWAIT);
  }

  /** The socket itself belongs to who opened it, and so does its memory. */
  close(): void {
    this.#watch.close();
  }

  #answer(count: number): void {
    const receive = this.#receive;
    const first = receive.consumed;
    // A thread that dies in between loses these frames, and does not find the one that it died of again.
    receive.consume(first + count);
    let send = this.#send.produced;
    let fill = this.#fill.produced;
    for (let i = first; i !== first + count; i++) {
      const frame = receive.frameAt(i);
      const length = this.#answerFrame(frame, receive.lengthAt(i));
      if (length > 0) this.#send.put(send++, frame, length);
      else this.#fill.put(fill++, this.#chunkOf(frame));
    }
    this.#send.produce(send);
    this.#fill.produce(fill);
  }

  /** Length of the frame that goes back; 0 for none. */
  #answerFrame(at: number, length: number): number {
    const datagram = this.#datagram;
    const bytes = this.#bytes;
    if ((at & 1) !== 0 || !readFrame(bytes, at, at + length, datagram)) return 0;
    const { handler, datagramMax } = this.#modules;
    const { start, family } = datagram;
    if (start + datagramMax > this.#chunkOf(at) + this.#queue.chunkBytes) return 0;
    const answer = handler(bytes, start, datagram.end, bytes, start, bytes, datagram.sourceAt, family);
    return answer === 0 ? 0 : turnFrame(bytes, this.#words, at, family, answer);
  }

  #chunkOf(frame: number): number {
    return frame & -this.#queue.chunkBytes;
  }

  /** What the kernel can't take now stays in the ring, for the next time. */
  #flush(): void {
    const { linux } = this.#modules;
    for (let i = 0; i < SENDS && this.#send.waiting > 0; i++) {
      if (!this.#send.needsWakeup) return;
      if (linux.send(this.#queue.fd, 0, 0, MSG.DONTWAIT) >= 0) continue;
      const errno = linux.errno();
      if (errno !== EAGAIN && errno !== EBUSY && errno !== EINTR) return;
    }
  }

  /** Frames that were sent can be filled again. */
  #recycle(): void {
    const completion = this.#completion;
    const end = completion.produced;
    let at = completion.consumed;
    if (at === end) return;
    let fill = this.#fill.produced;
    for (; at !== end; at = (at + 1) | 0) this.#fill.put(fill++, this.#chunkOf(completion.frameAt(at)));
    completion.consume(end);
    this.#fill.produce(fill);
  }
}
