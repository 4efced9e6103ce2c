import type { DescriptorSet } from '../descriptor-set.js';
import type {
  DatagramHandler,
  SocketAddress,
  StreamHandler,
  Tier,
  TierEvents,
  TierOptions,
} from '../tier.js';
import { XdpListener } from '../xdp/listener.js';
import type { XdpQueue } from '../xdp/queue.js';
import { NAP_MICROSECONDS, WAIT, type Wait } from './busy-watch.js';
import { DatagramListener } from './datagram-listener.js';
import { DatagramBatch } from './datagrams.js';
import { EPOLL, type Linux } from './linux.js';
import { Poller } from './poller.js';
import { encodeAddress, isWildcard, openSocket } from './socket.js';
import { StreamBuffers, StreamListener } from './streams.js';

const TICK_MS = 1000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/**
 * The batched tier: one epoll loop that blocks its thread, `recvmmsg`/`sendmmsg` for datagrams. Other threads
 * reach it by writing to `wakeFd`.
 */
export class BatchedTier implements Tier {
  readonly name = 'batched';
  readonly wakeFd: number;
  readonly #linux: Linux;
  readonly #events: TierEvents;
  readonly #options: TierOptions;
  readonly #now: () => number;
  readonly #poller: Poller;
  readonly #datagrams: DatagramBatch;
  readonly #buffers: StreamBuffers;
  readonly #udp: DatagramListener[] = [];
  readonly #listeners: StreamListener[] = [];
  readonly #queues: XdpListener[] = [];
  #stopped = false;
  #nextTick: number;

  constructor(options: TierOptions, modules: { linux: Linux; events: TierEvents; now: () => number }) {
    this.#linux = modules.linux;
    this.#events = modules.events;
    this.#now = modules.now;
    this.#options = options;
    this.#poller = new Poller(modules.linux);
    this.#datagrams = new DatagramBatch(modules.linux, options.datagramMax, modules.events.sendFailed);
    this.#buffers = new StreamBuffers(modules.linux, options.writeQueueMax);
    this.#nextTick = modules.now() + TICK_MS;
    this.wakeFd = modules.linux.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    this.#poller.add(this.wakeFd, EPOLL.IN, () => this.#woken());
  }

  async listen(
    address: SocketAddress,
    datagrams: DatagramHandler,
    streams: StreamHandler,
  ): Promise<SocketAddress> {
    const udp = openSocket(this.#linux, address, 'udp', this.#options.shared);
    const bound = { host: address.host, port: udp.port };
    const family = encodeAddress(address).length === 16 ? 4 : 6;
    const wildcard = isWildcard(address);
    const shared = { linux: this.#linux, poller: this.#poller };
    this.#udp.push(
      new DatagramListener(
        udp.fd,
        { family, wildcard },
        { ...shared, batch: this.#datagrams, handler: datagrams },
      ),
    );
    const tcp = openSocket(this.#linux, bound, 'tcp', this.#options.shared);
    const modules = { ...shared, handler: streams, buffers: this.#buffers };
    this.#listeners.push(new StreamListener(tcp.fd, family, modules));
    return bound;
  }

  serveQueues(queues: readonly XdpQueue[], datagrams: DatagramHandler): void {
    const { datagramMax } = this.#options;
    const modules = { linux: this.#linux, poller: this.#poller, handler: datagrams, datagramMax };
    for (const queue of queues) this.#queues.push(new XdpListener(queue, modules));
  }

  async run(): Promise<void> {
    try {
      while (!this.#stopped) this.turn(TICK_MS);
    } finally {
      this.#close();
    }
  }

  /** One round of the loop; waits at most `timeoutMs`, or a nap while something is busy. */
  turn(timeoutMs: number): void {
    const wait = Math.max(serveBusy(this.#udp), serveBusy(this.#queues));
    this.#poller.poll(wait === WAIT.EVENT ? timeoutMs : 0);
    if (wait === WAIT.NAP) this.#linux.usleep(NAP_MICROSECONDS);
    const now = this.#now();
    if (now < this.#nextTick) return;
    this.#nextTick = now + TICK_MS;
    // Answers that a card had no room for.
    for (const queue of this.#queues) queue.serve();
    this.#events.tick(now);
  }

  stop(): void {
    this.#stopped = true;
  }

  get descriptors(): readonly number[] {
    const listeners = [...this.#udp, ...this.#listeners];
    return [...listeners.map(({ fd }) => fd), this.wakeFd, this.#poller.fd];
  }

  get connections(): DescriptorSet {
    return this.#buffers.open;
  }

  #woken(): void {
    // Reading resets the counter of the eventfd.
    this.#linux.read(this.wakeFd, this.#buffers.read.address, 8);
    this.#events.woken();
  }

  #close(): void {
    for (const listener of this.#udp) listener.close();
    for (const listener of this.#listeners) listener.close();
    for (const queue of this.#queues) queue.close();
    this.#poller.remove(this.wakeFd);
    this.#linux.close(this.wakeFd);
    this.#poller.close();
  }
}

/** Looks at what epoll does not watch; what to wait for then is what the busiest waits for. */
function serveBusy(sources: readonly { readonly wait: Wait; serve(): void }[]): Wait {
  let busiest: Wait = WAIT.EVENT;
  for (const source of sources) {
    if (source.wait === WAIT.EVENT) continue;
    source.serve();
    if (source.wait > busiest) busiest = source.wait;
  }
  return busiest;
}
