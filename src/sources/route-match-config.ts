/** `match` of a route in `proxy.yaml`: what it means, and what is wrong with it. */
import type { RouteMatch, ValueMatch, ValueTest } from '../core/http/route-match.js';
import { normalisePath } from '../core/http/target.js';
import { checkRoutePattern } from './route-pattern.js';
import { FIELD_NAME, PARAMETER_NAME, type RouteFile, VALUE_MATCHES_MAX } from './route-schema.js';

type Path = readonly (string | number)[];
/** Says that the value at a path is wrong. */
export type Report = (path: Path, message: string) => void;

type MatchFile = NonNullable<RouteFile['match']>;

export function matchOf(file: MatchFile = {}, at: Path, report: Report): RouteMatch {
  const kinds = (['path', 'path_prefix', 'path_pattern'] as const).filter((key) => file[key] !== undefined);
  if (kinds.length > 1) report([...at, kinds[1]!], `${kinds[0]} and ${kinds[1]} exclude each other`);
  if (file.path !== undefined) checkPath(file.path, [...at, 'path'], report);
  if (file.path_prefix !== undefined) checkPath(file.path_prefix, [...at, 'path_prefix'], report);
  if (file.path_pattern !== undefined) checkPattern(file.path_pattern, [...at, 'path_pattern'], report);
  if (file.host?.startsWith('*.') && file.host.endsWith('.')) {
    report([...at, 'host'], 'must not end in a dot');
  }
  const values = valuesOf(file, at, report);
  return {
    ...(file.host === undefined ? {} : { host: file.host.toLowerCase() }),
    pathPrefix: file.path_prefix ?? '/',
    ...(file.path === undefined ? {} : { pathExact: file.path }),
    ...(file.path_pattern === undefined ? {} : { pathPattern: file.path_pattern }),
    ...(file.methods === undefined ? {} : { methods: methodsOf(file.methods, at, report) }),
    ...(values.length === 0 ? {} : { values }),
  };
}

/** A path must be written as requests are compared: in normal form, without a query. */
export function checkPath(path: string, at: Path, report: Report): void {
  const normal = /[?#]/.test(path) ? null : normalisePath(path);
  if (normal === null) report(at, 'must be a path without "?", "#" and bad escapes');
  else if (normal !== path) report(at, `must be in normal form, which is ${normal}`);
}

/** The number of groups; 0 for what is no pattern, which is reported. */
export function checkPattern(pattern: string, at: Path, report: Report): number {
  const checked = checkRoutePattern(pattern);
  if ('groups' in checked) return checked.groups;
  report(at, checked.problem);
  return 0;
}

function methodsOf(methods: readonly string[], at: Path, report: Report): readonly string[] {
  methods.forEach((method, i) => {
    const path = [...at, 'methods', i];
    if (method === 'CONNECT' || method === 'TRACE') report(path, `${method} is never let through`);
    if (methods.indexOf(method) < i) report(path, `${method} is already in this list`);
  });
  return methods;
}

const SOURCES = [
  { key: 'headers', from: 'header', what: 'a header', pattern: new RegExp(FIELD_NAME) },
  { key: 'cookies', from: 'cookie', what: 'a cookie', pattern: new RegExp(FIELD_NAME) },
  { key: 'query', from: 'query', what: 'a parameter', pattern: new RegExp(PARAMETER_NAME) },
] as const;

function valuesOf(file: MatchFile, at: Path, report: Report): readonly ValueMatch[] {
  const values = SOURCES.flatMap(({ key, from, what, pattern }) =>
    Object.entries(file[key] ?? {}).map(([name, test]): ValueMatch => {
      const path = [...at, key, name];
      if (!pattern.test(name)) report(path, `must be the name of ${what}, of at most 64 characters`);
      if (key === 'headers' && name.toLowerCase() === 'host') report(path, 'use match.host for the host');
      return { from, name: from === 'header' ? name.toLowerCase() : name, test: testOf(test, path, report) };
    }),
  );
  if (values.length > VALUE_MATCHES_MAX) {
    report(
      at,
      `has ${values.length} headers, cookies and parameters; at most ${VALUE_MATCHES_MAX} are allowed`,
    );
  }
  return values;
}

type TestFile = NonNullable<MatchFile['headers']>[string];

function testOf(test: TestFile, at: Path, report: Report): ValueTest {
  if (typeof test === 'string') return { kind: 'exact', value: test };
  const { exact, prefix, pattern, present } = test;
  if (Object.keys(test).length !== 1) report(at, 'must have one of the keys exact, prefix, pattern, present');
  if (exact !== undefined) return { kind: 'exact', value: exact };
  if (prefix !== undefined) return { kind: 'prefix', value: prefix };
  if (pattern === undefined) return { kind: present === false ? 'absent' : 'present' };
  checkPattern(pattern, [...at, 'pattern'], report);
  return { kind: 'pattern', pattern };
}
