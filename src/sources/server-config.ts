/**
 * The configuration of a DNS node: `meridian.yaml` and the environment, read, checked and resolved once. From here
 * on it is plain data; the zones have files of their own.
 */
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { Value } from 'typebox/value';
import { parsePrefix } from '../core/dns/rdata/address.js';
import { WINDOW_SECONDS_MAX } from '../core/limit/rate-limiter.js';
import { EVERY_NETWORK, type ProbeLimits } from '../core/probe/limits.js';
import type { TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { type AcmeConfig, acmeOf } from './acme-config.js';
import { WORKERS_MAX } from './dns-schema.js';
import { parseDuration } from './duration.js';
import { applyEnvironment, type Environment, environmentProblem } from './environment.js';
import { isLoopback, LISTEN_TITLE, type ListenAddress, parseListen } from './listen-address.js';
import { type ServerFile, ServerSchema } from './server-schema.js';
import { checkSchema, type Problem, parseYaml, sortProblems } from './yaml-document.js';

export interface ServerConfig {
  readonly node: { readonly name: string; readonly region?: string };
  readonly dns: {
    readonly listen: readonly ListenAddress[];
    readonly workers: number;
    readonly io: ServerFile['dns']['io'];
    /** Interfaces that are read by AF_XDP; none twice. */
    readonly xdp: {
      readonly interfaces: readonly string[];
      readonly mode: ServerFile['dns']['xdp']['mode'];
    };
    readonly tcp: {
      readonly maxConnections: number;
      readonly idleTimeoutMs: number;
      readonly lifetimeMs: number;
      readonly maxPerClient: number;
      readonly maxQueries: number;
    };
    readonly udp: { readonly maxSize: number };
    /** Texts of 1 to 63 ASCII characters, or null where nothing is said. */
    readonly identity: {
      readonly nsid: string | null;
      /** Absent: this program's. */
      readonly version?: string | null;
      readonly id: string | null;
    };
    /** null: no cookies. Absent: a secret of its own. */
    readonly cookieSecrets?: string | null;
    /** DNS over TLS. */
    readonly tls?: SecureListenConfig;
    /** DNS over HTTPS. */
    readonly https?: SecureListenConfig & { readonly path: string };
    /** Senders of PROXY headers. */
    readonly proxies: readonly TrustedPrefix[];
    /** Absent: nothing is limited. */
    readonly rateLimit?: RateLimitConfig;
  };
  /** A folder. This and all paths below are absolute. */
  readonly zones: string;
  readonly state: string;
  readonly mode: ServerFile['mode'];
  /** Limits of the journal of revisions. */
  readonly history: { readonly revisionsMax: number; readonly bytesMax: number };
  readonly geo: { readonly database: 'embedded' | readonly string[] };
  /** For the targets of ALIAS records outside. */
  readonly resolver: {
    /** As written; empty for those of the system. */
    readonly servers: readonly string[];
    readonly timeoutMs: number;
    readonly maxAgeMs?: number;
  };
  /** null: there is no API. Without `tokens` it listens on loopback only, and the node makes tokens of its own. */
  readonly api: {
    readonly listen: ListenAddress;
    readonly tokens?: string;
    /** Absolute paths; plain HTTP where absent. */
    readonly tls?: ApiTlsConfig;
  } | null;
  /** Absent: no ACME challenges. */
  readonly acme?: AcmeConfig;
  readonly probes: ProbeLimits & { readonly concurrency: number };
  readonly reportTo: readonly ReportToConfig[];
  /** DNS nodes that probe, this one among them. */
  readonly observers: number;
  readonly log: { readonly level: ServerFile['log']['level']; readonly queries?: QueryLogConfig };
}

export interface ApiTlsConfig {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates clients must show; none where absent. */
  readonly clientCa?: string;
}

export interface RateLimitConfig {
  /** Rates of 0 mean no limit. */
  readonly responsesPerSecond: number;
  readonly nxdomainsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly windowSeconds: number;
  readonly slip: number;
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  readonly exempt: readonly TrustedPrefix[];
  readonly tableSize: number;
  readonly logOnly: boolean;
}

export interface QueryLogConfig {
  /** Above 0, at most 1. */
  readonly sample: number;
  readonly maxPerSecond: number;
  /** An absolute path; null for stderr. */
  readonly file: string | null;
  readonly maxBytes: number;
  readonly client: ServerFile['log']['queries']['client'];
}

/** Another DNS node. */
export interface ReportToConfig {
  readonly url: string;
  readonly tokenFile?: string;
  /** Its name, where its reports to this node count. */
  readonly node?: string;
}

export interface SecureListenConfig {
  readonly listen: readonly ListenAddress[];
  /** Absolute paths. */
  readonly cert: string;
  readonly key: string;
}

export interface ServerConfigOptions {
  readonly environment: Environment;
  /** The default number of workers. */
  readonly cores: number;
  /** Relative paths in the file start at the file's folder; those in the environment start here. */
  readonly cwd: string;
}

export type ServerConfigResult =
  | { readonly config: ServerConfig }
  | { readonly problems: readonly Problem[] };

export const IDLE_TIMEOUT_MS_MIN = 1_000;
export const IDLE_TIMEOUT_MS_MAX = 600_000;
export const LIFETIME_MS_MIN = 1_000;
export const LIFETIME_MS_MAX = 86_400_000;

/** Says that the value of a key is wrong, wherever it came from. */
type Report = (key: string, message: string, index?: number) => void;
type Locate = (key: string, path: string) => string;

/**
 * Reads the text of a `meridian.yaml` (empty where there is none) and the environment, which wins. All mistakes are
 * reported at once; those of a variable name it (`environment:1:1: MERIDIAN_DNS_WORKERS: must be …`).
 */
export function loadServerConfig(
  file: string,
  text: string,
  options: ServerConfigOptions,
): ServerConfigResult {
  const document = parseYaml(file, text);
  if ('problems' in document) return document;
  const overridden = applyEnvironment(ServerSchema, document.value ?? {}, options.environment);
  const { variables } = overridden;
  const written = checkSchema(document, ServerSchema, Value.Default(ServerSchema, overridden.value));
  if (Array.isArray(written)) return { problems: [...overridden.problems, ...written] };

  const problems: Problem[] = [...overridden.problems];
  const report: Report = (key, message, index) => {
    const variable = variables.get(key);
    const path = [...key.split('.'), ...(index === undefined ? [] : [index])];
    problems.push(variable ? environmentProblem(variable, message) : document.problem(path, message));
  };
  const folder = dirname(resolve(options.cwd, file));
  const locate: Locate = (key, path) => resolve(variables.has(key) ? options.cwd : folder, path);
  const config = build(written, options, report, locate);
  return problems.length > 0 ? { problems: sortProblems(problems) } : { config };
}

function build(file: ServerFile, options: ServerConfigOptions, report: Report, locate: Locate): ServerConfig {
  return {
    node: file.node,
    dns: dnsOf(file, options.cores, report, locate),
    zones: locate('zones', file.zones),
    state: locate('state', file.state),
    mode: file.mode,
    history: {
      revisionsMax: file.history.max_revisions,
      bytesMax: file.history.max_size * 1024 * 1024,
    },
    geo: { database: databaseOf(file.geo.database, locate) },
    resolver: resolverOf(file.resolver, report),
    api: apiOf(file.api, report, locate),
    ...(file.acme && { acme: acmeOf(file.acme, !isOff(file.api.listen), report) }),
    probes: probesOf(file.probes, report, locate),
    reportTo: reportToOf(file, report, locate),
    observers: observersOf(file, report),
    log: logOf(file.log, locate),
  };
}

function dnsOf(
  { dns, node }: ServerFile,
  cores: number,
  report: Report,
  locate: Locate,
): ServerConfig['dns'] {
  const { identity, cookie_secrets: secrets } = dns;
  const idleTimeoutMs = parseDuration(dns.tcp.idle_timeout) ?? 0;
  if (idleTimeoutMs < IDLE_TIMEOUT_MS_MIN || idleTimeoutMs > IDLE_TIMEOUT_MS_MAX) {
    report('dns.tcp.idle_timeout', `must be from 1s to 10m, not ${dns.tcp.idle_timeout}`);
  }
  const lifetimeMs = parseDuration(dns.tcp.lifetime) ?? 0;
  if (lifetimeMs < LIFETIME_MS_MIN || lifetimeMs > LIFETIME_MS_MAX) {
    report('dns.tcp.lifetime', `must be from 1s to 1d, not ${dns.tcp.lifetime}`);
  }
  const { tls, https } = dns;
  // Checked even where it is not used.
  const rateLimit = rateLimitOf(dns.rate_limit, report);
  return {
    listen: listensOf('dns.listen', dns.listen, report),
    workers: dns.workers ?? Math.min(Math.max(Math.floor(cores), 1), WORKERS_MAX),
    io: dns.io,
    xdp: xdpOf(dns, report),
    tcp: {
      maxConnections: dns.tcp.max_connections,
      idleTimeoutMs,
      lifetimeMs,
      maxPerClient: dns.tcp.max_per_client,
      maxQueries: dns.tcp.max_queries,
    },
    udp: { maxSize: dns.udp.max_size },
    identity: {
      nsid: orOff(identity.nsid ?? node.name),
      ...(identity.version !== undefined && { version: orOff(identity.version) }),
      id: orOff(identity.id ?? node.name),
    },
    ...(secrets !== undefined && {
      cookieSecrets: secrets === 'off' ? null : locate('dns.cookie_secrets', secrets),
    }),
    ...(tls && { tls: secureOf('dns.tls', tls, report, locate) }),
    ...(https && { https: { ...secureOf('dns.https', https, report, locate), path: https.path } }),
    ...(dns.rate_limit.enabled && { rateLimit }),
    proxies: prefixesOf('dns.proxy_protocol.from', dns.proxy_protocol.from, report),
  };
}

function xdpOf({ xdp, io }: ServerFile['dns'], report: Report): ServerConfig['dns']['xdp'] {
  const { interfaces, mode } = xdp;
  for (const [index, name] of interfaces.entries()) {
    if (interfaces.indexOf(name) < index)
      report('dns.xdp.interfaces', `${name} is already in this list`, index);
  }
  if (interfaces.length > 0 && io === 'portable') {
    report('dns.xdp.interfaces', 'must be empty with dns.io: portable');
  }
  return { interfaces, mode };
}

function rateLimitOf(limit: ServerFile['dns']['rate_limit'], report: Report): RateLimitConfig {
  const windowMs = parseDuration(limit.window) ?? 0;
  if (windowMs < 1000 || windowMs > WINDOW_SECONDS_MAX * 1000 || windowMs % 1000 !== 0) {
    report('dns.rate_limit.window', `must be whole seconds from 1s to 1m, not ${limit.window}`);
  }
  return {
    responsesPerSecond: limit.responses_per_second,
    nxdomainsPerSecond: limit.nxdomains_per_second,
    errorsPerSecond: limit.errors_per_second,
    windowSeconds: Math.floor(windowMs / 1000),
    slip: limit.slip,
    ipv4Prefix: limit.ipv4_prefix,
    ipv6Prefix: limit.ipv6_prefix,
    exempt: prefixesOf('dns.rate_limit.exempt', limit.exempt, report),
    tableSize: limit.table_size,
    logOnly: limit.log_only,
  };
}

function logOf({ level, queries }: ServerFile['log'], locate: Locate): ServerConfig['log'] {
  const { sample, file } = queries;
  if (sample === 0) return { level };
  return {
    level,
    queries: {
      sample,
      maxPerSecond: queries.max_per_second,
      file: file === 'stderr' ? null : locate('log.queries.file', file),
      maxBytes: queries.max_size * 1024 * 1024,
      client: queries.client,
    },
  };
}

function reportToOf(
  { report_to: receivers, node: self }: ServerFile,
  report: Report,
  locate: Locate,
): readonly ReportToConfig[] {
  const seen = new Set([self.name]);
  return receivers.map(({ url, token_file: tokenFile, node }, index) => {
    if (node !== undefined && seen.has(node)) {
      const what = node === self.name ? 'is the name of this node' : 'is the node of an earlier entry';
      report('report_to', `node: ${node} ${what}`, index);
    }
    if (node !== undefined) seen.add(node);
    return {
      url,
      ...(tokenFile === undefined ? {} : { tokenFile: locate('report_to', tokenFile) }),
      ...(node === undefined ? {} : { node }),
    };
  });
}

function observersOf({ health, report_to: receivers }: ServerFile, report: Report): number {
  const named = 1 + receivers.filter(({ node }) => node !== undefined).length;
  const { observers = named } = health;
  if (observers < named) {
    report('health.observers', `must be at least ${named}: this node, and the nodes that report_to names`);
  }
  return observers;
}

function orOff(text: string): string | null {
  return text === 'off' ? null : text;
}

function secureOf(
  key: string,
  section: { readonly listen: readonly string[]; readonly cert: string; readonly key: string },
  report: Report,
  locate: Locate,
): SecureListenConfig {
  return {
    listen: listensOf(`${key}.listen`, section.listen, report),
    cert: locate(`${key}.cert`, section.cert),
    key: locate(`${key}.key`, section.key),
  };
}

function prefixesOf(key: string, texts: readonly string[], report: Report): TrustedPrefix[] {
  return texts.flatMap((text, index) => {
    const prefix = parsePrefix(text);
    if (!('code' in prefix)) return [prefix];
    report(key, prefix.message, index);
    return [];
  });
}

function probesOf(
  { concurrency, programs, folders, networks }: ServerFile['probes'],
  report: Report,
  locate: Locate,
): ServerConfig['probes'] {
  const allow = prefixesOf('probes.networks.allow', networks.allow, report);
  const deny = prefixesOf('probes.networks.deny', networks.deny, report);
  const zero = allow.filter(({ length }) => length === 0);
  const every = new Set(zero.map(({ bytes }) => bytes.length)).size === 2 && deny.length === 0;
  return {
    concurrency,
    programs: programs.map((path) => locate('probes.programs', path)),
    folders: folders.map((path) => locate('probes.folders', path)),
    networks: every ? EVERY_NETWORK : { allow, deny },
  };
}

function listensOf(key: string, texts: readonly string[], report: Report): ListenAddress[] {
  const seen = new Set<string>();
  return texts.flatMap((text, index) => {
    const listen = parseListen(text);
    if (!listen) {
      report(key, `must be ${LISTEN_TITLE}, not ${JSON.stringify(text)}`, index);
      return [];
    }
    // Port 0 is another port every time.
    if (listen.port !== 0 && seen.has(text)) report(key, `${text} is already in this list`, index);
    seen.add(text);
    return [listen];
  });
}

function databaseOf(given: string | readonly string[], locate: Locate): ServerConfig['geo']['database'] {
  if (given === 'embedded') return 'embedded';
  const paths = typeof given === 'string' ? [given] : given;
  return paths.map((path) => locate('geo.database', path));
}

function resolverOf(resolver: ServerFile['resolver'], report: Report): ServerConfig['resolver'] {
  const { servers, timeout, max_age: maxAge } = resolver;
  for (const [index, text] of servers.entries()) {
    const port = parseListen(text)?.port;
    if (isIP(text) !== 0 || (port !== undefined && port > 0)) continue;
    const message = `must be an IP address, or one with a port such as 192.0.2.1:53, not ${JSON.stringify(text)}`;
    report('resolver.servers', message, index);
  }
  const timeoutMs = parseDuration(timeout) ?? 0;
  if (timeoutMs < 100 || timeoutMs > 30_000) {
    report('resolver.timeout', `must be from 100ms to 30s, not ${timeout}`);
  }
  if (maxAge === undefined) return { servers, timeoutMs };
  const maxAgeMs = parseDuration(maxAge) ?? 0;
  if (maxAgeMs < 60_000 || maxAgeMs > 30 * 86_400_000) {
    report('resolver.max_age', `must be from 1m to 30d, not ${maxAge}`);
  }
  return { servers, timeoutMs, maxAgeMs };
}

function apiOf(api: ServerFile['api'], report: Report, locate: Locate): ServerConfig['api'] {
  if (api.listen === null || isOff(api.listen)) return null;
  const listen = parseListen(api.listen);
  if (!listen) {
    report('api.listen', `must be ${LISTEN_TITLE}, or off, not ${JSON.stringify(api.listen)}`);
    return null;
  }
  if (api.tokens === undefined && !isLoopback(listen)) {
    report(
      'api.listen',
      `other machines can reach ${api.listen}, so api.tokens must name a token file; or listen on 127.0.0.1`,
    );
  }
  if (api.tls === undefined && !api.insecure && !isLoopback(listen)) {
    const message = `other machines can reach ${api.listen}, and tokens would travel in the clear: give api.tls a certificate (cert and key), or listen on 127.0.0.1; behind a TLS front, or in a network that is private, say api.insecure: true`;
    report('api.listen', message);
  }
  const { tls } = api;
  return {
    listen,
    ...(api.tokens !== undefined && { tokens: locate('api.tokens', api.tokens) }),
    ...(tls && {
      tls: {
        cert: locate('api.tls.cert', tls.cert),
        key: locate('api.tls.key', tls.key),
        ...(tls.client_ca !== undefined && { clientCa: locate('api.tls.client_ca', tls.client_ca) }),
      },
    }),
  };
}

function isOff(listen: ServerFile['api']['listen']): boolean {
  return listen === null || listen === 'off';
}
