/** `pools.<name>.sticky`, `fallback`, `fail` and `maintenance` of `proxy.yaml`: what they mean, and what is wrong with them. */
import type { FallbackModel, StaleModel } from '../core/balance/degradation.js';
import type { PoolModel } from '../core/balance/model.js';
import type { CookieStickyModel, KeyStickyModel, StickyModel } from '../core/balance/sticky-model.js';
import { parseDuration } from './duration.js';
import type { ProxyFile } from './proxy-schema.js';
import { respondOf } from './route-config.js';
import { namedPools } from './route-split-config.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
type PoolFile = NonNullable<ProxyFile['pools']>[string];
type StickyFile = NonNullable<PoolFile['sticky']>;

const DRAIN = '10m';
const KEY_LIFETIME = '1h';
const DAY_MS = 86_400_000;
/** Browsers keep no cookie for longer (RFC 6265bis §5.6). */
const LIFETIME_MS_MAX = 400 * DAY_MS;
const NAME_CHARACTERS_MAX = 64;
const STALE_SIZE_MIB = 16;
const STALE_BODY_KIB = 256;
const COOKIE_KEYS = ['cookie', 'path', 'domain', 'secure', 'http_only', 'same_site'] as const;

type Degradation = Pick<PoolModel, 'balance' | 'sticky' | 'fallback' | 'stale' | 'fail' | 'maintenance'>;

/** `balance`: as the pool has it. A pool that is sticky by a key places new sessions by hash, so that all proxies agree. */
export function degradationOf(
  file: ProxyFile,
  name: string,
  folder: string,
  report: Report,
): Partial<Degradation> {
  const pool = file.pools![name]!;
  const at = ['pools', name];
  const { fail, maintenance } = pool;
  const sticky = pool.sticky === undefined ? null : stickyOf(file, name, [...at, 'sticky'], report);
  const byKey = sticky !== null && (sticky.by === 'header' || sticky.by === 'address');
  if (byKey && pool.balance !== undefined && pool.balance !== 'ip_hash' && pool.balance !== 'maglev') {
    const why = `sticky by ${sticky.by} places new sessions by hash: use ip_hash or maglev, or leave balance out`;
    report([...at, 'balance'], why);
  }
  const fallback = fallbackOf(pool, [...at, 'fallback'], folder, report);
  if (fail !== undefined && pool.panic !== undefined && fail !== (pool.panic.mode ?? 'open')) {
    report([...at, 'fail'], `must be ${pool.panic.mode ?? 'open'}, as panic.mode is, or be left out`);
  }
  return {
    ...(byKey && pool.balance === undefined ? { balance: 'ip_hash' as const } : {}),
    ...(sticky === null ? {} : { sticky }),
    ...(fallback === null ? {} : { fallback }),
    ...(pool.stale_if_error === undefined ? {} : { stale: staleOf(pool.stale_if_error, at, report) }),
    ...(fail === undefined ? {} : { fail }),
    ...(maintenance === true ? { maintenance } : {}),
  };
}

/** What only shows when all pools and listeners are known. */
export function checkDegradation(file: ProxyFile, report: Report): void {
  const plain = (file.listeners ?? []).flatMap(({ protocol, pool, sni }, i) => {
    if (protocol === 'http') return [];
    const names = new Set([...(pool === undefined ? [] : [pool]), ...Object.values(sni ?? {})]);
    return [...names].map((name) => [i, protocol, name] as const);
  });
  for (const [i, protocol, name] of plain) {
    const pool = Object.hasOwn(file.pools ?? {}, name) ? file.pools![name] : undefined;
    if (pool === undefined) continue;
    const by = pool.sticky?.by;
    if (by !== undefined && (by !== 'address' || protocol === 'udp')) {
      const only = protocol === 'udp' ? 'flows of UDP stay by themselves' : 'only by: address works there';
      report(['pools', name, 'sticky', 'by'], `listeners[${i}] speaks ${protocol}: ${only}`);
    }
    if (pool.stale_if_error !== undefined) {
      const why = `listeners[${i}] speaks ${protocol}: it has no responses to keep`;
      report(['pools', name, 'stale_if_error'], why);
    }
    if (pool.fallback !== undefined) {
      report(['pools', name, 'fallback'], `listeners[${i}] speaks ${protocol}: a fallback is for http`);
    }
  }
  for (const [name, pool] of Object.entries(file.pools ?? {})) checkFallbackPool(file, name, pool, report);
  checkCookieNames(file, report);
}

/** A cookie that says which pool, and one that says which endpoint of it: under one name each would overwrite the other. */
function checkCookieNames(file: ProxyFile, report: Report): void {
  for (const [i, { routes = [] }] of (file.listeners ?? []).entries()) {
    for (const [j, route] of routes.entries()) {
      if (route.stick?.by !== 'cookie') continue;
      const name = route.stick.name ?? `meridian-${route.name ?? ''}`;
      for (const [pool] of namedPools(route, [])) {
        const sticky = Object.hasOwn(file.pools ?? {}, pool) ? file.pools![pool]!.sticky : undefined;
        if (sticky === undefined || sticky.by === 'header' || sticky.by === 'address') continue;
        if (name !== cookieNameOf(sticky, pool) && (sticky.by !== 'app_cookie' || name !== sticky.name))
          continue;
        const key = route.stick.name === undefined ? [] : ['name'];
        report(
          ['listeners', i, 'routes', j, 'stick', ...key],
          `pool ${pool} has the cookie "${name}" already`,
        );
      }
    }
  }
}

function cookieNameOf({ cookie }: StickyFile, pool: string): string {
  return cookie ?? `meridian_${pool}`.slice(0, NAME_CHARACTERS_MAX);
}

function checkFallbackPool(file: ProxyFile, name: string, pool: PoolFile, report: Report): void {
  const to = pool.fallback?.pool;
  if (to === undefined) return;
  const at = ['pools', name, 'fallback', 'pool'];
  const target = Object.hasOwn(file.pools ?? {}, to) ? file.pools![to] : undefined;
  if (target === undefined) {
    report(at, `there is no pool "${to}"`);
    return;
  }
  const seen = new Set([name]);
  for (let next: string | undefined = to; next !== undefined; next = file.pools?.[next]?.fallback?.pool) {
    if (seen.has(next)) {
      report(at, `leads back to pool ${next}: a fallback must end somewhere`);
      return;
    }
    seen.add(next);
  }
  if (((target.protocol ?? 'h1') === 'h1') !== ((pool.protocol ?? 'h1') === 'h1')) {
    report(
      at,
      `pool ${to} speaks ${target.protocol ?? 'h1'} to its endpoints, this pool ${pool.protocol ?? 'h1'}`,
    );
  }
}

function stickyOf(file: ProxyFile, pool: string, at: Path, report: Report): StickyModel {
  const written = file.pools![pool]!.sticky!;
  const drainMs = range(written.drain ?? DRAIN, 0, '0s', [...at, 'drain'], report);
  return written.by === 'header' || written.by === 'address'
    ? keyModel(written, drainMs, at, report)
    : cookieModel(file, pool, written, drainMs, at, report);
}

function keyModel(written: StickyFile, drainMs: number, at: Path, report: Report): KeyStickyModel {
  const by = written.by === 'header' ? 'header' : 'address';
  for (const key of COOKIE_KEYS) {
    if (written[key] !== undefined)
      report([...at, key], `${key} has no meaning for by: ${by}: there is no cookie`);
  }
  if (by === 'header' && written.name === undefined)
    report(at, 'by: header needs the name of the header: add name');
  if (by === 'address' && written.name !== undefined)
    report([...at, 'name'], 'name has no meaning for by: address');
  const lifetimeMs = range(written.lifetime ?? KEY_LIFETIME, 1_000, '1s', [...at, 'lifetime'], report);
  return { by, header: by === 'header' ? (written.name ?? '').toLowerCase() : '', lifetimeMs, drainMs };
}

function cookieModel(
  file: ProxyFile,
  pool: string,
  written: StickyFile,
  drainMs: number,
  at: Path,
  report: Report,
): CookieStickyModel {
  const by = written.by === 'app_cookie' ? 'app_cookie' : 'cookie';
  const cookie = cookieNameOf(written, pool);
  if (by === 'cookie' && written.name !== undefined) {
    report([...at, 'name'], 'name is for app_cookie and header; cookie names the cookie of the proxy');
  }
  if (by === 'app_cookie' && written.name === undefined)
    report(at, 'by: app_cookie needs the name of the cookie of the application: add name');
  if (by === 'app_cookie' && written.name === cookie)
    report([...at, 'cookie'], 'is the name of the cookie of the application');
  const sameSite = written.same_site ?? 'lax';
  const secure = written.secure ?? usersHaveTls(file, pool);
  if (sameSite === 'none' && !secure) report([...at, 'same_site'], 'none needs secure: true');
  const path = written.path ?? '/';
  if (/^__Secure-/i.test(cookie) && !secure)
    report([...at, 'cookie'], 'a name with __Secure- needs secure: true');
  if (/^__Host-/i.test(cookie) && (!secure || path !== '/' || written.domain !== undefined)) {
    report([...at, 'cookie'], 'a name with __Host- needs secure: true, path: / and no domain');
  }
  return {
    by,
    cookie,
    application: by === 'app_cookie' ? (written.name ?? '') : '',
    path,
    domain: written.domain ?? '',
    secure,
    httpOnly: written.http_only ?? true,
    sameSite,
    lifetimeMs:
      written.lifetime === undefined
        ? null
        : range(written.lifetime, 1_000, '1s', [...at, 'lifetime'], report),
    drainMs,
  };
}

/** Whether all listeners that lead to a pool end TLS; where none does, all listeners. */
function usersHaveTls(file: ProxyFile, pool: string): boolean {
  const all = (file.listeners ?? []).filter(({ protocol }) => protocol === 'http');
  const users = all.filter(
    ({ pool: own, routes = [] }) =>
      own === pool || routes.some((route) => namedPools(route, []).some(([named]) => named === pool)),
  );
  return (users.length > 0 ? users : all).every(({ tls }) => tls !== undefined);
}

function fallbackOf({ fallback }: PoolFile, at: Path, folder: string, report: Report): FallbackModel | null {
  if (fallback === undefined) return null;
  const { pool, respond } = fallback;
  if ((pool === undefined) === (respond === undefined)) {
    report(at, 'must have one of the keys pool and respond');
    return null;
  }
  if (pool !== undefined) return { pool };
  return { respond: respondOf(respond!, [...at, 'respond'], report, folder) };
}

/** `size` in MiB, `body` in KiB. */
function staleOf(written: NonNullable<PoolFile['stale_if_error']>, at: Path, report: Report): StaleModel {
  const forMs = range(written.for, 1_000, '1s', [...at, 'stale_if_error', 'for'], report);
  const { size = STALE_SIZE_MIB, body = STALE_BODY_KIB } = written;
  return { forMs, bytes: size * 1024 * 1024, bodyBytes: body * 1024 };
}

function range(value: number | string, minMs: number, min: string, at: Path, report: Report): number {
  const ms = parseDuration(value) ?? -1;
  if (ms < minMs || ms > LIFETIME_MS_MAX) report(at, `must be from ${min} to 400d, not ${value}`);
  return ms;
}
