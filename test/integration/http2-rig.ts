/** An Http2Front on a socket of its own, with pools, for tests of HTTP/2. */

import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { performance } from 'node:perf_hooks';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type PoolModel,
  type ProxyLimits,
  type ProxyTimeouts,
  type UpstreamProtocol,
} from '../../src/core/balance/model.js';
import { type CompressionModel, DEFAULT_COMPRESSION } from '../../src/core/http/compression.js';
import { PortableNetwork } from '../../src/io/portable/network.js';
import { CompressionPolicy } from '../../src/proxy/compression/policy.js';
import { ZlibEncoders } from '../../src/proxy/compression/zlib-encoders.js';
import { ListenerCounters } from '../../src/proxy/counters.js';
import { Deadlines } from '../../src/proxy/deadlines.js';
import {
  type StreamContext,
  type StreamRecord,
  type StreamReply,
  streamRoute,
} from '../../src/proxy/h2/context.js';
import { Http2Front } from '../../src/proxy/h2/front.js';
import { Upstreams } from '../../src/proxy/h2/upstreams.js';
import type { HttpPool } from '../../src/proxy/l7/context.js';
import type { UpstreamConnection } from '../../src/proxy/l7/upstream-connection.js';
import { RetryClock } from '../../src/proxy/retry-clock.js';
import type { PoolTlsOptions } from '../../src/proxy/tls.js';
import { UpstreamPool } from '../../src/proxy/upstream-pool.js';

const cleanups: (() => unknown)[] = [];

export async function endHttp2(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export interface Http2Rig {
  readonly port: number;
  readonly front: Http2Front;
  readonly pool: HttpPool;
  readonly upstreams: Upstreams;
  readonly counters: ListenerCounters;
  readonly records: StreamRecord[];
}

export interface Http2Setup {
  readonly ports: readonly number[];
  readonly protocol?: UpstreamProtocol;
  readonly timeouts?: Partial<ProxyTimeouts>;
  readonly limits?: Partial<ProxyLimits>;
  /** Of the route. */
  readonly responseMs?: number;
  readonly tls?: PoolTlsOptions;
  readonly pool?: Partial<PoolModel>;
  readonly compression?: Partial<CompressionModel>;
}

const OWN: StreamReply = {
  status: 302,
  bytes: ({ toHead }) =>
    Buffer.from(
      `HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n${toHead ? '' : 'gone'}`,
    ),
};

/** A proxy that takes everything but `/nowhere` and `/own` (a redirect) to the pool `web`. */
export async function startHttp2(setup: Http2Setup): Promise<Http2Rig> {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...setup.timeouts };
  const limits = { ...DEFAULT_LIMITS, ...setup.limits };
  const network = new PortableNetwork({ clock: () => performance.now() });
  const deadlines = new Deadlines(20, network);
  const endpoints = setup.ports.map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 }));
  const protocol = setup.protocol ?? 'h1';
  const model: PoolModel = { name: 'web', balance: 'round_robin', endpoints, protocol, ...setup.pool };
  const pool = new UpstreamPool<UpstreamConnection>(model, limits);
  pool.tick(network.nowMs);
  network.every(20, () => pool.tick(network.nowMs));
  const upstreams = new Upstreams({ timeouts, limits, deadlines }, () => setup.tls ?? null);
  const counters = new ListenerCounters('test');
  const records: StreamRecord[] = [];
  const classes = counters.classesOf('web');
  const route = streamRoute({
    pool,
    classes,
    rewriter: null,
    responseEdits: null,
    flights: null,
    retries: pool.retries.policy,
    split: null,
    mirror: null,
    responseMs: setup.responseMs ?? timeouts.responseMs,
    compresses: true,
    compression:
      setup.compression === undefined
        ? null
        : new CompressionPolicy(
            { ...DEFAULT_COMPRESSION, ...setup.compression },
            new ZlibEncoders(),
            counters.cells,
          ),
  });
  const context: StreamContext = {
    route(_head, { target }) {
      if (target.path.startsWith('/nowhere')) return null;
      return target.path === '/own' ? OWN : route;
    },
    scratch: network.scratch,
    timeouts,
    limits,
    deadlines,
    counters,
    via: 'meridian',
    retryClock: new RetryClock(network),
    random: Math.random,
    trusts: () => false,
    upstreams,
    onStream: (record) => records.push(record),
  };
  const front = new Http2Front(context);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    counters.connections++;
    front.accept(socket);
  });
  const port = await listening(server);
  cleanups.push(() => {
    server.close();
    front.destroy();
    upstreams.close();
    pool.close();
    deadlines.close();
    network.close();
  });
  return { port, front, pool, upstreams, counters, records };
}

async function listening(server: Server | Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** An endpoint that speaks HTTP/2 in the clear. Returns its port. */
export async function http2Backend(
  script: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, session: ServerHttp2Session) => void,
  options: ServerOptions & { readonly onSession?: (session: ServerHttp2Session) => void } = {},
): Promise<number> {
  const server = createHttp2Server(options);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    options.onSession?.(session);
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    script(stream, headers, stream.session as ServerHttp2Session);
  });
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return await listening(server);
}

export function http2Client(port: number, settings = {}): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, { settings });
  session.on('error', () => {});
  cleanups.push(() => session.destroy());
  return session;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  readonly body: string;
  readonly trailers: IncomingHttpHeaders | null;
  /** 0 if the stream ended as it should. */
  readonly rstCode: number;
  readonly complete: boolean;
  readonly endStreamOnHead: boolean;
}

/** Sends one request and gathers everything that comes back. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Uint8Array,
  trailers?: OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = session.request(
    { ':path': '/', ...headers },
    { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
  );
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined || trailers !== undefined) stream.end(body ?? '');
  return gather(stream);
}

export function gather(stream: ClientHttp2Stream): Promise<Answer> {
  const chunks: Buffer[] = [];
  const interim: IncomingHttpHeaders[] = [];
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders | null = null;
  let complete = false;
  let endStreamOnHead = false;
  stream.on('headers', (fields) => interim.push(fields));
  stream.on('response', (fields, flags) => {
    head = fields;
    endStreamOnHead = (flags & 1) !== 0;
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    complete = true;
  });
  stream.on('error', () => {});
  return new Promise((resolve) => {
    stream.on('close', () =>
      resolve({
        status: Number(head[':status'] ?? 0),
        headers: head,
        interim,
        body: Buffer.concat(chunks).toString(),
        trailers,
        rstCode: stream.rstCode ?? 0,
        complete,
        endStreamOnHead,
      }),
    );
  });
}
