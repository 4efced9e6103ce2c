/** A proxy, scripted backends and a raw client, all on loopback, for the tests of the proxy. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
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
import type { HealthChecker } from '../../src/proxy/health-checker.js';
import { SYSTEM_TIMERS } from '../../src/proxy/modules.js';
import { RegionalProxy } from '../../src/proxy/regional-proxy.js';

export const QUIET = { info() {}, warn() {}, error() {} };

/** A checker whose results the test decides: `set('web/127.0.0.1:9', false)`. */
export class FakeChecker implements HealthChecker {
  readonly watched = new Map<string, (up: boolean, detail: string) => void>();

  watch(key: string, _a: unknown, _c: HealthCheck, onChange: (up: boolean, detail: string) => void): void {
    this.watched.set(key, onChange);
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

export interface Rig {
  readonly proxy: RegionalProxy;
  readonly port: number;
  readonly checker: FakeChecker;
}

export async function startRig(setup: {
  readonly ports: readonly number[];
  readonly protocol?: 'http' | 'tcp';
  readonly pool?: Partial<PoolModel>;
  readonly timeouts?: Partial<ProxyTimeouts>;
  readonly limits?: Partial<ProxyLimits>;
  readonly trusted?: readonly string[];
}): Promise<Rig> {
  const listen = { host: '127.0.0.1', port: 0 };
  const listener: ListenerModel =
    setup.protocol === 'tcp'
      ? { protocol: 'tcp', listen, pool: 'web' }
      : {
          protocol: 'http',
          listen,
          routes: [{ match: { pathPrefix: '/' }, pool: 'web' }],
          trusted: setup.trusted ?? [],
        };
  const model: ProxyModel = {
    node: { name: 'p1', region: 'r1' },
    workers: 1,
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
    ],
    timeouts: { ...DEFAULT_TIMEOUTS, ...setup.timeouts },
    limits: { ...DEFAULT_LIMITS, ...setup.limits },
  };
  const checker = new FakeChecker();
  const proxy = new RegionalProxy(model, {
    log: QUIET,
    checker,
    clock: () => performance.now(),
    timers: SYSTEM_TIMERS,
    onHealthChange() {},
  });
  proxy.startChecks();
  const failures = await proxy.listen();
  if (failures.length > 0) throw new Error(failures[0]!.message);
  cleanups.push(() => proxy.close(0));
  return { proxy, port: proxy.listeners[0]!.port, checker };
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
