/**
 * Everything at once: retries, hedges, breakers, sessions, kept responses, a fallback, a queue, copies and compression, with reloads, endpoints
 * that misbehave and clients that leave at any moment. Nobody may get what another one asked for, and nothing may be left behind.
 */

import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_BREAKER } from '../../src/core/limit/breaker.js';
import { DEFAULT_RETRIES } from '../../src/core/limit/retry.js';
import type { HttpPool } from '../../src/proxy/l7/context.js';
import { NO_TLS } from '../../src/proxy/tls.js';
import { readMessages } from '../support/strict-http.js';
import { endHttp2, type Http2Rig, startHttp2 } from './http2-rig.js';
import { backend, endAll, inBothTiers, startRig, waitFor } from './proxy-rig.js';

afterEach(endAll);
afterEach(endHttp2);

const SEEDS =
  process.env['STORM'] === undefined
    ? [1]
    : Array.from({ length: Number(process.env['STORM']) }, (_, i) => i + 2);
const CLIENTS = 40;
const REQUESTS = 8;

/** Numbers that are the same in each run. */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Whole requests of an endpoint's connection, one after another: [id, its body]. */
function listen(socket: Socket, onRequest: (id: string, body: string) => void): void {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    for (;;) {
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const id = /\/id(\d+)/.exec(text)?.[1] ?? '?';
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
      const chunked = /transfer-encoding: chunked/i.test(text.slice(0, end));
      const last = chunked ? text.indexOf('\r\n0\r\n\r\n', end + 2) : end + 4 + length - 7;
      if (last < 0 || text.length < last + 7) return;
      const body = text.slice(end + 4, last + 7);
      text = text.slice(last + 7);
      onRequest(id, body);
    }
  });
}

/** An endpoint that answers well, late, badly, half, too much, or not at all. */
function moody(random: () => number, mood: number): Promise<number> {
  return backend((socket) => {
    listen(socket, (id, sent) => {
      const body = `answer-${id}-${sent.includes(`body${id}`) ? 'sent' : 'none'}.`.repeat(100);
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\n`;
      const good = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
      const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const draw = random() / mood;
      if (draw < 0.06) socket.destroy();
      else if (draw < 0.12) socket.write('HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\nno');
      else if (draw < 0.17)
        socket.write(good.slice(0, Math.floor(random() * good.length)), () => socket.end());
      else if (draw < 0.2) socket.write('HTTP/1.1 099 nonsense\r\n\r\n');
      else if (draw < 0.26) setTimeout(() => socket.write(good), 60);
      else if (draw < 0.29) return;
      else if (draw < 0.33) socket.write(`HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n${good}`);
      else if (draw < 0.36) socket.write(`${good}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
      else if (draw < 0.5) socket.write(chunked);
      else if (draw < 0.55) socket.write(good, () => socket.end());
      else socket.write(good);
    });
    socket.on('end', () => socket.end());
  });
}

function requestOf(id: number, random: () => number): string {
  const coding = random() < 0.4 ? 'Accept-Encoding: gzip\r\n' : '';
  const path = `/id${id}`;
  const draw = random();
  if (draw < 0.2) {
    const body = `body${id}`.padEnd(random() < 0.5 ? 20 : 9_000, 'x');
    return `PUT ${path} HTTP/1.1\r\nHost: a\r\n${coding}Content-Length: ${body.length}\r\n\r\n${body}`;
  }
  if (draw < 0.4) {
    const parts = [`body${id}`, 'more'.repeat(200)];
    const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
    return `POST ${path} HTTP/1.1\r\nHost: a\r\n${coding}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
  }
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${coding}\r\n`;
}

/** One client: some pipelined requests, perhaps in pieces; perhaps it leaves. What it got, and the ids that it asked for. */
function attack(port: number, first: number, random: () => number): Promise<readonly [string, number[]]> {
  const ids = Array.from({ length: REQUESTS }, (_, i) => first + i);
  const text = ids.map((id) => requestOf(id, random)).join('');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      const cut = Math.floor(random() * text.length);
      socket.write(text.slice(0, cut));
      setTimeout(() => socket.write(text.slice(cut)), random() * 30);
      if (random() < 0.3) setTimeout(() => socket.destroy(), random() * 150);
      else setTimeout(() => socket.end(), 1_200);
      if (random() < 0.2) {
        socket.pause();
        setTimeout(() => socket.resume(), 100);
      }
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve([Buffer.concat(chunks).toString('latin1'), ids]));
    setTimeout(() => socket.destroy(), 4_000);
  });
}

/** How many whole answers of endpoints there are; they must come in the order of the requests, with nothing strange between. */
function check([text, ids]: readonly [string, number[]]): number {
  const { messages, error } = readMessages(Buffer.from(text, 'latin1'), 'response');
  expect(error).toBeNull();
  let whole = 0;
  let at = 0;
  for (const { line, fields, body, complete } of messages) {
    if (!complete || line.startsWith('HTTP/1.1 1')) continue;
    const raw = Buffer.from(body, 'latin1');
    const coded = fields.some(([name]) => name === 'content-encoding');
    const answer = (coded ? gunzipSync(raw) : raw).toString();
    expect(answer).not.toContain('evil');
    const id = /^answer-(\d+)-/.exec(answer)?.[1];
    if (id !== undefined) {
      expect(Number(id)).toBe(ids[at]);
      expect(answer.length % 100).toBe(0);
      whole++;
    }
    at++;
  }
  expect(at).toBeLessThanOrEqual(ids.length);
  return whole;
}

function left(pools: ReadonlyMap<string, HttpPool>, spare = 0): string {
  const parts: string[] = [];
  for (const [name, pool] of pools) {
    if (pool.queued > 0) parts.push(`${name}: ${pool.queued} queued`);
    if (pool.retries.active !== 0) parts.push(`${name}: ${pool.retries.active} retries`);
    for (const endpoint of pool.endpoints) {
      const active = pool.activeOf(endpoint.index);
      const { connections, connecting, idle } = endpoint;
      if (active !== 0 || connecting !== 0 || (connections !== idle && spare === 0)) {
        parts.push(`${name}/${endpoint.name}: ${active} active, ${connections}, ${connecting}, ${idle} idle`);
      }
    }
  }
  return parts.join('; ');
}

inBothTiers('a storm', () => {
  it.each(SEEDS)(
    'leaves nothing behind, and nobody with the answer of another one (seed %d)',
    async (seed) => {
      const random = draws(seed);
      const ports = await Promise.all([1, 1, 0.3].map((mood) => moody(random, mood)));
      const spare = await moody(random, 0.2);
      const copies = await moody(random, 1);
      const address = (port: number) => ({ address: { host: '127.0.0.1', port }, weight: 1 });
      const rig = await startRig({
        ports: [...ports, 9],
        timeouts: { responseMs: 400, connectMs: 200, clientIdleMs: 800, headerMs: 800 },
        compression: { minBytes: 100, types: ['text/plain'] },
        routes: [
          {
            match: { pathPrefix: '/' },
            pool: 'web',
            mirror: { pool: 'copies', sample: 0.5, maxInFlight: 4, maxBody: 1_000 },
          },
        ],
        pool: {
          retries: { ...DEFAULT_RETRIES, max: 3, baseMs: 1, maxMs: 5, hedgeMs: 20, tryMs: 150 },
          retryBudget: { ratio: 1, floor: 1_000, windowMs: 10_000 },
          breaker: { ...DEFAULT_BREAKER, consecutive: 3, openMs: 100, openMsMax: 200, rampMs: 100 },
          limits: { requests: 6, pending: 4 },
          queue: { size: 20, timeoutMs: 200 },
          stale: { forMs: 60_000, bytes: 200_000, bodyBytes: 10_000 },
          fallback: { pool: 'spare' },
        },
        pools: [
          { name: 'spare', balance: 'round_robin', endpoints: [address(spare)] },
          { name: 'copies', balance: 'round_robin', endpoints: [address(copies)] },
        ],
      });
      const all = [rig.proxy.pools];
      let stormy = true;
      const reloads = (async () => {
        for (let i = 2; stormy; i++) {
          await new Promise((resolve) => setTimeout(resolve, 90));
          const pools = rig.model.pools.map((pool) => ({ ...pool, overprovisioning: 1 + (i % 5) / 10 }));
          await rig.proxy.apply({ ...rig.model, pools }, NO_TLS);
          all.push(rig.proxy.pools);
        }
      })();
      const results = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => attack(rig.port, 1_000 + i * REQUESTS, random)),
      );
      stormy = false;
      await reloads;
      expect(all.length).toBeGreaterThan(5);
      expect(results.reduce((sum, result) => sum + check(result), 0)).toBeGreaterThan(CLIENTS);
      const rest = (): string => all.map((pools) => left(pools)).join('');
      await waitFor(() => rest() === '', 'nothing to be left').catch(() => {
        expect(rest()).toBe('');
      });
    },
  );
});

/** An endpoint of HTTP/2 that does the same. */
async function moodyHttp2(random: () => number, mood: number): Promise<number> {
  const server = createHttp2();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const id = /\/id(\d+)/.exec(String(headers[':path']))?.[1] ?? '?';
    let sent = '';
    stream.on('data', (chunk) => {
      sent += chunk;
    });
    stream.on('end', () => {
      if (stream.destroyed) return;
      const body = `answer-${id}-${sent.includes(`body${id}`) ? 'sent' : 'none'}.`.repeat(100);
      const fields = { ':status': 200, 'content-type': 'text/plain', 'cache-control': 'max-age=60' };
      const draw = random() / mood;
      const answer = (more: object = {}): void => {
        if (stream.destroyed) return;
        stream.respond({ ...fields, ...more });
        stream.end(body);
      };
      if (draw < 0.06) stream.close(2);
      else if (draw < 0.1) stream.close(7);
      else if (draw < 0.12) setImmediate(() => stream.session?.destroy());
      else if (draw < 0.18) {
        stream.respond({ ':status': 503, 'retry-after': '0' });
        stream.end('no');
      } else if (draw < 0.22) {
        stream.respond({ ...fields, 'content-length': String(body.length) });
        stream.write(body.slice(0, 500), () => stream.close(2));
      } else if (draw < 0.3) setTimeout(answer, 60);
      else if (draw < 0.33) return;
      else if (draw < 0.4) {
        stream.additionalHeaders({ ':status': 103, link: '</a>' });
        answer();
      } else answer();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Streams of one connection, of which some are left; how many got a whole answer of an endpoint. */
function attackHttp2({ port }: Http2Rig, first: number, random: () => number): Promise<number> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  let whole = 0;
  const streams = Array.from({ length: REQUESTS }, (_, i) => {
    const id = first + i;
    const method = ['GET', 'PUT', 'POST'][Math.floor(random() * 3)]!;
    const coding = random() < 0.4 ? { 'accept-encoding': 'gzip' } : {};
    const fields = { ':method': method, ':path': `/id${id}`, ...coding };
    const stream = session.request(fields, { endStream: method === 'GET' });
    if (method !== 'GET') {
      stream.write(`body${id}`);
      setTimeout(
        () => !stream.destroyed && stream.end('more'.repeat(random() < 0.5 ? 10 : 5_000)),
        random() * 30,
      );
    }
    let fieldsOf: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    stream.on('response', (answered) => {
      fieldsOf = answered;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {});
    if (random() < 0.2) setTimeout(() => stream.close(8), random() * 100);
    return new Promise<void>((resolve) => {
      let ended = false;
      stream.on('end', () => {
        ended = true;
      });
      stream.on('close', () => {
        if (ended && !session.destroyed && stream.rstCode === 0 && fieldsOf[':status'] === 200) {
          const raw = Buffer.concat(chunks);
          const body = (fieldsOf['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
          expect(body.startsWith(`answer-${id}-`), `${id}: ${body.slice(0, 40)}`).toBe(true);
          expect(body.length % 100).toBe(0);
          whole++;
        }
        resolve();
      });
    });
  });
  if (random() < 0.2) setTimeout(() => session.destroy(), random() * 150);
  return Promise.all(streams).then(() => {
    session.destroy();
    return whole;
  });
}

describe.each(['h1', 'h2c'] as const)('a storm of HTTP/2, to endpoints of %s', (protocol) => {
  it.each(SEEDS)(
    'leaves nothing behind, and nobody with the answer of another one (seed %d)',
    async (seed) => {
      const random = draws(seed);
      const endpoint = protocol === 'h1' ? moody : moodyHttp2;
      const ports = await Promise.all([1, 1, 0.3].map((mood) => endpoint(random, mood)));
      const rig = await startHttp2({
        ports: [...ports, 9],
        protocol,
        timeouts: { responseMs: 400, connectMs: 200, clientIdleMs: 800, headerMs: 800 },
        compression: { minBytes: 100, types: ['text/plain'] },
        pool: {
          retries: { ...DEFAULT_RETRIES, max: 3, baseMs: 1, maxMs: 5, tryMs: 150 },
          retryBudget: { ratio: 1, floor: 1_000, windowMs: 10_000 },
          breaker: { ...DEFAULT_BREAKER, consecutive: 3, openMs: 100, openMsMax: 200, rampMs: 100 },
          limits: { requests: 10, pending: 4 },
          queue: { size: 40, timeoutMs: 200 },
          stale: { forMs: 60_000, bytes: 200_000, bodyBytes: 10_000 },
        },
      });
      const results = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => attackHttp2(rig, 1_000 + i * REQUESTS, random)),
      );
      expect(results.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(CLIENTS);
      const pools = new Map([['web', rig.pool]]);
      await waitFor(() => left(pools, 1) === '', 'nothing to be left').catch(() => {
        expect(left(pools, 1)).toBe('');
      });
    },
  );
});
