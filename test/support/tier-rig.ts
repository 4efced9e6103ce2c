import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { loadLinux } from '../../src/io/batched/linux.js';
import { BatchedTier } from '../../src/io/batched/tier.js';
import { PortableTier } from '../../src/io/portable/tier.js';
import type {
  DatagramHandler,
  SocketAddress,
  StreamConnection,
  StreamHandler,
  Tier,
} from '../../src/io/tier.js';

/** A tier with its clock and loop, in the test's own thread. */
export interface RunningTier {
  readonly tier: Tier;
  readonly failed: { sends: number };
  /** Ticks that were told, in milliseconds of the tier's clock. */
  readonly ticks: readonly number[];
  /** Stops and waits until everything is closed. */
  close(): Promise<void>;
}

export const WRITE_QUEUE_MAX = 128 * 1024;
export const DATAGRAM_MAX = 1232;

/** Why the batched tier can't be had here; undefined where it can. */
export function batchedUnavailable(): string | undefined {
  const linux = loadLinux();
  return 'unavailable' in linux ? linux.unavailable : undefined;
}

export function startTier(name: 'batched' | 'portable', options: { shared?: boolean } = {}): RunningTier {
  const failed = { sends: 0 };
  const ticks: number[] = [];
  const events = {
    woken() {},
    tick: (nowMs: number) => void ticks.push(nowMs),
    sendFailed(count: number) {
      failed.sends += count;
    },
  };
  const limits = {
    shared: options.shared ?? false,
    datagramMax: DATAGRAM_MAX,
    writeQueueMax: WRITE_QUEUE_MAX,
  };
  const now = () => performance.now();
  if (name === 'portable') {
    const tier = new PortableTier(limits, { events, now });
    const running = tier.run();
    const close = async () => {
      tier.stop();
      await running;
    };
    return { tier, failed, ticks, close };
  }
  const linux = loadLinux();
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const tier = new BatchedTier(limits, { linux, events, now });
  let turning = true;
  const turn = () => {
    if (!turning) return;
    tier.turn(0);
    setImmediate(turn);
  };
  setImmediate(turn);
  const close = async () => {
    turning = false;
    tier.stop();
    await tier.run();
  };
  return { tier, failed, ticks, close };
}

/** Sends datagrams from one socket and collects what comes back. */
export async function exchange(
  to: SocketAddress,
  datagrams: readonly Uint8Array[],
  answers: number,
): Promise<readonly { readonly bytes: Buffer; readonly from: string }[]> {
  const v6 = to.host.includes(':');
  const socket: UdpSocket = createSocket(v6 ? 'udp6' : 'udp4');
  const received: { bytes: Buffer; from: string }[] = [];
  socket.on('message', (bytes, { address }) => received.push({ bytes, from: address }));
  await new Promise<void>((resolve) => socket.bind(0, v6 ? '::1' : '127.0.0.1', resolve));
  for (const datagram of datagrams) socket.send(datagram, to.port, to.host);
  await until(() => received.length >= answers);
  socket.close();
  return received;
}

/** A TCP client that collects what it reads. */
export async function connect(
  to: SocketAddress,
): Promise<{ readonly socket: Socket; readonly read: () => Buffer }> {
  const socket = createConnection({ port: to.port, host: to.host, noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, read: () => Buffer.concat(chunks) };
}

/** Waits for a condition; throws after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within five seconds: ${condition}`);
    await delay(2);
  }
}

/** Sends every datagram back, with the last byte of the client's address in front. */
export const echo: DatagramHandler = (input, start, end, output, base, source, sourceAt, family) => {
  const length = Math.min(end - start, DATAGRAM_MAX - 1);
  output.set(input.slice(start, start + length), base + 1);
  output[base] = source[sourceAt + (family === 4 ? 3 : 15)]!;
  return length + 1;
};

/** A stream handler that notes what happens and does what it is told. */
export class StreamLog implements StreamHandler {
  readonly events: string[] = [];
  readonly connections: StreamConnection[] = [];
  readonly sizes: number[] = [];
  onBytes: (connection: StreamConnection, bytes: Uint8Array) => void = () => {};
  onEnd: (connection: StreamConnection) => void = (connection) => connection.end();
  accept = true;

  opened(connection: StreamConnection): boolean {
    this.events.push('opened');
    this.connections.push(connection);
    return this.accept;
  }

  received(connection: StreamConnection, bytes: Uint8Array, length: number): void {
    this.sizes.push(length);
    this.onBytes(connection, bytes.slice(0, length));
  }

  ended(connection: StreamConnection): void {
    this.events.push('ended');
    this.onEnd(connection);
  }

  closed(): void {
    this.events.push('closed');
  }

  get bytes(): number {
    return this.sizes.reduce((sum, length) => sum + length, 0);
  }
}
