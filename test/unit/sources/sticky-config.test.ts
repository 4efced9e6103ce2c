import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { failModeOf } from '../../../src/core/balance/degradation.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';

const folder = mkdtempSync(join(tmpdir(), 'meridian-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'sorry.html'), '<p>later</p>\n');
writeFileSync(join(folder, 'bytes.html'), Uint8Array.of(0xff, 0xfe));
writeFileSync(join(folder, 'large.html'), 'x'.repeat(65_537));

const ENDPOINTS = 'endpoints: [ { address: "127.0.0.1:2" } ]';

function load(pool: string, more: { protocol?: string; listener?: string; pools?: string } = {}) {
  const { protocol = 'http', listener = '', pools = '' } = more;
  const text = `node: { name: p, region: r }
listeners: [ { listen: "127.0.0.1:1", protocol: ${protocol}, pool: web${listener} } ]
pools:
  web: { ${ENDPOINTS}, ${pool} }
${pools}`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 2, cwd: folder });
}

function poolOf(pool: string, more: Parameters<typeof load>[1] = {}) {
  const loaded = load(pool, more);
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.pools[0]!;
}

function problemsOf(pool: string, more: Parameters<typeof load>[1] = {}): readonly string[] {
  const loaded = load(pool, more);
  if (!('problems' in loaded)) return [];
  for (const { line, column } of loaded.problems) expect([line > 1, column > 1]).toEqual([true, true]);
  return loaded.problems.map(({ path, message }) => `${path}: ${message}`);
}

const TLS = ', tls: { certificates: [ { cert: a.pem, key: a.key } ] }';
const COOKIE = {
  ...{ by: 'cookie', cookie: 'meridian_web', application: '', path: '/', domain: '', secure: false },
  ...{ httpOnly: true, sameSite: 'lax', lifetimeMs: null, drainMs: 600_000 },
};

describe('pools.<name>.sticky', () => {
  it.each([
    ['by: cookie', COOKIE],
    ['by: cookie, secure: true, same_site: none', { ...COOKIE, secure: true, sameSite: 'none' }],
    [
      'by: cookie, cookie: stay, lifetime: 1h, drain: 0, path: /a, domain: example.com, http_only: false',
      {
        ...{ ...COOKIE, cookie: 'stay', lifetimeMs: 3_600_000, drainMs: 0, path: '/a' },
        ...{ domain: 'example.com', httpOnly: false },
      },
    ],
    ['by: app_cookie, name: PHPSESSID', { ...COOKIE, by: 'app_cookie', application: 'PHPSESSID' }],
    ['by: header, name: X-User', { by: 'header', header: 'x-user', lifetimeMs: 3_600_000, drainMs: 600_000 }],
    ['by: address, lifetime: 2d', { by: 'address', header: '', lifetimeMs: 172_800_000, drainMs: 600_000 }],
  ])('%s', (text, expected) => {
    expect(poolOf(`sticky: { ${text} }`).sticky).toEqual(expected);
  });

  it('is secure where all listeners that lead to the pool end TLS', () => {
    const { sticky } = poolOf('sticky: { by: cookie }', { listener: TLS });
    expect(sticky).toMatchObject({ secure: true });
  });

  it('by a key places new sessions by hash', () => {
    expect(poolOf('sticky: { by: address }').balance).toBe('ip_hash');
    expect(poolOf('sticky: { by: address }, balance: maglev').balance).toBe('maglev');
    expect(poolOf('sticky: { by: cookie }, balance: least_time').balance).toBe('least_time');
  });

  it.each([
    ['sticky: {}', 'pools.web.sticky: the key "by" is missing: cookie or app_cookie or header or address'],
    ['sticky: { by: cookies }', 'pools.web.sticky.by: must be one of cookie, app_cookie, header, address'],
    ['sticky: { by: cookie, htp_only: true }', 'htp_only'],
    ['sticky: { by: cookie, name: x }', 'sticky.name: name is for app_cookie and header'],
    ['sticky: { by: app_cookie }', 'sticky: by: app_cookie needs the name'],
    [
      'sticky: { by: app_cookie, name: a, cookie: a }',
      'sticky.cookie: is the name of the cookie of the application',
    ],
    ['sticky: { by: header }', 'sticky: by: header needs the name of the header'],
    ['sticky: { by: address, name: x }', 'sticky.name: name has no meaning for by: address'],
    ['sticky: { by: address, same_site: lax }', 'sticky.same_site: same_site has no meaning for by: address'],
    ['sticky: { by: cookie, same_site: none }', 'sticky.same_site: none needs secure: true'],
    [
      'sticky: { by: cookie, cookie: __Host-a }',
      'sticky.cookie: a name with __Host- needs secure: true, path: / and no domain',
    ],
    ['sticky: { by: cookie, cookie: __Secure-a }', 'sticky.cookie: a name with __Secure- needs secure: true'],
    ['sticky: { by: cookie, cookie: "a;b" }', 'sticky.cookie: must be the name of a header or cookie'],
    ['sticky: { by: cookie, path: "/a;b" }', 'sticky.path: must be a path'],
    ['sticky: { by: cookie, path: "/a\\r\\nX: y" }', 'sticky.path: must be a path'],
    ['sticky: { by: cookie, domain: ".example.com" }', 'sticky.domain: must be a domain name'],
    ['sticky: { by: cookie, lifetime: 10ms }', 'sticky.lifetime: must be from 1s to 400d, not 10ms'],
    ['sticky: { by: cookie, lifetime: 401d }', 'sticky.lifetime: must be from 1s to 400d, not 401d'],
    ['sticky: { by: cookie, drain: forever }', 'sticky.drain: must be a duration'],
    [
      'sticky: { by: address }, balance: p2c',
      'pools.web.balance: sticky by address places new sessions by hash',
    ],
  ])('%s', (text, expected) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  it.each([
    ['tcp', 'cookie', 'listeners[0] speaks tcp: only by: address works there'],
    ['udp', 'address', 'listeners[0] speaks udp: flows of UDP stay by themselves'],
  ])('is refused with %s by %s', (protocol, by, expected) => {
    expect(problemsOf(`sticky: { by: ${by} }`, { protocol })).toEqual([`pools.web.sticky.by: ${expected}`]);
  });
});

describe('pools.<name>.sticky beside stick of a route', () => {
  const split = (stick: string, sticky: string) => {
    const routes = `routes: [ { name: r, pools: { web: 1, b: 1 }, stick: { by: cookie${stick} } } ]`;
    const text = `node: { name: p, region: r }
listeners: [ { listen: "127.0.0.1:1", protocol: http, ${routes} } ]
pools:
  web: { ${ENDPOINTS} }
  b: { ${ENDPOINTS}, sticky: { ${sticky} } }
`;
    const loaded = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 2, cwd: folder });
    return 'problems' in loaded
      ? loaded.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)
      : [];
  };

  it.each([
    [', name: stay', 'by: cookie, cookie: stay', 'stick.name: pool b has the cookie "stay" already'],
    [', name: JSID', 'by: app_cookie, name: JSID', 'stick.name: pool b has the cookie "JSID" already'],
    ['', 'by: cookie, cookie: meridian-r', 'stick: pool b has the cookie "meridian-r" already'],
  ])('stick%s and %s would overwrite each other', (stick, sticky, expected) => {
    expect(split(stick, sticky)).toEqual([`2 listeners[0].routes[0].${expected}`]);
  });

  it('takes cookies of different names', () => {
    expect(split('', 'by: cookie')).toEqual([]);
    expect(split(', name: JSID', 'by: header, name: JSID')).toEqual([]);
  });
});

describe('pools.<name>.fallback', () => {
  const SPARE = `  spare: { ${ENDPOINTS} }\n`;

  it('leads to another pool, or to a page', () => {
    expect(poolOf('fallback: { pool: spare }', { pools: SPARE }).fallback).toEqual({ pool: 'spare' });
    expect(poolOf('fallback: { respond: { status: 503, body: sorry } }').fallback).toEqual({
      respond: { status: 503, body: 'sorry', type: 'text/plain; charset=utf-8', fields: [] },
    });
  });

  it('reads a file beside the configuration, whose name says what it is', () => {
    expect(poolOf('fallback: { respond: { status: 503, file: sorry.html } }').fallback).toMatchObject({
      respond: { body: '<p>later</p>\n', type: 'text/html; charset=utf-8' },
    });
    const typed = poolOf('fallback: { respond: { status: 200, file: ./sorry.html, type: text/x } }');
    expect(typed.fallback).toMatchObject({ respond: { type: 'text/x' } });
  });

  it.each([
    ['fallback: {}', '', 'fallback: must have one of the keys pool and respond'],
    [
      'fallback: { pool: spare, respond: { status: 503 } }',
      SPARE,
      'must have one of the keys pool and respond',
    ],
    ['fallback: { pool: nobody }', '', 'fallback.pool: there is no pool "nobody"'],
    ['fallback: { pool: constructor }', '', 'fallback.pool: there is no pool "constructor"'],
    ['fallback: { pool: web }', '', 'fallback.pool: leads back to pool web'],
    ['fallback: { respond: { status: 99 } }', '', 'respond.status: must be'],
    ['fallback: { respond: { status: 503, file: none.html } }', '', 'respond.file: cannot be read: ENOENT'],
    ['fallback: { respond: { status: 503, file: . } }', '', 'respond.file: is no file'],
    ['fallback: { respond: { status: 503, file: bytes.html } }', '', 'respond.file: is no text in UTF-8'],
    ['fallback: { respond: { status: 503, file: large.html } }', '', 'has 65537 bytes; at most 65536'],
    [
      'fallback: { respond: { status: 503, file: sorry.html, body: x } }',
      '',
      'body and file exclude each other',
    ],
    [
      'fallback: { respond: { status: 204, file: sorry.html } }',
      '',
      'a response with status 204 has no body',
    ],
  ])('%s', (text, pools, expected) => {
    expect(problemsOf(text, { pools }).join('\n')).toContain(expected);
  });

  it('must not go round in a circle, nor change the protocol of endpoints', () => {
    const circle = `  spare: { ${ENDPOINTS}, fallback: { pool: web } }\n`;
    expect(problemsOf('fallback: { pool: spare }', { pools: circle })[0]).toContain('leads back to pool web');
    const h2 = `  spare: { ${ENDPOINTS}, protocol: h2c }\n`;
    const problems = problemsOf('fallback: { pool: spare }', { pools: h2, listener: ', http2: on' });
    expect(problems).toEqual([
      'pools.web.fallback.pool: pool spare speaks h2c to its endpoints, this pool h1',
    ]);
  });

  it('must not lead to a pool that sends PROXY headers', () => {
    const v2 = `  spare: { ${ENDPOINTS}, proxy_protocol: v2 }\n`;
    expect(problemsOf('fallback: { pool: spare }', { pools: v2 })[0]).toContain(
      'pools.spare.proxy_protocol: is not for pools of a listener with protocol http',
    );
  });

  it('is for http', () => {
    const problems = problemsOf('fallback: { respond: { status: 503 } }', { protocol: 'tcp' });
    expect(problems).toEqual(['pools.web.fallback: listeners[0] speaks tcp: a fallback is for http']);
  });
});

describe('pools.<name>.stale_if_error', () => {
  it('has limits', () => {
    expect(poolOf('stale_if_error: { for: 10m }').stale).toEqual({
      ...{ forMs: 600_000, bytes: 16 * 1024 * 1024, bodyBytes: 256 * 1024 },
    });
    expect(poolOf('stale_if_error: { for: 1, size: 1, body: 1 }').stale).toEqual({
      ...{ forMs: 1_000, bytes: 1024 * 1024, bodyBytes: 1024 },
    });
  });

  it.each([
    ['stale_if_error: {}', 'http', 'the key "for" is missing'],
    ['stale_if_error: { for: 0 }', 'http', 'stale_if_error.for: must be from 1s to 400d, not 0'],
    ['stale_if_error: { for: 1h, size: 0 }', 'http', 'stale_if_error.size: must be'],
    ['stale_if_error: { for: 1h, body: 2000 }', 'http', 'stale_if_error.body: must be'],
    ['stale_if_error: { for: 1h, sise: 1 }', 'http', 'sise'],
    ['stale_if_error: { for: 1h }', 'tcp', 'speaks tcp: it has no responses to keep'],
  ])('%s with %s', (text, protocol, expected) => {
    expect(problemsOf(text, { protocol })[0]).toContain(expected);
  });
});

describe('pools.<name>.fail', () => {
  it.each([
    ['maintenance: false', 'secure'],
    ['fail: open', 'open'],
    ['fail: secure', 'secure'],
    ['panic: {}', 'open'],
    ['panic: { mode: secure }', 'secure'],
    ['panic: { mode: open }, fail: open', 'open'],
  ] as const)('%s: %s', (text, expected) => {
    expect(failModeOf(poolOf(text))).toBe(expected);
  });

  it.each([
    ['fail: closed', 'pools.web.fail: must be one of open, secure'],
    ['fail: secure, panic: {}', 'pools.web.fail: must be open, as panic.mode is, or be left out'],
    ['fail: open, panic: { mode: secure }', 'pools.web.fail: must be secure, as panic.mode is'],
    ['maintenance: maybe', 'pools.web.maintenance: must be'],
  ])('%s', (text, expected) => {
    expect(problemsOf(text)[0]).toContain(expected);
  });
});
