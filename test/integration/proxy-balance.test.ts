import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { DEFAULT_OUTLIER, type PoolModel } from '../../src/core/balance/model.js';
import { drawsOf } from '../support/pick-context.js';
import {
  backend,
  CHECK,
  client,
  endAll,
  exchange,
  httpBackend,
  inBothTiers,
  ok,
  startRig,
  waitFor,
} from './proxy-rig.js';

afterEach(endAll);

function get(path = '/', lines = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n${lines}\r\n`;
}

/** Backends that answer with their number, and the same for their pool. */
function numbered(count: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => httpBackend(() => ok(`backend ${i}`))));
}

async function answers(port: number, requests: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const request of requests) found.push((await exchange(port, request)).split('\r\n\r\n')[1] ?? '');
  return found;
}

/** A backend whose responses the test sends; `sockets` has one entry for each request. */
async function heldBackend(): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const port = await httpBackend((_, socket) => {
    sockets.push(socket);
    return null;
  });
  return { port, sockets };
}

inBothTiers('a pool that hashes', () => {
  const maglev = (source: NonNullable<PoolModel['hash']>['source']): Partial<PoolModel> => ({
    balance: 'maglev',
    hash: { source, bound: 1.25 },
  });

  it.each<[string, Partial<PoolModel>, (n: number) => string]>([
    ['a header', maglev({ key: 'header', name: 'x-user' }), (n) => get('/', `X-User: ${n}\r\n`)],
    ['a cookie', maglev({ key: 'cookie', name: 'sid' }), (n) => get('/', `Cookie: a=1; sid=${n}\r\n`)],
    ['the path', maglev({ key: 'path' }), (n) => get(`/${n}?q=${Math.random()}`)],
  ])('keeps requests with the same value of %s at one endpoint', async (_, pool, request) => {
    const rig = await startRig({ ports: await numbered(3), pool });
    const used = new Set<string>();
    for (let n = 0; n < 48; n++) {
      const [first, second] = await answers(rig.port, [request(n), request(n)]);
      expect(second).toBe(first);
      used.add(first!);
    }
    expect(used.size).toBe(3);
  });

  it('keeps a client at one endpoint by its address', async () => {
    const rig = await startRig({ ports: await numbered(3), pool: { balance: 'ip_hash' } });
    expect(new Set(await answers(rig.port, Array(6).fill(get()))).size).toBe(1);
  });
});

inBothTiers('a queue', () => {
  const queue = { size: 1, timeoutMs: 5_000 };
  const limits = { requests: 1 };

  it('holds a request until there is room, refuses who is too many, and keeps the order', async () => {
    const { port, sockets } = await heldBackend();
    const rig = await startRig({ ports: [port], pool: { queue, limits } });
    const [first, second] = [client(rig.port).send(get('/1')), client(rig.port)];
    await waitFor(() => sockets.length === 1, 'the first request');
    second.send(get('/2'));
    const pool = rig.proxy.pools.get('web')!;
    await waitFor(() => pool.queued === 1, 'the second request in the queue');
    expect(await exchange(rig.port, get('/3'))).toMatch(/^HTTP\/1.1 503 /);
    sockets[0]!.write(ok('one'));
    expect(await first.untilEnd()).toContain('one');
    await waitFor(() => sockets.length === 2, 'the second request');
    sockets[1]!.write(ok('two'));
    expect(await second.untilEnd()).toContain('two');
    expect([pool.queued, pool.activeOf(0)]).toEqual([0, 0]);
  });

  it('gives the connection that became free to who waits, with its body', async () => {
    const bodies: string[] = [];
    const port = await backend((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (!text.endsWith('.')) return;
        bodies.push(text.slice(text.indexOf('\r\n\r\n') + 4));
        text = '';
        setTimeout(() => socket.write(ok('done')), 20);
      });
    });
    const rig = await startRig({
      ports: [port],
      pool: { queue: { size: 20, timeoutMs: 5_000 }, limits: { connections: 1 } },
    });
    const post = (n: number): string =>
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\n${n}${n}.`;
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => exchange(rig.port, post(n))));
    for (const text of all) expect(text).toMatch(/^HTTP\/1.1 200 [\s\S]*done$/);
    expect(bodies.toSorted()).toEqual(['11.', '22.', '33.', '44.', '55.', '66.']);
  });

  it('serves who waits when connections close after each response', async () => {
    const port = await httpBackend((_, socket) => {
      setTimeout(() => socket.end(ok('done', 'Connection: close\r\n')), 10);
      return null;
    });
    const rig = await startRig({
      ports: [port],
      pool: { queue: { size: 20, timeoutMs: 5_000 }, limits: { connections: 1 } },
    });
    const all = await Promise.all(Array.from({ length: 6 }, () => exchange(rig.port, get())));
    for (const text of all) expect(text).toMatch(/^HTTP\/1.1 200 [\s\S]*done$/);
  });

  it('answers 503 to who waited too long', async () => {
    const { port, sockets } = await heldBackend();
    const rig = await startRig({ ports: [port], pool: { limits, queue: { size: 2, timeoutMs: 200 } } });
    client(rig.port).send(get());
    await waitFor(() => sockets.length === 1, 'the first request');
    const text = await exchange(rig.port, get());
    expect(text).toMatch(/^HTTP\/1.1 503 [\s\S]*pool web had no room in time/);
    expect(sockets).toHaveLength(1);
  });

  it('answers 503 to who waited longer than a response may take', async () => {
    const { port, sockets } = await heldBackend();
    const rig = await startRig({
      ports: [port],
      pool: { limits, queue: { size: 2, timeoutMs: 60_000 } },
      timeouts: { responseMs: 300 },
    });
    const first = client(rig.port).send(get());
    await waitFor(() => sockets.length === 1, 'the first request');
    const keeping = setInterval(() => sockets[0]!.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 50);
    const text = await exchange(rig.port, get());
    clearInterval(keeping);
    expect(text).toMatch(/^HTTP\/1.1 503 /);
    expect(rig.proxy.pools.get('web')!.queued).toBe(0);
    expect(first.ended).toBe(false);
  });

  it('forgets who left', async () => {
    const { port, sockets } = await heldBackend();
    const rig = await startRig({ ports: [port], pool: { limits, queue: { size: 2, timeoutMs: 60_000 } } });
    const pool = rig.proxy.pools.get('web')!;
    client(rig.port).send(get());
    await waitFor(() => sockets.length === 1, 'the first request');
    const leaving = client(rig.port).send(get());
    await waitFor(() => pool.queued === 1, 'a request in the queue');
    leaving.socket.resetAndDestroy();
    await waitFor(() => pool.queued === 0, 'the client to be forgotten');
  });

  it('holds a TCP session until there is room', async () => {
    const sockets: Socket[] = [];
    const port = await backend((socket) => {
      sockets.push(socket);
      socket.write('hello');
    });
    const rig = await startRig({ ports: [port], protocol: 'tcp', pool: { queue, limits } });
    const first = client(rig.port);
    await first.until((text) => text === 'hello');
    const second = client(rig.port);
    await waitFor(() => rig.proxy.pools.get('web')!.queued === 1, 'the second session in the queue');
    first.socket.resetAndDestroy();
    expect(await second.until((text) => text === 'hello')).toBe('hello');
  });
});

inBothTiers('a crowd', () => {
  it('gets the right answers through a narrow pool, and leaves nothing behind', async () => {
    const random = drawsOf(7);
    const echo = (): Promise<number> =>
      httpBackend((head, socket) => {
        const path = head.split(' ')[1]!;
        const last = random() < 0.2;
        setTimeout(() => {
          if (random() < 0.05) socket.resetAndDestroy();
          else if (last) socket.end(ok(path, 'Connection: close\r\n'));
          else socket.write(ok(path));
        }, random() * 4);
        return null;
      });
    const rig = await startRig({
      ports: [await echo(), await echo(), 1],
      pool: {
        balance: 'least_time',
        queue: { size: 40, timeoutMs: 10_000 },
        limits: { connections: 4, requests: 3, pending: 2 },
        outlier: DEFAULT_OUTLIER,
        slowStart: { durationMs: 1_000, aggression: 1 },
      },
    });
    const pool = rig.proxy.pools.get('web')!;
    const statuses = new Map<string, number>();
    const user = async (name: number): Promise<void> => {
      for (let n = 0; n < 15; n++) {
        const path = `/${name}-${n}`;
        const raw = client(rig.port).send(get(path));
        if (random() < 0.15) {
          await new Promise((resolve) => setTimeout(resolve, random() * 10));
          raw.socket.resetAndDestroy();
          continue;
        }
        const text = await raw.untilEnd();
        const status = text.slice(9, 12);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === '200') expect(text.split('\r\n\r\n')[1]).toBe(path);
      }
    };
    await Promise.all(Array.from({ length: 60 }, (_, name) => user(name)));
    expect(statuses.get('200')).toBeGreaterThan(300);
    expect([...statuses.keys()].filter((status) => !['200', '502', '503'].includes(status))).toEqual([]);
    await waitFor(
      () => pool.queued === 0 && pool.endpoints.every(({ index }) => pool.activeOf(index) === 0),
      'all requests to end',
    );
    for (const endpoint of pool.endpoints) {
      await waitFor(() => endpoint.connections === endpoint.idle, 'connections that are not idle to close');
      expect(endpoint.connecting).toBe(0);
    }
  });
});

inBothTiers('passive health', () => {
  const outlier = { ...DEFAULT_OUTLIER, consecutive: 3 };

  it.each<[string, (socket: Socket) => string | null]>([
    ['answers with errors', () => 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'],
    [
      'breaks off in the middle',
      (socket) => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
        return null;
      },
    ],
    ['answers with nonsense', () => 'ICY 200 OK\r\n\r\n'],
  ])('takes out an endpoint that %s, until a check is good', async (_, answer) => {
    const bad = await httpBackend((_head, socket) => answer(socket));
    const good = await httpBackend(() => ok('good'));
    const rig = await startRig({ ports: [bad, good], pool: { outlier, health: CHECK } });
    const pool = rig.proxy.pools.get('web')!;
    await answers(rig.port, Array(8).fill(get()));
    expect(pool.endpoints[0]!.ejected).toBe(true);
    expect(new Set(await answers(rig.port, Array(6).fill(get())))).toEqual(new Set(['good']));
    rig.checker.pass(`web/127.0.0.1:${bad}`);
    expect(pool.healthy).toBe(2);
  });

  it('does not blame an endpoint for clients that leave', async () => {
    const { port, sockets } = await heldBackend();
    const rig = await startRig({ ports: [port, port], pool: { outlier } });
    for (let n = 1; n <= 10; n++) {
      const leaving = client(rig.port).send(get());
      await waitFor(() => sockets.length === n, 'the request');
      leaving.socket.resetAndDestroy();
    }
    const pool = rig.proxy.pools.get('web')!;
    await waitFor(() => pool.activeOf(0) + pool.activeOf(1) === 0, 'the requests to end');
    expect(pool.healthy).toBe(2);
  });

  it('takes out a TCP endpoint that refuses', async () => {
    const good = await backend((socket) => void socket.end('good'));
    const rig = await startRig({ ports: [1, good], protocol: 'tcp', pool: { outlier } });
    for (let n = 0; n < 12; n++) {
      const raw = client(rig.port);
      expect(await raw.untilEnd()).toBe('good');
      raw.socket.end();
    }
    expect(rig.proxy.pools.get('web')!.endpoints.map(({ ejected }) => ejected)).toEqual([true, false]);
  });
});

inBothTiers('an endpoint that drains', () => {
  it('ends what it has, and gets nothing new', async () => {
    const { port, sockets } = await heldBackend();
    const other = await httpBackend(() => ok('other'));
    const rig = await startRig({ ports: [port, other] });
    const pool = rig.proxy.pools.get('web')!;
    pool.setWeight(1, 0);
    const raw = client(rig.port).send(get());
    await waitFor(() => sockets.length === 1, 'the request');
    pool.setWeight(1, 1);
    pool.drain(0, true);
    expect(new Set(await answers(rig.port, Array(4).fill(get())))).toEqual(new Set(['other']));
    sockets[0]!.write(ok('the old one'));
    expect(await raw.untilEnd()).toContain('the old one');
  });
});

inBothTiers('a backup', () => {
  it('is used while all others are down or refuse', async () => {
    const ports = await numbered(2);
    const endpoints = ports.map((port, i) => ({
      address: { host: '127.0.0.1', port },
      weight: 1,
      ...(i === 1 ? { backup: true } : {}),
    }));
    const rig = await startRig({ ports: [], pool: { endpoints, health: CHECK } });
    const place = `web/127.0.0.1:${ports[0]}`;
    expect(new Set(await answers(rig.port, Array(3).fill(get())))).toEqual(new Set(['backend 0']));
    rig.checker.set(place, false);
    expect(new Set(await answers(rig.port, Array(3).fill(get())))).toEqual(new Set(['backend 1']));
    rig.checker.set(place, true);
    expect(await answers(rig.port, [get()])).toEqual(['backend 0']);
  });
});
