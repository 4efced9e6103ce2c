import type { Doorkeeper, Ends } from './admission.js';

/** From the first byte of a request's head to its last. Honest ones come in one packet. */
const HEAD_MS_MAX = 5000;

/** What is looked at of a connection. */
export interface HeadSocket extends Ends {
  readonly alpnProtocol: string | false | null;
  readonly bytesRead: number;
  on(event: 'close', listener: () => void): unknown;
}

interface Head {
  /** Requests whose response is not complete. */
  open: number;
  /** Bytes of the socket that belong to requests that were read. */
  readBytes: number;
  /** When the first byte of the next head was noticed; undefined while there is none. */
  sinceMs: number | undefined;
}

/**
 * The time that HTTP/1.1 clients have for a request's head: node's own limit works in servers only that listen
 * themselves. HTTP/2 needs none: a connection without whole queries is closed as idle, and its heads are limited in size.
 */
export class HttpHeads {
  readonly #door: Pick<Doorkeeper, 'tooSlow'>;
  readonly #sockets = new Map<HeadSocket, Head>();

  constructor(door: Pick<Doorkeeper, 'tooSlow'>) {
    this.#door = door;
  }

  /** A connection whose handshake is done. */
  opened(socket: HeadSocket): void {
    if (socket.alpnProtocol === 'h2') return;
    this.#sockets.set(socket, { open: 0, readBytes: socket.bytesRead, sinceMs: undefined });
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** A head is complete. */
  requested(socket: HeadSocket, response: { on(event: 'close', listener: () => void): unknown }): void {
    const head = this.#sockets.get(socket);
    if (!head) return;
    head.open++;
    head.sinceMs = undefined;
    response.on('close', () => {
      head.open--;
      head.readBytes = socket.bytesRead;
    });
  }

  tick(nowMs: number): void {
    for (const [socket, head] of this.#sockets) {
      if (head.open > 0 || socket.bytesRead <= head.readBytes) continue;
      head.sinceMs ??= nowMs;
      if (nowMs - head.sinceMs < HEAD_MS_MAX) continue;
      this.#sockets.delete(socket);
      this.#door.tooSlow(socket);
    }
  }

  /** Connections that are watched. */
  get size(): number {
    return this.#sockets.size;
  }
}
