/**
 * The configuration of a regional proxy: `proxy.yaml` and the environment, read, checked and resolved once into
 * the model that the proxy runs.
 */
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import {
  type Address,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type EndpointModel,
  formatAddress,
  type HealthCheck,
  type ListenerModel,
  type PoolModel,
  type ProxyModel,
  type ProxyTimeouts,
} from '../core/balance/model.js';
import type { RouteModel } from '../core/http/route.js';
import { accessLogOf } from './access-log-config.js';
import { compressionOf } from './compression-config.js';
import { parseDuration } from './duration.js';
import { applyEnvironment, type Environment, environmentProblem } from './environment.js';
import { checkHerdPools, concurrencyOf, herdListenerOf } from './herd-config.js';
import { checkHttp2, http2Of } from './http2-config.js';
import { checkL4Keys, checkPoolHeaders, headersFrom, l4ListenerOf } from './l4-config.js';
import { NamedLimits, regionOf } from './limit-config.js';
import { LISTEN_TITLE, parseListen } from './listen-address.js';
import { balancingOf, checkHashKeys, endpointBalancingOf } from './proxy-balancing.js';
import { type ProxyFile, ProxySchema } from './proxy-schema.js';
import { checkTls, listenerTlsOf, poolTlsOf } from './proxy-tls-schema.js';
import { checkRetries, resilienceOf } from './resilience.js';
import { routesOf } from './route-config.js';
import { checkMirrorPools, checkSplitNames, rolloutFilesOf } from './route-split-config.js';
import { poolScalingOf, scalingOf } from './scaling-config.js';
import { checkDegradation, degradationOf } from './sticky-config.js';
import { checkSchema, type Problem, parseYaml, sortProblems } from './yaml-document.js';

export interface ProxyConfigOptions {
  readonly environment: Environment;
  /** The default number of workers. */
  readonly cores: number;
  /** Relative paths start at the file's folder; the file's own path starts here. */
  readonly cwd: string;
}

export type ProxyConfigResult =
  | {
      readonly config: ProxyModel;
      /** For what only shows later, such as a file that is missing: says where its key is written. */
      readonly problemAt: (path: Path, message: string) => Problem;
    }
  | { readonly problems: readonly Problem[] };

type Path = readonly (string | number)[];
/** Says that the value at a path is wrong, wherever it came from. */
type Report = (path: Path, message: string) => void;

const DEFAULT_ADMIN = '127.0.0.1:8301';
const WORKERS_MAX = 256;
const TIMEOUT_MS_MIN = 10;
const TIMEOUT_MS_MAX = 24 * 3_600_000;
const HEALTH_DEFAULTS = { path: '/', verify: true, interval: '5s', timeout: '2s', fall: 3, rise: 1 } as const;

/** Reads the text of a `proxy.yaml` and the environment, which wins. All mistakes are reported at once. */
export function loadProxyConfig(file: string, text: string, options: ProxyConfigOptions): ProxyConfigResult {
  const document = parseYaml(file, text);
  if ('problems' in document) return document;
  const overridden = applyEnvironment(ProxySchema, document.value ?? {}, options.environment);
  const written = checkSchema(document, ProxySchema, overridden.value);
  if (Array.isArray(written)) return { problems: [...overridden.problems, ...written] };

  const problems: Problem[] = [...overridden.problems];
  const report: Report = (path, message) => {
    const variable = overridden.variables.get(path.join('.'));
    problems.push(variable ? environmentProblem(variable, message) : document.problem(path, message));
  };
  const folder = dirname(resolve(options.cwd, file));
  const config = build(written, options.cores, folder, report);
  if (problems.length > 0) return { problems: sortProblems(problems) };
  return { config, problemAt: (path, message) => document.problem(path, message) };
}

function build(file: ProxyFile, cores: number, folder: string, report: Report): ProxyModel {
  const pools = Object.entries(file.pools ?? {}).map(([name, pool]) => ({
    ...poolOf(name, pool, report),
    ...degradationOf(file, name, folder, report),
    ...poolTlsOf(pool, ['pools', name, 'tls'], folder, report),
  }));
  const names = new Set(pools.map(({ name }) => name));
  const listens = new Listens(report);
  checkHttp2(file.listeners ?? [], pools, report);
  const accessLog = accessLogOf(file.access_log, (path) => resolve(folder, path));
  checkHashKeys(file, report);
  checkHerdPools(file, report);
  checkRetries(file, report);
  const limits = new NamedLimits(file, report);
  checkDegradation(file, report);
  const listeners = (file.listeners ?? []).flatMap((listener, i) =>
    listenerOf(listener, i, { pools: names, limits }, { listens, folder }, report).map((model) => ({
      ...model,
      ...limits.ofListener(listener, ['listeners', i]),
      ...herdListenerOf(listener, ['listeners', i], report),
      ...listenerTlsOf(listener, ['listeners', i, 'tls'], folder, report),
    })),
  );
  checkPoolHeaders(file.listeners ?? [], pools, report);
  checkSplitNames(file.listeners ?? [], report);
  checkMirrorPools(file.listeners ?? [], pools, report);
  checkTls(file, report);
  return {
    node: file.node,
    io: file.io ?? 'auto',
    workers: file.workers ?? Math.min(Math.max(Math.floor(cores), 1), WORKERS_MAX),
    reportTo: (file.report_to ?? []).map(({ url, token_file: tokenFile }) => ({
      url,
      ...(tokenFile === undefined ? {} : { tokenFile: resolve(folder, tokenFile) }),
    })),
    listeners,
    admin: adminOf(file.admin, folder, listens),
    pools,
    timeouts: timeoutsOf(file.timeouts ?? {}, report),
    limits: {
      connections: file.limits?.connections ?? DEFAULT_LIMITS.connections,
      upstreamConnections: file.limits?.upstream_connections ?? DEFAULT_LIMITS.upstreamConnections,
      upstreamIdle: file.limits?.upstream_idle ?? DEFAULT_LIMITS.upstreamIdle,
    },
    ...(accessLog && { accessLog }),
    ...scalingOf(file.scaling, ['scaling'], report, (path) => resolve(folder, path)),
    ...regionOf(file, folder, report),
    ...rolloutFilesOf(file.rollouts, (path) => resolve(folder, path)),
    ...(file.sticky_secrets === undefined ? {} : { stickySecrets: resolve(folder, file.sticky_secrets) }),
  };
}

/** Addresses to listen on, each of which can be taken once. */
class Listens {
  readonly #seen = new Set<string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** One address can be taken once for TCP and once for UDP. */
  take(text: string, path: Path, transport: 'tcp' | 'udp' = 'tcp'): Address | null {
    const address = parseListen(text);
    if (address === undefined) {
      this.#report(path, `must be ${LISTEN_TITLE}, not ${JSON.stringify(text)}`);
      return null;
    }
    const key = formatAddress(address);
    // Port 0 is another port every time.
    const taken = address.port !== 0 && this.#seen.has(`${transport} ${key}`);
    if (taken) this.#report(path, `${key} is already listened on above`);
    this.#seen.add(`${transport} ${key}`);
    return address;
  }
}

function adminOf(admin: ProxyFile['admin'], folder: string, listens: Listens): ProxyModel['admin'] {
  const text = admin?.listen === undefined ? DEFAULT_ADMIN : admin.listen;
  if (text === null || text === 'off') return null;
  const listen = listens.take(text, ['admin', 'listen']);
  if (listen === null) return null;
  return { listen, ...(admin?.tokens !== undefined && { tokenFile: resolve(folder, admin.tokens) }) };
}

type ListenerFile = NonNullable<ProxyFile['listeners']>[number];

function listenerOf(
  listener: ListenerFile,
  index: number,
  { pools, limits }: { readonly pools: ReadonlySet<string>; readonly limits: NamedLimits },
  { listens, folder }: { readonly listens: Listens; readonly folder: string },
  report: Report,
): ListenerModel[] {
  const path = ['listeners', index];
  const transport = listener.protocol === 'udp' ? 'udp' : 'tcp';
  const listen = listens.take(listener.listen, [...path, 'listen'], transport);
  const known = (pool: string, at: Path): void => {
    if (!pools.has(pool)) report(at, `there is no pool "${pool}"; ${listed(pools)}`);
  };
  checkL4Keys(listener, path, report);
  if (listener.compression !== undefined && listener.protocol !== 'http') {
    report([...path, 'compression'], 'compression is only for protocol http');
  }
  if (listener.protocol === 'udp' || listener.protocol === 'tls_passthrough') {
    return l4ListenerOf({ listener, listen, path }, known, report);
  }
  const from = headersFrom(listener.proxy_protocol, path, report);
  if (listener.protocol === 'tcp') {
    for (const key of ['routes', 'trusted'] as const) {
      if (listener[key] !== undefined) report([...path, key], `${key} is only for protocol http`);
    }
    if (listener.pool === undefined) report(path, 'a listener with protocol tcp needs the key pool');
    else known(listener.pool, [...path, 'pool']);
    return listen === null ? [] : [{ protocol: 'tcp', listen, pool: listener.pool ?? '', ...from }];
  }
  const both = listener.pool !== undefined && listener.routes !== undefined;
  if (both) report([...path, 'pool'], 'pool and routes exclude each other: add a route to the pool');
  if (listener.pool === undefined && listener.routes === undefined) {
    report(path, 'a listener with protocol http needs the key routes, or pool for all requests');
  }
  if (listener.pool !== undefined) known(listener.pool, [...path, 'pool']);
  const routes: readonly RouteModel[] =
    listener.pool !== undefined
      ? [{ match: { pathPrefix: '/' }, pool: listener.pool }]
      : routesOf(listener.routes ?? [], [...path, 'routes'], {
          knownPool: known,
          duration: (value, at) => duration(value, at, report),
          report,
          limits,
          folder,
        });
  const compression = compressionOf(listener.compression, [...path, 'compression'], report);
  const trusted = trustedOf(listener.trusted ?? [], [...path, 'trusted'], report);
  return listen === null
    ? []
    : [{ protocol: 'http', listen, routes, trusted, ...from, ...http2Of(listener), ...compression }];
}

function trustedOf(prefixes: readonly string[], path: Path, report: Report): readonly string[] {
  prefixes.forEach((prefix, i) => {
    const [address = '', length, more] = prefix.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    const fits = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
    if (bits < 0 || !fits || more !== undefined) {
      report(
        [...path, i],
        `must be an IP address or a prefix such as 10.0.0.0/8, not ${JSON.stringify(prefix)}`,
      );
    }
  });
  return prefixes;
}

type PoolFile = NonNullable<ProxyFile['pools']>[string];

function poolOf(name: string, pool: PoolFile, report: Report): PoolModel {
  const path = ['pools', name];
  const seen = new Set<string>();
  const endpoints = pool.endpoints.flatMap((endpoint, i): EndpointModel[] => {
    const { address: text, weight = 1 } = endpoint;
    const at = [...path, 'endpoints', i, 'address'];
    const address = parseEndpoint(text);
    if (address === null) {
      report(
        at,
        `must be an IP address or a name, and a port, such as 127.0.0.1:9000, not ${JSON.stringify(text)}`,
      );
      return [];
    }
    const key = formatAddress(address);
    if (seen.has(key)) report(at, `${key} is already in this pool; use weight for a larger share`);
    seen.add(key);
    return [{ address, weight, ...endpointBalancingOf(endpoint) }];
  });
  const { health } = pool;
  return {
    name,
    ...balancingOf(pool, path, report),
    ...resilienceOf(pool, path, report),
    ...concurrencyOf(pool.concurrency, [...path, 'concurrency'], report),
    ...(pool.protocol === undefined ? {} : { protocol: pool.protocol }),
    endpoints,
    ...(health === undefined
      ? {}
      : { health: healthOf(health, pool.tls !== undefined, [...path, 'health'], report) }),
    ...(pool.proxy_protocol === undefined ? {} : { proxyProtocol: pool.proxy_protocol }),
    ...poolScalingOf(pool.scaling, [...path, 'scaling'], report),
  };
}

const HEALTH_KEYS_WITHOUT_MEANING = {
  tcp: ['path', 'host', 'expect', 'verify', 'service'],
  http: ['service'],
  https: ['service'],
  grpc: ['path', 'expect'],
} as const;

/** `overTls`: how the pool speaks to its endpoints; checks of gRPC do the same. */
function healthOf(
  health: NonNullable<PoolFile['health']>,
  overTls: boolean,
  path: Path,
  report: Report,
): HealthCheck {
  const { type, port, host } = health;
  const intervalMs = duration(health.interval ?? HEALTH_DEFAULTS.interval, [...path, 'interval'], report);
  const timeoutMs = duration(health.timeout ?? HEALTH_DEFAULTS.timeout, [...path, 'timeout'], report);
  if (timeoutMs >= intervalMs) report([...path, 'timeout'], 'must be shorter than the interval');
  for (const key of HEALTH_KEYS_WITHOUT_MEANING[type]) {
    if (health[key] !== undefined)
      report([...path, key], `${key} has no meaning for a check of type ${type}`);
  }
  return {
    type,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    path: health.path ?? HEALTH_DEFAULTS.path,
    status: [health.expect?.status ?? '200-399'].flat().map(statusRange),
    verify: health.verify ?? HEALTH_DEFAULTS.verify,
    ...(type === 'grpc' ? { service: health.service ?? '', tls: overTls } : {}),
    intervalMs,
    timeoutMs,
    fall: health.fall ?? HEALTH_DEFAULTS.fall,
    rise: health.rise ?? HEALTH_DEFAULTS.rise,
  };
}

function statusRange(status: number | string): { from: number; to: number } {
  const [from = '', to = from] = String(status).split('-');
  return { from: Number(from), to: Number(to) };
}

function timeoutsOf(file: NonNullable<ProxyFile['timeouts']>, report: Report): ProxyTimeouts {
  const read = (key: keyof typeof file, fallbackMs: number): number => {
    const value = file[key];
    return value === undefined ? fallbackMs : duration(value, ['timeouts', key], report);
  };
  return {
    connectMs: read('connect', DEFAULT_TIMEOUTS.connectMs),
    clientIdleMs: read('client_idle', DEFAULT_TIMEOUTS.clientIdleMs),
    headerMs: read('header', DEFAULT_TIMEOUTS.headerMs),
    ...(file.body === undefined ? {} : { bodyMs: read('body', 0) }),
    responseMs: read('response', DEFAULT_TIMEOUTS.responseMs),
    upstreamIdleMs: read('upstream_idle', DEFAULT_TIMEOUTS.upstreamIdleMs),
    tunnelIdleMs: read('tunnel_idle', DEFAULT_TIMEOUTS.tunnelIdleMs),
    drainMs: read('drain', DEFAULT_TIMEOUTS.drainMs),
  };
}

function duration(value: number | string, path: Path, report: Report): number {
  const ms = parseDuration(value) ?? 0;
  if (ms < TIMEOUT_MS_MIN || ms > TIMEOUT_MS_MAX) report(path, `must be from 10ms to 24h, not ${value}`);
  return ms;
}

/** `127.0.0.1:9000`, `[::1]:9000` or `app.internal:9000`. */
function parseEndpoint(text: string): Address | null {
  const address = parseListen(text);
  if (address !== undefined) return address.port > 0 ? address : null;
  const match = /^((?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z][A-Za-z0-9_-]{0,62}):(\d{1,5})$/.exec(
    text,
  );
  const port = Number(match?.[2]);
  return match !== null && match[1]!.length <= 253 && port > 0 && port <= 65_535
    ? { host: match[1]!, port }
    : null;
}

function listed(names: ReadonlySet<string>): string {
  if (names.size === 0) return 'pools is empty';
  const some = [...names].slice(0, 10).join(', ');
  return `there ${names.size === 1 ? 'is' : 'are'} ${some}${names.size > 10 ? ', …' : ''}`;
}
