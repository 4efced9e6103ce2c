import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/core/answer/snapshot.js';
import { decodeMessage } from '../../src/core/dns/message.js';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import { createHealthTable, healthTableBytes, packHealth } from '../../src/core/health/word.js';
import type { WorkerPool } from '../../src/dataplane/pool.js';
import { canShare } from '../../src/io/create-tier.js';
import type { SocketAddress } from '../../src/io/tier.js';
import { packet } from '../support/packet.js';
import { readZone, zoneText } from '../support/query-rig.js';
import { batchedUnavailable, connect, exchange, until } from '../support/tier-rig.js';

const DIST = join(import.meta.dirname, '../../dist');
const isBuilt = existsSync(join(DIST, 'dataplane/worker.js'));
const SLOT = 2;

interface Built {
  readonly pool: typeof import('../../src/dataplane/pool.js');
  readonly compile: typeof import('../../src/core/answer/compile.js');
  readonly port: typeof import('../../src/io/free-port.js');
}

async function built<K extends keyof Built>(file: string): Promise<Built[K]> {
  return (await import(pathToFileURL(join(DIST, file)).href)) as Built[K];
}

/** The workers of this test, in the order in which they were started. */
const workers: Worker[] = [];
const onWorker = (worker: Worker) => void workers.push(worker);

describe.each(['batched', 'portable'] as const)('WorkerPool on the %s tier', (io) => {
  const missing = io === 'batched' ? batchedUnavailable() : undefined;
  const test = it.skipIf(!isBuilt || missing !== undefined);
  const shared = io === 'batched' || canShare(io, process.versions.node);
  const twoWorkers = it.skipIf(!isBuilt || missing !== undefined || !shared);
  const health = createHealthTable(new SharedArrayBuffer(healthTableBytes(4)), 4);
  let modules: Built;
  let address: SocketAddress;
  let pool: WorkerPool;
  const logged: string[] = [];

  if (!isBuilt) it.skip('needs dist/: run npm run build', () => {});
  if (missing !== undefined) it.skip(`is not available here: ${missing}`, () => {});

  beforeAll(async () => {
    if (!isBuilt) return;
    modules = {
      pool: await built<'pool'>('dataplane/pool.js'),
      compile: await built<'compile'>('core/answer/compile.js'),
      port: await built<'port'>('io/free-port.js'),
    };
  });

  /** `meanwhile`: called while the first worker starts. */
  async function start(count: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    workers.length = 0;
    process.on('worker', onWorker);
    address = await modules.port.claimAddress({ host: '127.0.0.1', port: 0 });
    const options = {
      listen: [address],
      io,
      shared: count > 1,
      datagramMax: 1232,
      tcp: {
        maxConnections: 10,
        idleTimeoutMs: 10_000,
        lifetimeMs: 600_000,
        maxPerClient: 64,
        maxQueries: 10_000,
      },
      proxies: [],
    };
    const log = {
      info: () => {},
      warn: () => {},
      error: (_: object, message: string) => void logged.push(message),
    };
    pool = new modules.pool.WorkerPool(options, snapshot(1), health, { log, seed: () => 1 });
    const started = pool.start(count);
    await meanwhile();
    await started;
  }

  /** `www` answers 192.0.2.<id>; `fallback` 192.0.2.101, or .102 while .101 is down. */
  function snapshot(id: number): Snapshot {
    const zone = readZone(
      zoneText(
        'example.com',
        `monitors: { m: { type: tcp, port: 80 } }
pools: { p: { monitor: m, endpoints: [{ A: 192.0.2.101 }], fallback: q }, q: { endpoints: [{ A: 192.0.2.102 }] } }
records:
  www: { type: A, value: 192.0.2.${id} }
  fallback: { type: A, dynamic: { rules: [{ pool: p }] } }
`,
      ),
    );
    return modules.compile.compileSnapshot({ id, zones: [zone], geo: EMPTY_LOCATIONS, slotOf: () => SLOT })
      .snapshot;
  }

  /** One query from each of `clients` sockets, so that all workers get some; each must be answered. */
  async function ask(clients: number, name = 'www'): Promise<ReadonlySet<string | undefined>> {
    const query = packet({ name: `${name}.example.com` });
    const replies = await Promise.all(Array.from({ length: clients }, () => exchange(address, [query], 1)));
    return new Set(replies.map(([reply]) => decodeMessage(reply!.bytes)?.answers[0]?.rdata));
  }

  afterEach(async () => {
    process.off('worker', onWorker);
    await pool?.close();
  });

  test('has not published a snapshot while a worker that was given another one starts', async () => {
    let isPublished = false;
    let published = Promise.resolve();
    await start(1, async () => {
      published = pool.publish(snapshot(2)).then(() => {
        isPublished = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(isPublished).toBe(false);
    });
    await published;
    expect(await ask(3)).toEqual(new Set(['192.0.2.2']));
  });

  test('answers over UDP and TCP', async () => {
    await start(1);
    expect(await ask(3)).toEqual(new Set(['192.0.2.1']));
    const { socket, read } = await connect(address);
    const query = packet({ name: 'www.example.com' });
    socket.write(Uint8Array.from([0, query.length, ...query, 0, query.length, ...query]));
    await until(() => read().length === 2 * (2 + query.length + 16));
    expect(decodeMessage(read().subarray(2, 2 + query.length + 16))?.answers[0]?.rdata).toBe('192.0.2.1');
    socket.destroy();
  });

  test('follows a health word at once, without a snapshot', async () => {
    await start(1);
    const word = (down: boolean) =>
      packHealth({ down, forced: false, unknown: false, ttlSeconds: Number.POSITIVE_INFINITY });
    for (const down of [false, true, false]) {
      Atomics.store(health, SLOT, word(down));
      expect(await ask(1, 'fallback')).toEqual(new Set([down ? '192.0.2.102' : '192.0.2.101']));
    }
  });

  twoWorkers('lets two workers share a port: both answer', async () => {
    await start(2);
    expect(await ask(100)).toEqual(new Set(['192.0.2.1']));
    const served = pool.counters.map((counters) => counters[0]!);
    expect(served).toHaveLength(2);
    expect(served[0]! + served[1]!).toBe(100);
    for (const count of served) expect(count).toBeGreaterThan(10);
  });

  twoWorkers('publish() resolves when every worker answers from the snapshot', async () => {
    await start(2);
    for (const id of [2, 3, 4]) {
      await pool.publish(snapshot(id));
      expect(await ask(40)).toEqual(new Set([`192.0.2.${id}`]));
    }
  });

  twoWorkers('replaces a worker that died; no query is lost meanwhile', async () => {
    await start(2);
    await workers[0]!.terminate();
    expect(await ask(60)).toEqual(new Set(['192.0.2.1']));
    await until(() => pool.restarts === 1 && workers.length === 3);
    await until(() => workers[2]!.threadId > 0);
    await pool.publish(snapshot(5));
    expect(await ask(60)).toEqual(new Set(['192.0.2.5']));
    expect(logged.at(-1)).toMatch(/starting another/);
  });

  test('resolves a publication that a dying worker took with it', async () => {
    await start(1);
    const dead = workers[0]!.terminate();
    await pool.publish(snapshot(6));
    await dead;
    expect(await ask(5)).toEqual(new Set(['192.0.2.6']));
  });

  test('closes while a dead worker is being replaced', async () => {
    await start(1);
    await workers[0]!.terminate();
    await pool.close();
    await until(() => workers.every(({ threadId }) => threadId < 0));
  });

  test('says ListenError with code and address where a port is taken', async () => {
    await start(1);
    const options = {
      listen: [address],
      io,
      shared: false,
      datagramMax: 1232,
      tcp: {
        maxConnections: 1,
        idleTimeoutMs: 1000,
        lifetimeMs: 600_000,
        maxPerClient: 64,
        maxQueries: 10_000,
      },
      proxies: [],
    };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const second = new modules.pool.WorkerPool(options, snapshot(1), health, { log, seed: () => 1 });
    await expect(second.start(1)).rejects.toMatchObject({ code: 'EADDRINUSE', address });
    expect(await ask(2)).toEqual(new Set(['192.0.2.1']));
  });

  test('gives the port back when it is closed', async () => {
    await start(1);
    await pool.close();
    expect(await modules.port.claimAddress(address)).toEqual(address);
  });
});
