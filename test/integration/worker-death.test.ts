import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import { createHealthTable, healthTableBytes } from '../../src/core/health/word.js';
import type { WorkerPool } from '../../src/dataplane/pool.js';
import type { SocketAddress } from '../../src/io/tier.js';
import { hasOpenssl, makeCertificate } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { packet } from '../support/packet.js';
import { readZone, zoneText } from '../support/query-rig.js';
import { tcpLimits } from '../support/tcp-limits.js';
import { batchedUnavailable, connect, until } from '../support/tier-rig.js';

const DIST = join(import.meta.dirname, '../../dist');
const isReady =
  hasOpenssl && existsSync(join(DIST, 'dataplane/worker.js')) && batchedUnavailable() === undefined;
const CLIENTS = 32;
/** One query of each client in this time: a steady rate of some thousands a second in all. */
const TURN_MS = 10;
const ANSWER_BYTES_MIN = 12;

/** One query after the other, at a steady rate, from sockets of its own. When each was sent and answered. */
class Load {
  readonly asked: { readonly sentMs: number; answered: boolean }[] = [];
  readonly #sockets: UdpSocket[] = [];
  readonly #timer: NodeJS.Timeout;
  #ended = false;

  constructor(address: SocketAddress) {
    for (let i = 0; i < CLIENTS; i++) {
      const socket = createSocket('udp4');
      socket.on('error', () => {});
      socket.on('message', (bytes) => {
        const query = this.asked[bytes.readUInt16BE(0)];
        if (query && bytes.length > ANSWER_BYTES_MIN) query.answered = true;
      });
      socket.connect(address.port, address.host);
      this.#sockets.push(socket);
    }
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
  }

  /** Stops, and waits for what is on its way. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const socket of this.#sockets) socket.close();
  }

  #turn(): void {
    for (const socket of this.#sockets) {
      if (this.asked.length > 0xffff) return;
      const query = packet({ id: this.asked.length, name: 'www.example.com' });
      this.asked.push({ sentMs: performance.now(), answered: false });
      socket.send(query, () => {});
    }
  }
}

interface Logged {
  readonly atMs: number;
  readonly facts: object;
  readonly message: string;
}

describe.skipIf(!isReady)('a thread that dies under load (needs dist/, openssl and the batched tier)', () => {
  const workers: Worker[] = [];
  const logged: Logged[] = [];
  const onWorker = (worker: Worker) => void workers.push(worker);
  let pool: WorkerPool;
  let load: Load | undefined;

  async function start(withTls: boolean) {
    workers.length = 0;
    logged.length = 0;
    const load = async <T>(file: string) => (await import(pathToFileURL(join(DIST, file)).href)) as T;
    const modules = {
      ...(await load<typeof import('../../src/dataplane/pool.js')>('dataplane/pool.js')),
      ...(await load<typeof import('../../src/core/answer/compile.js')>('core/answer/compile.js')),
      ...(await load<typeof import('../../src/io/free-port.js')>('io/free-port.js')),
    };
    process.on('worker', onWorker);
    const address = await modules.claimAddress({ host: '127.0.0.1', port: 0 });
    const dot = await modules.claimAddress({ host: '127.0.0.1', port: 0 }, 'tcp');
    const zone = readZone(zoneText('example.com', 'records: { www: { type: A, value: 192.0.2.1 } }'));
    const snapshot = (id: number) =>
      modules.compileSnapshot({ id, zones: [zone], geo: EMPTY_LOCATIONS, slotOf: () => 2 }).snapshot;
    const health = createHealthTable(new SharedArrayBuffer(healthTableBytes(4)), 4);
    const tcp = tcpLimits({ maxConnections: 200 });
    const io = 'batched' as const;
    const options = { listen: [address], io, shared: true, datagramMax: 1232, tcp, proxies: [] };
    const error = (facts: object, message: string) =>
      void logged.push({ atMs: performance.now(), facts, message });
    pool = new modules.WorkerPool(options, snapshot(1), health, {
      log: { info() {}, warn() {}, error },
      seed: () => 1,
    });
    const folder = temporaryFolder();
    const credentials = (name: string) => {
      const { cert, key } = makeCertificate(folder, name);
      return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    };
    const [first, second] = [credentials('first'), credentials('second')];
    await pool.start(2, withTls ? { dot: { listen: [dot], credentials: first } } : undefined);
    return { address, dot, second, snapshot };
  }

  afterEach(async () => {
    process.off('worker', onWorker);
    await load?.end();
    load = undefined;
    await pool.close();
    removeFolders();
  });

  it('loses no query but those in the dead socket’s queue; the others’ connections go on', async () => {
    const { address } = await start(false);
    const streams = await Promise.all(Array.from({ length: 24 }, () => connect(address)));
    const query = packet({ name: 'www.example.com' });
    const framed = Uint8Array.of(0, query.length, ...query);
    for (const { socket } of streams) socket.write(framed);
    await until(() => streams.every(({ read }) => read().length > 0));
    const shares = pool.counters.map((counters) => counters[2]!);
    expect(shares[0]! + shares[1]!).toBe(24);

    load = new Load(address);
    await until(() => load!.asked.length > 100 * CLIENTS);
    const killedMs = performance.now();
    await workers[0]!.terminate();
    await until(() => workers.length === 3 && workers[2]!.threadId > 0 && logged.length > 0);
    const noticedMs = logged[0]!.atMs;
    const sent = load.asked.length;
    await until(() => load!.asked.length > sent + 100 * CLIENTS);
    await load.end();

    // What was sent to the dead socket before it was closed is lost with it, and nothing else.
    const lost = load.asked.filter(({ answered }) => !answered);
    for (const { sentMs } of lost) {
      expect(sentMs).toBeGreaterThan(killedMs - 2 * TURN_MS);
      expect(sentMs).toBeLessThan(noticedMs + 2 * TURN_MS);
    }
    // Half of what was asked in that time, which is short unless the machine stalls.
    expect(lost.length).toBeLessThan(load.asked.length / 5);

    // Connections of the dead worker ended; each of the other's still gets answers.
    await until(() => streams.filter(({ socket }) => socket.readableEnded).length === shares[0]!);
    const alive = streams.filter(({ socket }) => !socket.destroyed && !socket.readableEnded);
    expect(alive).toHaveLength(shares[1]!);
    const before = alive.map(({ read }) => read().length);
    for (const { socket } of alive) socket.write(framed);
    await until(() => alive.every(({ read }, i) => read().length === 2 * before[i]!));
    for (const { socket } of streams) socket.destroy();

    expect(pool.restarts).toBe(1);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({
      facts: { worker: 0, name: 'dns-0' },
      message: expect.stringMatching(/starting another/),
    });
    // Its counters go on, and both share the work again.
    const counted = pool.counters.map((counters) => counters[0]!);
    expect(counted).toHaveLength(2);
    expect(counted[0]! + counted[1]!).toBeGreaterThanOrEqual(load.asked.length - lost.length);
  });

  it('leaves no descriptor behind, however often a worker dies', async () => {
    const { address, snapshot } = await start(false);
    const open = () => readdirSync('/proc/self/fd').length;
    const streams = await Promise.all(Array.from({ length: 10 }, () => connect(address)));
    const before = open();
    for (let death = 1; death <= 3; death++) {
      await workers.at(-1)!.terminate();
      // Resolves when the next one answers.
      await pool.publish(snapshot(1 + death));
    }
    for (const { socket } of streams) socket.destroy();
    // Of each connection one end was here and the other in a worker.
    await until(() => open() <= before - streams.length);
    expect([pool.restarts, logged.length]).toEqual([3, 3]);
  });

  it('starts the encrypted thread again with the newest certificate, and loses nothing elsewhere', async () => {
    const { address, dot, second } = await start(true);
    const stream = await connect(address);
    const open = async (): Promise<TLSSocket | undefined> => {
      const socket = connectTls({ port: dot.port, host: dot.host, rejectUnauthorized: false });
      const closed = new Promise<undefined>((resolve) => socket.on('close', () => resolve(undefined)));
      socket.on('error', () => {});
      return Promise.race([
        once(socket, 'secureConnect').then(
          () => socket,
          () => undefined,
        ),
        closed,
      ]);
    };
    const fingerprint = (socket: TLSSocket) => socket.getPeerCertificate().fingerprint256;
    const old = (await open())!;
    const before = fingerprint(old);
    pool.useCredentials('dot', second);
    let newest = before;
    await until(() => {
      void open().then((socket) => {
        if (socket) newest = fingerprint(socket);
        socket?.destroy();
      });
      return newest !== before;
    });

    load = new Load(address);
    await until(() => load!.asked.length > 20 * CLIENTS);
    const ended = once(old, 'close');
    await workers[2]!.terminate();
    await ended;
    await until(() => workers.length === 4 && workers[3]!.threadId > 0);
    let again: TLSSocket | undefined;
    for (let i = 0; !again && i < 200; i++) {
      again = await open();
      if (!again) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(fingerprint(again!)).toBe(newest);
    again!.destroy();
    await load.end();

    expect(load.asked.filter(({ answered }) => !answered)).toEqual([]);
    expect([stream.socket.destroyed, stream.socket.readableEnded]).toEqual([false, false]);
    stream.socket.destroy();
    expect(pool.restarts).toBe(1);
    expect(logged).toMatchObject([
      { facts: { worker: 2, name: 'dns-encrypted' }, message: expect.stringMatching(/starting another/) },
    ]);
  });
});
