import { isIP } from 'node:net';
import type {
  DatagramListening,
  DatagramNetwork,
  DatagramTaker,
  PeerHandler,
  PeerSocket,
} from '../datagram-network.js';
import { addDescriptor, type DescriptorSet, removeDescriptor } from '../descriptor-set.js';
import { NO_SLOT, Roster } from '../roster.js';
import type { SocketAddress } from '../tier.js';
import { AF, EPOLL, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, MSG, SOCK, SOL } from './linux.js';
import type { Loop } from './loop.js';
import { encodeAddress, isWildcard, openSocket, setOption } from './socket.js';
import { InBatch } from './udp-in.js';
import { OutBatch, type OutSocket } from './udp-out.js';

/** Batches from one socket before others get their turn. */
const ROUNDS = 4;
/** Fragments are allowed: what the endpoint sends must reach the client whatever its size. */
const PMTUDISC_DONT = 0;

/** UDP for the proxy on an epoll loop that it shares with TCP: `recvmmsg` in, `sendmmsg` back to the clients. */
export class BatchedDatagramNetwork implements DatagramNetwork {
  readonly name = 'batched';
  readonly #loop: Loop;
  readonly #open: DescriptorSet;
  readonly #in: InBatch;
  readonly #out: OutBatch;
  readonly #listeners = new Set<BatchedListening>();
  readonly #peers = new Roster<BatchedPeer>();

  /** `open` gets the descriptors that outlive this thread if it dies. */
  constructor(modules: { loop: Loop; open: DescriptorSet }) {
    this.#loop = modules.loop;
    this.#open = modules.open;
    this.#in = new InBatch(modules.loop.linux);
    this.#out = new OutBatch(modules.loop);
  }

  get nowMs(): number {
    return this.#loop.nowMs;
  }

  async listen(
    address: SocketAddress,
    options: { readonly shared: boolean },
    take: DatagramTaker,
  ): Promise<DatagramListening> {
    const { fd, port } = openSocket(this.#loop.linux, address, 'udp', options.shared);
    const v6 = address.host.includes(':');
    const option = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
    setOption(this.#loop.linux, fd, v6 ? SOL.IPV6 : SOL.IP, option, PMTUDISC_DONT);
    const listening = new BatchedListening(fd, { host: address.host, port }, take, this.#modules());
    this.#listeners.add(listening);
    return listening;
  }

  connect(address: SocketAddress, handler: PeerHandler): PeerSocket | null {
    if (isIP(address.host) === 0) return null;
    const { linux } = this.#loop;
    const bytes = encodeAddress(address);
    const family = bytes.length === 28 ? AF.INET6 : AF.INET;
    const fd = linux.socket(family, SOCK.DGRAM | SOCK.NONBLOCK | SOCK.CLOEXEC, 0);
    if (fd < 0) return null;
    if (linux.connect(fd, bytes, bytes.length) < 0) {
      linux.close(fd);
      return null;
    }
    const peer = new BatchedPeer(fd, handler, this.#modules());
    peer.slot = this.#peers.add(peer);
    return peer;
  }

  every(periodMs: number, callback: () => void): () => void {
    return this.#loop.every(periodMs, callback);
  }

  close(): void {
    for (const listening of [...this.#listeners]) listening.close();
    for (const peer of [...this.#peers]) peer.close();
  }

  #modules(): SocketModules {
    return {
      loop: this.#loop,
      open: this.#open,
      batch: this.#in,
      out: this.#out,
      onClosed: (socket) => {
        if (socket instanceof BatchedPeer) this.#peers.remove(socket.slot, socket);
        else this.#listeners.delete(socket as BatchedListening);
      },
    };
  }
}

interface SocketModules {
  readonly loop: Loop;
  readonly open: DescriptorSet;
  readonly batch: InBatch;
  readonly out: OutBatch;
  readonly onClosed: (socket: BatchedListening | BatchedPeer) => void;
}

class BatchedListening implements DatagramListening, OutSocket {
  readonly address: SocketAddress;
  readonly fd: number;
  readonly wildcard: boolean;
  readonly #take: DatagramTaker;
  readonly #modules: SocketModules;
  #closed = false;

  constructor(fd: number, address: SocketAddress, take: DatagramTaker, modules: SocketModules) {
    this.fd = fd;
    this.address = address;
    this.#take = take;
    this.#modules = modules;
    this.wildcard = isWildcard(address);
    addDescriptor(modules.open, fd);
    modules.loop.poller.add(fd, EPOLL.IN, () => this.#readable());
  }

  send(bytes: Uint8Array, start: number, end: number, origin: Uint8Array, originAt: number): void {
    if (!this.#closed) this.#modules.out.add(this, bytes, start, end, origin, originAt);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#modules.out.flush();
    closeDescriptor(this.fd, this.#modules);
    this.#modules.onClosed(this);
  }

  #readable(): void {
    const { batch } = this.#modules;
    for (let round = 0; round < ROUNDS && !this.#closed; round++) {
      const count = batch.receive(this.fd, this.wildcard);
      if (count <= 0) return;
      for (let i = 0; i < count && !this.#closed; i++) {
        if (!batch.readOrigin(i)) continue;
        this.#take(batch.bytes, batch.start(i), batch.end(i), batch.origin, 0);
      }
      if (count < batch.size) return;
    }
  }
}

class BatchedPeer implements PeerSocket {
  /** Kept for its network. */
  slot = NO_SLOT;
  readonly #fd: number;
  readonly #handler: PeerHandler;
  readonly #modules: SocketModules;
  #closed = false;

  constructor(fd: number, handler: PeerHandler, modules: SocketModules) {
    this.#fd = fd;
    this.#handler = handler;
    this.#modules = modules;
    addDescriptor(modules.open, fd);
    modules.loop.poller.add(fd, EPOLL.IN, (events) => this.#ready(events));
  }

  send(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#closed) return false;
    const { loop, batch } = this.#modules;
    const address = batch.addressFor(bytes, start, end);
    // An error of an earlier datagram (ICMP) is told here too, and then this one was not sent; once more is enough.
    for (let i = 0; i < 2; i++) {
      if (loop.linux.send(this.#fd, address, end - start, MSG.DONTWAIT | MSG.NOSIGNAL) >= 0) {
        if (i > 0) this.#failLater();
        return true;
      }
    }
    this.#failLater();
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeDescriptor(this.#fd, this.#modules);
    this.#modules.onClosed(this);
  }

  #ready(events: number): void {
    const { batch } = this.#modules;
    const count = batch.receive(this.#fd, false);
    // The pending error of the socket comes instead of datagrams.
    if (count <= 0) {
      if (events & EPOLL.ERR) this.#handler.onUnreachable();
      return;
    }
    for (let i = 0; i < count && !this.#closed; i++) {
      this.#handler.onDatagram(batch.bytes, batch.start(i), batch.end(i));
    }
  }

  #failLater(): void {
    this.#modules.loop.soon({
      runSoon: () => {
        if (!this.#closed) this.#handler.onUnreachable();
      },
    });
  }
}

function closeDescriptor(fd: number, { loop, open }: SocketModules): void {
  loop.poller.forget(fd);
  removeDescriptor(open, fd);
  loop.linux.close(fd);
}
