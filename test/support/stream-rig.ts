/** Scripted endpoints and raw clients for the tests of TCP services in the proxy. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What came in on one connection, and its end. */
export class Seen {
  readonly socket: Socket;
  bytes = Buffer.alloc(0);
  ended = false;
  closed = false;
  error: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }
}

export class StreamRig {
  readonly #cleanups: (() => void)[] = [];

  /** An endpoint that keeps what comes; `greet` sees each connection first. */
  async endpoint(greet: (socket: Socket) => void = () => {}): Promise<{ port: number; seen: Seen[] }> {
    const seen: Seen[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      seen.push(new Seen(socket));
      this.#cleanups.push(() => socket.destroy());
      greet(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#cleanups.push(() => server.close());
    return { port: (server.address() as AddressInfo).port, seen };
  }

  client(port: number): Seen {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    this.#cleanups.push(() => socket.destroy());
    return new Seen(socket);
  }

  later(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  end(): void {
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }
}
