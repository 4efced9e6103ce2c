import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEAD_BYTES_MAX, Head } from '../../src/core/http/head.js';
import { judgeRequest } from '../../src/core/http/hygiene.js';
import { pathEditor } from '../../src/core/http/path-edit.js';
import { Redirector } from '../../src/core/http/redirect.js';
import { requestEdits, requestRewriter } from '../../src/core/http/request-rewrite.js';
import { writeRequestHead } from '../../src/core/http/rewrite.js';
import type { PathEdit } from '../../src/core/http/route-action.js';
import type { FieldSource, RouteFacts, RouteMatch } from '../../src/core/http/route-match.js';
import { compareRoutes, covers, type OrderedRoute } from '../../src/core/http/route-order.js';
import { Router } from '../../src/core/http/router.js';
import { normalisePath, parseTarget } from '../../src/core/http/target.js';
import { compilePattern } from '../../src/proxy/pattern.js';
import { bytesOf } from '../support/http-message.js';

const label = fc.constantFrom('a', 'b', 'c');
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const host = fc.option(
  fc.tuple(fc.boolean(), name).map(([wild, text]) => (wild ? `*.${text}` : text)),
  { nil: undefined },
);
const path = fc
  .tuple(fc.array(label, { maxLength: 3 }), fc.boolean())
  .map(([segments, slash]) => `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`);
const value = fc.record({
  from: fc.constantFrom('header' as const, 'cookie' as const, 'query' as const),
  name: fc.constantFrom('x', 'y'),
  test: fc.oneof(
    fc.constantFrom({ kind: 'present' as const }, { kind: 'absent' as const }),
    fc.constantFrom('1', '12').map((text) => ({ kind: 'exact' as const, value: text })),
    fc.constantFrom('1', '2').map((text) => ({ kind: 'prefix' as const, value: text })),
  ),
});
const route = fc
  .record({
    host,
    kind: fc.constantFrom('prefix', 'prefix', 'exact', 'pattern'),
    path,
    methods: fc.option(fc.subarray(['GET', 'PUT'], { minLength: 1 }), { nil: undefined }),
    values: fc.array(value, { maxLength: 2 }),
    priority: fc.constantFrom(0, 0, 0, 1, -1),
  })
  .map(
    ({ host: of, kind, path: text, methods, values, priority }): OrderedRoute => ({
      match: {
        ...(of === undefined ? {} : { host: of }),
        pathPrefix: kind === 'prefix' ? text : '/',
        ...(kind === 'exact' ? { pathExact: text } : {}),
        ...(kind === 'pattern' ? { pathPattern: `${text}[abc/]*` } : {}),
        ...(methods === undefined ? {} : { methods }),
        ...(values.length === 0 ? {} : { values }),
      },
      priority,
    }),
  );
/** Any two, or two of which the first asks for less. */
const pair = fc
  .tuple(route, route, fc.subarray(['host', 'methods', 'values', 'pathExact', 'pathPattern']))
  .map(([a, b, left]): readonly [OrderedRoute, OrderedRoute] => {
    if (left.length === 0) return [a, b];
    const match = Object.fromEntries(
      Object.entries(b.match).filter(([key]) => !left.includes(key as 'host')),
    );
    return [{ match: { ...match, pathPrefix: b.match.pathPrefix } }, b];
  });
const routes = fc.array(route, { maxLength: 40, size: 'max' });

interface Request {
  readonly facts: RouteFacts;
  readonly known: Readonly<Record<'header' | 'cookie' | 'query', Readonly<Record<string, string>>>>;
}

const texts = fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '12', '2'), {
  noNullPrototype: true,
});
const request = fc
  .record({
    host: fc.option(name),
    path,
    method: fc.constantFrom('GET', 'PUT', 'POST'),
    known: fc.record({ header: texts, cookie: texts, query: texts }),
  })
  .map(({ host: of, path: text, method, known }): Request => {
    const query = new URLSearchParams(known.query).toString();
    const forwarded = query === '' ? text : `${text}?${query}`;
    return { facts: { method, host: of, target: { path: text, forwarded } }, known };
  });

function fieldsOf({ known }: Request): FieldSource {
  const cookies = Object.entries(known.cookie).map(([key, text]) => `${key}=${text}`);
  return {
    field: (key) =>
      key === 'cookie' ? (cookies.length > 0 ? cookies.join('; ') : null) : (known.header[key] ?? null),
  };
}

/** What a route means, written as plainly as possible. */
function fits(match: RouteMatch, { facts, known }: Request): boolean {
  const { host: asked, method, target } = facts;
  if (match.host?.startsWith('*.') && !asked?.endsWith(match.host.slice(1))) return false;
  if (match.host?.startsWith('*.') && asked?.length === match.host.length - 1) return false;
  if (match.host !== undefined && !match.host.startsWith('*.') && asked !== match.host) return false;
  const prefix = match.pathPrefix.replace(/\/$/, '');
  const below = `${target.path}/`.startsWith(`${prefix}/`) && target.path.startsWith(match.pathPrefix);
  if (!below) return false;
  if (match.pathExact !== undefined && target.path !== match.pathExact) return false;
  if (match.pathPattern !== undefined && !new RegExp(`^${match.pathPattern}$`).test(target.path))
    return false;
  if (match.methods !== undefined && !match.methods.includes(method)) return false;
  return (match.values ?? []).every(({ from, name: key, test }) => {
    const text = known[from][key];
    if (test.kind === 'absent' || text === undefined) return test.kind === 'absent' && text === undefined;
    if (test.kind === 'exact') return text === test.value;
    return test.kind !== 'prefix' || text.startsWith(test.value);
  });
}

describe('Router', () => {
  it('finds what a plain walk over all routes finds', () => {
    let found = 0;
    fc.assert(
      fc.property(
        routes,
        fc.array(request, { minLength: 1, maxLength: 20, size: 'max' }),
        (all, requests) => {
          const router = new Router(
            all.map((one, to) => ({ ...one, to })),
            compilePattern,
          );
          const walk = all.map((one, to) => ({ ...one, to })).sort(compareRoutes);
          for (const one of requests) {
            const expected = walk.find(({ match }) => fits(match, one))?.to ?? null;
            expect(router.find(one.facts, fieldsOf(one))).toBe(expected);
            if (expected !== null) found++;
          }
        },
      ),
    );
    expect(found).toBeGreaterThan(100);
  });

  it('never reaches a route behind one that covers it, and covers() says nothing else', () => {
    let covered = 0;
    fc.assert(
      fc.property(
        pair,
        fc.array(request, { minLength: 20, maxLength: 40, size: 'max' }),
        ([a, b], requests) => {
          if (!covers(a.match, b.match)) return;
          covered++;
          for (const one of requests) if (fits(b.match, one)) expect(fits(a.match, one)).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
    expect(covered).toBeGreaterThan(20);
  });
});

const piece = fc.stringMatching(/^[ -~]{0,6}$/);
const rawPath = fc
  .array(
    fc.oneof(
      fc.constantFrom('/', '..', '.', '%', '%2e', '%2F', '%25', '//', 'api', '%0d%0a', '%00', '?'),
      piece,
    ),
  )
  .map((parts) => `/${parts.join('')}`);
const edit = fc.oneof(
  fc
    .tuple(fc.constantFrom('/', '/api', '/api/'), fc.constantFrom('/', '/v2', '/v2/', '/a/b'))
    .map(([from, to]): PathEdit => ({ kind: 'prefix', from, to })),
  fc
    .tuple(
      fc.constantFrom('/(.*)', '(.*)%(.*)', '(.)(.*)(.)', '/([^/]*)/?(.*)', '(.*)25(.*)'),
      fc.constantFrom('/$1', '$2$1', '/x$0', '$1', '$2', '/../$1', '/$1%$2', '$1$2', '/.$1', '//$1'),
    )
    .map(([pattern, to]): PathEdit => ({ kind: 'pattern', pattern, to })),
);

/** The target of a request line, if a client could send it. */
function targetOf(raw: string) {
  return /^[!-~]+$/.test(raw) ? parseTarget(raw, 'GET') : null;
}

/** Routes with a prefix get only paths below it. */
function isTaken(path: string, how: PathEdit): boolean {
  if (how.kind !== 'prefix' || how.from.endsWith('/'))
    return how.kind !== 'prefix' || path.startsWith(how.from);
  return `${path}/`.startsWith(`${how.from}/`);
}

describe('rewriting', () => {
  it('makes a path in normal form, or none', () => {
    fc.assert(
      fc.property(rawPath, edit, (raw, how) => {
        const target = targetOf(raw);
        if (target === null || !isTaken(target.path, how)) return;
        const edited = pathEditor(how, compilePattern)(target.path);
        if (edited === null || edited === target.path) return;
        expect(edited).toMatch(/^\/(?!\/)[!-~]*$/);
        expect(edited).not.toMatch(/[?#]/);
        expect(normalisePath(edited)).toBe(edited);
        if (how.kind === 'prefix') expect(`${edited}/`.startsWith(how.to)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('never makes a head that is refused, or two', () => {
    const fields = {
      set: [{ name: 'X-Set', value: 'a' }],
      add: [{ name: 'X-Add', value: 'b' }],
      remove: ['X-Gone'],
    };
    fc.assert(
      fc.property(
        rawPath,
        edit,
        fc.subarray(['X-Set: 1', 'x-gone: 2', 'X-Add: 3', 'Connection: X-Set, x-add']),
        (raw, how, lines) => {
          const text = `GET ${raw} HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
          const head = new Head('request');
          if (head.parse(bytesOf(text), 0, text.length) !== text.length) return;
          const facts = judgeRequest(head);
          if (!facts.ok) return;
          const rewriter = requestRewriter({ path: how, host: 'in.example', fields }, compilePattern);
          const edits = requestEdits(rewriter!, facts.target);
          if (edits === null) return;
          const context = {
            clientAddress: '::1',
            proto: 'http',
            trusted: false,
            via: 'm',
          } as const;
          const bytes = new Uint8Array(2 * HEAD_BYTES_MAX);
          const length = writeRequestHead(bytes, head, facts, context, 'd', edits);
          const again = new Head('request');
          expect(again.parse(bytes, 0, length)).toBe(length);
          const judged = judgeRequest(again);
          expect(judged).toMatchObject({
            ok: true,
            host: 'in.example',
            target: { forwarded: edits.forwarded },
          });
          expect(again.field('x-set', '|')).toBe('a');
          expect(again.field('x-gone', '|')).toBeNull();
          expect(again.field('x-add', '|')?.endsWith('b')).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('redirects only to the host that it says', () => {
    fc.assert(
      fc.property(rawPath, edit, (raw, how) => {
        const target = targetOf(raw);
        if (target === null || !isTaken(target.path, how)) return;
        const redirect = {
          status: 302,
          host: 'safe.example',
          path: how,
          keepQuery: true,
          fields: [],
        } as const;
        const location = new Redirector(redirect, compilePattern).location({ host: 'h:81', target }, 'https');
        if (location === null) return;
        expect(location).toMatch(/^[!-~]+$/);
        expect(new URL(location)).toMatchObject({ protocol: 'https:', host: 'safe.example' });
      }),
      { numRuns: 1000 },
    );
  });
});
