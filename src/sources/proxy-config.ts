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
  type RouteModel,
} from '../core/balance/model.js';
import { normalisePath } from '../core/http/target.js';
import { parseDuration } from './duration.js';
import { applyEnvironment, type Environment, environmentProblem } from './environment.js';
import { LISTEN_TITLE, parseListen } from './listen-address.js';
import { type ProxyFile, ProxySchema } from './proxy-schema.js';
import { checkSchema, type Problem, parseYaml, sortProblems } from './yaml-document.js';

export interface ProxyConfigOptions {
  readonly environment: Environment;
  /** The default number of workers. */
  readonly cores: number;
  /** Relative paths start at the file's folder; the file's own path starts here. */
  readonly cwd: string;
}

export type ProxyConfigResult = { readonly config: ProxyModel } | { readonly problems: readonly Problem[] };

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
  return problems.length > 0 ? { problems: sortProblems(problems) } : { config };
}

function build(file: ProxyFile, cores: number, folder: string, report: Report): ProxyModel {
  const pools = Object.entries(file.pools ?? {}).map(([name, pool]) => poolOf(name, pool, report));
  const names = new Set(pools.map(({ name }) => name));
  const listens = new Listens(report);
  return {
    node: file.node,
    workers: file.workers ?? Math.min(Math.max(Math.floor(cores), 1), WORKERS_MAX),
    reportTo: (file.report_to ?? []).map(({ url, token_file: tokenFile }) => ({
      url,
      ...(tokenFile === undefined ? {} : { tokenFile: resolve(folder, tokenFile) }),
    })),
    listeners: (file.listeners ?? []).flatMap((listener, i) =>
      listenerOf(listener, i, names, listens, report),
    ),
    admin: adminOf(file.admin, listens),
    pools,
    timeouts: timeoutsOf(file.timeouts ?? {}, report),
    limits: {
      connections: file.limits?.connections ?? DEFAULT_LIMITS.connections,
      upstreamConnections: file.limits?.upstream_connections ?? DEFAULT_LIMITS.upstreamConnections,
      upstreamIdle: file.limits?.upstream_idle ?? DEFAULT_LIMITS.upstreamIdle,
    },
  };
}

/** Addresses to listen on, each of which can be taken once. */
class Listens {
  readonly #seen = new Set<string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  take(text: string, path: Path): Address | null {
    const address = parseListen(text);
    if (address === undefined) {
      this.#report(path, `must be ${LISTEN_TITLE}, not ${JSON.stringify(text)}`);
      return null;
    }
    const key = formatAddress(address);
    // Port 0 is another port every time.
    if (address.port !== 0 && this.#seen.has(key)) this.#report(path, `${key} is already listened on above`);
    this.#seen.add(key);
    return address;
  }
}

function adminOf(admin: ProxyFile['admin'], listens: Listens): ProxyModel['admin'] {
  const text = admin === undefined ? DEFAULT_ADMIN : admin.listen;
  if (text === null || text === 'off') return null;
  const listen = listens.take(text, ['admin', 'listen']);
  return listen === null ? null : { listen };
}

type ListenerFile = NonNullable<ProxyFile['listeners']>[number];

function listenerOf(
  listener: ListenerFile,
  index: number,
  pools: ReadonlySet<string>,
  listens: Listens,
  report: Report,
): ListenerModel[] {
  const path = ['listeners', index];
  const listen = listens.take(listener.listen, [...path, 'listen']);
  const known = (pool: string, at: Path): void => {
    if (!pools.has(pool)) report(at, `there is no pool "${pool}"; ${listed(pools)}`);
  };
  if (listener.protocol === 'tcp') {
    for (const key of ['routes', 'trusted'] as const) {
      if (listener[key] !== undefined) report([...path, key], `${key} is only for protocol http`);
    }
    if (listener.pool === undefined) report(path, 'a listener with protocol tcp needs the key pool');
    else known(listener.pool, [...path, 'pool']);
    return listen === null ? [] : [{ protocol: 'tcp', listen, pool: listener.pool ?? '' }];
  }
  const both = listener.pool !== undefined && listener.routes !== undefined;
  if (both) report([...path, 'pool'], 'pool and routes exclude each other: add a route to the pool');
  if (listener.pool === undefined && listener.routes === undefined) {
    report(path, 'a listener with protocol http needs the key routes, or pool for all requests');
  }
  if (listener.pool !== undefined) known(listener.pool, [...path, 'pool']);
  listener.routes?.forEach((route, i) => {
    known(route.pool, [...path, 'routes', i, 'pool']);
  });
  const routes = routesOf(listener, path, report);
  const trusted = trustedOf(listener.trusted ?? [], [...path, 'trusted'], report);
  return listen === null ? [] : [{ protocol: 'http', listen, routes, trusted }];
}

function routesOf(listener: ListenerFile, path: Path, report: Report): RouteModel[] {
  if (listener.pool !== undefined) return [{ match: { pathPrefix: '/' }, pool: listener.pool }];
  const seen = new Set<string>();
  return (listener.routes ?? []).map(({ match, pool }, i) => {
    const pathPrefix = match?.path_prefix ?? '/';
    const at = [...path, 'routes', i];
    const normal = /[?#]/.test(pathPrefix) ? null : normalisePath(pathPrefix);
    if (normal === null)
      report([...at, 'match', 'path_prefix'], 'must be a path without "?", "#" and bad escapes');
    else if (normal !== pathPrefix) {
      report([...at, 'match', 'path_prefix'], `must be in normal form, which is ${normal}`);
    }
    const host = match?.host?.toLowerCase();
    const key = `${host ?? '*'} ${pathPrefix}`;
    if (seen.has(key)) report(at, 'another route above already matches the same');
    seen.add(key);
    return { match: { ...(host === undefined ? {} : { host }), pathPrefix }, pool };
  });
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
  const endpoints = pool.endpoints.flatMap(({ address: text, weight = 1 }, i): EndpointModel[] => {
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
    return [{ address, weight }];
  });
  const { health } = pool;
  return {
    name,
    balance: pool.balance ?? 'round_robin',
    endpoints,
    ...(health === undefined ? {} : { health: healthOf(health, [...path, 'health'], report) }),
  };
}

function healthOf(health: NonNullable<PoolFile['health']>, path: Path, report: Report): HealthCheck {
  const { type, port, host } = health;
  const intervalMs = duration(health.interval ?? HEALTH_DEFAULTS.interval, [...path, 'interval'], report);
  const timeoutMs = duration(health.timeout ?? HEALTH_DEFAULTS.timeout, [...path, 'timeout'], report);
  if (timeoutMs >= intervalMs) report([...path, 'timeout'], 'must be shorter than the interval');
  if (type === 'tcp') {
    for (const key of ['path', 'host', 'expect', 'verify'] as const) {
      if (health[key] !== undefined) report([...path, key], `${key} has no meaning for a check of type tcp`);
    }
  }
  return {
    type,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    path: health.path ?? HEALTH_DEFAULTS.path,
    status: [health.expect?.status ?? '200-399'].flat().map(statusRange),
    verify: health.verify ?? HEALTH_DEFAULTS.verify,
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
