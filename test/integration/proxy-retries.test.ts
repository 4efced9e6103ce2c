import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { PoolModel, ProxyModel } from '../../src/core/balance/model.js';
import { DEFAULT_BREAKER } from '../../src/core/limit/breaker.js';
import { DEFAULT_RETRIES, type RetryModel } from '../../src/core/limit/retry.js';
import { POOL_CELL } from '../../src/proxy/cells.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import {
  backend,
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

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const RETRIES: RetryModel = { ...DEFAULT_RETRIES, baseMs: 1, maxMs: 2 };

function failing(status: string, extra = ''): () => string {
  return () => `HTTP/1.1 ${status}\r\nContent-Length: 3\r\n${extra}\r\nno\n`;
}

/** Answers with what a request's body was, once `length` bytes of it are there. */
function echo(length: number): Promise<number> {
  return backend((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const body = text.slice(text.indexOf('\r\n\r\n') + 4);
      if (text.includes('\r\n\r\n') && body.length >= length) socket.write(ok(body), 'latin1');
    });
  });
}

function cell({ proxy }: Rig, at: number): number {
  return proxy.pools.get('web')!.tally.cells[at]!;
}

/** The first example below a heading of docs/proxy.md. */
function recipe(heading: string): ProxyModel {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  const text = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf(heading)))![1]!;
  const result = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
  if ('problems' in result) throw new Error(result.problems[0]!.message);
  return result.config;
}

/** The pool of an example, for other endpoints. */
function poolOf({ pools: [pool] }: ProxyModel): Partial<PoolModel> {
  const { name: _, endpoints: __, ...rest } = pool!;
  return rest;
}

afterEach(endAll);

inBothTiers('retries', () => {
  it('throws a 503 away for the answer of another endpoint, and keeps the connection', async () => {
    let connections = 0;
    const bad = await backend((socket) => {
      connections++;
      socket.on('data', () => socket.write(failing('503 Busy')()));
    });
    const good = await httpBackend(() => ok('well'));
    const rig = await startRig({ ports: [bad, good], pool: { retries: RETRIES } });
    for (let i = 0; i < 4; i++) expect(await exchange(rig.port, GET)).toContain('well');
    expect(cell(rig, POOL_CELL.RETRIED)).toBe(2);
    expect(connections).toBe(1);
    const [first] = rig.proxy.pools.get('web')!.endpoints;
    expect(rig.proxy.pools.get('web')!.activeOf(first!.index)).toBe(0);
  });

  it.each([
    ['an endpoint that closes without a word', 'GET', 'well'],
    ['it, but not for a POST', 'POST', '502 Bad Gateway'],
  ])('tries again after %s', async (_, method, expected) => {
    const bad = await backend((socket) => void socket.on('data', () => socket.end()));
    const good = await httpBackend(() => ok('well'));
    const rig = await startRig({ ports: [bad, good], pool: { balance: 'first', retries: RETRIES } });
    expect(await exchange(rig.port, GET.replace('GET', method))).toContain(expected);
  });

  it('gives one endpoint less time than the request', async () => {
    const silent = await backend(() => {});
    const good = await httpBackend(() => ok('well'));
    const retries = { ...RETRIES, tryMs: 50 };
    const rig = await startRig({ ports: [silent, good], pool: { balance: 'first', retries } });
    expect(await exchange(rig.port, GET)).toContain('well');
  });

  it('sends a body once more, of which a part came late', async () => {
    const bad = await backend((socket) => {
      socket.on('data', (chunk) => {
        if (chunk.toString('latin1').endsWith('abc')) socket.write(failing('503 Busy')());
      });
    });
    const rig = await startRig({ ports: [bad, await echo(6)], pool: { balance: 'first', retries: RETRIES } });
    const raw = client(rig.port).send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
    await waitFor(() => cell(rig, POOL_CELL.RETRIED) === 1, 'the retry');
    raw.send('def');
    expect(await raw.until((text) => text.endsWith('abcdef'))).toContain('200 OK');
  });

  it('passes the failure on where the body is too large, or the wait too long, or nobody is left', async () => {
    const busy = await httpBackend(failing('503 Busy', 'Retry-After: 1000000000000\r\n'));
    const one = await startRig({
      ports: [busy, await httpBackend(() => ok(''))],
      pool: { balance: 'first', retries: RETRIES },
    });
    expect(await exchange(one.port, GET)).toContain('503 Busy');
    expect(cell(one, POOL_CELL.RETRY_AFTER)).toBe(1);
    const bad = await backend((socket) => void socket.on('data', () => socket.write(failing('502 Bad')())));
    const retries = { ...RETRIES, bodyBytes: 2 };
    const other = await httpBackend(failing('502 Bad'));
    const two = await startRig({ ports: [bad, other], pool: { balance: 'first', retries } });
    const put = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`;
    expect(
      await client(two.port)
        .send(put)
        .until((text) => text.endsWith('no\n')),
    ).toContain('502 Bad');
    expect(cell(two, POOL_CELL.RETRY_BODY)).toBe(1);
    expect(await exchange(two.port, GET)).toContain('502 Bad');
  });

  it('keeps to the budget: most failures are passed on in a brown-out', async () => {
    const ports = [await httpBackend(failing('503 A')), await httpBackend(failing('503 B'))];
    const retryBudget = { ratio: 0.2, floor: 2, windowMs: 10_000 };
    const rig = await startRig({ ports, pool: { retries: RETRIES, retryBudget } });
    for (let i = 0; i < 50; i++) expect(await exchange(rig.port, GET)).toContain('503');
    expect(cell(rig, POOL_CELL.RETRIED)).toBeLessThan(10);
    expect(cell(rig, POOL_CELL.RETRIED)).toBeGreaterThan(4);
    expect(cell(rig, POOL_CELL.RETRY_NO_BUDGET)).toBe(50 - cell(rig, POOL_CELL.RETRIED));
  });

  it.each([
    ['sends the body to the fallback pool too', RETRIES, '200 OK'],
    ['does so too where that has no retries', { ...RETRIES, max: 0 }, '200 OK'],
    ['gives up where that keeps less of a body', { ...RETRIES, bodyBytes: 2 }, '502'],
  ])('when retries are over %s', async (_, retries, expected) => {
    const bad = await backend((socket) => void socket.on('data', () => socket.write(failing('503 A')())));
    const address = (port: number) => ({ address: { host: '127.0.0.1', port }, weight: 1 });
    const spare = { name: 'spare', balance: 'first', endpoints: [address(await echo(3))], retries } as const;
    const pool = { balance: 'first', retries: { ...RETRIES, max: 2 }, fallback: { pool: 'spare' } } as const;
    const rig = await startRig({ ports: [bad, 1], pool, pools: [spare] });
    const put = 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
    const text = await client(rig.port)
      .send(put)
      .until((so) => so.includes('abc') || so.includes('502 '));
    expect(text).toContain(expected);
  });

  it('goes as the route says, not the pool', async () => {
    const ports = [await httpBackend(failing('503 A')), await httpBackend(() => ok('well'))];
    const routes = [
      { match: { pathPrefix: '/' }, pool: 'web' },
      { match: { pathPrefix: '/once' }, pool: 'web', retries: { ...RETRIES, max: 0 } },
    ];
    const rig = await startRig({ ports, pool: { balance: 'first', retries: RETRIES }, routes });
    expect(await exchange(rig.port, GET)).toContain('well');
    expect(await exchange(rig.port, GET.replace('GET /', 'GET /once'))).toContain('503 A');
  });

  it('forgets the request of a client that goes in the pause', async () => {
    const ports = [await httpBackend(failing('503 A')), await httpBackend(failing('503 B'))];
    const retries = { ...RETRIES, baseMs: 60_000, maxMs: 60_000 };
    const rig = await startRig({ ports, pool: { retries } });
    const raw = client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.retries.active === 1, 'the retry');
    raw.socket.resetAndDestroy();
    await waitFor(() => rig.proxy.pools.get('web')!.retries.active === 0, 'its end');
  });
});

inBothTiers('hedging', () => {
  const HEDGED = { ...RETRIES, hedgeMs: 30 };

  /** Endpoints of which the first is asked first; nothing may be left in progress. */
  async function hedged(first: (socket: Socket) => void, second: () => string): Promise<string> {
    const ports = [
      await backend((socket) => void socket.once('data', () => first(socket))),
      await httpBackend(second),
    ];
    const rig = await startRig({ ports, pool: { balance: 'first', retries: HEDGED } });
    const text = await exchange(rig.port, GET);
    const pool = rig.proxy.pools.get('web')!;
    expect(cell(rig, POOL_CELL.HEDGED)).toBe(1);
    expect([pool.activeOf(0), pool.activeOf(1), pool.retries.active]).toEqual([0, 0, 0]);
    return text;
  }

  it('takes the answer of a second endpoint while the first is silent', async () => {
    expect(
      await hedged(
        () => {},
        () => ok('second'),
      ),
    ).toContain('second');
  });

  it('takes the answer of the first if the second fails', async () => {
    let fail = (): void => {};
    const first = (socket: Socket): void => {
      fail = () => setTimeout(() => socket.write(ok('first')), 20);
    };
    const second = (): string => {
      fail();
      return failing('503 Busy')();
    };
    expect(await hedged(first, second)).toContain('first');
  });

  it('waits for the second if the first fails meanwhile', async () => {
    const socketOf: Socket[] = [];
    const port = await backend((socket) => {
      socket.once('data', () => {
        socketOf[0]?.destroy();
        setTimeout(() => socket.write(ok('second')), 20);
      });
    });
    const silent = await backend((socket) => void socketOf.push(socket));
    const rig = await startRig({ ports: [silent, port], pool: { balance: 'first', retries: HEDGED } });
    expect(await exchange(rig.port, GET)).toContain('second');
    expect(cell(rig, POOL_CELL.RETRIED)).toBe(1);
  });

  it('asks nobody else for a POST, or once an answer began', async () => {
    const ports = [
      await backend((socket) => {
        socket.on('data', () => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfi');
          setTimeout(() => socket.write('rst'), 60);
        });
      }),
      await httpBackend(() => ok('second')),
    ];
    const rig = await startRig({ ports, pool: { balance: 'first', retries: HEDGED } });
    expect(await exchange(rig.port, GET)).toContain('first');
    expect(await exchange(rig.port, GET.replace('GET', 'POST'))).toContain('first');
    expect(cell(rig, POOL_CELL.HEDGED)).toBe(0);
  });

  it('sends the body to both', async () => {
    const silent = await backend(() => {});
    const rig = await startRig({
      ports: [silent, await echo(3)],
      pool: { balance: 'first', retries: HEDGED },
    });
    const put = 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
    expect(
      await client(rig.port)
        .send(put)
        .until((text) => text.endsWith('abc')),
    ).toContain('200 OK');
  });
});

inBothTiers('the examples of docs/proxy.md', () => {
  it('retry as they say', async () => {
    const model = recipe('## Retries');
    const [listener] = model.listeners;
    const routes = listener?.protocol === 'http' ? listener.routes : [];
    const ports = [await httpBackend(failing('503 A')), await httpBackend(() => ok('well'))];
    const rig = await startRig({ ports, routes, pool: { ...poolOf(model), balance: 'first' } });
    expect(await exchange(rig.port, GET)).toContain('well');
    expect(await exchange(rig.port, GET.replace('GET /', 'GET /pay'))).toContain('503 A');
    const search = 'POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    expect(await exchange(rig.port, search)).toContain('well');
    expect(await exchange(rig.port, search.replace('/search', '/other'))).toContain('503 A');
  });

  it('break as they say', async () => {
    const ports = [await httpBackend(failing('500 A')), await httpBackend(() => ok('well'))];
    const pool = { ...poolOf(recipe('## Circuit breakers')), balance: 'first' } as const;
    const rig = await startRig({ ports, pool });
    for (let i = 0; i < 5; i++) expect(await exchange(rig.port, GET)).toContain('500 A');
    for (let i = 0; i < 5; i++) expect(await exchange(rig.port, GET)).toContain('well');
  });

  it('limit retries of a pool as they say', async () => {
    const { poolLimits } = poolOf(recipe('### Limits of a pool'));
    const ports = [await httpBackend(failing('503 A')), await httpBackend(failing('503 B'))];
    const retries = { ...RETRIES, baseMs: 60_000, maxMs: 60_000 };
    const rig = await startRig({ ports, pool: { retries, poolLimits: poolLimits! } });
    for (let i = 0; i < 3; i++) client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.retries.active === 3, 'three retries');
    expect(await exchange(rig.port, GET)).toContain('503');
    expect(cell(rig, POOL_CELL.RETRY_LIMIT)).toBe(1);
  });
});

inBothTiers('circuit breakers', () => {
  const BREAKER = { ...DEFAULT_BREAKER, consecutive: 3, openMs: 300, jitter: 0, trials: 1, rampMs: 0 };

  it('answers at once with Retry-After while all are open, and comes back by a trial', async () => {
    let answer = failing('500 Broken');
    let asked = 0;
    const port = await httpBackend(() => {
      asked++;
      return answer();
    });
    const rig = await startRig({ ports: [port], pool: { breaker: BREAKER } });
    for (let i = 0; i < 3; i++) expect(await exchange(rig.port, GET)).toContain('500 Broken');
    const refused = await exchange(rig.port, GET);
    expect(refused).toContain('503 Service Unavailable');
    expect(refused).toContain('Retry-After: 1\r\n');
    expect(refused).toContain('the circuit breakers of pool web are open');
    expect(asked).toBe(3);
    expect(cell(rig, POOL_CELL.BREAKER_REFUSED)).toBe(1);
    answer = () => ok('well');
    const [endpoint] = rig.proxy.pools.get('web')!.endpoints;
    await waitFor(() => endpoint!.breaker === 'half_open', 'the trial');
    expect(await exchange(rig.port, GET)).toContain('well');
    expect(endpoint!.breaker).toBe('closed');
  });

  it('leaves an open endpoint for the others, and can be forced', async () => {
    const ports = [await httpBackend(failing('500 Broken')), await httpBackend(() => ok('well'))];
    const breaker = { ...BREAKER, openMs: 60_000, openMsMax: 60_000 };
    const rig = await startRig({ ports, pool: { balance: 'first', breaker } });
    for (let i = 0; i < 3; i++) expect(await exchange(rig.port, GET)).toContain('500 Broken');
    expect(await exchange(rig.port, GET)).toContain('well');
    const pool = rig.proxy.pools.get('web')!;
    pool.forceBreaker(0, 'closed');
    expect(await exchange(rig.port, GET)).toContain('500 Broken');
    pool.forceBreaker(0, 'open');
    pool.forceBreaker(1, 'open');
    expect(await exchange(rig.port, GET)).toContain('Retry-After: 60\r\n');
  });

  it('does not call an endpoint slow whose client is slow to send', async () => {
    const breaker = { ...BREAKER, volume: 1, slow: { ms: 80, rate: 1 } };
    const rig = await startRig({ ports: [await echo(6)], pool: { breaker } });
    const raw = client(rig.port).send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
    await new Promise((done) => setTimeout(done, 150));
    raw.send('def');
    await raw.until((text) => text.endsWith('abcdef'));
    expect(rig.proxy.pools.get('web')!.endpoints[0]!.breaker).toBe('closed');
  });

  it('opens for slow answers', async () => {
    const breaker = { ...BREAKER, volume: 1, slow: { ms: 80, rate: 1 } };
    const port = await backend((socket) => {
      socket.on('data', () => setTimeout(() => socket.write(ok('late')), 120));
    });
    const rig = await startRig({ ports: [port], pool: { breaker } });
    expect(await exchange(rig.port, GET)).toContain('late');
    expect(rig.proxy.pools.get('web')!.endpoints[0]!.breaker).toBe('open');
  });

  it('refuses what is beyond the limit of the pool', async () => {
    const port = await backend(() => {});
    const rig = await startRig({ ports: [port], pool: { poolLimits: { requests: 1 } } });
    client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.activeOf(0) === 1, 'the first');
    expect(await exchange(rig.port, GET)).toContain('503 Service Unavailable');
    expect(cell(rig, POOL_CELL.BOUNDED)).toBe(1);
  });
});
