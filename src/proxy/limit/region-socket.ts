import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { type Address, formatAddress } from '../../core/balance/model.js';
import { type ListenFailure, listenFailure } from '../listening.js';

/** Where the proxies of a region talk: one UDP socket, which is also what the others know this one by. */
export class RegionSocket {
  readonly #address: Address;
  readonly #peers: ReadonlyMap<string, Address>;
  readonly #onMessage: (name: string, bytes: Uint8Array) => void;
  #socket: Socket | null = null;

  constructor(
    address: Address,
    peers: readonly Address[],
    onMessage: (name: string, bytes: Uint8Array) => void,
  ) {
    this.#address = address;
    this.#peers = new Map(peers.map((peer) => [formatAddress(peer), peer]));
    this.#onMessage = onMessage;
  }

  /** Null when it listens. */
  open(): Promise<ListenFailure | null> {
    const { host, port } = this.#address;
    const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4' });
    socket.on('message', (bytes, from) => {
      this.#onMessage(formatAddress({ host: from.address, port: from.port }), bytes);
    });
    socket.unref();
    return new Promise((resolve) => {
      // Later ones tell that a peer is away, and are of no use.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (this.#socket === socket) return;
        socket.close();
        resolve(listenFailure(error.code, error.message, formatAddress(this.#address), 'peers.listen'));
      });
      socket.bind(port, host, () => {
        this.#socket = socket;
        resolve(null);
      });
    });
  }

  /** Lost if it can't be sent now. */
  send(name: string, message: Uint8Array): void {
    const peer = this.#peers.get(name);
    if (peer !== undefined) this.#socket?.send(message, peer.port, peer.host, () => {});
  }

  /** After what was sent has left. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) setImmediate(() => socket.close());
  }
}
