/** `listeners[].routes[]` of `proxy.yaml`: what they mean, and what is wrong with them. */
import { isAuthority } from '../core/http/authority.js';
import { templateParts } from '../core/http/path-edit.js';
import type { PoolRoute, RouteModel } from '../core/http/route.js';
import {
  BODYLESS,
  FIXED_BODY_BYTES_MAX,
  type Field,
  type FieldChanges,
  type FixedResponse,
  isReserved,
  type PathEdit,
  type Redirect,
  type RequestRewrite,
  TEMPLATE_GROUPS_MAX,
} from '../core/http/route-action.js';
import type { RouteMatch } from '../core/http/route-match.js';
import { compareRoutes, covers } from '../core/http/route-order.js';
import { coalesceOf } from './coalesce-config.js';
import type { NamedLimits } from './limit-config.js';
import { readPageFile } from './page-file.js';
import { retriesOf } from './resilience.js';
import { checkPath, checkPattern, matchOf, type Report } from './route-match-config.js';
import { FIELD_NAME, type RouteFile } from './route-schema.js';
import { splitKeysOf } from './route-split-config.js';

type Path = readonly (string | number)[];

export interface RouteChecks {
  /** Reports a pool that does not exist. */
  knownPool(pool: string, at: Path): void;
  duration(value: number | string, at: Path): number;
  readonly report: Report;
  readonly limits: NamedLimits;
  /** Where relative paths start. */
  readonly folder: string;
}

/** The routes of one listener, in the order of the file; `at` is the path of the list. */
export function routesOf(files: readonly RouteFile[], at: Path, checks: RouteChecks): readonly RouteModel[] {
  const routes = files.map((file, i) => routeOf(file, [...at, i], checks));
  reportUnreachable(routes, at, checks.report);
  return routes;
}

const ACTIONS = ['pool', 'pools', 'redirect', 'respond'] as const;
const POOL_KEYS = [
  'rewrite',
  'coalesce',
  'headers',
  'timeouts',
  'retries',
  'stick',
  'canary',
  'mirror',
  'compression',
] as const;

function routeOf(file: RouteFile, at: Path, checks: RouteChecks): RouteModel {
  const { report } = checks;
  const match = matchOf(file.match, [...at, 'match'], report);
  const base = {
    match,
    ...(file.priority === undefined ? {} : { priority: file.priority }),
    ...checks.limits.ofRoute(file, at),
  };
  const actions = ACTIONS.filter((key) => file[key] !== undefined);
  if (actions.length === 0) report(at, 'a route needs the key pool, redirect or respond');
  if (actions.length > 1) report([...at, actions[1]!], `${actions[0]} and ${actions[1]} exclude each other`);
  if (actions[0] === 'redirect' || actions[0] === 'respond') {
    for (const key of POOL_KEYS) {
      const hint = key === 'headers' ? `; use ${actions[0]}.headers` : '';
      if (file[key] !== undefined) report([...at, key], `${key} is only for routes to a pool${hint}`);
    }
  }
  if (file.redirect !== undefined) {
    return { ...base, redirect: redirectOf(file.redirect, match, [...at, 'redirect'], report) };
  }
  if (file.respond !== undefined) {
    return { ...base, respond: respondOf(file.respond, [...at, 'respond'], report, checks.folder) };
  }
  if (file.pool !== undefined) checks.knownPool(file.pool, [...at, 'pool']);
  const pool = file.pool ?? Object.keys(file.pools ?? {})[0] ?? '';
  return { ...base, pool, ...splitKeysOf(file, at, checks), ...poolChanges(file, match, at, checks) };
}

function poolChanges(
  file: RouteFile,
  match: RouteMatch,
  at: Path,
  { report, duration }: RouteChecks,
): Pick<PoolRoute, 'rewrite' | 'response' | 'responseMs' | 'retries' | 'compression' | 'coalesce'> {
  const rewrite = rewriteOf(file, match, at, report);
  const { headers, timeouts, retries } = file;
  const response = changesOf(headers?.response, 'response', [...at, 'headers', 'response'], report);
  const timeout = timeouts?.response;
  return {
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(response === undefined ? {} : { response }),
    ...coalesceOf(file.coalesce),
    ...(file.compression === 'off' && { compression: false }),
    ...(timeout === undefined ? {} : { responseMs: duration(timeout, [...at, 'timeouts', 'response']) }),
    ...(retries === undefined ? {} : { retries: retriesOf(retries, [...at, 'retries'], report) }),
  };
}

function rewriteOf(file: RouteFile, match: RouteMatch, at: Path, report: Report): RequestRewrite | undefined {
  const inside = [...at, 'rewrite'];
  const path = file.rewrite === undefined ? undefined : pathEditOf(file.rewrite, match, inside, report);
  const fields = changesOf(file.headers?.request, 'request', [...at, 'headers', 'request'], report);
  const host = file.rewrite?.host;
  if (host !== undefined && !isAuthority(host))
    report([...inside, 'host'], 'must be a host with a valid port');
  if (file.rewrite !== undefined && path === undefined && host === undefined) {
    report(inside, 'must have one of the keys path, prefix, pattern (with to), host');
  }
  if (path === undefined && host === undefined && fields === undefined) return undefined;
  return {
    ...(path === undefined ? {} : { path }),
    ...(host === undefined ? {} : { host }),
    ...(fields === undefined ? {} : { fields }),
  };
}

interface PathEditFile {
  readonly path?: string;
  readonly prefix?: string;
  readonly pattern?: string;
  readonly to?: string;
}

function pathEditOf(file: PathEditFile, match: RouteMatch, at: Path, report: Report): PathEdit | undefined {
  const kinds = (['path', 'prefix', 'pattern'] as const).filter((key) => file[key] !== undefined);
  if (kinds.length > 1) report([...at, kinds[1]!], `${kinds[0]} and ${kinds[1]} exclude each other`);
  if ((file.pattern === undefined) !== (file.to === undefined)) {
    report(at, 'pattern and to must stand together');
    return undefined;
  }
  if (file.path !== undefined) {
    checkPath(file.path, [...at, 'path'], report);
    return { kind: 'path', to: file.path };
  }
  if (file.prefix !== undefined) {
    checkPath(file.prefix, [...at, 'prefix'], report);
    if (match.pathExact !== undefined || match.pathPattern !== undefined) {
      report([...at, 'prefix'], 'replaces match.path_prefix, which this route has not; use path or pattern');
    }
    return { kind: 'prefix', from: match.pathPrefix, to: file.prefix };
  }
  if (file.pattern === undefined || file.to === undefined) return undefined;
  checkTemplate(file.to, checkPattern(file.pattern, [...at, 'pattern'], report), [...at, 'to'], report);
  return { kind: 'pattern', pattern: file.pattern, to: file.to };
}

function checkTemplate(to: string, groups: number, at: Path, report: Report): void {
  const used = templateParts(to).filter((part) => typeof part === 'number');
  const missing = used.find((group) => group > groups);
  if (missing !== undefined) report(at, `has $${missing}, but the pattern has ${groups} groups`);
  if (used.length > TEMPLATE_GROUPS_MAX) report(at, `may hold at most ${TEMPLATE_GROUPS_MAX} groups`);
  if (/[?#]/.test(to)) report(at, 'must be a path without "?" and "#"; the query stays as it is');
}

function redirectOf(
  file: NonNullable<RouteFile['redirect']>,
  match: RouteMatch,
  at: Path,
  report: Report,
): Redirect {
  const { status = 302, scheme, host, port, query = 'keep' } = file;
  const path = pathEditOf(file, match, at, report);
  const elsewhere = scheme !== undefined || host !== undefined || port !== undefined;
  if (!elsewhere && path === undefined) {
    report(
      at,
      'must have one of the keys scheme, host, port, path, prefix, pattern: it would lead in a circle',
    );
  }
  const named = host !== undefined && match.host !== undefined && host.toLowerCase() === match.host;
  if (named && scheme === undefined && port === undefined && path === undefined) {
    report([...at, 'host'], 'is the host that this route takes: it would lead in a circle');
  }
  if (host !== undefined && !isAuthority(host)) report([...at, 'host'], 'must be a host name without port');
  return {
    status,
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
    keepQuery: query === 'keep',
    fields: replyFields(file.headers, [...at, 'headers'], report, ['location']),
  };
}

/** `folder`: where relative paths start. */
export function respondOf(
  file: NonNullable<RouteFile['respond']>,
  at: Path,
  report: Report,
  folder: string,
): FixedResponse {
  const page = file.file === undefined ? null : readPageFile(folder, file.file);
  if (typeof page === 'string') report([...at, 'file'], page);
  if (page !== null && file.body !== undefined) report([...at, 'file'], 'body and file exclude each other');
  const read = typeof page === 'string' ? null : page;
  const { status, headers } = file;
  const body = read?.body ?? file.body ?? '';
  const type = file.type ?? read?.type ?? 'text/plain; charset=utf-8';
  if (BODYLESS.has(status) && body !== '')
    report([...at, 'body'], `a response with status ${status} has no body`);
  const bytes = Buffer.byteLength(body);
  if (bytes > FIXED_BODY_BYTES_MAX) {
    report([...at, 'body'], `has ${bytes} bytes; at most ${FIXED_BODY_BYTES_MAX} are allowed`);
  }
  const fields = replyFields(headers, [...at, 'headers'], report, ['content-type']);
  return { status, body, type, fields };
}

type FieldsFile = Readonly<Record<string, string>>;

/** Fields of a reply that the proxy writes itself. `own` are those that have a key of their own. */
function replyFields(
  file: FieldsFile | undefined,
  at: Path,
  report: Report,
  own: readonly string[],
): readonly Field[] {
  return fieldsOf(file, 'response', at, report).filter(({ name }) => {
    const clash = own.includes(name.toLowerCase());
    if (clash) report([...at, name], `${name} has a key of its own`);
    return !clash;
  });
}

function changesOf(
  file:
    | { readonly set?: FieldsFile; readonly add?: FieldsFile; readonly remove?: readonly string[] }
    | undefined,
  of: 'request' | 'response',
  at: Path,
  report: Report,
): FieldChanges | undefined {
  if (file === undefined) return undefined;
  const set = fieldsOf(file.set, of, [...at, 'set'], report);
  const add = fieldsOf(file.add, of, [...at, 'add'], report);
  const remove = file.remove ?? [];
  remove.forEach((name, i) => {
    checkField(name, of, [...at, 'remove', i], report);
  });
  const seen = new Map<string, string>();
  for (const [key, names] of [
    ['set', set.map(({ name }) => name)],
    ['add', add.map(({ name }) => name)],
    ['remove', remove],
  ] as const) {
    names.forEach((name, i) => {
      const before = seen.get(name.toLowerCase());
      const where = [...at, key, key === 'remove' ? i : name];
      if (before !== undefined) report(where, `${name} is already in ${before}`);
      seen.set(name.toLowerCase(), key);
    });
  }
  return { set, add, remove };
}

function fieldsOf(
  file: FieldsFile | undefined,
  of: 'request' | 'response',
  at: Path,
  report: Report,
): readonly Field[] {
  return Object.entries(file ?? {}).map(([name, value]) => {
    checkField(name, of, [...at, name], report);
    return { name, value };
  });
}

const NAME = new RegExp(FIELD_NAME);

function checkField(name: string, of: 'request' | 'response', at: Path, report: Report): void {
  if (!NAME.test(name)) report(at, 'must be the name of a header, of at most 64 characters');
  else if (of === 'request' && name.toLowerCase() === 'host') report(at, 'use rewrite.host for the Host');
  else if (isReserved(name, of)) report(at, `${name} belongs to the proxy and cannot be changed`);
}

/** A route behind another one that takes all its requests is a mistake: nobody would notice that it never works. */
function reportUnreachable(routes: readonly RouteModel[], at: Path, report: Report): void {
  routes.forEach((route, i) => {
    const before = routes.findIndex((other, j) => {
      if (i === j || !covers(other.match, route.match)) return false;
      const order = compareRoutes(other, route);
      return order < 0 || (order === 0 && j < i);
    });
    if (before < 0) return;
    const same = before < i && covers(route.match, routes[before]!.match);
    const reason = same
      ? 'another route above already matches the same'
      : `can never match: routes[${before}] comes first and takes all of its requests`;
    report([...at, i], reason);
  });
}
