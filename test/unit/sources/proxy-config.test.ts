import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../../src/sources/environment.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const NODE = 'node: { name: p1, region: r1 }\n';

function load(text: string, environment: Environment = {}) {
  return loadProxyConfig('etc/proxy.yaml', text, { environment, cores: 2, cwd: '/srv' });
}

function configOf(text: string, environment: Environment = {}) {
  const result = load(text, environment);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problemsOf(text: string, environment: Environment = {}): string[] {
  const result = load(text, environment);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

const EXAMPLE = `${NODE}workers: 1
report_to: [ { url: "http://127.0.0.1:8300", token_file: ./report.token } ]
admin: { listen: "127.0.0.1:8301" }
listeners:
  - { listen: "127.0.1.1:8080", protocol: http, routes: [ { match: { path_prefix: / }, pool: web } ] }
  - { listen: "127.0.1.1:5432", protocol: tcp, pool: db }
pools:
  web:
    balance: round_robin
    endpoints: [ { address: "127.0.1.11:9000", weight: 1 }, { address: "127.0.1.12:9000" } ]
    health: { type: http, path: /healthz, interval: 5s, timeout: 2s, fall: 3, rise: 1 }
  db: { balance: least_connections, endpoints: [ { address: "127.0.1.21:5432" } ] }
`;

describe('loadProxyConfig()', () => {
  it('reads the example of the design', () => {
    expect(configOf(EXAMPLE)).toMatchObject({
      node: { name: 'p1', region: 'r1' },
      workers: 1,
      reportTo: [{ url: 'http://127.0.0.1:8300', tokenFile: '/srv/etc/report.token' }],
      admin: { listen: { host: '127.0.0.1', port: 8301 } },
      listeners: [
        {
          protocol: 'http',
          listen: { host: '127.0.1.1', port: 8080 },
          routes: [{ match: { pathPrefix: '/' }, pool: 'web' }],
          trusted: [],
        },
        { protocol: 'tcp', listen: { host: '127.0.1.1', port: 5432 }, pool: 'db' },
      ],
      pools: [
        {
          name: 'web',
          balance: 'round_robin',
          endpoints: [
            { address: { host: '127.0.1.11', port: 9000 }, weight: 1 },
            { address: { host: '127.0.1.12', port: 9000 }, weight: 1 },
          ],
          health: {
            type: 'http',
            path: '/healthz',
            status: [{ from: 200, to: 399 }],
            intervalMs: 5000,
            fall: 3,
          },
        },
        { name: 'db', balance: 'least_connections' },
      ],
    });
  });

  it('has a default for every section but node', () => {
    expect(configOf(NODE)).toMatchObject({
      workers: 2,
      admin: { listen: { host: '127.0.0.1', port: 8301 } },
      timeouts: {
        connectMs: 5000,
        clientIdleMs: 60_000,
        headerMs: 10_000,
        responseMs: 60_000,
        upstreamIdleMs: 4000,
      },
      limits: { connections: 10_000 },
    });
    expect(configOf(`${NODE}admin: { listen: off }`).admin).toBeNull();
  });

  it('lets the environment win', () => {
    const environment = {
      MERIDIAN_NODE_NAME: 'other',
      MERIDIAN_NODE_REGION: 'us',
      MERIDIAN_WORKERS: '4',
      MERIDIAN_ADMIN_LISTEN: '127.0.0.1:9999',
    };
    expect(configOf(EXAMPLE, environment)).toMatchObject({
      node: { name: 'other', region: 'us' },
      workers: 4,
      admin: { listen: { port: 9999 } },
    });
    expect(problemsOf(EXAMPLE, { MERIDIAN_WORKERS: 'many' })[0]).toMatch(
      /^environment:1:1: MERIDIAN_WORKERS: must be/,
    );
    expect(problemsOf(EXAMPLE, { MERIDIAN_ADMIN_LISTEN: 'here' })[0]).toMatch(
      /^environment:1:1: MERIDIAN_ADMIN_LISTEN: /,
    );
  });

  it.each([
    [
      'a pool that a route names but that is not there',
      'pool: web }',
      'pool: wbe }',
      ':6:94: listeners[0].routes[0].pool: there is no pool "wbe"; there are web, db',
    ],
    [
      'a pool that a listener names but that is not there',
      'pool: db',
      'pool: bd',
      ':7:54: listeners[1].pool: there is no pool "bd"',
    ],
    [
      'an address that is listened on twice',
      '127.0.1.1:5432',
      '127.0.1.1:8080',
      ':7:15: listeners[1].listen: 127.0.1.1:8080 is already listened on',
    ],
    [
      'the address of the administration twice',
      '127.0.0.1:8301',
      '127.0.1.1:5432',
      ':4:18: admin.listen: 127.0.1.1:5432 is already listened on',
    ],
    [
      'a listen that is no address',
      '127.0.1.1:8080',
      'localhost:8080',
      'listeners[0].listen: must be an IP address and a port',
    ],
    [
      'a path prefix that is not in normal form',
      'path_prefix: /',
      'path_prefix: /a/../b',
      'must be in normal form, which is /b',
    ],
    [
      'an endpoint without a port',
      '127.0.1.11:9000',
      '127.0.1.11',
      'pools.web.endpoints[0].address: must be an IP address or a name, and a port',
    ],
    [
      'an endpoint with a bad address',
      '127.0.1.11:9000',
      '127.0.1.311:9000',
      'pools.web.endpoints[0].address: must be',
    ],
    [
      'an endpoint twice',
      '127.0.1.12:9000',
      '127.0.1.11:9000',
      'pools.web.endpoints[1].address: 127.0.1.11:9000 is already in this pool',
    ],
    [
      'a timeout that is not shorter than the interval',
      'timeout: 2s',
      'timeout: 5s',
      'pools.web.health.timeout: must be shorter than the interval',
    ],
    ['a key that is not known', 'balance: round_robin', 'balence: round_robin', 'balence'],
    ['a balance that is not known', 'round_robin', 'fastest', 'pools.web.balance: must be'],
    [
      'routes of a TCP listener',
      'protocol: http',
      'protocol: tcp',
      'listeners[0].routes: routes is only for protocol http',
    ],
  ])('names %s', (_, from, to, problem) => {
    const changed = EXAMPLE.replace(from, to);
    expect(changed).not.toBe(EXAMPLE);
    expect(problemsOf(changed).join('\n')).toContain(problem);
  });

  it.each([
    [
      'listeners: [ { listen: "127.0.0.1:1", protocol: tcp } ]',
      'a listener with protocol tcp needs the key pool',
    ],
    ['listeners: [ { listen: "127.0.0.1:1", protocol: http } ]', 'needs the key routes, or pool'],
    [
      'listeners: [ { listen: "127.0.0.1:1", protocol: http, pool: a, trusted: [10.0.0.0/33] } ]',
      'trusted[0]: must be an IP address or a prefix',
    ],
    ['timeouts: { connect: 0s }', 'timeouts.connect: must be from 10ms to 24h'],
    ['pools: { a: { endpoints: [] } }', 'pools.a.endpoints: must have at least 1 item'],
    [
      'pools: { a: { endpoints: [ { address: "a:1" } ], health: { type: grpc, path: / } } }',
      'path has no meaning for a check of type grpc',
    ],
    [
      'pools: { a: { endpoints: [ { address: "a:1" } ], health: { type: http, service: x } } }',
      'service has no meaning for a check of type http',
    ],
    [
      'pools: { a: { endpoints: [ { address: "a:1" } ], health: { type: tcp, path: / } } }',
      'path has no meaning for a check of type tcp',
    ],
  ])('refuses %s', (text, problem) => {
    expect(problemsOf(NODE + text).join('\n')).toContain(problem);
  });

  it('reports all mistakes at once', () => {
    const text = EXAMPLE.replace('pool: web }', 'pool: x }')
      .replace('pool: db', 'pool: y')
      .replace('timeout: 2s', 'timeout: 9s');
    expect(problemsOf(text)).toHaveLength(3);
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.nat(EXAMPLE.length), fc.string({ maxLength: 8 }), fc.nat(8), (at, text, cut) => {
        load(EXAMPLE.slice(0, at) + text + EXAMPLE.slice(at + cut));
      }),
    );
  });

  it('loads every example of docs/proxy.md', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../../docs/proxy.md'), 'utf8');
    const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
    expect(examples.length).toBeGreaterThan(4);
    for (const example of examples) expect(problemsOf(example)).toEqual([]);
  });
});

describe('tls of proxy.yaml', () => {
  const tls = (listener: string, pool = '', protocol = 'http, pool: web') => `${NODE}listeners:
  - { listen: "127.0.0.1:1", protocol: ${protocol}${listener} }
pools:
  web: { endpoints: [ { address: "127.0.0.1:2" } ]${pool} }
`;
  const CERTIFICATES = 'certificates: [ { cert: a.pem, key: /keys/a.key } ]';

  it('fills in defaults, and finds files beside the configuration', () => {
    const { listeners, pools } = configOf(tls(`, tls: { ${CERTIFICATES} }`, ', tls: {}'));
    expect(listeners[0]!.tls).toEqual({
      certificates: [{ cert: '/srv/etc/a.pem', key: '/keys/a.key' }],
      minVersion: 'TLSv1.2',
      clientCa: null,
      clientCertificates: 'required',
      alpn: ['http/1.1'],
      tickets: true,
    });
    expect(pools[0]!.tls).toEqual({ verify: true, ca: null, serverName: null, certificate: null });
    expect(configOf(tls('')).listeners[0]!.tls).toBeUndefined();
  });

  it('agrees on no protocol by itself where bytes are passed on', () => {
    const { listeners } = configOf(tls(`, tls: { ${CERTIFICATES} }`, '', 'tcp, pool: web'));
    expect(listeners[0]!.tls!.alpn).toEqual([]);
  });

  it.each([
    [', tls: {}', '', 'the key "certificates" is missing'],
    [', tls: { certificates: [] }', '', 'at least 1 item'],
    [`, tls: { ${CERTIFICATES}, min_version: TLSv1.1 }`, '', 'must be one of TLSv1.2, TLSv1.3'],
    [`, tls: { ${CERTIFICATES}, client_certificates: optional }`, '', 'needs the key client_ca'],
    ['', ', tls: { verify: false, ca: a.pem }', 'ca has no meaning without verify'],
    ['', ', tls: { server_name: "a b" }', 'must be a host name or an IP address'],
    ['', ', tls: {}, proxy_protocol: v2', 'exclude each other'],
  ])('refuses "%s" and "%s"', (listener, pool, message) => {
    expect(problemsOf(tls(listener, pool)).join('\n')).toContain(message);
  });

  it.each(['udp, pool: web', 'tls_passthrough, pool: web'])('refuses tls with protocol %s', (protocol) => {
    const problems = problemsOf(tls(`, tls: { ${CERTIFICATES} }`, ', tls: {}', protocol)).join('\n');
    expect(problems).toContain('tls is only for the protocols http and tcp');
    expect(problems).toContain('is not for pools of a listener with protocol');
  });
});
