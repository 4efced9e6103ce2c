import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type PoolModel,
  type ProxyModel,
} from '../../src/core/balance/model.js';
import { RequestMemo } from '../../src/core/http/request-memo.js';
import { ResponseMemo } from '../../src/core/http/response-memo.js';
import type { RouteModel } from '../../src/core/http/route.js';
import { RegionalProxy } from '../../src/proxy/regional-proxy.js';
import { NO_TLS } from '../../src/proxy/tls.js';
import { type WireConnection, WireNetwork } from '../support/wire-network.js';

const PORTS = [8081, 8082] as const;
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '2001:db8::1'] as const;

const pool = (name: string, balance: PoolModel['balance'], ports: readonly number[]): PoolModel => ({
  name,
  balance,
  endpoints: ports.map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 })),
  ...(balance === 'maglev' && { hash: { source: { key: 'header', name: 'x-key' }, bound: 2 } }),
});
const any = { pathPrefix: '/' };
const REMOVED = { set: [{ name: 'X-Set', value: '1' }], add: [], remove: ['server'] };

/** Routes that differ between listeners and between configurations. */
const ROUTES: readonly (readonly RouteModel[])[] = [
  [
    { match: { host: 'www.example.com', pathPrefix: '/a' }, pool: 'web' },
    {
      match: { ...any, values: [{ from: 'header', name: 'x-key', test: { kind: 'present' } }] },
      pool: 'hashed',
    },
    { match: any, pool: 'other' },
  ],
  [
    { match: { pathPrefix: '/a' }, pool: 'other', response: REMOVED },
    { match: { ...any, methods: ['HEAD'] }, pool: 'web', rewrite: { fields: REMOVED, host: 'inside' } },
    { match: any, pool: 'hashed' },
  ],
  [
    { match: { pathPrefix: '/a' }, respond: { status: 200, body: 'own', type: 'text/plain', fields: [] } },
    {
      match: { pathPrefix: '/b' },
      redirect: { status: 302, host: 'elsewhere', keepQuery: true, fields: [] },
    },
    { match: { host: 'www.example.com', pathPrefix: '/c' }, pool: 'web' },
  ],
];

function modelOf(first: number, second: number, trusted: boolean): ProxyModel {
  const listener = (port: number, routes: number) => ({
    protocol: 'http' as const,
    listen: { host: '127.0.0.1', port },
    routes: ROUTES[routes]!,
    trusted: trusted ? ['10.0.0.2/32'] : [],
  });
  return {
    listeners: [listener(PORTS[0], first), listener(PORTS[1], second)],
    pools: [
      pool('web', 'round_robin', [9001, 9002]),
      pool('other', 'first', [9003]),
      pool('hashed', 'maglev', [9004, 9005, 9006]),
    ],
    limits: DEFAULT_LIMITS,
    timeouts: DEFAULT_TIMEOUTS,
  } as unknown as ProxyModel;
}

/** What endpoints say: the same heads again and again, until the second is over. */
function answerTo(head: string, second: number): string {
  const common = `Server: s\r\nDate: second ${second}\r\n`;
  const bodiless = head.startsWith('HEAD ');
  if (head.includes('/none')) return `HTTP/1.1 204 No Content\r\n${common}\r\n`;
  if (head.includes('/close'))
    return `HTTP/1.1 200 OK\r\n${common}Connection: close\r\nContent-Length: 0\r\n\r\n`;
  if (head.includes('/chunked')) {
    const body = bodiless ? '' : '3\r\nabc\r\n0\r\n\r\n';
    return `HTTP/1.1 200 OK\r\n${common}Transfer-Encoding: chunked\r\n\r\n${body}`;
  }
  if (head.includes('/early')) {
    return `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n${common}Content-Length: 2\r\n\r\n${bodiless ? '' : 'ok'}`;
  }
  if (head.includes('/bad')) return 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx';
  const body = `to ${head.split('\r\n')[0]}`;
  return `HTTP/1.1 200 OK\r\n${common}Connection: keep-alive\r\nContent-Length: ${body.length}\r\n\r\n${bodiless ? '' : body}`;
}

const head = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'DELETE'),
    path: fc.constantFrom('/a', '/a/x?q=1', '/b/../a', '/none', '/close', '/chunked', '/early', '/bad', '/c'),
    host: fc.constantFrom('www.example.com', 'www.example.com:80', 'other.example'),
    fields: fc.subarray([
      'X-Key: 1\r\n',
      'Connection: close\r\n',
      'Connection: x-gone\r\nX-Gone: 1\r\n',
      'X-Forwarded-For: 192.0.2.9\r\n',
      'TE: trailers\r\nConnection: te\r\n',
      'Cookie: a=b\r\n',
    ]),
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
  })
  .map(
    ({ method, path, host, fields, version }) =>
      `${method} ${path} HTTP/${version}\r\nHost: ${host}\r\n${fields.join('')}\r\n`,
  );
const steps = fc.array(head, { minLength: 1, maxLength: 3 }).chain((heads) =>
  fc
    .array(
      fc.oneof(
        {
          weight: 20,
          arbitrary: fc.tuple(fc.constant('ask' as const), fc.nat(5), fc.nat(heads.length - 1)),
        },
        { weight: 2, arbitrary: fc.tuple(fc.constant('second' as const), fc.nat(2), fc.nat(0)) },
        { weight: 1, arbitrary: fc.tuple(fc.constant('reload' as const), fc.nat(8), fc.nat(1)) },
      ),
      { minLength: 30, maxLength: 80 },
    )
    .map((script) => ({ heads, script })),
);
type Script = typeof steps extends fc.Arbitrary<infer S> ? S : never;

/** One proxy and its endpoints. `whole`: heads come in one piece; else the last byte comes by itself, and nothing is remembered of them. */
class World {
  readonly heard: string[] = [];
  second = 0;
  readonly #whole: boolean;
  readonly #network: WireNetwork;
  readonly #proxy: RegionalProxy;
  readonly #clients: (WireConnection | undefined)[] = [];
  readonly #asked = new Map<WireConnection, string>();

  constructor(whole: boolean) {
    this.#whole = whole;
    this.#network = new WireNetwork((connection, text) => this.#hear(connection, text));
    this.#proxy = new RegionalProxy(modelOf(0, 1, false), this.#network);
  }

  async start(): Promise<void> {
    expect(await this.#proxy.listen()).toEqual([]);
  }

  /** Two listeners, three clients each. */
  ask(who: number, text: string): void {
    let client = this.#clients[who];
    if (client === undefined || client.destroyed) {
      client = this.#network.client(PORTS[who % 2]!, ADDRESSES[who >> 1]!);
      this.#clients[who] = client;
    }
    if (this.#whole) client.says(text);
    else {
      client.says(text.slice(0, -1));
      client.says(text.slice(-1));
    }
    this.#network.run();
  }

  async reload(which: number, trusted: boolean): Promise<void> {
    const model = modelOf(which % 3, Math.floor(which / 3), trusted);
    expect(await this.#proxy.apply(model, NO_TLS)).toEqual([]);
    this.#network.run();
  }

  counts(): unknown {
    return {
      listeners: this.#proxy.counters.map(({ cells, routed }) => [
        [...cells],
        [...routed].map(([, c]) => [...c]),
      ]),
      pools: [...this.#proxy.pools.values()].map(({ tally }) => [[...tally.cells], [...tally.endpoints]]),
    };
  }

  end(): void {
    this.#proxy.destroy();
    this.#network.run();
  }

  #hear(connection: WireConnection, text: string): void {
    this.heard.push(`${connection.number} ${connection.remote.port} ${text}`);
    if (connection.remote.port < 9000 || text.startsWith('<')) return;
    const asked = (this.#asked.get(connection) ?? '') + text;
    this.#asked.set(connection, asked);
    if (!asked.endsWith('\r\n\r\n')) return;
    this.#asked.delete(connection);
    connection.says(answerTo(asked, this.second));
  }
}

async function play(world: World, { heads, script }: Script): Promise<void> {
  await world.start();
  for (const [what, which, of] of script) {
    if (what === 'ask') world.ask(which, heads[of]!);
    else if (what === 'second') world.second = which;
    else await world.reload(which, of === 1);
  }
}

describe('a request that is known', () => {
  beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));
  afterEach(() => void vi.restoreAllMocks());

  it('gets and makes byte for byte what it would if it were read, over reloads, listeners and clients', async () => {
    const requests = vi.spyOn(RequestMemo.prototype, 'find');
    const responses = vi.spyOn(ResponseMemo.prototype, 'find');
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const known = new World(true);
        const read = new World(false);
        await play(known, script);
        await play(read, script);
        expect(known.heard).toEqual(read.heard);
        expect(known.counts()).toEqual(read.counts());
        known.end();
        read.end();
      }),
      { numRuns: 60 },
    );
    const found = (calls: { readonly results: readonly { readonly value: unknown }[] }): number =>
      calls.results.filter(({ value }) => value !== null).length;
    expect(found(requests.mock)).toBeGreaterThan(100);
    expect(found(responses.mock)).toBeGreaterThan(100);
  });
});
