/** Reads what `l4-schema.ts` describes into the model of the proxy, and says what is wrong. */
import { withFallbacks } from '../core/balance/fallback-pools.js';
import { DEFAULT_UDP } from '../core/balance/l4-model.js';
import type { Address, ListenerModel, PoolModel } from '../core/balance/model.js';
import { parsePrefix } from '../core/dns/rdata/address.js';
import type { TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { parseDuration } from './duration.js';
import type { L4Keys } from './l4-schema.js';
import type { RouteFile } from './route-schema.js';
import { namedPools } from './route-split-config.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
/** Says whether there is a pool of that name, and reports at the path if not. */
type CheckPool = (pool: string, at: Path) => void;

interface ListenerFile extends L4Keys {
  readonly protocol: 'http' | 'tcp' | 'udp' | 'tls_passthrough';
  readonly pool?: string;
  readonly routes?: readonly RouteFile[];
  readonly trusted?: readonly string[];
  readonly tls?: unknown;
}

const IDLE_MS_MIN = 10;
const IDLE_MS_MAX = 24 * 3_600_000;
const NAME = /^(?:\*\.)?(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})$/;

/** Reports keys that mean something for other protocols only. */
export function checkL4Keys(listener: ListenerFile, path: Path, report: Report): void {
  const { protocol } = listener;
  const only = (key: keyof ListenerFile, protocols: readonly string[]): void => {
    if (listener[key] === undefined || protocols.includes(protocol)) return;
    report([...path, key], `${key} is only for protocol ${protocols.join(', ')}`);
  };
  only('sni', ['tls_passthrough']);
  only('udp', ['udp']);
  only('proxy_protocol', ['http', 'tcp', 'tls_passthrough']);
  only('tls', ['http', 'tcp']);
  // Of tcp the caller says the same.
  if (protocol !== 'tcp') {
    only('routes', ['http']);
    only('trusted', ['http']);
  }
}

/** The model of a `udp` or `tls_passthrough` listener; none if its address was wrong. */
export function l4ListenerOf(
  at: { readonly listener: ListenerFile; readonly listen: Address | null; readonly path: Path },
  checkPool: CheckPool,
  report: Report,
): ListenerModel[] {
  const { listener, listen, path } = at;
  if (listener.pool !== undefined) checkPool(listener.pool, [...path, 'pool']);
  if (listener.protocol === 'udp') {
    if (listener.pool === undefined) report(path, 'a listener with protocol udp needs the key pool');
    if (listen === null) return [];
    return [{ protocol: 'udp', listen, pool: listener.pool ?? '', ...udpOf(listener, path, report) }];
  }
  const names = Object.entries(listener.sni ?? {});
  if (names.length === 0 && listener.pool === undefined) {
    report(path, 'a listener with protocol tls_passthrough needs the key sni, or pool for all names');
  }
  const seen = new Set<string>();
  const routes = names.map(([name, pool]) => {
    const where = [...path, 'sni', name];
    checkPool(pool, where);
    const lower = name.toLowerCase();
    if (!NAME.test(name) || name.length > 253) {
      report(where, 'must be a host name such as www.example.com, or *.example.com for all names below it');
    }
    if (seen.has(lower)) report(where, 'the same name is already there in another case');
    seen.add(lower);
    return { name: lower, pool };
  });
  const { headersFrom: from = [] } = headersFrom(listener.proxy_protocol, path, report);
  if (listen === null) return [];
  const fallback = listener.pool ?? null;
  return [{ protocol: 'tls_passthrough', listen, routes, fallback, headersFrom: from }];
}

/** Who has to send a PROXY header, as a part of a listener's model: empty without the key. */
export function headersFrom(
  file: L4Keys['proxy_protocol'],
  path: Path,
  report: Report,
): { readonly headersFrom?: readonly TrustedPrefix[] } {
  if (file === undefined) return {};
  const prefixes = file.trusted.flatMap((text, i): TrustedPrefix[] => {
    const prefix = parsePrefix(text);
    if ('bytes' in prefix) return [prefix];
    report([...path, 'proxy_protocol', 'trusted', i], `${prefix.message}, not ${JSON.stringify(text)}`);
    return [];
  });
  return { headersFrom: prefixes };
}

/** Reports pools whose PROXY header does not fit to a listener that uses them. */
export function checkPoolHeaders(
  listeners: readonly ListenerFile[],
  pools: readonly PoolModel[],
  report: Report,
): void {
  const versions = new Map(pools.map(({ name, proxyProtocol }) => [name, proxyProtocol]));
  for (const listener of listeners) {
    for (const pool of withFallbacks([...poolsOf(listener)], pools)) {
      const version = versions.get(pool);
      const at = ['pools', pool, 'proxy_protocol'];
      if (listener.protocol === 'udp' && version === 'v1') {
        report(at, 'must be v2 for a pool of a listener with protocol udp');
      }
      if (listener.protocol === 'http' && version !== undefined) {
        report(
          at,
          'is not for pools of a listener with protocol http: X-Forwarded-For names the client there',
        );
      }
    }
  }
}

function poolsOf({ pool, routes = [] }: ListenerFile): ReadonlySet<string> {
  const names = new Set(pool === undefined ? [] : [pool]);
  for (const route of routes) for (const [named] of namedPools(route, [])) names.add(named);
  return names;
}

function udpOf(listener: ListenerFile, path: Path, report: Report) {
  const { idle, flows_per_source: flowsPerSource, answers } = listener.udp ?? {};
  const idleMs = idle === undefined ? DEFAULT_UDP.idleMs : (parseDuration(idle) ?? 0);
  if (idleMs < IDLE_MS_MIN || idleMs > IDLE_MS_MAX) {
    report([...path, 'udp', 'idle'], `must be from 10ms to 24h, not ${idle}`);
  }
  return {
    idleMs,
    flowsPerSource: flowsPerSource ?? DEFAULT_UDP.flowsPerSource,
    answers: answers ?? DEFAULT_UDP.answers,
  };
}
