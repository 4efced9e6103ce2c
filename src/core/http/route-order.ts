/**
 * Which of several routes is asked first. The first that fits a request takes it:
 *
 * 1. the higher `priority` (0 if none is written)
 * 2. an exact host, then wildcards from the longest to the shortest, then routes for every host
 * 3. an exact path, then patterns, then prefixes from the longest to the shortest
 * 4. more conditions: each header, cookie and parameter is one, and the list of methods is one
 * 5. the earlier one in the file
 */

import { hostName } from './authority.js';
import type { RouteMatch } from './route-match.js';

export interface OrderedRoute {
  readonly match: RouteMatch;
  /** -1,000,000 to 1,000,000; absent is 0. */
  readonly priority?: number;
}

/** The routes in the order in which they are asked. */
export function inOrder<R extends OrderedRoute>(routes: readonly R[]): R[] {
  // Sorting is stable: equals stay in the order of the file.
  return [...routes].sort(compareRoutes);
}

/** Negative if `a` is asked before `b`; 0 if the file decides. */
export function compareRoutes(a: OrderedRoute, b: OrderedRoute): number {
  return (
    (b.priority ?? 0) - (a.priority ?? 0) ||
    hostRank(b.match) - hostRank(a.match) ||
    pathRank(b.match) - pathRank(a.match) ||
    conditionCount(b.match) - conditionCount(a.match)
  );
}

/** True if every request that fits `later` fits `earlier` too: then, behind it, `later` never gets one. */
export function covers(earlier: RouteMatch, later: RouteMatch): boolean {
  return (
    coversPath(earlier, later) &&
    coversMethods(earlier.methods, later.methods) &&
    coversHost(earlier.host, later.host) &&
    coversValues(earlier, later)
  );
}

/** `.example.com` of `*.example.com`; null for other hosts. In lower case. */
export function wildcardSuffix(host: string): string | null {
  return host.startsWith('*.') ? hostName(host.slice(1)) : null;
}

/** True if a name (as `hostName` gives it) lies below the suffix. */
export function isBelow(name: string, suffix: string): boolean {
  return name.length > suffix.length && name.endsWith(suffix);
}

const EXACT = 1_000_000;

/** Longer than any name is an exact one; a wildcard is as good as it is long. */
function hostRank({ host }: RouteMatch): number {
  if (host === undefined) return 0;
  return wildcardSuffix(host)?.length ?? EXACT;
}

function pathRank({ pathExact, pathPattern, pathPrefix }: RouteMatch): number {
  if (pathExact !== undefined) return 2 * EXACT;
  return pathPattern !== undefined ? EXACT : pathPrefix.length;
}

function conditionCount({ methods, values }: RouteMatch): number {
  return (methods === undefined ? 0 : 1) + (values?.length ?? 0);
}

function coversHost(earlier: string | undefined, later: string | undefined): boolean {
  if (earlier === undefined) return true;
  if (later === undefined) return false;
  const suffix = wildcardSuffix(earlier);
  const laterSuffix = wildcardSuffix(later);
  if (suffix === null) return laterSuffix === null && hostName(earlier) === hostName(later);
  return laterSuffix === null ? isBelow(hostName(later), suffix) : laterSuffix.endsWith(suffix);
}

function coversPath(earlier: RouteMatch, later: RouteMatch): boolean {
  if (earlier.pathExact !== undefined) return later.pathExact === earlier.pathExact;
  if (earlier.pathPattern !== undefined) return later.pathPattern === earlier.pathPattern;
  const prefix = earlier.pathPrefix;
  if (prefix === '/') return true;
  // The prefix of a pattern is `/`: what a pattern takes is never looked into.
  const path = later.pathExact ?? later.pathPrefix;
  if (!path.startsWith(prefix)) return false;
  return prefix.endsWith('/') || path.length === prefix.length || path[prefix.length] === '/';
}

function coversMethods(
  earlier: readonly string[] | undefined,
  later: readonly string[] | undefined,
): boolean {
  if (earlier === undefined) return true;
  return later?.every((method) => earlier.includes(method)) ?? false;
}

function coversValues(earlier: RouteMatch, later: RouteMatch): boolean {
  if (earlier.values === undefined || earlier.values.length === 0) return true;
  const known = new Set(later.values?.map((value) => JSON.stringify([value.from, value.name, value.test])));
  return earlier.values.every(({ from, name, test }) => known.has(JSON.stringify([from, name, test])));
}
