import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ProxyModel } from '../../src/core/balance/model.js';
import type { MirrorModel } from '../../src/core/http/mirror.js';
import { RegionalProxy } from '../../src/proxy/regional-proxy.js';
import { RouteBook } from '../../src/proxy/route-book.js';
import { networkUnavailable, startNetwork } from '../support/network-rig.js';
import { ask, endHttp2, http2Backend, http2Client } from './http2-rig.js';
import { backend, client, endAll, exchange, httpBackend, ok, waitFor } from './proxy-rig.js';

const SECRETS = [new Uint8Array(16)];
const cleanups: (() => void)[] = [];

afterEach(async () => {
  await endHttp2();
  for (const cleanup of cleanups.splice(0)) cleanup();
  await endAll();
});

/** A backend that keeps what it gets, and answers when a message ends with `end`. */
async function listener(end: string, answer: string | null) {
  const seen: string[] = [];
  const got = { bytes: 0 };
  const port = await backend((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      got.bytes += chunk.length;
      if (!text.endsWith(end)) return;
      seen.push(text);
      text = '';
      if (answer !== null) socket.write(answer, 'latin1');
    });
  });
  return { port, seen, got };
}

async function start(
  io: 'batched' | 'portable',
  ports: { readonly web: number; readonly copies: number },
  mirror: Partial<MirrorModel> = {},
  responseMs = DEFAULT_TIMEOUTS.responseMs,
  http2: 'off' | 'h1' | 'h2c' = 'off',
) {
  const poolOf = (name: 'web' | 'copies') => ({
    name,
    balance: 'round_robin' as const,
    endpoints: [{ address: { host: '127.0.0.1', port: ports[name] }, weight: 1 }],
    ...(http2 === 'h2c' && { protocol: http2 }),
  });
  const whole: MirrorModel = { pool: 'copies', sample: 1, maxInFlight: 32, maxBody: 1_000, ...mirror };
  const book = new RouteBook(SECRETS);
  const model: ProxyModel = book.place({
    ...{ node: { name: 'p', region: 'r' }, workers: 1, io, reportTo: [], admin: null },
    listeners: [
      {
        protocol: 'http',
        listen: { host: '127.0.0.1', port: 0 },
        routes: [{ match: { pathPrefix: '/' }, pool: 'web', mirror: whole }],
        trusted: [],
        http2: http2 !== 'off',
      },
    ],
    pools: [poolOf('web'), poolOf('copies')],
    timeouts: { ...DEFAULT_TIMEOUTS, responseMs },
    limits: DEFAULT_LIMITS,
  });
  const { network, close } = startNetwork(io);
  const proxy = new RegionalProxy(model, network, { sharing: book.shared });
  cleanups.push(() => {
    proxy.destroy();
    close();
  });
  expect(await proxy.listen()).toEqual([]);
  const totals = () => book.mirrorTotals()[0]!;
  const idle = () => proxy.pools.get('copies')!.activeOf(0) === 0;
  return { port: proxy.listeners[0]!.port, totals, idle };
}

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';
const post = (length: number, extra = '') =>
  `POST /x HTTP/1.1\r\nHost: a.example\r\n${extra}Content-Length: ${length}\r\nConnection: close\r\n\r\n`;

for (const io of ['batched', 'portable'] as const) {
  const missing = io === 'batched' ? networkUnavailable : undefined;
  describe.skipIf(missing !== undefined)(`copies of requests, ${io} tier`, () => {
    it('are marked, and their answers are thrown away', async () => {
      const web = await httpBackend(() => ok('web'));
      const copies = await listener('\r\n\r\n', ok('copy'));
      const { port, totals, idle } = await start(io, { web, copies: copies.port });
      for (let i = 0; i < 3; i++) expect(await exchange(port, GET)).toMatch(/web$/);
      await waitFor(() => copies.seen.length === 3 && idle(), 'the copies');
      expect(copies.seen[0]).toMatch(
        /^GET \/x HTTP\/1\.1\r\nHost: a\.example\r\n[\s\S]*\r\nX-Meridian-Mirror: 1\r\n\r\n$/,
      );
      expect(totals()).toMatchObject({ sent: 3, skipped: { failed: 0, in_flight: 0 } });
    });

    it('have the whole body, however it comes, and none that is too long', async () => {
      const body = 'x'.repeat(900);
      const web = await listener('x', ok('web'));
      const copies = await listener('x', ok('copy'));
      const { port, totals, idle } = await start(io, { web: web.port, copies: copies.port });
      const peer = client(port).send(post(901));
      await waitFor(() => web.got.bytes > 0, 'the head');
      const head = web.got.bytes;
      peer.send('y'.repeat(500));
      await waitFor(() => web.got.bytes === head + 500, 'a part of the body');
      expect(totals().sent).toBe(0);
      peer.send(`${'y'.repeat(400)}x`);
      await peer.untilEnd();
      await exchange(port, post(900) + body);
      await waitFor(() => copies.seen.length === 2 && idle(), 'the copies');
      expect(copies.seen[0]).toMatch(/\r\n\r\ny{900}x$/);
      expect(copies.seen[1]).toMatch(/\r\n\r\nx{900}$/);
      await exchange(port, post(1_001) + 'x'.repeat(1_001));
      expect(totals()).toMatchObject({ sent: 2, skipped: { body: 1 } });
    });

    it('in chunks are bounded too', async () => {
      const web = await listener('0\r\n\r\n', ok('web'));
      const copies = await listener('0\r\n\r\n', ok('copy'));
      const { port, totals } = await start(io, { web: web.port, copies: copies.port });
      const head = 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
      await exchange(port, `${head}3\r\nabc\r\n0\r\n\r\n`);
      await waitFor(() => copies.seen.length === 1, 'the copy');
      expect(copies.seen[0]).toMatch(/\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
      await exchange(port, `${head}${`1f4\r\n${'z'.repeat(500)}\r\n`.repeat(3)}0\r\n\r\n`);
      expect(totals()).toMatchObject({ sent: 1, skipped: { body: 1 } });
    });

    it('neither slow nor fail a request when their endpoint hangs, breaks or is not there', async () => {
      const web = await httpBackend(() => ok('web'));
      const hanging = await listener('\r\n\r\n', null);
      const one = await start(io, { web, copies: hanging.port }, { maxInFlight: 2 }, 300);
      for (let i = 0; i < 5; i++) expect(await exchange(one.port, GET)).toMatch(/web$/);
      expect(one.totals()).toMatchObject({ sent: 2, skipped: { in_flight: 3 } });
      await waitFor(() => one.totals().skipped.failed === 2 && one.idle(), 'the end of the copies');
      expect(await exchange(one.port, GET)).toMatch(/web$/);
      expect(one.totals().sent).toBe(3);

      const nonsense = await listener('\r\n\r\n', 'no HTTP at all\r\n\r\n');
      const two = await start(io, { web, copies: nonsense.port });
      expect(await exchange(two.port, GET)).toMatch(/web$/);
      await waitFor(() => two.totals().skipped.failed === 1, 'the failure');

      const three = await start(io, { web, copies: 1 });
      expect(await exchange(three.port, GET)).toMatch(/web$/);
      await waitFor(() => three.totals().skipped.failed === 1 && three.idle(), 'the refusal');
    });

    it('of a request that the client breaks off are not sent', async () => {
      const web = await listener('x', ok('web'));
      const copies = await listener('x', ok('copy'));
      const { port, totals } = await start(io, { web: web.port, copies: copies.port });
      const peer = client(port).send(`${post(100)}abc`);
      await waitFor(() => web.got.bytes > 100, 'a part of the request');
      peer.socket.destroy();
      await waitFor(() => totals().skipped.cut === 1, 'the cut');
      expect([totals().sent, copies.seen.length]).toEqual([0, 0]);
    });
  });
}

describe('copies of requests of HTTP/2', () => {
  const own = DEFAULT_TIMEOUTS.responseMs;

  it('have the whole body, are marked, and none is too long', async () => {
    const web = await listener('\r\n0\r\n\r\n', ok('web'));
    const copies = await listener('\r\n0\r\n\r\n', ok('copy'));
    const ports = { web: web.port, copies: copies.port };
    const { port, totals, idle } = await start('portable', ports, { maxBody: 10 }, own, 'h1');
    const session = http2Client(port);
    expect(await ask(session, { ':method': 'POST' }, 'abc')).toMatchObject({ status: 200, body: 'web' });
    await waitFor(() => copies.seen.length === 1 && idle(), 'the copy');
    expect(copies.seen[0]).toMatch(/^POST \/[\s\S]*\r\nX-Meridian-Mirror: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
    expect(web.seen[0]).not.toContain('X-Meridian-Mirror');
    expect((await ask(session, { ':method': 'POST' }, 'x'.repeat(11))).status).toBe(200);
    expect(totals()).toMatchObject({ sent: 1, skipped: { body: 1 } });
  });

  it('neither slow nor fail a request when their endpoint hangs or is not there', async () => {
    const web = await httpBackend(() => ok('web'));
    const hanging = await listener('\r\n\r\n', null);
    const hangs = await start('portable', { web, copies: hanging.port }, { maxInFlight: 2 }, 300, 'h1');
    for (let i = 0; i < 4; i++) expect((await ask(http2Client(hangs.port), {})).body).toBe('web');
    expect(hangs.totals()).toMatchObject({ sent: 2, skipped: { in_flight: 2 } });
    await waitFor(() => hangs.totals().skipped.failed === 2 && hangs.idle(), 'their end');
    const gone = await start('portable', { web, copies: 1 }, {}, own, 'h1');
    expect((await ask(http2Client(gone.port), {})).body).toBe('web');
    await waitFor(() => gone.totals().skipped.failed === 1 && gone.idle(), 'the copy to fail');
  });

  it('go to endpoints of HTTP/2 where the originals do', async () => {
    const seen: unknown[] = [];
    const web = await http2Backend((stream) => {
      stream.resume();
      stream.on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
    });
    const copies = await http2Backend((stream, headers) => {
      let text = '';
      stream.on('data', (chunk) => {
        text += String(chunk);
      });
      stream.on('end', () => {
        seen.push([headers['x-meridian-mirror'], text]);
        stream.respond({ ':status': 500 }, { endStream: true });
      });
    });
    const { port, idle } = await start('portable', { web, copies }, {}, own, 'h2c');
    const call = { ':method': 'POST', 'content-type': 'application/grpc' };
    expect((await ask(http2Client(port), call, 'abc')).status).toBe(200);
    await waitFor(() => seen.length === 1 && idle(), 'the copy');
    expect(seen).toEqual([['1', 'abc']]);
  });
});
