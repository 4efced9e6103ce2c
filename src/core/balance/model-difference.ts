import { listenerName } from './listener-name.js';
import type { ListenerModel, PoolModel, ProxyModel } from './model.js';

/** Listeners are called as `listenerName` says. */
export interface Difference {
  /** The same in both. */
  readonly kept: readonly string[];
  /** In both under the same name, with other settings. */
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What a reload has to do. */
export interface ModelDifference {
  /** A changed listener keeps its socket and connections, unless it is in `reopened`. */
  readonly listeners: Difference;
  readonly pools: Difference;
  /** Changed listeners that speak another protocol now: connections of the old one can't go on. */
  readonly reopened: readonly string[];
  /** Keys beside listeners and pools that are other now and take effect at once. */
  readonly settings: readonly string[];
  /** Keys that are other now and take effect with the next start only. */
  readonly restart: readonly string[];
  /** Nothing is different. */
  readonly isEmpty: boolean;
}

/** Keys that the process is built with. */
const RESTART_KEYS = [
  'node',
  'workers',
  'io',
  'admin',
  'reportTo',
  'accessLog',
  'rateLimitKeys',
  'peers',
  'rollouts',
] as const;
/** As the file names them. */
const FILE_KEYS: Readonly<Record<string, string>> = {
  reportTo: 'report_to',
  accessLog: 'access_log',
  rateLimitKeys: 'rate_limit_keys',
};

/** What is different between the configuration in use and a new one. Both were checked. */
export function diffProxyModels(from: ProxyModel, to: ProxyModel): ModelDifference {
  const listeners = differenceOf(from.listeners, to.listeners, listenerName);
  const pools = differenceOf(from.pools, to.pools, ({ name }) => name);
  const { settings, restart } = keysOf(from, to);
  const count = [listeners, pools].reduce((sum, { changed, added, removed }) => {
    return sum + changed.length + added.length + removed.length;
  }, settings.length + restart.length);
  return {
    listeners,
    pools,
    reopened: listeners.changed.filter((name) => protocolOf(from, name) !== protocolOf(to, name)),
    settings,
    restart,
    isEmpty: count === 0,
  };
}

/** The new model with what only a restart can change as it was before. */
export function withoutRestart(from: ProxyModel, to: ProxyModel): ProxyModel {
  const result: Record<string, unknown> = { ...to };
  for (const key of RESTART_KEYS) {
    const value = (from as unknown as Readonly<Record<string, unknown>>)[key];
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  return result as unknown as ProxyModel;
}

function differenceOf<T extends ListenerModel | PoolModel>(
  from: readonly T[],
  to: readonly T[],
  nameOf: (item: T) => string,
): Difference {
  const before = new Map(from.map((item) => [nameOf(item), item]));
  const after = new Map(to.map((item) => [nameOf(item), item]));
  const both = [...after].filter(([name]) => before.has(name));
  const isSame = ([name, item]: [string, T]) => isEqual(before.get(name), item);
  return {
    kept: both.filter(isSame).map(([name]) => name),
    changed: both.filter((entry) => !isSame(entry)).map(([name]) => name),
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
  };
}

function keysOf(from: ProxyModel, to: ProxyModel) {
  const own: ReadonlySet<string> = new Set(['listeners', 'pools']);
  const needRestart: ReadonlySet<string> = new Set(RESTART_KEYS);
  const values = (model: ProxyModel) => new Map<string, unknown>(Object.entries(model));
  const [before, after] = [values(from), values(to)];
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => !own.has(key) && !isEqual(before.get(key), after.get(key)))
    .toSorted();
  return {
    settings: changed.filter((key) => !needRestart.has(key)),
    restart: changed.filter((key) => needRestart.has(key)).map((key) => FILE_KEYS[key] ?? key),
  };
}

function protocolOf({ listeners }: ProxyModel, name: string): string | undefined {
  return listeners.find((listener) => listenerName(listener) === name)?.protocol;
}

/** Plain data is compared by its content; a key that is absent and one that is undefined are the same. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  return [...keys].every((key) => isEqual(left[key], right[key]));
}
