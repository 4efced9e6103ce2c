/**
 * Which route a request takes: the first one that fits, in the order that route-order.ts writes down.
 *
 * For each host that a route names there is one list of all routes that can take it, made when the configuration
 * is read. A request costs one look-up by host, for long lists another one by the first segment of its path, and a
 * short walk. Header fields, cookies and parameters are read only where host and path fit a route that asks for one.
 */

import { hostName } from './authority.js';
import { firstSegment, PathIndex } from './path-index.js';
import {
  type Conditions,
  compileMatch,
  DIFFERS,
  FITS,
  type FieldSource,
  type PathTest,
  type PatternCompiler,
  type RouteFacts,
  type RouteMatch,
} from './route-match.js';
import { inOrder, isBelow, wildcardSuffix } from './route-order.js';

export interface RouterEntry<T> {
  readonly match: RouteMatch;
  readonly priority?: number;
  readonly to: T;
}

export class Router<T> {
  readonly #byName = new Map<string, PathIndex<Candidate<T>>>();
  /** By `.example.com` of `*.example.com`. */
  readonly #bySuffix = new Map<string, PathIndex<Candidate<T>>>();
  /** For hosts that no route names. */
  readonly #anyHost: PathIndex<Candidate<T>>;

  constructor(entries: readonly RouterEntry<T>[], compile: PatternCompiler) {
    const all = inOrder(entries).map((entry) => candidateOf(entry, compile));
    this.#anyHost = new PathIndex(all.filter(({ name, suffix }) => name === null && suffix === null));
    for (const { suffix } of all) {
      if (suffix === null || this.#bySuffix.has(suffix)) continue;
      // A longer wildcard lies below a shorter one, and its requests may take the routes of both.
      const below = all.filter(
        (other) => other.name === null && (other.suffix === null || suffix.endsWith(other.suffix)),
      );
      this.#bySuffix.set(suffix, new PathIndex(below));
    }
    for (const { name } of all) {
      if (name === null || this.#byName.has(name)) continue;
      this.#byName.set(name, new PathIndex(all.filter((other) => takesName(other, name))));
    }
  }

  /**
   * The target of the first route that fits, or null. The path is normalised. Null also if a pattern would have to
   * judge more than PATTERN_TEXT_MAX characters: a long path must not slip past a route that refuses it.
   */
  find(facts: RouteFacts, fields: FieldSource): T | null {
    const { path } = facts.target;
    const candidates = (facts.host === null ? this.#anyHost : this.#ofHost(facts.host)).of(path);
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]!;
      let verdict = candidate.path.judge(path);
      if (verdict === DIFFERS) continue;
      if (verdict === FITS && candidate.conditions !== null) {
        verdict = candidate.conditions.judge(facts, fields);
        if (verdict === DIFFERS) continue;
      }
      return verdict === FITS ? candidate.to : null;
    }
    return null;
  }

  #ofHost(host: string): PathIndex<Candidate<T>> {
    if (this.#byName.size === 0 && this.#bySuffix.size === 0) return this.#anyHost;
    const name = hostName(host);
    const own = this.#byName.get(name);
    if (own !== undefined) return own;
    if (this.#bySuffix.size === 0) return this.#anyHost;
    // From the longest suffix to the shortest; a first dot is no end of a label.
    for (let dot = name.indexOf('.', 1); dot > 0; dot = name.indexOf('.', dot + 1)) {
      const below = this.#bySuffix.get(name.slice(dot));
      if (below !== undefined) return below;
    }
    return this.#anyHost;
  }
}

interface Candidate<T> {
  readonly name: string | null;
  readonly suffix: string | null;
  /** The first segment of every path that this route takes; null if there are several. */
  readonly segment: string | null;
  readonly path: PathTest;
  readonly conditions: Conditions | null;
  readonly to: T;
}

function candidateOf<T>({ match, to }: RouterEntry<T>, compile: PatternCompiler): Candidate<T> {
  const suffix = match.host === undefined ? null : wildcardSuffix(match.host);
  const name = match.host === undefined || suffix !== null ? null : hostName(match.host);
  const { path, conditions } = compileMatch(match, compile);
  return { name, suffix, segment: onlySegment(match), path, conditions, to };
}

function takesName({ name, suffix }: Candidate<unknown>, wanted: string): boolean {
  if (name !== null) return name === wanted;
  return suffix === null || isBelow(wanted, suffix);
}

function onlySegment({ pathExact, pathPattern, pathPrefix }: RouteMatch): string | null {
  if (pathExact !== undefined) return firstSegment(pathExact);
  return pathPattern !== undefined || pathPrefix === '/' ? null : firstSegment(pathPrefix);
}
