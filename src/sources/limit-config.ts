/** Reads what `limit-schema.ts` describes into the model of the proxy, and says what is wrong. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { type Address, formatAddress, type ListenerModel, type ProxyModel } from '../core/balance/model.js';
import { formatIPv6, parseIPv6, parsePrefix } from '../core/dns/rdata/address.js';
import { COUNTRIES } from '../core/geo/countries.js';
import type { GuardedRoute } from '../core/http/route.js';
import type {
  AccessListModel,
  AccessSide,
  LimitKey,
  PeersModel,
  RateLimitModel,
  SourceModel,
} from '../core/limit/limit-model.js';
import type { Prefix } from '../core/zone/model.js';
import { parseDuration } from './duration.js';
import { EMBEDDED } from './geo-database.js';
import { BURST_MAX, type LimitListenerKeys, type LimitRouteKeys, type LimitTopKeys } from './limit-schema.js';
import { parseListen } from './listen-address.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;

const DAY_MS = 24 * 3_600_000;
const PERIOD_MS_MIN = 1_000;
const PERIOD_MS_MAX = 30 * DAY_MS;
const PER_MS_MAX = 1_000;
const DEFAULT_PREFIX4 = 32;
const DEFAULT_PREFIX6 = 64;

/** The limits and lists of a file, for listeners and routes to name. */
export class NamedLimits {
  readonly #limits: ReadonlyMap<string, RateLimitModel>;
  readonly #lists: ReadonlyMap<string, AccessListModel>;
  readonly #report: Report;

  constructor(file: LimitTopKeys, report: Report) {
    this.#report = report;
    this.#limits = new Map(
      Object.entries(file.rate_limits ?? {}).map(([name, limit]) => [name, rateLimitOf(name, limit, report)]),
    );
    this.#lists = new Map(
      Object.entries(file.access_lists ?? {}).map(([name, list]) => [name, accessListOf(name, list, report)]),
    );
  }

  ofRoute(file: LimitRouteKeys, at: Path): Pick<GuardedRoute, 'limits' | 'access'> {
    return { ...this.#limitsOf(file, at), ...this.#accessOf(file, at) };
  }

  /** What a listener of any protocol may have. */
  ofListener(
    file: LimitListenerKeys & { readonly protocol: string; readonly listen: string },
    at: Path,
  ): Pick<ListenerModel, 'access' | 'sources'> & { readonly limits?: readonly RateLimitModel[] } {
    const { protocol, sources } = file;
    if (protocol === 'udp') {
      for (const key of ['access', 'sources', 'rate_limits'] as const) {
        if (file[key] !== undefined) this.#report([...at, key], `${key} is not for protocol udp`);
      }
      return {};
    }
    if (protocol !== 'http' && file.rate_limits !== undefined) {
      this.#report([...at, 'rate_limits'], 'rate_limits is only for protocol http; use sources');
    }
    const limits = protocol === 'http' ? this.#limitsOf(file, at) : {};
    for (const [i, { keys, name }] of (limits.limits ?? []).entries()) {
      if (keys.some(({ by }) => by === 'route')) {
        const where = [...at, 'rate_limits', i];
        this.#report(where, `limit "${name}" is by route, which is not known yet here: name it in routes`);
      }
    }
    return {
      ...limits,
      ...this.#accessOf(file, at),
      ...(sources !== undefined && {
        sources: sourcesOf(sources, file.listen, [...at, 'sources'], this.#report),
      }),
    };
  }

  #limitsOf(file: LimitRouteKeys, at: Path): { readonly limits?: readonly RateLimitModel[] } {
    if (file.rate_limits === undefined) return {};
    const limits = file.rate_limits.flatMap((name, i) => {
      const limit = this.#limits.get(name);
      const where = [...at, 'rate_limits', i];
      if (limit === undefined) {
        this.#report(where, `there is no rate limit "${name}"; ${listed('rate_limits', this.#limits)}`);
      } else if (file.rate_limits?.indexOf(name) !== i) this.#report(where, `"${name}" stands here twice`);
      return limit ?? [];
    });
    return { limits };
  }

  #accessOf({ access }: LimitRouteKeys, at: Path): { readonly access?: AccessListModel } {
    if (access === undefined) return {};
    const list = this.#lists.get(access);
    if (list !== undefined) return { access: list };
    const message = `there is no access list "${access}"; ${listed('access_lists', this.#lists)}`;
    this.#report([...at, 'access'], message);
    return {};
  }
}

/** What concerns all listeners. `taken`: reports an address that is in use already. */
export function regionOf(
  file: LimitTopKeys,
  folder: string,
  report: Report,
): Pick<ProxyModel, 'rateLimitKeys' | 'peers' | 'geo'> {
  const { rate_limit_keys: keys, geo, peers } = file;
  const found = peers === undefined ? null : peersOf(peers, folder, report);
  return {
    ...(keys !== undefined && { rateLimitKeys: keys }),
    ...(geo !== undefined && {
      geo: geo.databases.map((path) => (path === EMBEDDED ? path : resolve(folder, path))),
    }),
    ...(found !== null && { peers: found }),
  };
}

type RateLimitFile = NonNullable<LimitTopKeys['rate_limits']>[string];

function rateLimitOf(name: string, file: RateLimitFile, report: Report): RateLimitModel {
  const at = ['rate_limits', name];
  const { requests, prefix4 = DEFAULT_PREFIX4, prefix6 = DEFAULT_PREFIX6, missing = 'address' } = file;
  const periodMs = parseDuration(file.per ?? '1s') ?? 0;
  const burst = file.burst ?? Math.min(requests, BURST_MAX);
  const keys = (file.key ?? ['address']).map((key): LimitKey => {
    return typeof key === 'string' ? { by: key } : { by: 'header', name: key.header.toLowerCase() };
  });
  if (periodMs < PERIOD_MS_MIN || periodMs > PERIOD_MS_MAX) {
    report([...at, 'per'], `must be from 1s to 30d, not ${file.per ?? '1s'}`);
  } else if (requests / periodMs > PER_MS_MAX) {
    report([...at, 'requests'], 'must not be more than 1,000,000 in a second');
  } else if ((burst / requests) * periodMs > PERIOD_MS_MAX) {
    report([...at, 'burst'], 'would take more than 30 days to come back: make it smaller');
  }
  for (const [i, key] of keys.entries()) {
    const twice = keys.findIndex((other) => JSON.stringify(other) === JSON.stringify(key)) !== i;
    if (twice) report([...at, 'key', i], 'stands here twice');
  }
  if (file.missing !== undefined && keys.every(({ by }) => by !== 'header')) {
    report([...at, 'missing'], 'missing is only for limits with a header as key');
  }
  return { name, requests, periodMs, burst, keys, prefix4, prefix6, missing, dryRun: file.dry_run ?? false };
}

type AccessFile = NonNullable<LimitTopKeys['access_lists']>[string];

function accessListOf(name: string, file: AccessFile, report: Report): AccessListModel {
  const at = ['access_lists', name];
  if (file.allow === undefined && file.deny === undefined) report(at, 'must have the key allow, or deny');
  const allow = sideOf(file.allow ?? {}, [...at, 'allow'], report);
  const deny = sideOf(file.deny ?? {}, [...at, 'deny'], report);
  const allowed = new Set(allow.prefixes.map(prefixName));
  for (const [i, prefix] of deny.prefixes.entries()) {
    if (allowed.has(prefixName(prefix))) report([...at, 'deny', 'prefixes', i], 'is in allow too');
  }
  for (const [i, country] of deny.countries.entries()) {
    if (allow.countries.includes(country)) report([...at, 'deny', 'countries', i], 'is in allow too');
  }
  return { name, allow, deny };
}

function sideOf(file: NonNullable<AccessFile['allow']>, at: Path, report: Report): AccessSide {
  const prefixes = (file.prefixes ?? []).flatMap((text, i): Prefix[] => {
    const prefix = parsePrefix(text);
    if ('code' in prefix) report([...at, 'prefixes', i], prefix.message);
    else if (!isMapped(prefix)) return [prefix];
    else
      report([...at, 'prefixes', i], 'must be written as a prefix of IPv4: such clients have IPv4 addresses');
    return [];
  });
  const countries = (file.countries ?? []).map((text, i) => {
    const country = text.toUpperCase();
    if (!Object.hasOwn(COUNTRIES, country)) {
      report(
        [...at, 'countries', i],
        `must be a country code such as DE (ISO 3166-1), not ${JSON.stringify(text)}`,
      );
    }
    return country;
  });
  return { prefixes, countries, asns: file.asns ?? [] };
}

/** RFC 4291 §2.5.5.2. */
function isMapped({ bytes, length }: Prefix): boolean {
  return (
    length >= 96 && bytes.length === 16 && bytes.every((byte, i) => i > 11 || byte === (i < 10 ? 0 : 255))
  );
}

function prefixName({ bytes, length }: Prefix): string {
  return `${bytes.join('.')}/${length}`;
}

function sourcesOf(
  file: NonNullable<LimitListenerKeys['sources']>,
  name: string,
  at: Path,
  report: Report,
): SourceModel {
  if (file.connections === undefined && file.per_second === undefined) {
    report(at, 'must have the key connections, or per_second');
  }
  return {
    name,
    connections: file.connections ?? 0,
    perSecond: file.per_second ?? 0,
    prefix4: file.prefix4 ?? DEFAULT_PREFIX4,
    prefix6: file.prefix6 ?? DEFAULT_PREFIX6,
  };
}

const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function peersOf(
  file: NonNullable<LimitTopKeys['peers']>,
  folder: string,
  report: Report,
): PeersModel | null {
  const at = ['peers'];
  const listen = peerOf(file.listen, [...at, 'listen'], report);
  if (listen !== null && UNSPECIFIED.has(listen.host)) {
    report([...at, 'listen'], 'must be the one address that the other proxies know this one by');
  }
  const seen = new Set(listen === null ? [] : [formatAddress(listen)]);
  const addresses = file.addresses.flatMap((text, i): Address[] => {
    const where = [...at, 'addresses', i];
    const address = peerOf(text, where, report);
    if (address === null) return [];
    if (seen.has(formatAddress(address)))
      report(where, `${formatAddress(address)} stands here twice, or is this proxy`);
    if (listen !== null && isIP(address.host) !== isIP(listen.host)) {
      report(where, 'must be of the same family as peers.listen');
    }
    seen.add(formatAddress(address));
    return [address];
  });
  if (listen === null) return null;
  return { listen, addresses, secretFile: resolve(folder, file.secret_file) };
}

function peerOf(text: string, at: Path, report: Report): Address | null {
  const address = parseListen(text);
  if (address !== undefined && address.port > 0) {
    // As the system writes it, whatever form it has in the file: by that proxies know each other.
    const bytes = parseIPv6(address.host);
    return bytes === undefined ? address : { host: formatIPv6(bytes), port: address.port };
  }
  report(at, `must be an IP address and a port such as 10.0.0.2:8302, not ${JSON.stringify(text)}`);
  return null;
}

function listed(key: string, names: ReadonlyMap<string, unknown>): string {
  if (names.size === 0) return `${key} is empty`;
  const some = [...names.keys()].slice(0, 10).join(', ');
  return `there ${names.size === 1 ? 'is' : 'are'} ${some}${names.size > 10 ? ', …' : ''}`;
}
