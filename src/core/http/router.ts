/**
 * Which route a request takes: an exact host beats no host, and within a host the longest path prefix wins.
 * A prefix matches whole segments: `/api` takes `/api` and `/api/x`, never `/apix`.
 */

import { hostName } from './authority.js';

export interface RouteMatch {
  /** Exact name, without port, in any letter case; absent takes every host. */
  readonly host?: string;
  readonly pathPrefix: string;
}

export class Router<T> {
  readonly #byHost = new Map<string, Entry<T>[]>();
  readonly #anyHost: Entry<T>[];

  constructor(routes: readonly { readonly match: RouteMatch; readonly to: T }[]) {
    const entries = routes.map(({ match, to }) => ({ host: match.host, prefix: match.pathPrefix, to }));
    this.#anyHost = longestFirst(entries.filter((entry) => entry.host === undefined));
    for (const { host } of entries) {
      if (host === undefined || this.#byHost.has(hostName(host))) continue;
      const own = entries.filter(
        (entry) => entry.host !== undefined && hostName(entry.host) === hostName(host),
      );
      this.#byHost.set(hostName(host), longestFirst(own));
    }
  }

  /** The target of the best route, or null. `path` is normalised and has no query. */
  find(host: string | null, path: string): T | null {
    const own = this.#byHost.size > 0 && host !== null ? this.#byHost.get(hostName(host)) : undefined;
    return (own && firstMatch(own, path)) ?? firstMatch(this.#anyHost, path);
  }
}

interface Entry<T> {
  readonly prefix: string;
  readonly to: T;
}

function longestFirst<T>(entries: readonly Entry<T>[]): Entry<T>[] {
  return [...entries].sort((a, b) => b.prefix.length - a.prefix.length);
}

function firstMatch<T>(entries: readonly Entry<T>[], path: string): T | null {
  for (const { prefix, to } of entries) {
    if (!path.startsWith(prefix)) continue;
    if (prefix.endsWith('/') || path.length === prefix.length || path[prefix.length] === '/') return to;
  }
  return null;
}
