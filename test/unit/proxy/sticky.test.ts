import { describe, expect, it } from 'vitest';
import { createCookieKeys, setCookieKeys } from '../../../src/core/answer/identity.js';
import { NO_KEY } from '../../../src/core/balance/hash.js';
import { DEFAULT_LIMITS, type PoolModel } from '../../../src/core/balance/model.js';
import type {
  CookieStickyModel,
  KeyStickyModel,
  StickyModel,
} from '../../../src/core/balance/sticky-model.js';
import { Head } from '../../../src/core/http/head.js';
import { DEFAULT_BREAKER } from '../../../src/core/limit/breaker.js';
import { POOL_CELL } from '../../../src/proxy/cells.js';
import { newStickyMemory, type StickyMemory, stickySessions } from '../../../src/proxy/sticky.js';
import { STICKY_RESULTS } from '../../../src/proxy/sticky-tally.js';
import { UpstreamPool } from '../../../src/proxy/upstream-pool.js';

const COOKIE: CookieStickyModel = {
  by: 'cookie',
  cookie: 'stay',
  application: '',
  path: '/',
  domain: '',
  secure: true,
  httpOnly: true,
  sameSite: 'lax',
  lifetimeMs: null,
  drainMs: 60_000,
};
const HEADER: KeyStickyModel = { by: 'header', header: 'x-user', lifetimeMs: 3_600_000, drainMs: 60_000 };
const ADDRESS: KeyStickyModel = { ...HEADER, by: 'address', header: '' };
const START_MS = 1_800_000_000_000;
const SECRET = new Uint8Array(16).fill(3);

function headOf(text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head(text.startsWith('HTTP/') ? 'response' : 'request');
  head.parse(bytes, 0, bytes.length);
  return head;
}

interface Request {
  readonly cookie?: string;
  readonly user?: string;
  readonly address?: string;
  readonly status?: number;
  /** Lines of the endpoint's response. */
  readonly answer?: string;
  readonly tried?: readonly number[];
}

/** A worker with one pool, and requests through it. */
function worker(
  sticky: StickyModel,
  given: {
    readonly memory?: StickyMemory;
    readonly ports?: readonly number[];
    readonly pool?: Partial<PoolModel>;
    readonly clock?: { ms: number };
  } = {},
) {
  const { memory = newStickyMemory(SECRET), ports = [1, 2, 3, 4], clock = { ms: START_MS } } = given;
  const balance = 'cookie' in sticky ? 'round_robin' : 'ip_hash';
  const model: PoolModel = {
    name: 'web',
    balance,
    endpoints: ports.map((port) => ({ address: { host: '10.0.0.1', port }, weight: 1 })),
    sticky,
    ...given.pool,
  };
  const pool = new UpstreamPool(model, { ...DEFAULT_LIMITS, upstreamConnections: 2 });
  const sessions = stickySessions(sticky, pool, memory, () => clock.ms);
  pool.sticky = sessions;
  const request = ({
    cookie,
    user,
    address = '192.0.2.1',
    status = 200,
    answer = '',
    tried = [],
  }: Request = {}) => {
    const lines = `${cookie === undefined ? '' : `Cookie: ${cookie}\r\n`}${user === undefined ? '' : `X-User: ${user}\r\n`}`;
    const key = sessions.keyOf(headOf(`GET / HTTP/1.1\r\n${lines}\r\n`), address, NO_KEY);
    const picked = pool.pick(tried, key);
    if (typeof picked === 'string') throw new Error(picked);
    const response = `HTTP/1.1 ${status} OK\r\n${answer}\r\n`;
    const out = new Uint8Array(4096);
    out.set(Buffer.from(response));
    const length = sessions.settle(out, response.length, headOf(response), key, tried, picked.index);
    const text = Buffer.from(out.subarray(0, length)).toString();
    const [, value] = /Set-Cookie: (stay=[^;\r]*)/.exec(text) ?? [];
    return { port: picked.address.port, index: picked.index, text, cookie: value };
  };
  const counts = () =>
    Object.fromEntries(
      STICKY_RESULTS.map((result, i) => [result, pool.tally.cells[POOL_CELL.STICKY + i]!] as const).filter(
        ([, count]) => count > 0,
      ),
    );
  const pass = (ms: number) => {
    clock.ms += ms;
    sessions.tick();
  };
  return { pool, sessions, request, counts, pass, memory, clock };
}

describe('sticky sessions by cookie', () => {
  it('give a new client a cookie, and keep it at its endpoint', () => {
    const { request, counts } = worker(COOKIE);
    const first = request();
    expect(first.text).toMatch(
      /^HTTP\/1\.1 200 OK\r\nSet-Cookie: stay=[\w-]{28}; Path=\/; Secure; HttpOnly; SameSite=Lax\r\nCache-Control: private\r\n\r\n$/,
    );
    for (let i = 0; i < 20; i++) {
      const again = request({ cookie: `a=b; ${first.cookie}` });
      expect([again.port, again.cookie]).toEqual([first.port, undefined]);
    }
    expect(counts()).toEqual({ new: 1, kept: 20 });
  });

  it('are the same for every worker and proxy with the secret, in whatever order endpoints stand, after a reload', () => {
    const one = worker(COOKIE);
    const clients = Array.from({ length: 12 }, () => one.request());
    const others = [
      worker(COOKIE),
      worker(COOKIE, { ports: [4, 2, 1, 3] }),
      worker(COOKIE, { ports: [9, 3, 1, 8, 2, 4] }),
      worker(COOKIE, { memory: one.memory, pool: { balance: 'least_time' } }),
    ];
    for (const other of others)
      for (const { port, cookie } of clients) expect(other.request({ cookie: cookie! }).port).toBe(port);
    expect(others.every(({ counts }) => counts().kept === 12)).toBe(true);
  });

  it.each([
    ['forged', 'stay=AAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['forged', 'stay='],
    ['forged', `stay=${'A'.repeat(30_000)}`],
    [
      'forged',
      `stay=${worker(COOKIE, { memory: newStickyMemory(new Uint8Array(16)) })
        .request()
        .cookie!.slice(5)}`,
    ],
    ['forged', worker(COOKIE).request().cookie!.slice(0, -1)],
    ['gone', worker(COOKIE, { pool: { name: 'other' } }).request().cookie!],
    ['gone', worker(COOKIE, { ports: [99] }).request().cookie!],
    ['expired', worker(COOKIE, { clock: { ms: START_MS + 301_000 } }).request().cookie!],
  ])('answer a cookie that is %s with another one (case %#)', (result, cookie) => {
    const { request, counts } = worker(COOKIE);
    const { cookie: next, port } = request({ cookie });
    expect(counts()).toEqual({ [result]: 1 });
    expect(request({ cookie: next! }).port).toBe(port);
  });

  it('take a cookie that another client has copied: it says where to go, and allows nothing', () => {
    const { request } = worker(COOKIE);
    const { cookie, port } = request({ address: '192.0.2.1' });
    expect(request({ address: '203.0.113.9', cookie: cookie! }).port).toBe(port);
  });

  it('renew a cookie in the second half of its lifetime, and end after it', () => {
    const { request, pass, counts } = worker({ ...COOKIE, lifetimeMs: 600_000 });
    const first = request();
    expect(first.text).toContain('; Max-Age=600; ');
    pass(299_000);
    expect(request({ cookie: first.cookie! }).cookie).toBeUndefined();
    pass(2_000);
    const renewed = request({ cookie: first.cookie! });
    expect(renewed.cookie).toBeDefined();
    expect(renewed.port).toBe(first.port);
    pass(300_000);
    expect(request({ cookie: renewed.cookie! }).port).toBe(first.port);
    request({ cookie: first.cookie! });
    expect(counts()).toEqual({ new: 1, kept: 3, expired: 1 });
  });

  it('move for good when the endpoint is down, ejected or gone', () => {
    const { pool, request, counts } = worker(COOKIE);
    const first = request();
    pool.judge(first.index, false, 'refused');
    const second = request({ cookie: first.cookie! });
    expect(second.port).not.toBe(first.port);
    pool.judge(first.index, true, 'ok');
    expect(request({ cookie: second.cookie! }).port).toBe(second.port);
    expect(counts()).toEqual({ new: 1, gone: 1, kept: 1 });
  });

  it('move for good when the circuit breaker of the endpoint is open', () => {
    const { pool, request, counts } = worker(COOKIE, { pool: { breaker: DEFAULT_BREAKER } });
    const first = request();
    pool.forceBreaker(first.index, 'open');
    const second = request({ cookie: first.cookie! });
    expect(second.port).not.toBe(first.port);
    pool.forceBreaker(first.index, 'closed');
    expect(request({ cookie: second.cookie! }).port).toBe(second.port);
    expect(counts()).toEqual({ new: 1, gone: 1, kept: 1 });
  });

  it('move for good when the endpoint does not accept, although nobody says yet that it is down', () => {
    const { request, counts } = worker(COOKIE);
    const first = request();
    const second = request({ cookie: first.cookie!, tried: [first.index] });
    expect(second.cookie).toBeDefined();
    expect(counts()).toEqual({ new: 1, moved: 1 });
  });

  it('come back to an endpoint that was full for a moment', () => {
    const { pool, request } = worker(COOKIE);
    const first = request();
    const endpoint = pool.endpoints[first.index]!;
    endpoint.connections = 2;
    const elsewhere = request({ cookie: first.cookie! });
    expect([elsewhere.port === first.port, elsewhere.cookie]).toEqual([false, undefined]);
    endpoint.connections = 0;
    expect(request({ cookie: first.cookie! }).port).toBe(first.port);
  });

  it('stay at an endpoint that drains until its deadline, while nobody new comes', () => {
    const { pool, request, pass, clock, counts } = worker(COOKIE);
    const first = request();
    pool.drain(first.index, true, clock.ms);
    pass(59_000);
    expect(request({ cookie: first.cookie! }).port).toBe(first.port);
    for (let i = 0; i < 20; i++) expect(request().port).not.toBe(first.port);
    pass(1_000);
    expect(request({ cookie: first.cookie! }).port).not.toBe(first.port);
    expect(counts()).toEqual({ new: 21, kept: 1, gone: 1 });
  });

  it('make no session of a failure', () => {
    const { request } = worker(COOKIE);
    expect(request({ status: 503 }).cookie).toBeUndefined();
    expect(request({ status: 404 }).cookie).toBeDefined();
  });

  it('leave a head alone that has no room for a line', () => {
    const { sessions } = worker(COOKIE);
    const key = sessions.keyOf(headOf('GET / HTTP/1.1\r\n\r\n'), '', NO_KEY);
    const text = 'HTTP/1.1 200 OK\r\n\r\n';
    const out = new Uint8Array(text.length + 20);
    out.set(Buffer.from(text));
    expect(sessions.settle(out, text.length, headOf(text), key, [], 0)).toBe(text.length);
    expect(Buffer.from(out).toString()).toBe(text + '\0'.repeat(20));
  });

  it('write what the configuration says of the cookie', () => {
    const model: CookieStickyModel = {
      ...COOKIE,
      ...{ path: '/shop', domain: 'example.com', secure: false, httpOnly: false, sameSite: 'strict' },
    };
    expect(worker(model).request().text).toMatch(
      /=[\w-]{28}; Path=\/shop; Domain=example\.com; SameSite=Strict\r\n/,
    );
  });

  it('go on when the secret is changed, as long as the old one is known', () => {
    const { request, memory, counts } = worker(COOKIE);
    const first = request();
    setCookieKeys(memory.keys, [new Uint8Array(16).fill(9), SECRET]);
    expect(request({ cookie: first.cookie! }).port).toBe(first.port);
    setCookieKeys(memory.keys, [new Uint8Array(16).fill(9)]);
    request({ cookie: first.cookie! });
    expect(counts()).toEqual({ new: 1, kept: 1, forged: 1 });
  });

  it('give cookies that nobody accepts without secrets, and go on', () => {
    const { request, counts } = worker(COOKIE, {
      memory: { ...newStickyMemory(), keys: createCookieKeys() },
    });
    const { cookie } = request();
    request({ cookie: cookie! });
    expect(counts()).toEqual({ new: 1, forged: 1 });
  });
});

describe("sticky sessions by an application's cookie", () => {
  const APP: CookieStickyModel = { ...COOKIE, by: 'app_cookie', application: 'JSESSIONID' };

  it('begin when the application sets its cookie, and not before', () => {
    const { request } = worker(APP);
    expect(request().cookie).toBeUndefined();
    const first = request({ answer: 'Set-Cookie: JSESSIONID=7; Path=/\r\n' });
    expect(first.cookie).toBeDefined();
    for (let i = 0; i < 8; i++) {
      expect(request({ cookie: `JSESSIONID=7; ${first.cookie}` }).port).toBe(first.port);
    }
  });

  it("end with the application's cookie", () => {
    const { request, counts } = worker(APP);
    const first = request({ answer: 'Set-Cookie: JSESSIONID=7\r\n' });
    const ports = Array.from({ length: 8 }, () => request({ cookie: first.cookie! }).port);
    expect(new Set(ports).size).toBe(4);
    expect(counts()).toEqual({});
  });

  it('are stuck anew where the endpoint is gone, whether the application says something or not', () => {
    const { pool, request } = worker(APP);
    const first = request({ answer: 'Set-Cookie: JSESSIONID=7\r\n' });
    pool.judge(first.index, false, 'refused');
    const second = request({ cookie: `JSESSIONID=7; ${first.cookie}` });
    expect(second.cookie).toBeDefined();
    expect(request({ cookie: `JSESSIONID=7; ${second.cookie}` }).port).toBe(second.port);
  });
});

describe.each([
  ['header', HEADER, (client: number): Request => ({ user: `user-${client}` })],
  ['address', ADDRESS, (client: number): Request => ({ address: `192.0.2.${client}` })],
])('sticky sessions by %s', (_, model, of) => {
  const CLIENTS = Array.from({ length: 40 }, (_, i) => i);

  it('keep a client at its endpoint, and add nothing to responses', () => {
    const { request, counts } = worker(model);
    const ports = CLIENTS.map((client) => request(of(client)).port);
    expect(new Set(ports).size).toBe(4);
    const again = CLIENTS.map((client) => request(of(client)));
    expect(again.map(({ port }) => port)).toEqual(ports);
    expect(again[0]!.text).toBe('HTTP/1.1 200 OK\r\n\r\n');
    expect(counts()).toEqual({ new: 40, kept: 40 });
  });

  it('are placed alike by all proxies, which share nothing', () => {
    const [one, other] = [worker(model), worker(model, { memory: newStickyMemory() })];
    for (const client of CLIENTS) expect(other.request(of(client)).port).toBe(one.request(of(client)).port);
  });

  it('stay over a reload that adds, removes and reorders endpoints', () => {
    const before = worker(model);
    const ports = CLIENTS.map((client) => before.request(of(client)).port);
    const after = worker(model, { memory: before.memory, ports: [9, 8, 3, 2, 1, 7] });
    for (const client of CLIENTS) {
      const { port } = after.request(of(client));
      if (ports[client] !== 4) expect(port).toBe(ports[client]);
      expect(after.request(of(client)).port).toBe(port);
    }
  });

  it('stay at an endpoint that drains until its deadline, while nobody new comes', () => {
    const { pool, request, pass, clock } = worker(model);
    const ports = CLIENTS.map((client) => request(of(client)).port);
    pool.drain(0, true, clock.ms);
    pass(59_000);
    expect(CLIENTS.map((client) => request(of(client)).port)).toEqual(ports);
    for (let client = 40; client < 80; client++) expect(request(of(client)).port).not.toBe(1);
    pass(2_000);
    const moved = CLIENTS.map((client) => request(of(client)).port);
    expect(moved).not.toContain(1);
    // Nobody else moved, and those who did stay where they are.
    ports.forEach((port, client) => {
      if (port !== 1) expect(moved[client]).toBe(port);
    });
    pool.drain(0, false);
    expect(CLIENTS.map((client) => request(of(client)).port)).toEqual(moved);
  });

  it('move for good when the endpoint does not accept', () => {
    const { request, counts } = worker(model);
    const first = request(of(1));
    const second = request({ ...of(1), tried: [first.index] });
    expect(request(of(1)).port).toBe(second.port);
    expect(counts()).toEqual({ new: 1, gone: 1, kept: 1 });
  });

  it('end after a time of silence', () => {
    const { request, pass, counts } = worker(model);
    request(of(1));
    pass(3_500_000);
    request(of(1));
    pass(3_700_000);
    request(of(1));
    expect(counts()).toEqual({ new: 2, kept: 1 });
  });
});

describe('sticky sessions by header', () => {
  it('spread requests without it, or with an empty or overlong one', () => {
    const { request, counts } = worker(HEADER);
    for (const user of [undefined, '', 'x'.repeat(257)]) {
      const ports = Array.from({ length: 60 }, () => request(user === undefined ? {} : { user }).port);
      expect(new Set(ports).size).toBe(4);
    }
    expect(counts()).toEqual({ forged: 60 });
  });
});
