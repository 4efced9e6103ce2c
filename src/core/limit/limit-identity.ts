import { hashText } from '../balance/hash.js';
import type { ProxyModel } from '../balance/model.js';
import type { AccessListModel, RateLimitModel, SourceModel } from './limit-model.js';

/**
 * What a limit is called where its accounts are: as long as nothing of it changes they go on, over reloads and on all proxies
 * of a region. A dry run counts in the same accounts.
 */
export function limitIdentity(limit: RateLimitModel): string {
  const { name, requests, periodMs, burst, keys, prefix4, prefix6, missing } = limit;
  return JSON.stringify([name, requests, periodMs, burst, keys, prefix4, prefix6, missing]);
}

/** The same as a number. */
export function limitNumber(limit: RateLimitModel): number {
  return hashText(limitIdentity(limit));
}

/** New connections of one source at a listener, as a limit. */
export function connectionLimit({ name, perSecond, prefix4, prefix6 }: SourceModel): RateLimitModel {
  return {
    ...{ name: `connections of ${name}`, local: true },
    ...{ requests: perSecond, periodMs: 1_000, burst: perSecond, keys: [{ by: 'address' }] },
    ...{ prefix4, prefix6, missing: 'address', dryRun: false },
  };
}

/** Every limit that something in the configuration goes by, once. */
export function limitsIn({ listeners }: Pick<ProxyModel, 'listeners'>): readonly RateLimitModel[] {
  const all = listeners.flatMap((listener) => {
    const { sources } = listener;
    const own = listener.protocol === 'http' ? (listener.limits ?? []) : [];
    const routes = listener.protocol === 'http' ? listener.routes.flatMap(({ limits }) => limits ?? []) : [];
    const rate = sources !== undefined && sources.perSecond > 0 ? [connectionLimit(sources)] : [];
    return [...rate, ...own, ...routes];
  });
  return [...new Map(all.map((limit) => [limitIdentity(limit), limit])).values()];
}

/** Every list that something in the configuration goes by, once. */
export function accessListsIn({ listeners }: Pick<ProxyModel, 'listeners'>): readonly AccessListModel[] {
  const all = listeners.flatMap((listener) => [
    ...(listener.access === undefined ? [] : [listener.access]),
    ...(listener.protocol === 'http' ? listener.routes.flatMap(({ access }) => access ?? []) : []),
  ]);
  return [...new Map(all.map((list) => [list.name, list])).values()];
}
