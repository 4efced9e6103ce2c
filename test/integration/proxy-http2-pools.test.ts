/** Clients of HTTP/1.1, and endpoints that speak only HTTP/2. */

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AccessEntry } from '../../src/core/access-log/entry.js';
import type { AccessRing } from '../../src/core/access-log/ring.js';
import type { AccessSampler } from '../../src/core/access-log/sampler.js';
import { DEFAULT_RETRIES } from '../../src/core/limit/retry.js';
import { AccessWriter } from '../../src/proxy/access-writer.js';
import { POOL_CELL } from '../../src/proxy/cells.js';
import { resetStream } from '../../src/proxy/h2/reset.js';
import { ask, endHttp2, http2Backend, http2Client } from './http2-rig.js';
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

afterEach(async () => {
  await endAll();
  await endHttp2();
});

type Setup = Omit<Parameters<typeof startRig>[0], 'http2'>;

async function start({ pool, ...setup }: Setup): Promise<Rig> {
  return await startRig({ ...setup, http2: true, pool: { protocol: 'h2c', ...pool } });
}

/** Answers each request with `answer`, once the whole of it came. */
async function endpoint(
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: string) => void,
): Promise<number> {
  return await http2Backend((stream, headers) => {
    let body = '';
    stream.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    stream.on('end', () => answer(stream, headers, body));
  });
}

function get(path = '/', fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x.test\r\n${fields}\r\n`;
}

/** Settings, and a response that node's server would refuse to send, with END_STREAM on its head. */
function answerRaw(socket: Socket, fields: Readonly<Record<string, string | number>>): void {
  const block = Object.entries(fields).flatMap(([name, value]) => {
    const [key, text] = [Buffer.from(name), Buffer.from(String(value))];
    // RFC 7541 §6.2.2: a literal without indexing.
    return [0, key.length, ...key, text.length, ...text];
  });
  socket.write(frame(4, 0, 0, []));
  socket.once('data', () => {
    socket.write(frame(4, 1, 0, []));
    socket.write(frame(1, 5, 1, block));
  });
}

/** RFC 9113 §4.1. */
function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  return Buffer.from([
    0,
    payload.length >> 8,
    payload.length & 255,
    type,
    flags,
    0,
    0,
    0,
    stream,
    ...payload,
  ]);
}

const CLOSE = 'Connection: close\r\n';

inBothTiers('clients of HTTP/1.1 and endpoints of HTTP/2', () => {
  it('get the response, and the endpoint gets the rewritten fields without those of a connection', async () => {
    let came: IncomingHttpHeaders = {};
    const port = await endpoint((stream, headers) => {
      came = headers;
      stream.respond({ ':status': 200, 'content-length': 5, 'set-cookie': ['a', 'b'] });
      stream.end('hello');
    });
    const rig = await start({ ports: [port] });
    const text = await exchange(
      rig.port,
      'GET /a/../b?q HTTP/1.1\r\nHost: x.test\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-Kept: Yes\r\nCookie: a=1; b=2\r\n\r\n',
    );
    const [head, body] = text.split('\r\n\r\n');
    expect(head?.split('\r\n')).toEqual([
      'HTTP/1.1 200 OK',
      'content-length: 5',
      'set-cookie: a',
      'set-cookie: b',
      expect.stringMatching(/^date: /),
      'via: 2.0 meridian',
      'connection: close',
    ]);
    expect(body).toBe('hello');
    expect(came).toMatchObject({
      ':method': 'GET',
      ':scheme': 'http',
      ':authority': 'x.test',
      ':path': '/b?q',
      te: 'trailers',
      'x-kept': 'Yes',
      cookie: 'a=1; b=2',
      via: '1.1 meridian',
      'x-forwarded-for': '127.0.0.1',
    });
    for (const name of ['host', 'connection', 'x-hop', 'keep-alive']) expect(came[name]).toBeUndefined();
  });

  it('keep their connections, and may send requests before they have the answers', async () => {
    const sessions = new Set<unknown>();
    const port = await http2Backend((stream, headers, session) => {
      sessions.add(session);
      stream.respond({ ':status': 200 });
      stream.end(`<${headers[':path']}>`);
    });
    const rig = await start({ ports: [port] });
    const text = await client(rig.port)
      .send(get('/1') + get('/2'))
      .send(get('/3', CLOSE))
      .untilEnd();
    expect(text.match(/<.*>/g)).toEqual(['</1>', '</2>', '</3>']);
    expect(sessions.size).toBe(1);
    expect(rig.proxy.counters[0]).toMatchObject({ inFlight: 0 });
  });

  it('count once for their pool', async () => {
    const port = await endpoint((stream) => stream.respond({ ':status': 204 }, { endStream: true }));
    const rig = await start({ ports: [port] });
    await exchange(rig.port, get('/', CLOSE));
    const { cells } = rig.proxy.pools.get('web')!.tally;
    expect([cells[POOL_CELL.ISSUED], cells[POOL_CELL.OK], cells[POOL_CELL.ERRORS]]).toEqual([1, 1, 0]);
    expect(rig.proxy.counters[0]?.classesOf('web')[2]).toBe(1);
  });

  it.each([
    ['with a length', 'Content-Length: 5\r\n\r\nhello', 'hello', '5', undefined],
    [
      'in chunks',
      'Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n',
      'hello',
      undefined,
      undefined,
    ],
    [
      'in chunks, with trailers',
      'Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n',
      'x',
      undefined,
      '7',
    ],
    ['of no bytes', 'Content-Length: 0\r\n\r\n', '', '0', undefined],
  ])('send a body %s', async (_, rest, body, length, sum) => {
    let trailers: IncomingHttpHeaders = {};
    const port = await http2Backend((stream, headers) => {
      let came = '';
      stream.on('trailers', (fields) => {
        trailers = fields;
      });
      stream.on('data', (chunk: Buffer) => {
        came += chunk.toString();
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(JSON.stringify([came, headers['content-length'], headers['transfer-encoding']]));
      });
    });
    const rig = await start({ ports: [port] });
    const text = await exchange(rig.port, `POST / HTTP/1.1\r\nHost: x\r\n${CLOSE}${rest}`);
    expect(text).toContain(JSON.stringify([body, length, undefined]));
    expect(trailers['x-sum']).toBe(sum);
  });

  it('get a body of unknown length in chunks, with its trailers', async () => {
    const port = await endpoint((stream) => {
      stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7', 'x-two': '2' }));
      stream.end('abc');
    });
    const rig = await start({ ports: [port] });
    const text = await client(rig.port)
      .send(get('/', 'TE: trailers\r\nConnection: TE\r\n'))
      .until((all) => all.endsWith('\r\n\r\n') && all.includes('x-two'));
    expect(text).toContain('transfer-encoding: chunked\r\n');
    expect(text).toMatch(/\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\nx-two: 2\r\n\r\n$/);
  });

  it.each([
    ['GET', 200, 'content-length: 0\r\n'],
    ['HEAD', 200, ''],
    ['GET', 204, ''],
    ['GET', 304, ''],
  ])('%s and %i: get a head that says that nothing follows', async (method, status, line) => {
    const port = await endpoint((stream) => stream.respond({ ':status': status }, { endStream: true }));
    const rig = await start({ ports: [port] });
    const request = `${method} / HTTP/1.1\r\nHost: x\r\n`;
    const text = await exchange(rig.port, `${request}\r\n${request}${CLOSE}\r\n`);
    const heads = text.split('\r\n\r\n');
    expect(heads).toHaveLength(3);
    expect(heads[0]).toContain(`HTTP/1.1 ${status} `);
    expect(`${heads[0]}\r\n`.match(/(?:content-length|transfer-encoding).*\r\n/i)?.[0] ?? '').toBe(line);
  });

  it('HEAD: get the length that the body would have', async () => {
    const port = await endpoint((stream) =>
      stream.respond({ ':status': 200, 'content-length': 99 }, { endStream: true }),
    );
    const rig = await start({ ports: [port] });
    const text = await exchange(rig.port, `HEAD / HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`);
    expect(text).toContain('content-length: 99\r\n');
    expect(text.endsWith('\r\n\r\n')).toBe(true);
  });

  it('get interim responses, and send their body after 100', async () => {
    const port = await http2Backend((stream) => {
      stream.additionalHeaders({ ':status': 100 });
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      let came = '';
      stream.on('data', (chunk: Buffer) => {
        came += chunk.toString();
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(came);
      });
    });
    const rig = await start({ ports: [port] });
    const waiting = client(rig.port).send(
      `POST / HTTP/1.1\r\nHost: x\r\n${CLOSE}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
    );
    await waiting.until((text) => text.includes('103 Early Hints'));
    expect(waiting.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n[\s\S]*link: <\/a>\r\n/);
    expect(await waiting.send('abc').untilEnd()).toMatch(
      /HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n3\r\nabc\r\n0\r\n\r\n$/,
    );
  });

  it('of HTTP/1.0 get a body that ends with the connection, or one with a length on a kept one', async () => {
    const port = await endpoint((stream, headers) => {
      const sized = headers[':path'] === '/sized' ? { 'content-length': 4 } : {};
      if (headers[':path'] === '/hints') stream.additionalHeaders({ ':status': 103 });
      stream.respond({ ':status': 200, ...sized });
      stream.end('body');
    });
    const rig = await start({ ports: [port] });
    const old = (path: string): string => `GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
    const text = await exchange(rig.port, `${old('/sized')}${old('/hints')}`);
    expect(text.split(/\r\n\r\n/)).toEqual([
      expect.stringContaining('connection: keep-alive'),
      expect.stringMatching(/^bodyHTTP\/1\.1 200 OK\r\n(?![\s\S]*chunked)[\s\S]*connection: close/),
      'body',
    ]);
  });

  it('are told that there is no upgrade', async () => {
    const rig = await start({ ports: [await endpoint((stream) => stream.close())] });
    const text = await exchange(
      rig.port,
      get('/', 'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'),
    );
    expect(text).toMatch(/^HTTP\/1\.1 505 [\s\S]*505 pool web takes HTTP\/2 only\n$/);
  });

  it.each([
    ['a malformed chunk', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n', /^HTTP\/1\.1 400 /],
    ['nothing of it in time', 'Content-Length: 3\r\n\r\na', /^HTTP\/1\.1 408 /],
  ])('are told of %s, and the call is cancelled', async (_, rest, answer) => {
    let code = -1;
    const port = await http2Backend((stream) => {
      stream.resume();
      stream.on('close', () => {
        code = stream.rstCode ?? 0;
      });
    });
    const rig = await start({ ports: [port], timeouts: { clientIdleMs: 300 } });
    const text = await exchange(rig.port, `POST / HTTP/1.1\r\nHost: x\r\n${rest}`);
    expect(text).toMatch(answer);
    await waitFor(() => code === constants.NGHTTP2_CANCEL, 'the reset');
    expect(rig.proxy.counters[0]?.inFlight).toBe(0);
  });

  it.each([
    ['before the response', false],
    ['within the response', true],
  ])('cancel the call when they leave %s', async (_, answered) => {
    let code = -1;
    let came = false;
    const port = await http2Backend((stream) => {
      came = true;
      if (answered) {
        stream.respond({ ':status': 200 });
        stream.write('part');
      }
      stream.on('close', () => {
        code = stream.rstCode ?? 0;
      });
    });
    const rig = await start({ ports: [port] });
    const leaving = client(rig.port).send(get());
    if (answered) await leaving.until((text) => text.includes('part'));
    else await waitFor(() => came, 'the call');
    leaving.socket.resetAndDestroy();
    await waitFor(() => code === constants.NGHTTP2_CANCEL, 'the reset');
    await waitFor(() => rig.proxy.pools.get('web')!.activeOf(0) === 0, 'the end');
    expect(rig.proxy.counters[0]?.inFlight).toBe(0);
  });

  it('see a reset where a response breaks off, and never a clean end', async () => {
    let cut = (): void => {};
    const port = await endpoint((stream, headers) => {
      const sized = headers[':path'] === '/sized' ? { 'content-length': 10 } : {};
      stream.respond({ ':status': 200, ...sized }, { waitForTrailers: true });
      stream.write('half');
      cut = () => resetStream(stream, constants.NGHTTP2_INTERNAL_ERROR);
    });
    const rig = await start({ ports: [port] });
    for (const path of ['/sized', '/chunked']) {
      const raw = client(rig.port).send(get(path));
      // A client on libuv takes a reset that comes together with data for an orderly end.
      await raw.until((text) => text.includes('half'));
      cut();
      await raw.closed();
      expect(raw.text).not.toContain('0\r\n\r\n');
      expect(raw.error?.code).toBe('ECONNRESET');
    }
    expect(rig.proxy.counters[0]?.aborted).toBe(2);
  });

  it.each([
    ['a reset', (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR), 502],
    [
      'a refusal, again and again',
      (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
      503,
    ],
    [
      'the end of its connection',
      (stream: ServerHttp2Stream) => setImmediate(() => stream.session?.destroy()),
      502,
    ],
  ])('get an error, and keep their connection, after %s', async (_, fail, status) => {
    const port = await endpoint((stream) => fail(stream));
    const rig = await start({ ports: [port] });
    const text = await exchange(rig.port, `${get()}${get('/', CLOSE)}`);
    expect(text.match(new RegExp(`HTTP/1\\.1 ${status} `, 'g'))).toHaveLength(2);
  });

  it.each([
    ['a length that no body follows', { 'content-length': 5 }],
    ['a field of a connection', { 'x-a': '1', connection: 'x-a' }],
  ])('get 502 for a response with %s', async (_, fields) => {
    const port = await backend((socket) => answerRaw(socket, { ':status': 200, ...fields }));
    const rig = await start({ ports: [port] });
    expect(await exchange(rig.port, get('/', CLOSE))).toMatch(/^HTTP\/1\.1 502 /);
  });

  it('go to another endpoint after GOAWAY or a refusal, with their body', async () => {
    const bad = await http2Backend((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const good = await endpoint((stream, _, body) => {
      stream.respond({ ':status': 200 });
      stream.end(`got ${body}`);
    });
    const rig = await start({ ports: [bad, good] });
    const post = `POST / HTTP/1.1\r\nHost: x\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`;
    for (let i = 0; i < 4; i++) expect(await exchange(rig.port, post)).toContain('got abc');
  });

  it('get 502 where an endpoint speaks HTTP/1.1, and 504 where it is late', async () => {
    const old = await backend((socket) => socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n')));
    const rig = await start({ ports: [old] });
    expect(await exchange(rig.port, get('/', CLOSE))).toMatch(/^HTTP\/1\.1 502 /);
    const late = await start({ ports: [await endpoint(() => {})], timeouts: { responseMs: 100 } });
    expect(await exchange(late.port, get('/', CLOSE))).toMatch(/^HTTP\/1\.1 504 /);
  });

  it('send and read large bodies no faster than the other side takes them', async () => {
    const bytes = 8 * 1024 * 1024;
    let held: ServerHttp2Stream | null = null;
    let came = 0;
    const port = await http2Backend((stream) => {
      held = stream;
      stream.pause();
      stream.on('data', (chunk: Buffer) => {
        came += chunk.length;
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-length': bytes });
        stream.end(Buffer.alloc(bytes, 'y'));
      });
    });
    const rig = await start({ ports: [port] });
    const big = client(rig.port);
    big.send(`POST / HTTP/1.1\r\nHost: x\r\n${CLOSE}Content-Length: ${bytes}\r\n\r\n`);
    big.socket.write(Buffer.alloc(bytes, 'x'));
    await waitFor(() => held !== null, 'the stream');
    const { counters } = rig.proxy;
    const standstill = async (key: 'bytesIn' | 'bytesOut'): Promise<number> => {
      let before = -1;
      let looks = 0;
      await waitFor(() => {
        looks = counters[0]![key] === before && before > 0 ? looks + 1 : 0;
        before = counters[0]![key];
        return looks >= 10;
      }, 'a standstill');
      return before;
    };
    expect(await standstill('bytesIn')).toBeLessThan(1024 * 1024);
    big.socket.pause();
    held!.resume();
    await waitFor(() => came === bytes, 'the body');
    expect(await standstill('bytesOut')).toBeLessThan(bytes);
    big.socket.resume();
    const text = await big.untilEnd();
    expect(text.length - text.indexOf('\r\n\r\n') - 4).toBe(bytes);
  });
});

inBothTiers('what a pool of HTTP/2 has for clients of HTTP/1.1', () => {
  const HELD = { forMs: 60_000, bytes: 1_000_000, bodyBytes: 1_000 };

  it('retries go to another endpoint, after a status and with the body', async () => {
    const bad = await endpoint((stream) => stream.respond({ ':status': 503 }, { endStream: true }));
    const good = await endpoint((stream, _, body) => {
      stream.respond({ ':status': 200 });
      stream.end(`got ${body}`);
    });
    const retries = { ...DEFAULT_RETRIES, baseMs: 1, maxMs: 2, methods: ['PUT'] };
    const rig = await start({ ports: [bad, good], pool: { retries } });
    const put = `PUT / HTTP/1.1\r\nHost: x\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`;
    for (let i = 0; i < 4; i++) expect(await exchange(rig.port, put)).toContain('got abc');
    expect(rig.proxy.pools.get('web')!.tally.cells[POOL_CELL.RETRIED]).toBe(2);
  });

  it('a kept response stands in for an error', async () => {
    let fails = false;
    const port = await endpoint((stream) => {
      stream.respond({ ':status': fails ? 500 : 200, 'cache-control': 'max-age=1' });
      stream.end(fails ? 'bad' : 'good');
    });
    const rig = await start({ ports: [port], pool: { stale: HELD } });
    const first = await exchange(rig.port, get('/', CLOSE));
    fails = true;
    const text = await exchange(rig.port, get() + get('/', CLOSE));
    expect(first.endsWith('\r\n4\r\ngood\r\n0\r\n\r\n')).toBe(true);
    expect(text.match(/good/g) ?? text).toHaveLength(2);
  });

  it('a page stands in for a pool that is down', async () => {
    const respond = { status: 503, type: 'text/plain', body: 'later', fields: [] };
    const rig = await start({ ports: [1], pool: { fallback: { respond } } });
    const text = await exchange(rig.port, get() + get('/', CLOSE));
    expect(text.match(/HTTP\/1\.1 503 [\s\S]*?later/g)).toHaveLength(2);
  });

  it('requests wait for room, and are told when there was none in time', async () => {
    const streams: ServerHttp2Stream[] = [];
    const port = await endpoint((stream) => streams.push(stream));
    const rig = await start({
      ports: [port],
      pool: { limits: { requests: 1 }, queue: { size: 10, timeoutMs: 300 } },
    });
    const [first, second] = [client(rig.port).send(get('/', CLOSE)), client(rig.port)];
    await waitFor(() => streams.length === 1, 'the first');
    second.send(get('/', CLOSE));
    await waitFor(() => rig.proxy.pools.get('web')!.queued === 1, 'the second');
    streams[0]!.respond({ ':status': 204 }, { endStream: true });
    await waitFor(() => streams.length === 2, 'the second at the endpoint');
    expect(await exchange(rig.port, get('/', CLOSE))).toMatch(/^HTTP\/1\.1 503 [\s\S]*had no room in time/);
    streams[1]!.respond({ ':status': 204 }, { endStream: true });
    for (const raw of [first, second]) expect(await raw.untilEnd()).toMatch(/^HTTP\/1\.1 204 /);
  });

  it('responses are compressed in chunks', async () => {
    const port = await endpoint((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': 5_000 });
      stream.end('x'.repeat(5_000));
    });
    const rig = await start({ ports: [port], compression: {} });
    const text = await exchange(rig.port, get('/', `${CLOSE}Accept-Encoding: gzip\r\n`));
    expect(text).toMatch(/content-encoding: gzip\r\n/i);
    expect(text).toMatch(/transfer-encoding: chunked\r\n[\s\S]*\r\n0\r\n\r\n$/);
    expect(text.length).toBeLessThan(1_000);
    expect(await exchange(rig.port, get('/', CLOSE))).toContain('x'.repeat(5_000));
  });

  it('one response serves those who ask for the same at once', async () => {
    const streams: ServerHttp2Stream[] = [];
    const port = await endpoint((stream) => streams.push(stream));
    const coalesce = { followersMax: 10, bytesMax: 65_536 };
    const rig = await start({
      ports: [port],
      routes: [{ match: { pathPrefix: '/' }, pool: 'web', coalesce }],
    });
    const first = client(rig.port).send(get('/'));
    await waitFor(() => streams.length === 1, 'the first');
    const others = [1, 2].map(() => client(rig.port).send(get('/')));
    const sent = 3 * get('/').length;
    await waitFor(() => rig.proxy.counters[0]!.bytesIn >= sent, 'the others');
    streams[0]!.respond({ ':status': 200 });
    streams[0]!.end('shared');
    for (const raw of [first, ...others]) await raw.until((text) => text.endsWith('shared\r\n0\r\n\r\n'));
    expect(streams).toHaveLength(1);
  });

  it('a copy of the request goes to another pool', async () => {
    const copies: string[] = [];
    const port = await endpoint((stream) => stream.respond({ ':status': 204 }, { endStream: true }));
    const copied = await endpoint((stream, _, body) => {
      copies.push(body);
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const mirror = { pool: 'next', sample: 1, maxInFlight: 8, maxBody: 100 };
    const endpoints = [{ address: { host: '127.0.0.1', port: copied }, weight: 1 }];
    const rig = await start({
      ports: [port],
      routes: [{ match: { pathPrefix: '/' }, pool: 'web', mirror }],
      pools: [{ name: 'next', balance: 'round_robin', protocol: 'h2c', endpoints }],
    });
    await exchange(rig.port, `POST / HTTP/1.1\r\nHost: x\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`);
    await waitFor(() => copies.length === 1, 'the copy');
    expect(copies).toEqual(['abc']);
  });

  it('the access log has a line for each, however it ended', async () => {
    const port = await endpoint((stream, headers) => {
      if (headers[':path'] === '/cut') return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      stream.respond({ ':status': 200 });
      stream.end('hello');
    });
    const entries: AccessEntry[] = [];
    const sampler = { takes: () => true } as unknown as AccessSampler;
    const ring = { add: (entry: AccessEntry) => entries.push({ ...entry }) } as unknown as AccessRing;
    const rig = await start({ ports: [port], access: new AccessWriter(sampler, ring, Date.now) });
    await exchange(
      rig.port,
      `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /cut HTTP/1.0\r\n\r\n`,
    );
    const both = { client: '127.0.0.1', pool: 'web', endpoint: `127.0.0.1:${port}`, tls: false };
    expect(entries).toMatchObject([
      { ...both, protocol: 'HTTP/1.1', method: 'POST', host: 'x', path: '/a', status: 200, reason: 'none' },
      { ...both, protocol: 'HTTP/1.0', method: 'GET', path: '/cut', status: 502, reason: 'upstream_closed' },
    ]);
    expect(entries[0]).toMatchObject({ bytesIn: 3, bytesOut: 5, retries: 0 });
    expect(entries[0]!.upstreamMs).toBeGreaterThanOrEqual(0);
  });

  it('a connection serves pools of both versions in turn', async () => {
    const port = await endpoint((stream) => stream.respond({ ':status': 204 }, { endStream: true }));
    const old = await httpBackend(() => ok('old'));
    const rig = await start({
      ports: [port],
      routes: [
        { match: { pathPrefix: '/old' }, pool: 'old' },
        { match: { pathPrefix: '/' }, pool: 'web' },
      ],
      pools: [
        {
          name: 'old',
          balance: 'round_robin',
          endpoints: [{ address: { host: '127.0.0.1', port: old }, weight: 1 }],
        },
      ],
    });
    const text = await exchange(rig.port, get('/old') + get() + get('/old') + get('/', CLOSE));
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([200, 204, 200, 204].map((s) => `HTTP/1.1 ${s}`));
    expect(rig.proxy.counters[0]?.inFlight).toBe(0);
  });
});

describe('a client of HTTP/2', () => {
  it('counts once for its pool', async () => {
    const port = await endpoint((stream) => stream.respond({ ':status': 204 }, { endStream: true }));
    const rig = await startRig({ ports: [port], http2: true, pool: { protocol: 'h2c' } });
    expect((await ask(http2Client(rig.port), {})).status).toBe(204);
    const { cells } = rig.proxy.pools.get('web')!.tally;
    expect([cells[POOL_CELL.ISSUED], cells[POOL_CELL.OK], cells[POOL_CELL.ERRORS]]).toEqual([1, 1, 0]);
  });
});
