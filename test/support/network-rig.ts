import { loadLinux } from '../../src/io/batched/linux.js';
import { BatchedNetwork } from '../../src/io/batched/network.js';
import type { Connection, ConnectionError, ConnectionHandler, Network } from '../../src/io/network.js';
import { PortableNetwork } from '../../src/io/portable/network.js';

export interface RunningNetwork {
  readonly network: Network;
  close(): void;
}

const linux = loadLinux();

/** Why the batched network cannot run here; undefined if it can. */
export const networkUnavailable: string | undefined = 'unavailable' in linux ? linux.unavailable : undefined;

/** A network that runs beside the test, in the test's own thread. */
export function startNetwork(name: 'batched' | 'portable'): RunningNetwork {
  const clock = (): number => performance.now();
  if (name === 'portable') {
    const network = new PortableNetwork({ clock });
    return { network, close: () => network.close() };
  }
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const network = new BatchedNetwork({ linux, clock, woken: () => {} });
  let open = true;
  const turn = (): void => {
    if (!open) return;
    network.loop.turn(0);
    setImmediate(turn);
  };
  setImmediate(turn);
  const close = (): void => {
    if (!open) return;
    open = false;
    network.close();
  };
  return { network, close };
}

/** Keeps what happens to a connection, and lets tests wait for it. */
export class ConnectionLog implements ConnectionHandler {
  readonly events: string[] = [];
  drained = 0;
  error: ConnectionError | null = null;
  connection: Connection | null = null;
  readonly #chunks: Buffer[] = [];
  readonly #onData: (connection: Connection, bytes: Uint8Array, start: number, end: number) => void;

  constructor(
    onData: (connection: Connection, bytes: Uint8Array, start: number, end: number) => void = () => {},
  ) {
    this.#onData = onData;
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get length(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  onOpen(connection: Connection): void {
    this.connection = connection;
    this.events.push('open');
  }

  onData(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    this.connection = connection;
    this.#chunks.push(Buffer.from(bytes.slice(start, end)));
    this.#onData(connection, bytes, start, end);
  }

  onDrain(): void {
    this.drained++;
  }

  onEnd(connection: Connection): void {
    this.connection = connection;
    this.events.push('end');
  }

  onClose(_connection: Connection, error: ConnectionError | null): void {
    this.events.push('close');
    this.error = error;
  }
}
