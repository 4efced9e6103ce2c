import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVERY_NETWORK } from '../../../src/core/probe/limits.js';
import { type Environment, type SettingSchema, settingsOf } from '../../../src/sources/environment.js';
import { loadServerConfig, type ServerConfig } from '../../../src/sources/server-config.js';
import { ServerSchema } from '../../../src/sources/server-schema.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const NODE = 'node: { name: dns-1 }\n';

function load(text: string, environment: Environment = {}) {
  return loadServerConfig('etc/meridian.yaml', text, { environment, cores: 3, cwd: '/srv' });
}

function configOf(text: string, environment: Environment = {}): ServerConfig {
  const result = load(text, environment);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problemsOf(text: string, environment: Environment = {}): readonly string[] {
  const result = load(text, environment);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

const DEFAULTS: ServerConfig = {
  node: { name: 'dns-1' },
  dns: {
    listen: [
      { host: '127.0.0.1', port: 5300 },
      { host: '::1', port: 5300 },
    ],
    workers: 3,
    io: 'auto',
    xdp: { interfaces: [], mode: 'auto' },
    tcp: {
      maxConnections: 1024,
      idleTimeoutMs: 10_000,
      lifetimeMs: 600_000,
      maxPerClient: 64,
      maxQueries: 10_000,
    },
    proxies: [],
    udp: { maxSize: 1232 },
    identity: { nsid: 'dns-1', id: 'dns-1' },
  },
  zones: '/srv/etc/zones',
  state: '/srv/etc/state',
  mode: 'api',
  history: { revisionsMax: 10_000, bytesMax: 256 * 1024 * 1024 },
  geo: { database: 'embedded' },
  resolver: { servers: [], timeoutMs: 2000 },
  api: { listen: { host: '127.0.0.1', port: 8300 } },
  probes: { concurrency: 1024, programs: [], folders: [], networks: EVERY_NETWORK },
  reportTo: [],
  observers: 1,
  log: { level: 'info' },
};

describe('loadServerConfig()', () => {
  it('has a default for every key but the name of the node', () => {
    expect(configOf(NODE)).toEqual(DEFAULTS);
    expect(configOf(`${NODE}dns: {}\napi: {}\nlog: {}\ngeo: {}\n`)).toEqual(DEFAULTS);
  });

  it('needs no file when the environment names the node', () => {
    expect(configOf('', { MERIDIAN_NODE_NAME: 'dns-1' })).toEqual(DEFAULTS);
  });

  it('reads every key', () => {
    const text = `
node: { name: dns-eu-1, region: eu-west }
dns:
  listen: [ "192.0.2.53:53" ]
  workers: 2
  io: batched
  xdp: { interfaces: [ eth0, eth1 ], mode: native }
  tcp: { max_connections: 10, idle_timeout: 30s }
  udp: { max_size: 1400 }
  identity: { nsid: eu-1, version: off, id: off }
  cookie_secrets: cookies.secret
zones: /etc/zones
state: ../state
mode: gitops
history: { max_revisions: 500, max_size: 64 }
geo: { database: [ a.mmdb, /var/b.mmdb ] }
resolver: { servers: [ 192.0.2.1, "[2001:db8::1]:5353" ], timeout: 500ms, max_age: 1d }
api: { listen: "[::]:8300", tokens: tokens.yaml, tls: { cert: api.pem, key: /k/api.key, client_ca: ca.pem } }
probes:
  concurrency: 64
  programs: [ /opt/check ]
  folders: [ ./up ]
  networks: { allow: [ 192.0.2.0/24 ], deny: [ 192.0.2.128/25 ] }
report_to: [ { url: "https://dns-2:8300", token_file: report.token }, { url: "http://127.0.0.1:8301" } ]
log: { level: debug }
`;
    expect(configOf(text)).toEqual({
      node: { name: 'dns-eu-1', region: 'eu-west' },
      dns: {
        listen: [{ host: '192.0.2.53', port: 53 }],
        workers: 2,
        io: 'batched',
        xdp: { interfaces: ['eth0', 'eth1'], mode: 'native' },
        tcp: {
          maxConnections: 10,
          idleTimeoutMs: 30_000,
          lifetimeMs: 600_000,
          maxPerClient: 64,
          maxQueries: 10_000,
        },
        proxies: [],
        udp: { maxSize: 1400 },
        identity: { nsid: 'eu-1', version: null, id: null },
        cookieSecrets: '/srv/etc/cookies.secret',
      },
      zones: '/etc/zones',
      state: '/srv/state',
      mode: 'gitops',
      history: { revisionsMax: 500, bytesMax: 64 * 1024 * 1024 },
      geo: { database: ['/srv/etc/a.mmdb', '/var/b.mmdb'] },
      resolver: { servers: ['192.0.2.1', '[2001:db8::1]:5353'], timeoutMs: 500, maxAgeMs: 86_400_000 },
      api: {
        listen: { host: '::', port: 8300 },
        tokens: '/srv/etc/tokens.yaml',
        tls: { cert: '/srv/etc/api.pem', key: '/k/api.key', clientCa: '/srv/etc/ca.pem' },
      },
      probes: {
        concurrency: 64,
        programs: ['/opt/check'],
        folders: ['/srv/etc/up'],
        networks: {
          allow: [{ bytes: Uint8Array.of(192, 0, 2, 0), length: 24 }],
          deny: [{ bytes: Uint8Array.of(192, 0, 2, 128), length: 25 }],
        },
      },
      reportTo: [
        { url: 'https://dns-2:8300', tokenFile: '/srv/etc/report.token' },
        { url: 'http://127.0.0.1:8301' },
      ],
      observers: 1,
      log: { level: 'debug' },
    } satisfies ServerConfig);
  });

  it.each<[string, number]>([
    ['report_to: [ { url: "http://x", node: a }, { url: "http://y", node: b }, { url: "http://z" } ]', 3],
    ['report_to: [ { url: "http://x", node: a } ]\nhealth: { observers: 5 }', 5],
  ])('counts the nodes that probe: %j are %d', (text, expected) => {
    expect(configOf(`${NODE}${text}`).observers).toBe(expected);
  });

  it('lets other machines reach the API without TLS where that is said', () => {
    const text = `${NODE}api: { listen: "0.0.0.0:8300", tokens: t, insecure: true }`;
    expect(configOf(text).api).toEqual({ listen: { host: '0.0.0.0', port: 8300 }, tokens: '/srv/etc/t' });
    const open = `${NODE}api: { listen: "0.0.0.0:8300", tokens: t }`;
    expect(configOf(open, { MERIDIAN_API_INSECURE: 'true' }).api?.tls).toBeUndefined();
    expect(problemsOf(open)).toHaveLength(1);
  });

  it.each(['off', 'null', '~'])('has no API with `listen: %s`', (off) => {
    expect(configOf(`${NODE}api: { listen: ${off} }`).api).toBeNull();
  });

  it.each<[string, string, string]>([
    ['', '', 'etc/meridian.yaml:1:1: the key "node" is missing: a map with the key name'],
    ['', 'node: {}', '1:7: node: the key "name" is missing'],
    ['', 'node: { name: "a b" }', '1:15: node.name: must be a name of at most 63'],
    [NODE, 'dns: { worker: 1 }', '2:8: dns.worker: unknown key; did you mean workers?'],
    [NODE, 'dsn: {}', '2:1: dsn: unknown key; did you mean dns?'],
    [NODE, 'dns: { workers: 257 }', '2:17: dns.workers: must be a whole number from 1 to 256, not 257'],
    [NODE, 'dns: { workers: two }', 'dns.workers: must be a whole number from 1 to 256, not "two"'],
    [NODE, 'dns: { io: fast }', 'dns.io: must be one of auto, batched, portable, not "fast"'],
    [NODE, 'dns: { listen: [] }', 'dns.listen: must have at least 1 item'],
    [
      NODE,
      'dns: { xdp: { interfaces: [ eth0, eth0 ] } }',
      '2:35: dns.xdp.interfaces[1]: eth0 is already in this list',
    ],
    [
      NODE,
      'dns: { io: portable, xdp: { interfaces: [ eth0 ] } }',
      'dns.xdp.interfaces: must be empty with dns.io: portable',
    ],
    [NODE, 'dns: { xdp: { interfaces: [ a/b ] } }', 'interfaces[0]: must be the name of a network interface'],
    [NODE, 'dns: { xdp: { interfaces: [ "" ] } }', 'interfaces[0]: must be the name of a network interface'],
    [NODE, 'dns: { xdp: { interfaces: [ sixteen-letters- ] } }', 'must be the name of a network interface'],
    [NODE, 'dns: { xdp: { interfaces: [ "." ] } }', 'must be the name of a network interface'],
    [NODE, 'dns: { xdp: { interfaces: [ ".." ] } }', 'must be the name of a network interface'],
    [NODE, 'dns: { xdp: { mode: fast } }', 'dns.xdp.mode: must be one of auto, native, generic'],
    [
      NODE,
      'dns: { listen: [ "127.0.0.1:1", "localhost:53" ] }',
      '2:33: dns.listen[1]: must be an IP address and',
    ],
    [
      NODE,
      'dns: { listen: [ "127.0.0.1:1", "127.0.0.1:1" ] }',
      '2:33: dns.listen[1]: 127.0.0.1:1 is already',
    ],
    [NODE, 'dns: { tcp: { idle_timeout: 11m } }', 'dns.tcp.idle_timeout: must be from 1s to 10m, not 11m'],
    [NODE, 'dns: { tcp: { idle_timeout: soon } }', 'dns.tcp.idle_timeout: must be a duration from 1s to 10m'],
    [NODE, 'dns: { udp: { max_size: 511 } }', 'dns.udp.max_size: must be a whole number from 512 to 4096'],
    [NODE, 'probes: { networks: { deny: [10.0.0.1/8] } }', 'did you mean 10.0.0.0/8?'],
    [NODE, 'probes: { networks: { allow: [] } }', 'probes.networks.allow: must have at least 1 item'],
    [NODE, 'probes: { concurrency: 0 }', 'must be a whole number from 1 to 16384, not 0'],
    [NODE, 'dns: 5', 'dns: must be a map, not 5'],
    [NODE, 'api: { listen: nowhere }', 'api.listen: must be an IP address and a port'],
    [
      NODE,
      'api: { listen: "0.0.0.0:8300", tokens: t }',
      '2:16: api.listen: other machines can reach 0.0.0.0:8300, and tokens would travel in the clear: give api.tls',
    ],
    [NODE, 'api: { tls: { cert: a } }', 'api.tls: the key "key" is missing'],
    [NODE, 'api: { listen: "0.0.0.0:8300" }', '2:16: api.listen: other machines can reach 0.0.0.0:8300, so'],
    [NODE, 'acme: { lifetime: 30s }', 'acme.lifetime: must be from 1m to 1d, not 30s'],
    [NODE, 'acme: { domain: a..b }', 'acme.domain: '],
    [NODE, 'acme: { domain: "." }', 'acme.domain: must be a name in a zone, not the root'],
    [NODE, 'acme: { register_from: [10.0.0.1/8] }', 'did you mean 10.0.0.0/8?'],
    [NODE, 'acme: { registerfrom: [] }', 'acme.registerfrom: unknown key; did you mean register_from?'],
    [NODE, 'api: { listen: off }\nacme: {}', 'acme: needs the API, and api.listen is off'],
    [NODE, 'report_to: [ { url: "ftp://x" } ]', 'report_to[0].url: must be a URL that starts with http://'],
    [
      NODE,
      'report_to: [ { url: "http://x", node: a }, { url: "http://y", node: a } ]',
      'report_to[1]: node: a is the node of an earlier entry',
    ],
    [
      NODE,
      'report_to: [ { url: "http://x", node: a } ]\nhealth: { observers: 1 }',
      '3:22: health.observers: must be at least 2: this node, and the nodes that report_to names',
    ],
    [NODE, 'health: { observers: 0 }', 'health.observers: must be a whole number from 1 to 65, not 0'],
    [NODE, 'report_to: [ { url: "http://x", node: dns-1 } ]', 'node: dns-1 is the name of this node'],
    [NODE, 'report_to: [ { uri: "http://x" } ]', 'report_to[0].uri: unknown key; did you mean url?'],
    [NODE, 'log: { level: loud }', 'log.level: must be one of trace, debug, info'],
    [
      NODE,
      'dns: { rate_limit: { window: 2m } }',
      'dns.rate_limit.window: must be whole seconds from 1s to 1m',
    ],
    [NODE, 'dns: { rate_limit: { window: 1500ms } }', 'dns.rate_limit.window: must be whole seconds'],
    [NODE, 'dns: { rate_limit: { exempt: [ x ] } }', 'dns.rate_limit.exempt[0]: '],
    [NODE, 'dns: { rate_limit: { slip: 11 } }', 'slip: must be a whole number from 0 to 10, not 11'],
    [NODE, 'dns: { rate_limit: { enabled: maybe } }', 'enabled: must be true or false, not "maybe"'],
    [NODE, 'log: { queries: { sample: 2 } }', 'log.queries.sample: must be a number from 0 to 1'],
    [NODE, 'zones: ""', 'zones: must be a folder'],
    [NODE, 'geo: { database: [] }', 'geo.database: must'],
    [
      NODE,
      'resolver: { servers: [ "192.0.2.1:0" ] }',
      '2:24: resolver.servers[0]: must be an IP address, or',
    ],
    [NODE, 'resolver: { servers: [ dns.example ] }', 'resolver.servers[0]: must be an IP address, or'],
    [NODE, 'resolver: { timeout: 31s }', 'resolver.timeout: must be from 100ms to 30s, not 31s'],
    [NODE, 'resolver: { max_age: 59s }', 'resolver.max_age: must be from 1m to 30d, not 59s'],
    ['', '[1', ''],
    ['', '- a', 'must be a map'],
  ])('refuses %j + %j', (before, text, expected) => {
    const problems = problemsOf(before + text);
    expect(problems.join('\n')).toContain(expected);
    expect(problems.length).toBeGreaterThan(0);
  });

  it('tells all mistakes at once', () => {
    const text = `${NODE}dns: { workers: 0, listen: [ x ] }\nlog: { level: loud }\n`;
    expect(problemsOf(text, { MERIDIAN_DNS_IO: 'fast' })).toHaveLength(3);
    expect(problemsOf(`${NODE}dns: { listen: [ x, y ] }\napi: { listen: "0.0.0.0:1" }`)).toHaveLength(4);
  });

  it('never throws, whatever the file or a variable holds', () => {
    const variables = settingsOf(ServerSchema).map(({ variable }) => variable);
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.json()),
        fc.constantFrom(...variables),
        fc.string(),
        (text, name, value) => {
          load(text, { [name]: value });
        },
      ),
    );
  });
});

/** With sections that must be whole, so that each of their keys can be set. */
const SECURE = '{ listen: ["192.0.2.1:1"], cert: old.pem, key: old.key }';
const DNS = `{ workers: 5, tls: ${SECURE}, https: ${SECURE}, rate_limit: { enabled: true } }`;
const API = '{ tls: { cert: old.pem, key: old.key } }';
const LOG = '{ level: error, queries: { sample: 1 } }';

describe('the environment', () => {
  it.each<[string, string, (config: ServerConfig) => unknown, unknown]>([
    ['MERIDIAN_NODE_NAME', 'x', (c) => c.node.name, 'x'],
    ['MERIDIAN_NODE_REGION', 'eu', (c) => c.node.region, 'eu'],
    ['MERIDIAN_DNS_LISTEN', '127.0.0.1:1, [::1]:2', (c) => c.dns.listen.map(({ port }) => port), [1, 2]],
    ['MERIDIAN_DNS_WORKERS', '7', (c) => c.dns.workers, 7],
    ['MERIDIAN_DNS_IO', 'batched', (c) => c.dns.io, 'batched'],
    ['MERIDIAN_DNS_XDP_INTERFACES', 'eth0, eth1', (c) => c.dns.xdp.interfaces, ['eth0', 'eth1']],
    ['MERIDIAN_DNS_XDP_INTERFACES', '', (c) => c.dns.xdp.interfaces, []],
    ['MERIDIAN_DNS_XDP_MODE', 'generic', (c) => c.dns.xdp.mode, 'generic'],
    ['MERIDIAN_DNS_TCP_MAX_CONNECTIONS', '9', (c) => c.dns.tcp.maxConnections, 9],
    ['MERIDIAN_DNS_TCP_IDLE_TIMEOUT', '1m', (c) => c.dns.tcp.idleTimeoutMs, 60_000],
    ['MERIDIAN_DNS_TCP_IDLE_TIMEOUT', '5', (c) => c.dns.tcp.idleTimeoutMs, 5000],
    ['MERIDIAN_DNS_TCP_LIFETIME', '2m', (c) => c.dns.tcp.lifetimeMs, 120_000],
    ['MERIDIAN_DNS_TCP_MAX_PER_CLIENT', '3', (c) => c.dns.tcp.maxPerClient, 3],
    ['MERIDIAN_DNS_TCP_MAX_QUERIES', '4', (c) => c.dns.tcp.maxQueries, 4],
    ['MERIDIAN_DNS_TLS_LISTEN', '127.0.0.1:853', (c) => c.dns.tls?.listen[0]?.port, 853],
    ['MERIDIAN_DNS_TLS_CERT', 'c.pem', (c) => c.dns.tls?.cert, '/srv/c.pem'],
    ['MERIDIAN_DNS_TLS_KEY', 'k.pem', (c) => c.dns.tls?.key, '/srv/k.pem'],
    ['MERIDIAN_DNS_HTTPS_LISTEN', '127.0.0.1:443', (c) => c.dns.https?.listen[0]?.port, 443],
    ['MERIDIAN_DNS_HTTPS_CERT', 'c.pem', (c) => c.dns.https?.cert, '/srv/c.pem'],
    ['MERIDIAN_DNS_HTTPS_KEY', 'k.pem', (c) => c.dns.https?.key, '/srv/k.pem'],
    ['MERIDIAN_DNS_HTTPS_PATH', '/q', (c) => c.dns.https?.path, '/q'],
    ['MERIDIAN_DNS_PROXY_PROTOCOL_FROM', '192.0.2.0/24', (c) => c.dns.proxies[0]?.length, 24],
    ['MERIDIAN_DNS_RATE_LIMIT_ENABLED', 'true', (c) => c.dns.rateLimit?.slip, 2],
    ['MERIDIAN_DNS_RATE_LIMIT_ENABLED', 'false', (c) => c.dns.rateLimit, undefined],
    ['MERIDIAN_DNS_RATE_LIMIT_LOG_ONLY', 'true', (c) => c.dns.rateLimit?.logOnly, true],
    ['MERIDIAN_DNS_RATE_LIMIT_RESPONSES_PER_SECOND', '9', (c) => c.dns.rateLimit?.responsesPerSecond, 9],
    ['MERIDIAN_DNS_RATE_LIMIT_NXDOMAINS_PER_SECOND', '9', (c) => c.dns.rateLimit?.nxdomainsPerSecond, 9],
    ['MERIDIAN_DNS_RATE_LIMIT_ERRORS_PER_SECOND', '0', (c) => c.dns.rateLimit?.errorsPerSecond, 0],
    ['MERIDIAN_DNS_RATE_LIMIT_WINDOW', '5s', (c) => c.dns.rateLimit?.windowSeconds, 5],
    ['MERIDIAN_DNS_RATE_LIMIT_SLIP', '0', (c) => c.dns.rateLimit?.slip, 0],
    ['MERIDIAN_DNS_RATE_LIMIT_IPV4_PREFIX', '32', (c) => c.dns.rateLimit?.ipv4Prefix, 32],
    ['MERIDIAN_DNS_RATE_LIMIT_IPV6_PREFIX', '48', (c) => c.dns.rateLimit?.ipv6Prefix, 48],
    ['MERIDIAN_DNS_RATE_LIMIT_EXEMPT', '::1, 10.0.0.0/8', (c) => c.dns.rateLimit?.exempt.length, 2],
    ['MERIDIAN_DNS_RATE_LIMIT_TABLE_SIZE', '1024', (c) => c.dns.rateLimit?.tableSize, 1024],
    ['MERIDIAN_LOG_QUERIES_SAMPLE', '0.01', (c) => c.log.queries?.sample, 0.01],
    ['MERIDIAN_LOG_QUERIES_SAMPLE', '0', (c) => c.log.queries, undefined],
    ['MERIDIAN_LOG_QUERIES_MAX_PER_SECOND', '5', (c) => c.log.queries?.maxPerSecond, 5],
    ['MERIDIAN_LOG_QUERIES_FILE', 'q.log', (c) => c.log.queries?.file, '/srv/q.log'],
    ['MERIDIAN_LOG_QUERIES_FILE', 'stderr', (c) => c.log.queries?.file, null],
    ['MERIDIAN_LOG_QUERIES_MAX_SIZE', '1', (c) => c.log.queries?.maxBytes, 1_048_576],
    ['MERIDIAN_LOG_QUERIES_CLIENT', 'none', (c) => c.log.queries?.client, 'none'],
    ['MERIDIAN_DNS_UDP_MAX_SIZE', '512', (c) => c.dns.udp.maxSize, 512],
    ['MERIDIAN_DNS_IDENTITY_NSID', 'off', (c) => c.dns.identity.nsid, null],
    ['MERIDIAN_DNS_IDENTITY_VERSION', '9', (c) => c.dns.identity.version, '9'],
    ['MERIDIAN_DNS_IDENTITY_ID', 'a', (c) => c.dns.identity.id, 'a'],
    ['MERIDIAN_DNS_COOKIE_SECRETS', 's', (c) => c.dns.cookieSecrets, '/srv/s'],
    ['MERIDIAN_DNS_COOKIE_SECRETS', 'off', (c) => c.dns.cookieSecrets, null],
    ['MERIDIAN_ZONES', 'z', (c) => c.zones, '/srv/z'],
    ['MERIDIAN_STATE', '/var/lib/meridian', (c) => c.state, '/var/lib/meridian'],
    ['MERIDIAN_MODE', 'gitops', (c) => c.mode, 'gitops'],
    ['MERIDIAN_HISTORY_MAX_REVISIONS', '50', (c) => c.history.revisionsMax, 50],
    ['MERIDIAN_HISTORY_MAX_SIZE', '2', (c) => c.history.bytesMax, 2 * 1024 * 1024],
    ['MERIDIAN_GEO_DATABASE', 'embedded', (c) => c.geo.database, 'embedded'],
    ['MERIDIAN_GEO_DATABASE', 'a.mmdb', (c) => c.geo.database, ['/srv/a.mmdb']],
    ['MERIDIAN_GEO_DATABASE', 'a.mmdb,/b.mmdb', (c) => c.geo.database, ['/srv/a.mmdb', '/b.mmdb']],
    [
      'MERIDIAN_RESOLVER_SERVERS',
      '192.0.2.1,192.0.2.2:53',
      (c) => c.resolver.servers,
      ['192.0.2.1', '192.0.2.2:53'],
    ],
    ['MERIDIAN_RESOLVER_TIMEOUT', '1s', (c) => c.resolver.timeoutMs, 1000],
    ['MERIDIAN_RESOLVER_MAX_AGE', '1h', (c) => c.resolver.maxAgeMs, 3_600_000],
    ['MERIDIAN_API_LISTEN', 'off', (c) => c.api, null],
    ['MERIDIAN_API_LISTEN', '[::1]:1', (c) => c.api?.listen, { host: '::1', port: 1 }],
    ['MERIDIAN_ACME_DOMAIN', 'Auth.example.com', (c) => c.acme?.domain, 'auth.example.com.'],
    ['MERIDIAN_ACME_REGISTER_FROM', '10.0.0.0/8', (c) => c.acme?.registerFrom.length, 1],
    ['MERIDIAN_ACME_PROXIES', '::1', (c) => c.acme?.proxies[0]?.length, 128],
    ['MERIDIAN_ACME_LIFETIME', '2h', (c) => c.acme?.lifetimeMs, 7_200_000],
    ['MERIDIAN_ACME_MAX_ACCOUNTS', '5', (c) => c.acme?.maxAccounts, 5],
    ['MERIDIAN_API_TOKENS', 't.yaml', (c) => c.api?.tokens, '/srv/t.yaml'],
    ['MERIDIAN_API_INSECURE', 'true', (c) => c.api?.listen.port, 8300],
    ['MERIDIAN_API_TLS_CERT', 'c.pem', (c) => c.api?.tls?.cert, '/srv/c.pem'],
    ['MERIDIAN_API_TLS_KEY', 'k.pem', (c) => c.api?.tls?.key, '/srv/k.pem'],
    ['MERIDIAN_API_TLS_CLIENT_CA', 'ca.pem', (c) => c.api?.tls?.clientCa, '/srv/ca.pem'],
    ['MERIDIAN_HEALTH_OBSERVERS', '5', (c) => c.observers, 5],
    ['MERIDIAN_PROBES_CONCURRENCY', '5', (c) => c.probes.concurrency, 5],
    ['MERIDIAN_PROBES_PROGRAMS', 'a,/b', (c) => c.probes.programs, ['/srv/a', '/b']],
    ['MERIDIAN_PROBES_FOLDERS', 'a', (c) => c.probes.folders, ['/srv/a']],
    ['MERIDIAN_PROBES_NETWORKS_ALLOW', '::/0', (c) => c.probes.networks.allow[0]?.length, 0],
    ['MERIDIAN_PROBES_NETWORKS_DENY', '10.0.0.0/8', (c) => c.probes.networks.deny[0]?.length, 8],
    [
      'MERIDIAN_REPORT_TO',
      '[{ url: "http://a", token_file: t }]',
      (c) => c.reportTo,
      [{ url: 'http://a', tokenFile: '/srv/t' }],
    ],
    [
      'MERIDIAN_REPORT_TO',
      '[{"url":"http://a","node":"dns-2"}]',
      (c) => c.reportTo,
      [{ url: 'http://a', node: 'dns-2' }],
    ],
    ['MERIDIAN_REPORT_TO', '[{"url":"http://a"}]', (c) => c.reportTo, [{ url: 'http://a' }]],
    ['MERIDIAN_LOG_LEVEL', 'warn', (c) => c.log.level, 'warn'],
    ['MERIDIAN_LOG_LEVEL', '', (c) => c.log.level, 'error'],
  ])('%s=%s wins over the file', (variable, value, read, expected) => {
    const config = configOf(`${NODE}dns: ${DNS}\napi: ${API}\nzones: /file\nlog: ${LOG}\n`, {
      [variable]: value,
    });
    expect(read(config)).toEqual(expected);
  });

  it('has a variable for every key, and the table above tries each', () => {
    const variables = settingsOf(ServerSchema).map(({ variable }) => variable);
    const here = readFileSync(import.meta.filename, 'utf8');
    expect(variables.filter((variable) => !here.includes(`'${variable}',`))).toEqual([]);
    expect(new Set(variables).size).toBe(variables.length);
  });

  it.each<[string, string, string]>([
    [
      'MERIDIAN_DNS_WORKERS',
      'x',
      'environment:1:1: MERIDIAN_DNS_WORKERS: must be a whole number from 1 to 256, not "x"',
    ],
    ['MERIDIAN_DNS_WORKERS', '0', 'MERIDIAN_DNS_WORKERS: must be a whole number from 1 to 256, not 0'],
    ['MERIDIAN_DNS_IO', 'fast', 'MERIDIAN_DNS_IO: must be one of auto, batched, portable'],
    ['MERIDIAN_DNS_LISTEN', 'localhost:53', 'MERIDIAN_DNS_LISTEN: must be an IP address and a port'],
    ['MERIDIAN_DNS_LISTEN', ',', 'MERIDIAN_DNS_LISTEN: must have at least 1 item'],
    ['MERIDIAN_DNS_TCP_IDLE_TIMEOUT', '1h', 'MERIDIAN_DNS_TCP_IDLE_TIMEOUT: must be from 1s to 10m'],
    ['MERIDIAN_API_LISTEN', '0.0.0.0:1', 'MERIDIAN_API_LISTEN: other machines can reach'],
    ['MERIDIAN_REPORT_TO', '[', 'MERIDIAN_REPORT_TO: must be a YAML or JSON list'],
    ['MERIDIAN_REPORT_TO', 'http://a', 'MERIDIAN_REPORT_TO: must be a list'],
    [
      'MERIDIAN_REPORT_TO',
      '[{ uri: "http://a" }]',
      'MERIDIAN_REPORT_TO [0].uri: unknown key; did you mean url?',
    ],
    ['MERIDIAN_ZONES', 'x'.repeat(5000), 'MERIDIAN_ZONES: must be a folder'],
  ])('%s=%s is refused by name', (variable, value, expected) => {
    expect(problemsOf(NODE, { [variable]: value }).join('\n')).toContain(expected);
  });
});

/** One row of the table in docs/configuration.md. */
function row({ key, variable, schema }: ReturnType<typeof settingsOf>[number]): string {
  const cells = [
    `\`${key}\``,
    `\`${variable}\``,
    allowed(schema),
    fallback(schema),
    schema.description ?? '',
  ];
  return `| ${cells.join(' | ')} |`;
}

function allowed(schema: SettingSchema & { readonly enum?: readonly string[] }): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'integer') return `${schema.minimum}–${schema.maximum}`;
  if (schema.type !== 'array') return schema.title ?? 'text';
  return `${schema.minItems ?? 0}–${schema.maxItems} of: ${schema.items?.title}`;
}

function fallback(schema: SettingSchema): string {
  if (schema.default === undefined) return '–';
  const text = typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default);
  return `\`${text}\``;
}

describe('docs/configuration.md', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');

  it('has the row of each key as the schema says it, and no other', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `') && line.includes('`MERIDIAN_'));
    expect(rows).toEqual(settingsOf(ServerSchema).map(row));
  });

  it('has examples that load', () => {
    const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!);
    const files = examples.filter((text) => text.startsWith('# meridian.yaml'));
    expect(files.length).toBeGreaterThan(0);
    for (const text of files) expect(problemsOf(text)).toEqual([]);
  });
});
