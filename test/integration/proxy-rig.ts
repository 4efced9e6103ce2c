/** A proxy, scripted backends and a raw client, all on loopback, for the tests of the proxy. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { beforeEach, describe } from 'vitest';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type HealthCheck,
  type ListenerModel,
  type PoolModel,
  type ProxyLimits,
  type ProxyModel,
  type ProxyTimeouts,
} from '../../src/core/balance/model.js';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import { type CompressionModel, DEFAULT_COMPRESSION } from '../../src/core/http/compression.js';
import type { RouteModel } from '../../src/core/http/route.js';
import { compileAccess } from '../../src/core/limit/access-trie.js';
import { accessListsIn } from '../../src/core/limit/limit-identity.js';
import type { AccessWriter } from '../../src/proxy/access-writer.js';
import type { Encoders } from '../../src/proxy/compression/encoder.js';
import { ZlibEncoders } from '../../src/proxy/compression/zlib-encoders.js';
import { EndpointWatch } from '../../src/proxy/endpoint-watch.js';
import type { HealthChecker } from '../../src/proxy/health-checker.js';
import { LimitStore } from '../../src/proxy/limit/limit-store.js';
import { Protection } from '../../src/proxy/limit/protection.js';
import { RegionalProxy } from '../../src/proxy/regional-proxy.js';
import { networkUnavailable, startNetwork } from '../support/network-rig.js';

export const QUIET = { info() {}, warn() {}, error() {} };

/** A checker whose results the test decides: `set('web/127.0.0.1:9', false)`. */
export class FakeChecker implements HealthChecker {
  readonly watched = new Map<string, (up: boolean, detail: string) => void>();

  readonly #onGood = new Map<string, () => void>();

  watch(
    key: string,
    _a: unknown,
    _c: HealthCheck,
    onChange: (up: boolean, detail: string) => void,
    onGood?: () => void,
  ): void {
    this.watched.set(key, onChange);
    if (onGood !== undefined) this.#onGood.set(key, onGood);
  }
  unwatch(key: string): void {
    this.watched.delete(key);
  }
  async firstRound(): Promise<void> {}
  close(): void {}

  set(key: string, up: boolean): void {
    const onChange = this.watched.get(key);
    if (onChange === undefined) throw new Error(`nobody watches ${key}`);
    onChange(up, up ? 'ok' : 'refused');
  }

  /** A good check that changes nothing. */
  pass(key: string): void {
    this.#onGood.get(key)?.();
  }
}

export const CHECK: HealthCheck = {
  type: 'tcp',
  path: '/',
  status: [{ from: 200, to: 399 }],
  verify: true,
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 1,
};

const cleanups: (() => unknown)[] = [];

/** Ends everything that the test started; call it in afterEach. */
export async function endAll(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

/** A TCP server that runs `script` on each connection. Returns its port. */
export async function backend(script: (socket: Socket, number: number) => void): Promise<number> {
  let number = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    script(socket, number++);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A backend that answers each complete head (without a body) with `respond`'s bytes. */
export function httpBackend(respond: (head: string, socket: Socket) => string | null): Promise<number> {
  return backend((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4);
        text = text.slice(end + 4);
        const answer = respond(head, socket);
        if (answer !== null) socket.write(answer, 'latin1');
      }
    });
    socket.on('end', () => socket.end());
  });
}

export function ok(body: string, extra = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${extra}\r\n${body}`;
}

let io: 'batched' | 'portable' = 'portable';

/** Runs tests in both tiers, where the machine has both. */
export function inBothTiers(name: string, tests: () => void): void {
  for (const tier of ['batched', 'portable'] as const) {
    const missing = tier === 'batched' ? networkUnavailable : undefined;
    describe.skipIf(missing !== undefined)(`${name}, ${tier} tier`, () => {
      beforeEach(() => {
        io = tier;
      });
      tests();
    });
  }
}

export interface Rig {
  readonly proxy: RegionalProxy;
  readonly model: ProxyModel;
  readonly port: number;
  readonly checker: FakeChecker;
  readonly limits: LimitStore;
  /** As a proxy that ends: what is in progress has so much time. */
  drain(ms: number): Promise<void>;
}

export async function startRig(setup: {
  readonly ports: readonly number[];
  readonly protocol?: 'http' | 'tcp';
  readonly pool?: Partial<PoolModel>;
  readonly timeouts?: Partial<ProxyTimeouts>;
  readonly limits?: Partial<ProxyLimits>;
  readonly trusted?: readonly string[];
  /** The listener speaks both versions; only in the portable tier. */
  readonly http2?: boolean;
  readonly routes?: readonly RouteModel[];
  readonly compression?: Partial<CompressionModel>;
  readonly encoders?: Encoders;
  readonly access?: AccessWriter;
  /** Limits and lists of the listener. */
  readonly guarded?: Pick<
    Extract<ListenerModel, { protocol: 'http' }>,
    'limits' | 'access' | 'sources' | 'headersFrom' | 'admission' | 'handshakes'
  >;
  /** Beside `web`. */
  readonly pools?: readonly PoolModel[];
}): Promise<Rig> {
  const listen = { host: '127.0.0.1', port: 0 };
  const listener: ListenerModel =
    setup.protocol === 'tcp'
      ? { protocol: 'tcp', listen, pool: 'web', ...setup.guarded }
      : {
          protocol: 'http',
          listen,
          routes: setup.routes ?? [{ match: { pathPrefix: '/' }, pool: 'web' }],
          trusted: setup.trusted ?? [],
          ...(setup.http2 && { http2: true }),
          ...(setup.compression && { compression: { ...DEFAULT_COMPRESSION, ...setup.compression } }),
          ...setup.guarded,
        };
  const model: ProxyModel = {
    node: { name: 'p1', region: 'r1' },
    workers: 1,
    io,
    reportTo: [],
    admin: null,
    listeners: [listener],
    pools: [
      {
        name: 'web',
        balance: 'round_robin',
        endpoints: setup.ports.map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 })),
        ...setup.pool,
      },
      ...(setup.pools ?? []),
    ],
    timeouts: { ...DEFAULT_TIMEOUTS, ...setup.timeouts },
    limits: { ...DEFAULT_LIMITS, ...setup.limits },
  };
  const checker = new FakeChecker();
  const { network, close } = startNetwork(io);
  const limits = new LimitStore({ key: [1, 2], tells: false, clock: () => network.nowMs });
  limits.use(
    model,
    new Map(accessListsIn(model).map((list) => [list.name, compileAccess(list, EMPTY_LOCATIONS)])),
  );
  const plan = limits.plan(0);
  const protection = plan === null ? null : new Protection(plan, () => network.nowMs);
  const proxy = new RegionalProxy(model, network, {
    protection,
    encoders: setup.encoders ?? new ZlibEncoders(),
    access: setup.access ?? null,
  });
  new EndpointWatch(
    model.pools,
    checker,
    ({ pool, endpoint, up, detail }) => proxy.judge(pool, endpoint, up, detail),
    (pool, endpoint) => proxy.passed(pool, endpoint),
  );
  const failures = await proxy.listen();
  if (failures.length > 0) throw new Error(failures[0]!.message);
  cleanups.push(() => {
    proxy.destroy();
    close();
  });
  const drain = async (ms: number): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      proxy.drain(resolve);
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    proxy.destroy();
  };
  return { proxy, model, port: proxy.listeners[0]!.port, checker, drain, limits };
}

/** A raw client: what it received so far, and whether and how the connection ended. */
export class RawClient {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  error: NodeJS.ErrnoException | null = null;
  ended = false;
  readonly #closed: Promise<void>;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (chunk) => {
      this.chunks.push(chunk);
      this.#wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.#closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#wake();
        resolve();
      });
    });
    cleanups.push(() => this.socket.destroy());
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  send(text: string | Uint8Array): this {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    return this;
  }

  /** Waits until what was received satisfies `done`; fails if the connection ends before. */
  async until(done: (text: string) => boolean): Promise<string> {
    while (!done(this.text)) {
      if (this.ended || this.socket.destroyed) throw new Error(`ended early: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.text;
  }

  /** Waits for the proxy's end of the connection, in whatever way. */
  async untilEnd(): Promise<string> {
    while (!this.ended && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.text;
  }

  closed(): Promise<void> {
    return this.#closed;
  }
}

export function client(port: number): RawClient {
  return new RawClient(port);
}

/** Sends one request and waits for the end of the connection. */
export async function exchange(port: number, request: string): Promise<string> {
  return await client(port).send(request).untilEnd();
}

export async function waitFor(condition: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
