import { describe, expect, it } from 'vitest';
import type { Head } from '../../../../src/core/http/head.js';
import type { FieldSource, RouteMatch } from '../../../../src/core/http/route-match.js';
import { PATTERN_TEXT_MAX } from '../../../../src/core/http/route-match.js';
import { Router } from '../../../../src/core/http/router.js';
import { parseHead } from '../../../support/http-message.js';
import { routeRequest, simplePattern } from '../../../support/route-request.js';

type Written = Partial<RouteMatch> & { readonly priority?: number };

/** Routes by what they are called. */
function routerOf(routes: Readonly<Record<string, Written>>) {
  const entries = Object.entries(routes).map(([to, { priority, ...match }]) => ({
    match: { pathPrefix: '/', ...match },
    ...(priority === undefined ? {} : { priority }),
    to,
  }));
  return new Router(entries, simplePattern);
}

function find(router: Router<string>, line: string, headers: [string, string][] = []): string | null {
  const { facts, fields } = routeRequest(line, headers);
  return router.find(facts, fields);
}

describe('Router by host and prefix', () => {
  const router = routerOf({
    all: {},
    api: { pathPrefix: '/api' },
    v2: { pathPrefix: '/api/v2/' },
    cart: { host: 'Shop.example.com', pathPrefix: '/cart' },
  });

  it.each([
    ['GET - /', 'all'],
    ['GET a /apix', 'all'],
    ['GET a /api', 'api'],
    ['GET a /api/x', 'api'],
    ['GET a /api/v2', 'api'],
    ['GET a /api/v2/x', 'v2'],
    ['GET shop.example.com:8080 /cart/1', 'cart'],
    ['GET SHOP.example.com. /cart', 'cart'],
    ['GET shop.example.com /api', 'api'],
    ['GET other /cart', 'all'],
    ['GET [::1]:80 /cart', 'all'],
  ])('sends %s to %s', (line, to) => {
    expect(find(router, line)).toBe(to);
  });

  it('finds nothing where no prefix fits', () => {
    expect(find(routerOf({ a: { pathPrefix: '/a' } }), 'GET h /b')).toBeNull();
  });
});

describe('Router with wildcards', () => {
  const router = routerOf({
    any: {},
    wide: { host: '*.example.com' },
    long: { host: '*.eu.Example.com' },
    exact: { host: 'www.eu.example.com' },
    api: { host: '*.example.com', pathPrefix: '/api' },
  });

  it.each([
    ['GET www.eu.example.com /', 'exact'],
    ['GET WWW.eu.example.com:80 /', 'exact'],
    ['GET a.eu.example.com /', 'long'],
    ['GET a.b.eu.example.com /', 'long'],
    ['GET eu.example.com /', 'wide'],
    ['GET x.example.com. /', 'wide'],
    ['GET x.example.com /api/1', 'api'],
    ['GET example.com /', 'any'],
    ['GET .example.com /', 'any'],
    ['GET badexample.com /', 'any'],
    ['GET - /', 'any'],
    // The host comes first: the longer wildcard takes it, though a shorter one has a longer path.
    ['GET x.eu.example.com /api', 'long'],
  ])('sends %s to %s', (line, to) => {
    expect(find(router, line)).toBe(to);
  });

  it('asks shorter wildcards and routes for every host too', () => {
    const few = routerOf({
      long: { host: '*.eu.example.com', pathPrefix: '/a' },
      wide: { host: '*.example.com', pathPrefix: '/b' },
      any: { pathPrefix: '/c' },
      other: { host: '*.example.org' },
    });
    expect(['/a', '/b', '/c', '/d'].map((path) => find(few, `GET x.eu.example.com ${path}`))).toEqual([
      'long',
      'wide',
      'any',
      null,
    ]);
  });
});

describe('the order of routes', () => {
  const VALUES = [
    { from: 'header', name: 'x', test: { kind: 'present' } },
    { from: 'header', name: 'y', test: { kind: 'present' } },
  ] as const;
  const HEADERS: [string, string][] = [
    ['X', '1'],
    ['Y', '1'],
  ];

  it.each<[string, Written, Written]>([
    ['a higher priority before an exact host', { priority: 1 }, { host: 'a.example.com' }],
    ['no priority before a negative one', {}, { priority: -1, pathExact: '/p/q' }],
    ['an exact host before an exact path', { host: 'a.example.com' }, { pathExact: '/p/q' }],
    ['a wildcard before every host', { host: '*.example.com' }, { pathExact: '/p/q' }],
    ['an exact path before a pattern', { pathExact: '/p/q' }, { pathPattern: '/p/q' }],
    ['a pattern before a prefix', { pathPattern: '/.*' }, { pathPrefix: '/p/q' }],
    ['a longer prefix before conditions', { pathPrefix: '/p/q' }, { pathPrefix: '/p', values: VALUES }],
    ['two conditions before one', { values: VALUES }, { values: [VALUES[0]] }],
    ['methods are a condition', { methods: ['GET'] }, {}],
    ['the earlier one of two equals', { values: [VALUES[0]] }, { values: [VALUES[1]] }],
  ])('%s', (_, first, second) => {
    const line = 'GET a.example.com /p/q';
    expect(find(routerOf({ first, second }), line, HEADERS)).toBe('first');
    const equal = /equals/.test(_);
    expect(find(routerOf({ second, first }), line, HEADERS)).toBe(equal ? 'second' : 'first');
  });

  it('goes on to the next route where a condition does not hold', () => {
    const router = routerOf({ posts: { methods: ['POST', 'PUT'] }, rest: {} });
    expect(find(router, 'POST h /')).toBe('posts');
    expect(find(router, 'HEAD h /')).toBe('rest');
  });
});

describe('conditions', () => {
  const test = (kind: string, value = '') =>
    (kind === 'pattern' ? { kind, pattern: value } : { kind, value }) as never;

  it.each([
    ['header', 'exact', 'beta', [['X-V', 'beta']], true],
    ['header', 'exact', 'beta', [['x-v', 'Beta']], false],
    [
      'header',
      'exact',
      'a, b',
      [
        ['X-V', 'a'],
        ['x-v', 'b'],
      ],
      true,
    ],
    ['header', 'exact', '', [['X-V', '']], true],
    ['header', 'exact', '', [], false],
    ['header', 'prefix', 'be', [['X-V', 'beta']], true],
    ['header', 'prefix', 'be', [['X-V', 'alpha']], false],
    ['header', 'present', '', [['X-V', '']], true],
    ['header', 'present', '', [['X-VV', '']], false],
    ['header', 'absent', '', [], true],
    ['header', 'absent', '', [['X-V', '']], false],
    ['header', 'pattern', '[a-z]+', [['X-V', 'abc']], true],
    ['header', 'pattern', '[a-z]+', [['X-V', 'abc1']], false],
    ['header', 'pattern', '.*', [], false],
    ['cookie', 'exact', '1', [['Cookie', 'a=0; x-v=1; x-v=2']], true],
    ['cookie', 'exact', '1', [['Cookie', 'x-v = 1']], true],
    ['cookie', 'exact', '1', [['Cookie', 'ax-v=1; x-vb=1']], false],
    [
      'cookie',
      'exact',
      '1',
      [
        ['Cookie', 'a=b'],
        ['Cookie', 'x-v=1'],
      ],
      true,
    ],
    ['cookie', 'present', '', [['Cookie', 'x-v=']], true],
    ['cookie', 'present', '', [['Cookie', 'x-v']], false],
    ['cookie', 'absent', '', [['Cookie', ';;a=b;']], true],
  ] as [string, string, string, [string, string][], boolean][])(
    '%s %s %j of %j: %s',
    (from, kind, value, headers, expected) => {
      const router = routerOf({
        yes: { values: [{ from: from as 'header', name: 'x-v', test: test(kind, value) }] },
      });
      expect(find(router, 'GET h /', headers)).toBe(expected ? 'yes' : null);
    },
  );

  it.each([
    ['/?v=2', true],
    ['/?a=1&v=2&v=3', true],
    ['/?v=3&v=2', false],
    ['/?V=2', false],
    ['/?%76=%32', true],
    ['/?vv=2&=2', false],
    ['/?v', false],
    ['/', false],
    ['/v=2', false],
  ])('the parameter v is 2 in %s: %s', (target, expected) => {
    const router = routerOf({ yes: { values: [{ from: 'query', name: 'v', test: test('exact', '2') }] } });
    expect(find(router, `GET h ${target}`)).toBe(expected ? 'yes' : null);
  });

  it.each([
    ['/?q=a+b%21', 'a b!'],
    ['/?q=100%', '100%'],
    ['/?q=%zz', '%zz'],
    ['/?q', ''],
    ['/?q=', ''],
    ['/?q=a=b', 'a=b'],
  ])('the parameter q of %s reads %j', (target, value) => {
    const router = routerOf({ yes: { values: [{ from: 'query', name: 'q', test: test('exact', value) }] } });
    expect(find(router, `GET h ${target}`)).toBe('yes');
  });

  it('reads no field unless host and path fit a route that asks for one', () => {
    const router = routerOf({
      tested: { pathPrefix: '/a', values: [{ from: 'header', name: 'x', test: test('present') }] },
      rest: {},
    });
    let reads = 0;
    const counting: FieldSource = {
      field: () => {
        reads++;
        return null;
      },
    };
    expect(router.find(routeRequest('GET h /b').facts, counting)).toBe('rest');
    expect(reads).toBe(0);
    expect(router.find(routeRequest('GET h /a').facts, counting)).toBe('rest');
    expect(reads).toBe(1);
  });

  it('reads the lines of a real head', () => {
    const head = parseHead(
      'request',
      'GET / HTTP/1.1\r\nHost: h\r\nX-V: a\r\nB: 1\r\nx-v:  b \r\n\r\n',
    ) as Head;
    const router = routerOf({
      yes: { values: [{ from: 'header', name: 'x-v', test: test('exact', 'a, b') }] },
    });
    expect(router.find(routeRequest('GET h /').facts, head)).toBe('yes');
  });
});

describe('patterns and long texts', () => {
  const long = `/admin/${'/'.repeat(PATTERN_TEXT_MAX)}`;

  it('a path that is too long for a pattern takes no later route', () => {
    const router = routerOf({ refused: { pathPattern: '/admin/.*' }, rest: {} });
    expect(find(router, 'GET h /admin/x')).toBe('refused');
    expect(find(router, 'GET h /other')).toBe('rest');
    expect(find(router, `GET h ${long}`)).toBeNull();
  });

  it('but one that is decided before', () => {
    const router = routerOf({ first: { priority: 1, pathPrefix: '/admin' }, pattern: { pathPattern: '/x' } });
    expect(find(router, `GET h ${long}`)).toBe('first');
  });

  it('a value that is too long takes no later route, unless another condition fails', () => {
    const pattern = { from: 'header', name: 'x', test: { kind: 'pattern', pattern: 'a*' } } as const;
    const other = { from: 'header', name: 'y', test: { kind: 'present' } } as const;
    const header: [string, string] = ['X', 'a'.repeat(PATTERN_TEXT_MAX + 1)];
    expect(find(routerOf({ a: { values: [pattern] }, rest: {} }), 'GET h /', [header])).toBeNull();
    expect(find(routerOf({ a: { values: [pattern, other] }, rest: {} }), 'GET h /', [header])).toBe('rest');
  });
});
