import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { PoolModel } from '../../src/core/balance/model.js';
import type { CookieStickyModel } from '../../src/core/balance/sticky-model.js';
import { DEFAULT_RETRIES } from '../../src/core/limit/retry.js';
import { NO_TLS } from '../../src/proxy/tls.js';
import { backend, client, endAll, exchange, httpBackend, inBothTiers, ok, startRig } from './proxy-rig.js';

afterEach(endAll);

const COOKIE: CookieStickyModel = {
  ...{ by: 'cookie', cookie: 'stay', application: '', path: '/', domain: '' },
  ...{ secure: false, httpOnly: true, sameSite: 'lax', lifetimeMs: null, drainMs: 60_000 },
};
const PAGE = {
  ...{ status: 503, body: '<h1>back soon</h1>', type: 'text/html; charset=utf-8' },
  fields: [{ name: 'Retry-After', value: '60' }],
};

/** Endpoints that answer with their number, and with what was sent to them. */
async function endpoints(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let i = 0; i < count; i++) {
    ports.push(
      await backend((socket) => {
        socket.on('data', (chunk) => {
          const text = chunk.toString('latin1');
          const body = text.slice(text.indexOf('\r\n\r\n') + 4);
          socket.write(ok(`endpoint ${i} ${body}`.trim(), 'X-Endpoint: yes\r\n'));
        });
      }),
    );
  }
  return ports;
}

function get(port: number, cookie: string | null, close = true): Promise<string> {
  const lines = `${cookie === null ? '' : `Cookie: ${cookie}\r\n`}${close ? 'Connection: close\r\n' : ''}`;
  return exchange(port, `GET / HTTP/1.1\r\nHost: x\r\n${lines}\r\n`);
}

const endpointIn = (text: string) => /endpoint (\d)/.exec(text)?.[1];
const cookieIn = (text: string) => /Set-Cookie: (stay=[\w-]{28}); Path=\/; HttpOnly/.exec(text)?.[1] ?? null;

inBothTiers('sticky sessions', () => {
  it('keep a client at its endpoint over connections, and over requests of one connection', async () => {
    const { port } = await startRig({ ports: await endpoints(3), pool: { sticky: COOKIE } });
    const first = await get(port, null);
    const cookie = cookieIn(first);
    expect(first).toContain('\r\nX-Endpoint: yes\r\n');
    for (let i = 0; i < 4; i++) {
      const again = await get(port, cookie);
      expect([endpointIn(again), cookieIn(again)]).toEqual([endpointIn(first), null]);
    }
    const kept = client(port);
    for (let i = 1; i <= 4; i++) {
      kept.send(`GET / HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`);
      await kept.until((text) => text.split(/endpoint \d/).length > i);
    }
    expect(new Set([...kept.text.matchAll(/endpoint (\d)/g)].map(([, index]) => index))).toEqual(
      new Set([endpointIn(first)]),
    );
  });

  it('move to another endpoint when theirs accepts no more, and stay there', async () => {
    const ports = await endpoints(2);
    const server = createServer((socket) => socket.once('data', () => socket.end(ok('endpoint 2'))));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = await startRig({
      ports: [...ports, (server.address() as AddressInfo).port],
      pool: { sticky: COOKIE },
    });
    let first = await get(port, null);
    for (let i = 0; i < 3 && endpointIn(first) !== '2'; i++) first = await get(port, null);
    expect(endpointIn(await get(port, cookieIn(first)))).toBe('2');
    await new Promise((done) => server.close(done));
    const moved = await get(port, cookieIn(first));
    const cookie = cookieIn(moved);
    expect(moved).toContain('200 OK');
    expect(cookie).not.toBeNull();
    for (let i = 0; i < 4; i++) expect(endpointIn(await get(port, cookie))).toBe(endpointIn(moved));
  });

  it.each([
    ['forged', `stay=${'A'.repeat(28)}`, 200],
    ['cut', 'stay=AAA', 200],
    ['of 30 KB', `stay=${'A'.repeat(30_000)}`, 200],
    ['of 64 KB, more than a head may have', `stay=${'A'.repeat(65_536)}`, 431],
    ['among a thousand others', `${'a=b; '.repeat(1000)}stay=x`, 200],
    ['with bytes that are no text', 'stay=\xff\xfe\x80', 200],
  ])('answer a cookie that is %s', async (_, cookie, status) => {
    const { port } = await startRig({ ports: await endpoints(2), pool: { sticky: COOKIE } });
    const answer = await get(port, cookie);
    expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(cookieIn(answer) !== null).toBe(status === 200);
  });

  it.each([
    ['300 bytes, which are no key', 300, 200],
    ['64 KB, more than a head may have', 65_536, 431],
  ])('answer a header of %s', async (_, bytes, status) => {
    const sticky = { by: 'header', header: 'x-user', lifetimeMs: 60_000, drainMs: 0 } as const;
    const { port } = await startRig({ ports: await endpoints(2), pool: { balance: 'ip_hash', sticky } });
    const head = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User: ${'u'.repeat(bytes)}\r\n\r\n`;
    expect((await exchange(port, head)).slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  });

  it('outlive a reload that changes their pool', async () => {
    const ports = await endpoints(3);
    const { port, proxy, model } = await startRig({ ports, pool: { sticky: COOKIE } });
    const first = await get(port, null);
    const pools = model.pools.map((pool) => ({ ...pool, endpoints: [...pool.endpoints].reverse() }));
    expect(await proxy.apply({ ...model, pools }, NO_TLS)).toEqual([]);
    for (let i = 0; i < 4; i++) expect(endpointIn(await get(port, cookieIn(first)))).toBe(endpointIn(first));
  });

  it('keep TCP clients by address', async () => {
    const ports: number[] = [];
    for (let i = 0; i < 4; i++) ports.push(await backend((socket) => socket.end(`endpoint ${i}`)));
    const sticky = { by: 'address', header: '', lifetimeMs: 60_000, drainMs: 60_000 } as const;
    const { port, proxy } = await startRig({
      ...{ ports, protocol: 'tcp' as const },
      pool: { balance: 'ip_hash', sticky },
    });
    const first = await exchange(port, '');
    for (let i = 0; i < 3; i++) expect(await exchange(port, '')).toBe(first);
    const index = Number(endpointIn(first));
    proxy.judge('web', index, false, 'refused');
    const second = await exchange(port, '');
    expect(second).not.toBe(first);
    proxy.judge('web', index, true, 'ok');
    expect(await exchange(port, '')).toBe(second);
  });
});

inBothTiers('a pool that can not serve', () => {
  const spare = async (): Promise<PoolModel> => ({
    name: 'spare',
    balance: 'round_robin',
    endpoints: [
      {
        address: {
          host: '127.0.0.1',
          port: await httpBackend((head) => ok(`spare got ${head.split('\r\n')[0]}`)),
        },
        weight: 1,
      },
    ],
  });

  it.each([
    ['no endpoint is up', { down: true, ports: 1 }],
    ['no endpoint accepts', { down: false, ports: 0 }],
    ['it is being maintained', { down: false, ports: 1, maintenance: true }],
  ])('gives requests to another pool when %s', async (_, { down, ports, ...more }) => {
    const { port, proxy } = await startRig({
      ports: ports > 0 ? await endpoints(1) : [9],
      pool: { fallback: { pool: 'spare' }, ...more },
      pools: [await spare()],
    });
    if (down) proxy.judge('web', 0, false, 'refused');
    const peer = client(port).send(
      'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    const text = await peer.untilEnd();
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expect(text).toContain('spare got GET /a HTTP/1.1');
    expect(text).toContain('spare got GET /b HTTP/1.1');
    expect(proxy.pools.get('spare')!.activeOf(0)).toBe(0);
    expect(proxy.pools.get('web')!.activeOf(0)).toBe(0);
  });

  it('gives the other pool the whole body of a POST', async () => {
    const [echo = 0] = await endpoints(1);
    const address = { host: '127.0.0.1', port: echo };
    const { port } = await startRig({
      ports: [9],
      pool: { fallback: { pool: 'spare' } },
      pools: [{ ...(await spare()), endpoints: [{ address, weight: 1 }] }],
    });
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n';
    expect(await exchange(port, `${head}hello`)).toContain('endpoint 0 hello');
  });

  it('gives the other pool the whole body also after a retry', async () => {
    const [echo = 0] = await endpoints(1);
    const resets = await backend((socket) => {
      socket.on('data', () => socket.resetAndDestroy());
    });
    const retries = { ...DEFAULT_RETRIES, max: 2, baseMs: 1, maxMs: 2 };
    const { port, proxy } = await startRig({
      ports: [resets, 9],
      pool: { balance: 'first', retries, fallback: { pool: 'spare' } },
      pools: [{ ...(await spare()), endpoints: [{ address: { host: '127.0.0.1', port: echo }, weight: 1 }] }],
    });
    const head = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n';
    expect(await exchange(port, `${head}hello`)).toContain('endpoint 0 hello');
    for (const pool of proxy.pools.values()) expect(pool.activeOf(0) + pool.activeOf(1)).toBe(0);
  });

  it.each([
    ['no endpoint is up', 'down'],
    ['no endpoint accepts', 'refuses'],
    ['an endpoint breaks off before its head', 'breaks'],
    ['an endpoint answers nonsense', 'nonsense'],
  ])('gives a page when %s, and the connection goes on', async (_, how) => {
    const bad = await backend((socket) => {
      socket.on('data', () => socket.end(how === 'nonsense' ? 'what?\r\n\r\n' : ''));
    });
    const { port, proxy } = await startRig({
      ports: [how === 'refuses' ? 9 : bad],
      pool: { fallback: { respond: PAGE } },
    });
    if (how === 'down') proxy.judge('web', 0, false, 'refused');
    const peer = client(port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await peer.until((text) => text.includes('back soon'));
    peer.send('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const text = await peer.untilEnd();
    expect(text.match(/HTTP\/1\.1 503/g)).toHaveLength(2);
    expect(text).toContain('Content-Type: text/html; charset=utf-8\r\n');
    expect(text.match(/Retry-After: 60\r\n/g)).toHaveLength(2);
    expect(text.match(/back soon/g)).toHaveLength(1);
  });

  it('goes on to the next fallback, to its end', async () => {
    const dead = { address: { host: '127.0.0.1', port: 9 }, weight: 1 };
    const { port } = await startRig({
      ports: [9],
      pool: { fallback: { pool: 'spare' } },
      pools: [{ name: 'spare', balance: 'random', endpoints: [dead], fallback: { respond: PAGE } }],
    });
    expect(await get(port, null)).toContain('back soon');
  });

  it('passes on what an endpoint answers, also a failure', async () => {
    const bad = await httpBackend(() => 'HTTP/1.1 500 Sorry\r\nContent-Length: 3\r\n\r\nown');
    const { port } = await startRig({ ports: [bad], pool: { fallback: { respond: PAGE } } });
    expect(await get(port, null)).toMatch(/^HTTP\/1\.1 500 Sorry\r\n[\s\S]*own$/);
  });

  it('tries everybody when nobody is up, with fail: open', async () => {
    const { port, proxy } = await startRig({ ports: await endpoints(1), pool: { fail: 'open' } });
    proxy.judge('web', 0, false, 'refused');
    expect(proxy.pools.get('web')!.panic).toBe(true);
    expect(await get(port, null)).toContain('200 OK');
  });

  it.each([
    ['answers with a 503', 'error'],
    ['breaks off', 'break'],
    ['is down', 'down'],
  ])('gives the last good response again when the endpoint %s', async (_, how) => {
    let bad = false;
    const backendPort = await backend((socket) => {
      socket.on('data', () => {
        if (!bad) {
          const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=1\r\n\r\n';
          socket.write(`${head}4\r\ngood\r\n5\r\n news\r\n0\r\n\r\n`);
        } else if (how === 'error') {
          socket.write('HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nbad');
        } else socket.destroy();
      });
    });
    const { port, proxy, model } = await startRig({
      ports: [backendPort],
      pool: {
        stale: { forMs: 60_000, bytes: 1_000_000, bodyBytes: 1_000 },
        retries: { ...DEFAULT_RETRIES, baseMs: 1, maxMs: 2 },
        fallback: { respond: PAGE },
      },
    });
    expect(await get(port, null)).toContain('4\r\ngood\r\n');
    bad = true;
    if (how === 'down') proxy.judge('web', 0, false, 'refused');
    const peer = client(port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const first = await peer.until((text) => text.endsWith('good news'));
    expect(first).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Age: 0\r\n[\s\S]*Content-Length: 9\r\n/);
    peer.send('GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await peer.untilEnd()).toContain(how === 'error' ? '\r\n\r\nbad' : 'back soon');
    const pools = model.pools.map((pool) => ({ ...pool, balance: 'random' as const }));
    await proxy.apply({ ...model, pools }, NO_TLS);
    proxy.judge('web', 0, false, 'refused');
    expect(await get(port, null)).toContain('good news');
    expect(proxy.pools.get('web')!.activeOf(0)).toBe(0);
  });
});
