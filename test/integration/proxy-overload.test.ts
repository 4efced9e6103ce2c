import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { ListenerModel, ProxyModel } from '../../src/core/balance/model.js';
import { type AdmissionModel, PRIORITIES } from '../../src/core/limit/admission.js';
import { LISTENER_CELL, POOL_CELL } from '../../src/proxy/cells.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import {
  client,
  endAll,
  exchange,
  httpBackend,
  inBothTiers,
  ok,
  type Rig,
  startRig,
  waitFor,
} from './proxy-rig.js';

afterEach(endAll);

const get = (path: string, lines = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
const getOnce = (path: string, lines = ''): string => get(path, `Connection: close\r\n${lines}`);

/** A backend whose responses the test sends; `sockets` has one entry for each request. */
async function heldBackend(): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const port = await httpBackend((_, socket) => {
    sockets.push(socket);
    return null;
  });
  return { port, sockets };
}

/** The only example below a heading of docs/proxy.md. */
function recipe(heading: string): ProxyModel {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  const text = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf(heading)))![1]!;
  const result = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
  if ('problems' in result) throw new Error(result.problems[0]!.message);
  return result.config;
}

/** What the example of docs/proxy.md says of its listener, with fewer places. */
function shedding(inFlightMax: number): { admission: AdmissionModel } & Pick<ListenerModel, 'handshakes'> {
  const [listener] = recipe('### Who is shed first').listeners;
  if (listener?.protocol !== 'http' || listener.admission === undefined) throw new Error('no such example');
  return { admission: { ...listener.admission, inFlightMax } };
}

function cells({ proxy }: Rig): Float64Array {
  return proxy.listeners[0]!.counters.cells;
}

inBothTiers('a listener that is nearly full', () => {
  it('sheds the lowest priority first, at once, and the highest only when it is full', async () => {
    const held = await heldBackend();
    const rig = await startRig({ ports: [held.port], guarded: shedding(4) });
    const bot = 'User-Agent: AcmeBot/2\r\n';
    for (let i = 0; i < 3; i++) client(rig.port).send(get('/'));
    await waitFor(() => held.sockets.length === 3, 'three requests');
    expect(await exchange(rig.port, getOnce('/', bot))).toMatch(
      /^HTTP\/1\.1 503 .*[\s\S]*Retry-After: [12]\r\n/,
    );
    expect(await exchange(rig.port, getOnce('/'))).toContain('503 too many requests are in progress');
    client(rig.port).send(get('/healthz'));
    await waitFor(() => held.sockets.length === 4, 'the critical one');
    expect(await exchange(rig.port, getOnce('/healthz'))).toContain('503');
    expect(PRIORITIES.map((_, i) => cells(rig)[LISTENER_CELL.SHED + i])).toEqual([1, 0, 1, 1]);
    for (const socket of held.sockets.splice(0)) socket.write(ok('well'));
    await waitFor(() => cells(rig)[LISTENER_CELL.IN_FLIGHT] === 0, 'their ends');
    client(rig.port).send(get('/', bot));
    await waitFor(() => held.sockets.length === 1, 'the bot');
  });

  it('goes on with the connection after it shed a request', async () => {
    const held = await heldBackend();
    const rig = await startRig({ ports: [held.port], guarded: shedding(1) });
    const first = client(rig.port).send(get('/'));
    await waitFor(() => held.sockets.length === 1, 'the first');
    const second = client(rig.port).send(get('/'));
    await second.until((text) => text.includes('are in progress\n'));
    held.sockets[0]!.write(ok('one'));
    await first.until((text) => text.endsWith('one'));
    second.send(get('/'));
    await waitFor(() => held.sockets.length === 2, 'the second');
    held.sockets[1]!.write(ok('two'));
    expect(await second.until((text) => text.endsWith('two'))).toMatch(/503[\s\S]*200 OK/);
  });

  it('counts back whatever way a request ends', async () => {
    const held = await heldBackend();
    const rig = await startRig({ ports: [held.port], guarded: shedding(100) });
    const inFlight = () => cells(rig)[LISTENER_CELL.IN_FLIGHT];
    const begin = async (path: string, lines = '') => {
      const raw = client(rig.port).send(get(path, lines));
      await waitFor(() => held.sockets.length > 0, path);
      expect(inFlight()).toBe(1);
      return { raw, socket: held.sockets.shift()! };
    };
    const gone = await begin('/client-leaves');
    gone.raw.socket.resetAndDestroy();
    await waitFor(() => inFlight() === 0, 'the client to leave');
    const cut = await begin('/endpoint-breaks');
    cut.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbut');
    await cut.raw.until((text) => text.endsWith('but'));
    cut.socket.resetAndDestroy();
    await waitFor(() => inFlight() === 0, 'the endpoint to break');
    const tunnel = await begin('/tunnel', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');
    tunnel.socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    await tunnel.raw.until((text) => text.includes('101'));
    expect(inFlight()).toBe(0);
    tunnel.raw.socket.destroy();
    expect(await exchange(rig.port, 'GET /a\r\n\r\n')).toContain('400');
    expect(inFlight()).toBe(0);
  });

  it('closes connections beyond the handshakes that may begin', async () => {
    const { admission } = shedding(100);
    const port = await httpBackend(() => ok('well'));
    const guarded = { admission, handshakes: { perSecond: 0.001, burst: 2 } };
    const rig = await startRig({ ports: [port], guarded });
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => exchange(rig.port, getOnce('/')).catch(() => '')),
    );
    expect(answers.filter((text) => text.endsWith('well'))).toHaveLength(2);
  });
});

inBothTiers('a pool with an adaptive limit', () => {
  it('bounds what is in progress and queues the rest', async () => {
    const { pools } = recipe('### A limit that follows latency');
    const { concurrency, queue } = pools[0]!;
    const pool = { concurrency: { ...concurrency!, min: 2, max: 3 }, queue: { ...queue!, size: 2 } };
    const held = await heldBackend();
    const rig = await startRig({ ports: [held.port], pool });
    const clients = Array.from({ length: 5 }, () => client(rig.port).send(getOnce('/')));
    await waitFor(() => rig.proxy.pools.get('web')!.queued === 2, 'two that wait');
    await waitFor(() => held.sockets.length === 3, 'three in progress');
    expect(await exchange(rig.port, getOnce('/'))).toContain('503');
    for (let i = 0; i < 5; i++) {
      await waitFor(() => held.sockets.length > i, `request ${i}`);
      held.sockets[i]!.write(ok('well'));
    }
    for (const one of clients) expect(await one.untilEnd()).toContain('well');
    const { tally, concurrencyLimit } = rig.proxy.pools.get('web')!;
    expect(tally.cells[POOL_CELL.CONCURRENCY_REFUSED]).toBeGreaterThan(0);
    expect(concurrencyLimit).toBe(3);
  });
});

inBothTiers('a proxy that drains', () => {
  it('ends idle connections by and by, and answers a last request on them', async () => {
    const port = await httpBackend(() => ok('well'));
    const rig = await startRig({ ports: [port], timeouts: { drainMs: 8_000, clientIdleMs: 1_000 } });
    const idle = Array.from({ length: 20 }, () => client(rig.port).send(get('/')));
    for (const one of idle) await one.until((text) => text.endsWith('well'));
    const ends: number[] = [];
    for (const one of idle) one.socket.on('end', () => ends.push(performance.now()));
    const drained = rig.drain(8_000);
    for (const one of idle.slice(1)) one.socket.on('end', () => one.socket.end());
    expect(await idle[0]!.send(get('/')).untilEnd()).toMatch(/well[\s\S]*Connection: close\r\n\r\nwell$/);
    idle[0]!.socket.end();
    await waitFor(() => ends.length === 20, 'their ends');
    expect(Math.max(...ends.slice(1)) - Math.min(...ends.slice(1))).toBeGreaterThan(150);
    await drained;
  });
});

inBothTiers('a deadline for bodies', () => {
  it('ends an upload that drips, however regularly, and lets others be', async () => {
    const heads: string[] = [];
    const port = await httpBackend((head) => {
      heads.push(head);
      return null;
    });
    const rig = await startRig({ ports: [port], timeouts: { bodyMs: 400, clientIdleMs: 300 } });
    const drip = client(rig.port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
    const timer = setInterval(() => drip.socket.writable && drip.socket.write('x'), 50);
    const text = await drip.untilEnd();
    clearInterval(timer);
    expect(text).toContain('408 the request body did not arrive in time');
    const whole = client(rig.port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody');
    await waitFor(() => heads.length === 2, 'the whole one');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(whole.text).toBe('');
    expect(whole.socket.destroyed).toBe(false);
  });
});

/** Requests one after another from an address of its own; how many got a 200. */
async function legitimate(port: number, requests: number): Promise<number> {
  let good = 0;
  for (let i = 0; i < requests; i++) {
    const text = await new Promise<string>((done) => {
      let received = '';
      const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' });
      socket.setTimeout(2_000, () => socket.destroy());
      socket.on('data', (chunk) => (received += chunk.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => done(received));
      socket.write(getOnce('/'));
    });
    if (text.startsWith('HTTP/1.1 200')) good++;
  }
  return good;
}

inBothTiers('while one source floods', () => {
  it('legitimate clients keep 99 % success', { timeout: 20_000 }, async () => {
    const port = await httpBackend(() => ok('well'));
    const rig = await startRig({
      ports: [port],
      guarded: {
        ...shedding(200),
        sources: { name: 'flood', connections: 10, perSecond: 0, prefix4: 32, prefix6: 64 },
      },
      limits: { connections: 30 },
    });
    const flood = new Set<Socket>();
    let going = true;
    let refused = 0;
    /** Some only hold their connection with half a head; the others ask, and never stop. */
    const attack = (n: number): void => {
      if (!going) return;
      const socket = connect({ host: '127.0.0.1', port: rig.port, localAddress: '127.0.0.1' });
      flood.add(socket);
      socket.on('error', () => {});
      socket.on('data', () => setTimeout(() => socket.write(get('/')), 2));
      socket.on('close', () => {
        refused++;
        flood.delete(socket);
        setTimeout(() => attack(n), 20);
      });
      socket.write(n % 2 === 0 ? 'GET / HTTP/1.1\r\nX-Slow: ' : get('/'));
    };
    for (let i = 0; i < 60; i++) attack(i);
    await waitFor(() => refused > 100, 'the flood');
    const good = await legitimate(rig.port, 100);
    going = false;
    for (const socket of flood) socket.destroy();
    expect(good).toBeGreaterThanOrEqual(99);
    expect(refused).toBeGreaterThan(150);
  });
});
