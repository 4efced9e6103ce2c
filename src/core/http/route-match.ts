/**
 * What a route asks of a request beside its place in the order: path, method, and tests of header fields, cookies
 * and query parameters. The model is plain data; `compileMatch` makes tests of it that allocate nothing as long as
 * a route asks for host and path only.
 */

import { cookieValue, queryValue } from './route-values.js';

/** A regular expression in linear time; core gets it made. Texts have at most PATTERN_TEXT_MAX characters. */
export interface Pattern {
  /** True if it matches the whole text, not only a part of it. */
  test(text: string): boolean;
  /** The whole match and its groups, '' for a group that took no part; null where `test` is false. */
  groups(text: string): readonly string[] | null;
}

export type PatternCompiler = (source: string) => Pattern;

/** A longer text takes no route where a pattern has to judge it: matching costs time for each character. */
export const PATTERN_TEXT_MAX = 4096;

export type ValueTest =
  | { readonly kind: 'present' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'pattern'; readonly pattern: string };

export interface ValueMatch {
  readonly from: 'header' | 'cookie' | 'query';
  /** A header's name in lower case; of a cookie or parameter as it is written. */
  readonly name: string;
  readonly test: ValueTest;
}

export interface RouteMatch {
  /** A name without port, in any letter case, or `*.` and a name: one label or more. Absent takes every host. */
  readonly host?: string;
  /** Whole segments: `/api` takes `/api` and `/api/x`, never `/apix`. `/` where another kind of path is given. */
  readonly pathPrefix: string;
  readonly pathExact?: string;
  readonly pathPattern?: string;
  /** Absent takes every method. */
  readonly methods?: readonly string[];
  /** All of them must hold. */
  readonly values?: readonly ValueMatch[];
}

/** The facts of a request that routes compare. */
export interface RouteFacts {
  readonly method: string;
  readonly host: string | null;
  readonly target: { readonly path: string; readonly forwarded: string };
}

/** Where header fields are read from, and only if a route asks for one. */
export interface FieldSource {
  /** The values of all lines with this lower-case name, with `separator` between them; null if there is none. */
  field(name: string, separator: string): string | null;
}

/** What a test says. TOO_LONG: a pattern would have to judge more than PATTERN_TEXT_MAX characters. */
export const FITS = 1;
export const DIFFERS = 0;
export const TOO_LONG = -1;
export type Verdict = typeof FITS | typeof DIFFERS | typeof TOO_LONG;

export interface CompiledMatch {
  readonly path: PathTest;
  /** Null if host and path are all that this route looks at. */
  readonly conditions: Conditions | null;
}

export function compileMatch(match: RouteMatch, compile: PatternCompiler): CompiledMatch {
  const { methods, values = [] } = match;
  const plain = methods === undefined && values.length === 0;
  return {
    path: new PathTest(match, compile),
    conditions: plain ? null : new Conditions(methods ?? null, values, compile),
  };
}

/** One class for the three kinds of path, so that the call on the request path stays monomorphic. */
export class PathTest {
  readonly #kind: 'prefix' | 'exact' | 'pattern';
  readonly #path: string;
  /** Where the path must end or have a slash; -1 if the prefix itself ends in one. */
  readonly #edge: number;
  readonly #pattern: Pattern | null;

  constructor({ pathPrefix, pathExact, pathPattern }: RouteMatch, compile: PatternCompiler) {
    this.#kind = pathExact !== undefined ? 'exact' : pathPattern !== undefined ? 'pattern' : 'prefix';
    this.#path = pathExact ?? pathPrefix;
    this.#edge = pathPrefix.endsWith('/') ? -1 : pathPrefix.length;
    this.#pattern = pathPattern === undefined ? null : compile(pathPattern);
  }

  judge(path: string): Verdict {
    if (this.#kind === 'prefix') {
      if (!path.startsWith(this.#path)) return DIFFERS;
      const edge = this.#edge;
      return edge < 0 || path.length === edge || path.charCodeAt(edge) === SLASH ? FITS : DIFFERS;
    }
    if (this.#kind === 'exact') return path === this.#path ? FITS : DIFFERS;
    return judgePattern(this.#pattern!, path);
  }
}

const SLASH = 47;

/** Method and values: looked at only after host and path fit. */
export class Conditions {
  readonly #methods: readonly string[] | null;
  readonly #values: readonly CompiledValue[];

  constructor(methods: readonly string[] | null, values: readonly ValueMatch[], compile: PatternCompiler) {
    this.#methods = methods;
    this.#values = values.map(({ from, name, test }) => ({
      from,
      name,
      test,
      pattern: test.kind === 'pattern' ? compile(test.pattern) : null,
    }));
  }

  judge(facts: RouteFacts, fields: FieldSource): Verdict {
    if (this.#methods !== null && !this.#methods.includes(facts.method)) return DIFFERS;
    let verdict: Verdict = FITS;
    for (let i = 0; i < this.#values.length; i++) {
      const one = judgeValue(this.#values[i]!, facts, fields);
      if (one === DIFFERS) return DIFFERS;
      if (one === TOO_LONG) verdict = TOO_LONG;
    }
    return verdict;
  }
}

interface CompiledValue extends ValueMatch {
  readonly pattern: Pattern | null;
}

function judgeValue(
  { from, name, test, pattern }: CompiledValue,
  facts: RouteFacts,
  fields: FieldSource,
): Verdict {
  const value = wantedValue(from, name, facts, fields);
  if (value === null) return test.kind === 'absent' ? FITS : DIFFERS;
  switch (test.kind) {
    case 'present':
      return FITS;
    case 'absent':
      return DIFFERS;
    case 'exact':
      return value === test.value ? FITS : DIFFERS;
    case 'prefix':
      return value.startsWith(test.value) ? FITS : DIFFERS;
    case 'pattern':
      return judgePattern(pattern!, value);
  }
}

function wantedValue(
  from: ValueMatch['from'],
  name: string,
  facts: RouteFacts,
  fields: FieldSource,
): string | null {
  switch (from) {
    case 'header':
      return fields.field(name, ', ');
    case 'cookie': {
      const cookies = fields.field('cookie', '; ');
      return cookies === null ? null : cookieValue(cookies, name);
    }
    case 'query': {
      const question = facts.target.forwarded.indexOf('?');
      return question < 0 ? null : queryValue(facts.target.forwarded, question + 1, name);
    }
  }
}

function judgePattern(pattern: Pattern, text: string): Verdict {
  if (text.length > PATTERN_TEXT_MAX) return TOO_LONG;
  return pattern.test(text) ? FITS : DIFFERS;
}
