import { describe, expect, it } from 'vitest';
import type { RouteModel } from '../../../src/core/http/route.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const HEAD = `node: { name: p1, region: r1 }
pools: { web: { endpoints: [ { address: "127.0.0.1:9000" } ] }, api: { endpoints: [ { address: "127.0.0.1:9001" } ] } }
listeners:
  - listen: "127.0.0.1:8080"
    protocol: http
    routes:
`;

function load(routes: readonly string[]) {
  const text = HEAD + routes.map((route) => `      - ${route}\n`).join('');
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
}

function routesOf(...routes: string[]): readonly RouteModel[] {
  const loaded = load(routes);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const [listener] = loaded.config.listeners;
  return listener?.protocol === 'http' ? listener.routes : [];
}

function problemsOf(...routes: string[]): string[] {
  const loaded = load(routes);
  return 'problems' in loaded ? loaded.problems.map(formatProblem) : [];
}

describe('routes of proxy.yaml', () => {
  it('reads everything that a request can be matched by', () => {
    const [route] = routesOf(
      '{ match: { host: "*.Example.com", path_pattern: "/v[0-9]+/.*", methods: [ GET, HEAD ], ' +
        'headers: { X-V: beta, X-Old: { present: false } }, cookies: { id: { pattern: "[a-f]+" } }, ' +
        'query: { "f[a]": { prefix: x } } }, priority: 7, pool: web }',
    );
    expect(route).toEqual({
      match: {
        host: '*.example.com',
        pathPrefix: '/',
        pathPattern: '/v[0-9]+/.*',
        methods: ['GET', 'HEAD'],
        values: [
          { from: 'header', name: 'x-v', test: { kind: 'exact', value: 'beta' } },
          { from: 'header', name: 'x-old', test: { kind: 'absent' } },
          { from: 'cookie', name: 'id', test: { kind: 'pattern', pattern: '[a-f]+' } },
          { from: 'query', name: 'f[a]', test: { kind: 'prefix', value: 'x' } },
        ],
      },
      priority: 7,
      pool: 'web',
    });
  });

  it('reads what happens to a request and its response', () => {
    const [route] = routesOf(
      '{ match: { path_prefix: /api }, pool: api, rewrite: { prefix: /, host: "api.internal:81" }, headers: { ' +
        'request: { set: { X-A: "1" }, remove: [ Cookie ] }, response: { add: { Vary: Cookie } } }, timeouts: { response: 5s } }',
    );
    expect(route).toEqual({
      match: { pathPrefix: '/api' },
      pool: 'api',
      rewrite: {
        path: { kind: 'prefix', from: '/api', to: '/' },
        host: 'api.internal:81',
        fields: { set: [{ name: 'X-A', value: '1' }], add: [], remove: ['Cookie'] },
      },
      response: { set: [], add: [{ name: 'Vary', value: 'Cookie' }], remove: [] },
      responseMs: 5000,
    });
  });

  it('reads redirects and fixed responses', () => {
    expect(
      routesOf(
        '{ match: { host: a }, redirect: { scheme: https, port: 8443, query: drop } }',
        '{ match: { path: /gone }, respond: { status: 410, body: "no more", headers: { X-A: b } } }',
      ),
    ).toEqual([
      {
        match: { host: 'a', pathPrefix: '/' },
        redirect: { status: 302, scheme: 'https', port: 8443, keepQuery: false, fields: [] },
      },
      {
        match: { pathPrefix: '/', pathExact: '/gone' },
        respond: {
          status: 410,
          body: 'no more',
          type: 'text/plain; charset=utf-8',
          fields: [{ name: 'X-A', value: 'b' }],
        },
      },
    ]);
  });

  it.each([
    ['{ match: {} }', ':7:9: listeners[0].routes[0]: a route needs the key pool, redirect or respond'],
    ['{ pool: wbe }', ':7:17: listeners[0].routes[0].pool: there is no pool "wbe"; there are web, api'],
    ['{ pool: web, respond: { status: 200 } }', 'routes[0].respond: pool and respond exclude each other'],
    ['{ redirect: { scheme: https }, rewrite: { path: / } }', 'rewrite is only for routes to a pool'],
    [
      '{ respond: { status: 200 }, headers: { response: { set: { A: b } } } }',
      'headers is only for routes to a pool; use respond.headers',
    ],
    [
      '{ match: { path: /a, path_prefix: /a }, pool: web }',
      'path_prefix: path and path_prefix exclude each other',
    ],
    ['{ match: { path: /a/../b }, pool: web }', 'match.path: must be in normal form, which is /b'],
    ['{ match: { path: /a?b }, pool: web }', 'match.path: must be a path without "?"'],
    [
      '{ match: { host: "*" }, pool: web }',
      'match.host: must be a host name without port, or "*." and a host name',
    ],
    ['{ match: { host: "a.*.b" }, pool: web }', 'match.host: must be a host name'],
    [
      '{ match: { path_pattern: "/(a" }, pool: web }',
      "match.path_pattern: must be a pattern in RE2's syntax: missing",
    ],
    [
      '{ match: { path_pattern: "(a)\\\\1" }, pool: web }',
      "match.path_pattern: must be a pattern in RE2's syntax",
    ],
    ['{ match: { path_pattern: "(?:a{100}){9}" }, pool: web }', 'is too complex'],
    ['{ match: { methods: [ get ] }, pool: web }', 'methods[0]: must be a method in capital letters'],
    ['{ match: { methods: [ GET, GET ] }, pool: web }', 'methods[1]: GET is already in this list'],
    ['{ match: { methods: [ TRACE ] }, pool: web }', 'methods[0]: TRACE is never let through'],
    ['{ match: { headers: { "X A": b } }, pool: web }', 'headers["X A"]: must be the name of a header'],
    ['{ match: { headers: { Host: b } }, pool: web }', 'headers.Host: use match.host for the host'],
    [
      '{ match: { headers: { A: { exact: b, prefix: c } } }, pool: web }',
      'headers.A: must have one of the keys exact',
    ],
    ['{ match: { headers: { A: { pattern: "(" } } }, pool: web }', 'headers.A.pattern: must be a pattern'],
    [
      '{ match: { headers: { A: 7 } }, pool: web }',
      'headers.A: must be a text, or a map with one of the keys',
    ],
    ['{ match: { query: { "a=b": c } }, pool: web }', 'query["a=b"]: must be the name of a parameter'],
    ['{ pool: web, priority: 1.5 }', 'priority: must be a whole number'],
    [
      '{ pool: web, rewrite: {} }',
      'rewrite: must have one of the keys path, prefix, pattern (with to), host',
    ],
    ['{ pool: web, rewrite: { host: "a:99999" } }', 'rewrite.host: must be a host with a valid port'],
    [
      '{ match: { path: /a }, pool: web, rewrite: { prefix: /b } }',
      'rewrite.prefix: replaces match.path_prefix',
    ],
    ['{ pool: web, rewrite: { pattern: "/(.*)" } }', 'rewrite: pattern and to must stand together'],
    [
      '{ pool: web, rewrite: { pattern: "/(.*)", to: /$2 } }',
      'rewrite.to: has $2, but the pattern has 1 groups',
    ],
    ['{ pool: web, rewrite: { pattern: "/(.*)", to: "/$1?a" } }', 'rewrite.to: must be a path without "?"'],
    [
      `{ pool: web, rewrite: { pattern: "/(.*)", to: "/${'$1'.repeat(17)}" } }`,
      'rewrite.to: may hold at most 16 groups',
    ],
    [
      '{ pool: web, rewrite: { path: /a, prefix: /b } }',
      'rewrite.prefix: path and prefix exclude each other',
    ],
    ['{ pool: web, headers: { request: { set: { Host: a } } } }', 'set.Host: use rewrite.host for the Host'],
    [
      '{ pool: web, headers: { request: { remove: [ Content-Length ] } } }',
      'remove[0]: Content-Length belongs to the proxy and cannot be changed',
    ],
    [
      '{ pool: web, headers: { request: { add: { X-Forwarded-For: a } } } }',
      'X-Forwarded-For belongs to the proxy',
    ],
    ['{ pool: web, headers: { response: { set: { Transfer-Encoding: a } } } }', 'belongs to the proxy'],
    [
      '{ pool: web, headers: { response: { set: { A: "b\\r\\nc" } } } }',
      'response.set.A: must be text of at most',
    ],
    [
      '{ pool: web, headers: { request: { set: { A: b }, remove: [ a ] } } }',
      'remove[0]: a is already in set',
    ],
    ['{ pool: web, timeouts: { response: 0s } }', 'timeouts.response: must be from 10ms to 24h'],
    [
      '{ redirect: { status: 304, scheme: https } }',
      'redirect.status: must be one of 301, 302, 303, 307, 308',
    ],
    ['{ redirect: { status: 301 } }', 'redirect: must have one of the keys scheme, host, port'],
    ['{ match: { host: a.b }, redirect: { host: A.b } }', 'redirect.host: is the host that this route takes'],
    ['{ redirect: { host: "a:1" } }', 'redirect.host: must be a host name without port'],
    [
      '{ redirect: { scheme: https, headers: { location: a } } }',
      'headers.location: location has a key of its own',
    ],
    ['{ respond: { status: 100 } }', 'respond.status: must be a whole number from 200 to 599'],
    ['{ respond: { status: 204, body: a } }', 'respond.body: a response with status 204 has no body'],
    ['{ respond: { status: 200, headers: { Connection: a } } }', 'Connection belongs to the proxy'],
    ['{ pool: web, colour: red }', 'unknown key'],
  ])('refuses %s', (route, problem) => {
    expect(problemsOf(route).join('\n')).toContain(problem);
  });

  it('counts the body of a fixed response in bytes', () => {
    const of = (length: number) => problemsOf(`{ respond: { status: 200, body: "${'é'.repeat(length)}" } }`);
    expect(of(32 * 1024)).toEqual([]);
    expect(of(32 * 1024 + 1).join()).toContain('respond.body: has 65538 bytes; at most 65536 are allowed');
  });

  it('counts headers, cookies and parameters of a match together', () => {
    const some = (key: string) => `${key}: { ${Array.from({ length: 9 }, (_, i) => `a${i}: b`).join(', ')} }`;
    expect(problemsOf(`{ match: { ${some('headers')}, ${some('query')} }, pool: web }`).join()).toContain(
      'has 18 headers, cookies and parameters; at most 16 are allowed',
    );
  });
});

describe('routes that can never match', () => {
  it.each([
    ['the same twice', '{ pool: web }', '{ pool: api }', 1, 'another route above already matches the same'],
    [
      'the same host in other letters',
      '{ match: { host: A.b }, pool: web }',
      '{ match: { host: a.B }, pool: api }',
      1,
      'another route above already matches the same',
    ],
    [
      'a longer prefix behind a priority',
      '{ match: { path_prefix: /a }, priority: 1, pool: web }',
      '{ match: { path_prefix: /a/b }, pool: api }',
      1,
      'can never match: routes[0] comes first and takes all of its requests',
    ],
    [
      'a route above one with a priority',
      '{ match: { host: a.b, path: /x }, pool: web }',
      '{ match: { host: "*.b" }, priority: 1, pool: api }',
      0,
      'can never match: routes[1] comes first',
    ],
    [
      'methods of which all are taken',
      '{ match: { methods: [ GET, PUT ] }, pool: web }',
      '{ match: { methods: [ PUT ] }, pool: api }',
      1,
      'can never match: routes[0] comes first',
    ],
  ])('%s', (_, first, second, at, message) => {
    expect(problemsOf(first, second)).toEqual([
      expect.stringContaining(`proxy.yaml:${7 + at}:9: listeners[0].routes[${at}]: ${message}`),
    ]);
  });

  it.each([
    [
      'a wildcard and its own name',
      '{ match: { host: "*.a.b" }, pool: web }',
      '{ match: { host: a.b }, pool: api }',
    ],
    [
      'a wildcard of another name',
      '{ match: { host: "*.a.b" }, priority: 1, pool: web }',
      '{ match: { host: "*.c.b" }, pool: api }',
    ],
    [
      'a pattern behind a prefix',
      '{ match: { path_prefix: /a }, priority: 1, pool: web }',
      '{ match: { path_pattern: /a }, pool: api }',
    ],
    [
      'a shorter prefix',
      '{ match: { path_prefix: /a }, pool: web }',
      '{ match: { path_prefix: /ab }, pool: api }',
    ],
    [
      'other values',
      '{ match: { query: { a: b } }, pool: web }',
      '{ match: { query: { a: c } }, pool: api }',
    ],
    [
      'more conditions later',
      '{ match: { query: { a: b } }, pool: web }',
      '{ match: { query: { a: b, c: d } }, pool: api }',
    ],
  ])('but not %s', (_, first, second) => {
    expect(problemsOf(first, second)).toEqual([]);
  });
});
