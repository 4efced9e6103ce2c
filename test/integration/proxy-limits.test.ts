/** Rate limits, lists of clients and connections of one source, through real connections. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AccessListModel, RateLimitModel } from '../../src/core/limit/limit-model.js';
import { LISTENER_CELL } from '../../src/proxy/cells.js';
import { LISTENER_EVENT, type ListenerEvent } from '../../src/proxy/listener-events.js';
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

/** So slow that nothing comes back during a test. */
const LIMIT: RateLimitModel = {
  ...{ name: 'few', requests: 3, periodMs: 3_600_000, burst: 3, keys: [{ by: 'address' }] },
  ...{ prefix4: 32, prefix6: 64, missing: 'address', dryRun: false },
};
const NOTHING = { prefixes: [], countries: [], asns: [] };
const NOT_LOOPBACK: AccessListModel = {
  name: 'not_loopback',
  allow: NOTHING,
  deny: { ...NOTHING, prefixes: [{ bytes: Uint8Array.of(127, 0, 0, 0), length: 8 }] },
};

const get = (path = '/', fields = '') => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`;
const last = (path = '/', fields = '') => get(path, `${fields}Connection: close\r\n`);

function events(rig: Rig, event: ListenerEvent): number {
  return rig.proxy.counters[0]!.cells[LISTENER_CELL.EVENTS + LISTENER_EVENT[event]]!;
}

async function web(): Promise<readonly number[]> {
  return [await httpBackend(() => ok('fine'))];
}

inBothTiers('a rate limit', () => {
  it('refuses what is beyond the burst, and says when to come again', async () => {
    const rig = await startRig({ ports: await web(), guarded: { limits: [LIMIT] } });
    const asking = client(rig.port);
    const text = await asking
      .send(get().repeat(4) + last())
      .until((got) => got.split('HTTP/1.1').length === 6);
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(3);
    const refused = text.slice(text.indexOf('HTTP/1.1 429'));
    expect(refused).toMatch(/^HTTP\/1.1 429 Too Many Requests\r\n/);
    expect(refused).toMatch(/\r\nRetry-After: 1200\r\n/);
    expect(refused).toMatch(/\r\nRateLimit-Policy: "few";q=3;w=3600\r\n/);
    expect(refused).toMatch(/\r\nRateLimit: "few";r=0;t=1200\r\n/);
    expect(refused).toMatch(/\r\nConnection: keep-alive\r\n/);
    expect(rig.limits.totals()).toMatchObject([{ name: 'few', passed: 3, refused: 2 }]);
  });

  it('counts each API key by itself, and by address who shows none', async () => {
    const limit: RateLimitModel = {
      ...LIMIT,
      burst: 1,
      requests: 1,
      keys: [{ by: 'header', name: 'x-api-key' }],
    };
    const rig = await startRig({ ports: await web(), guarded: { limits: [limit] } });
    const status = async (fields: string) => (await exchange(rig.port, last('/', fields))).slice(9, 12);
    const long = `X-Api-Key: ${'k'.repeat(20_000)}`;
    const asked = [
      'X-Api-Key: a\r\n',
      'X-Api-Key: b\r\n',
      'x-api-key: a\r\n',
      '',
      'X-Api-Key:\r\n',
      `${long}\r\n`,
    ];
    const statuses: string[] = [];
    for (const fields of [...asked, `${long}\r\n`, `${long}l\r\n`]) statuses.push(await status(fields));
    expect(statuses).toEqual(['200', '200', '429', '200', '429', '200', '429', '200']);
    expect(await status(`X-Api-Key: ${'k'.repeat(65_536)}\r\n`)).toBe('431');
    expect(rig.limits.totals()).toMatchObject([{ passed: 5, refused: 3, withoutKey: 2 }]);
  });

  it('goes by the address that a trusted proxy names last, and by no other', async () => {
    const guarded = { limits: [{ ...LIMIT, burst: 1, requests: 1 }] };
    const rig = await startRig({ ports: await web(), guarded, trusted: ['127.0.0.1'] });
    const asked = [
      '1.1.1.1',
      '9.9.9.9, 1.1.1.1',
      '1.1.1.2',
      '1.1.1.1\r\nX-Forwarded-For: 1.1.1.3',
      '',
      'x'.repeat(99),
    ];
    const statuses: string[] = [];
    for (const value of asked) {
      statuses.push((await exchange(rig.port, last('/', `X-Forwarded-For: ${value}\r\n`))).slice(9, 12));
    }
    expect(statuses).toEqual(['200', '429', '200', '200', '200', '429']);
    const untrusting = await startRig({ ports: await web(), guarded });
    const direct = (value: string) => exchange(untrusting.port, last('/', `X-Forwarded-For: ${value}\r\n`));
    expect([(await direct('1.1.1.1')).slice(9, 12), (await direct('1.1.1.2')).slice(9, 12)]).toEqual([
      '200',
      '429',
    ]);
  });

  it('only counts in a dry run', async () => {
    const rig = await startRig({ ports: await web(), guarded: { limits: [{ ...LIMIT, dryRun: true }] } });
    const text = await client(rig.port)
      .send(get().repeat(4) + last())
      .untilEnd();
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(5);
    expect(rig.limits.totals()).toMatchObject([{ passed: 3, refused: 0, wouldRefuse: 2 }]);
  });

  it('of a route counts only its requests, and each route by itself where that is a key', async () => {
    const limit: RateLimitModel = { ...LIMIT, burst: 1, requests: 1, keys: [{ by: 'route' }] };
    const routes = ['/a', '/b'].map((pathPrefix) => ({
      match: { pathPrefix },
      pool: 'web',
      limits: [limit],
    }));
    const rig = await startRig({
      ports: await web(),
      routes: [...routes, { match: { pathPrefix: '/' }, pool: 'web' }],
    });
    const statuses: string[] = [];
    for (const path of ['/a', '/b', '/a', '/', '/']) {
      statuses.push((await exchange(rig.port, last(path))).slice(9, 12));
    }
    expect(statuses).toEqual(['200', '200', '429', '200', '200']);
  });

  it('refuses a request with a body before the body comes, and ends the connection', async () => {
    const rig = await startRig({
      ports: await web(),
      guarded: { limits: [{ ...LIMIT, burst: 1, requests: 1 }] },
    });
    await exchange(rig.port, last());
    const text = await client(rig.port)
      .send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n')
      .untilEnd();
    expect(text).toMatch(/^HTTP\/1.1 429 [\s\S]*\r\nConnection: close\r\n/);
  });
});

inBothTiers('a list of clients', () => {
  it('closes connections of others before they say anything', async () => {
    const rig = await startRig({ ports: await web(), guarded: { access: NOT_LOOPBACK } });
    const refused = client(rig.port);
    await refused.untilEnd();
    expect(refused.text).toBe('');
    await waitFor(() => events(rig, 'refused_access') === 1, 'the count');
    expect(rig.proxy.counters[0]!.active).toBe(0);
  });

  it('answers others with a 403 on a route', async () => {
    const rig = await startRig({
      ports: await web(),
      routes: [
        { match: { pathPrefix: '/admin' }, pool: 'web', access: NOT_LOOPBACK },
        { match: { pathPrefix: '/' }, pool: 'web' },
      ],
    });
    expect(await exchange(rig.port, last('/admin/x'))).toMatch(/^HTTP\/1.1 403 Forbidden\r\n/);
    expect(await exchange(rig.port, last('/'))).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  });

  it('goes by the address in a PROXY header', async () => {
    const trusted = [{ bytes: Uint8Array.of(127, 0, 0, 0), length: 8 }];
    const list: AccessListModel = {
      ...NOT_LOOPBACK,
      deny: { ...NOTHING, prefixes: [{ bytes: Uint8Array.of(203, 0, 113, 0), length: 24 }] },
    };
    const rig = await startRig({ ports: await web(), guarded: { access: list, headersFrom: trusted } });
    const from = (address: string) => `PROXY TCP4 ${address} 127.0.0.1 1000 80\r\n${last()}`;
    expect(await exchange(rig.port, from('203.0.113.9'))).toBe('');
    expect(await exchange(rig.port, from('198.51.100.9'))).toMatch(/^HTTP\/1.1 200/);
    expect(events(rig, 'refused_access')).toBe(1);
  });
});

inBothTiers('connections of one source', () => {
  const sources = { name: 'web', connections: 2, perSecond: 0, prefix4: 32, prefix6: 64 };

  describe.each(['http', 'tcp'] as const)('of a listener with protocol %s', (protocol) => {
    it('are limited while they are open', async () => {
      const rig = await startRig({ ports: await web(), protocol, guarded: { sources } });
      const open = [client(rig.port), client(rig.port)];
      for (const one of open) await one.send(get()).until((text) => text.includes('fine'));
      await client(rig.port).untilEnd();
      expect(events(rig, 'refused_source')).toBe(1);
      open[0]!.socket.destroy();
      await waitFor(() => rig.proxy.counters[0]!.active === 1, 'the end of one');
      const next = client(rig.port);
      await next.send(get()).until((text) => text.includes('fine'));
    });
  });

  it('may not begin more often than is allowed', async () => {
    const rig = await startRig({
      ports: await web(),
      guarded: { sources: { ...sources, connections: 0, perSecond: 2 } },
    });
    const all = Array.from({ length: 6 }, () => client(rig.port).send(last()));
    await Promise.all(all.map((one) => one.untilEnd()));
    const served = all.filter(({ text }) => text.includes('fine')).length;
    expect(served).toBeGreaterThanOrEqual(2);
    expect(served).toBeLessThan(6);
    expect(events(rig, 'refused_rate')).toBe(6 - served);
  });
});

inBothTiers('a flood from one source', () => {
  it('takes no connections from others, who all get their answers', async () => {
    const rig = await startRig({
      ports: await web(),
      limits: { connections: 40 },
      guarded: { sources: { ...{ name: 'web', connections: 10, perSecond: 0, prefix4: 32, prefix6: 64 } } },
    });
    let flooding = true;
    const held = new Set<Socket>();
    const flood = async (): Promise<void> => {
      while (flooding) {
        // As fast as they are refused, and no faster: the proxy shares this thread.
        while (held.size < 40) {
          const socket = connect({ host: '127.0.0.1', port: rig.port, localAddress: '127.0.0.2' });
          held.add(socket);
          socket.on('error', () => {}).on('close', () => held.delete(socket));
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    const attack = flood();
    await waitFor(() => events(rig, 'refused_source') > 100, 'the flood');
    let served = 0;
    for (let i = 0; i < 100; i++) {
      const asking = client(rig.port).send(last());
      if ((await asking.untilEnd()).startsWith('HTTP/1.1 200')) served++;
      asking.socket.destroy();
    }
    flooding = false;
    await attack;
    for (const socket of held) socket.destroy();
    expect(served).toBeGreaterThanOrEqual(99);
    expect(rig.proxy.counters[0]!.refused).toBe(0);
  });
});
