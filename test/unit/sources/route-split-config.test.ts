import { describe, expect, it } from 'vitest';
import type { PoolRoute } from '../../../src/core/http/route.js';
import { ANALYSIS_DEFAULT } from '../../../src/core/rollout/plan.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const HEAD = `node: { name: p1, region: r1 }
pools:
  blue: { endpoints: [ { address: "127.0.0.1:9000" } ] }
  green: { endpoints: [ { address: "127.0.0.1:9001" } ] }
  h2: { protocol: h2c, endpoints: [ { address: "127.0.0.1:9002" } ] }
listeners:
  - listen: "127.0.0.1:8080"
    protocol: http
    http2: on
    routes:
`;

function load(...routes: readonly string[]) {
  const text = HEAD + routes.map((route) => `      - ${route}\n`).join('');
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
}

function routeOf(route: string): PoolRoute {
  const loaded = load(route);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const [listener] = loaded.config.listeners;
  return (listener?.protocol === 'http' ? listener.routes[0] : undefined) as PoolRoute;
}

function problemsOf(...routes: readonly string[]): string[] {
  const loaded = load(...routes);
  return 'problems' in loaded ? loaded.problems.map(formatProblem) : [];
}

describe('a route with several pools', () => {
  it('has their weights, in the order of the file', () => {
    expect(routeOf('{ name: shop, pools: { blue: 95, green: 5 } }')).toMatchObject({
      pool: 'blue',
      split: {
        name: 'shop',
        arms: [
          { pool: 'blue', weight: 95 },
          { pool: 'green', weight: 5 },
        ],
        stick: { by: 'draw' },
      },
    });
  });

  it.each([
    ['{ by: cookie }', { by: 'cookie', cookie: 'meridian-shop', seconds: 86_400 }],
    ['{ by: cookie, name: c, lifetime: 1h }', { by: 'cookie', cookie: 'c', seconds: 3_600 }],
    ['{ by: address }', { by: 'hash', source: { key: 'address' } }],
    ['{ by: header, name: X-User }', { by: 'hash', source: { key: 'header', name: 'x-user' } }],
    ['{ by: draw }', { by: 'draw' }],
  ])('keeps clients as %s says', (stick, expected) => {
    expect(routeOf(`{ name: shop, pools: { blue: 1, green: 1 }, stick: ${stick} }`).split?.stick).toEqual(
      expected,
    );
  });
});

describe('a canary', () => {
  it('has steps, an analysis and defaults', () => {
    const { split } = routeOf('{ name: shop, pool: blue, canary: { pool: green } }');
    expect(split).toEqual({
      name: 'shop',
      arms: [
        { pool: 'blue', weight: 1 },
        { pool: 'green', weight: 0 },
      ],
      stick: { by: 'draw' },
      canary: {
        steps: [5, 25, 50, 100].map((percent) => ({ percent, seconds: 600 })),
        analysis: ANALYSIS_DEFAULT,
        on_failure: 'rollback',
        start: 'manual',
      },
    });
  });

  it('takes steps of its own', () => {
    const { split } = routeOf(
      '{ name: shop, pool: blue, canary: { pool: green, start: auto, on_failure: pause, analysis: { min_requests: 7 }, ' +
        'steps: [ { percent: 1, hold: 90s }, { percent: 100, hold: 0 } ] } }',
    );
    expect(split?.canary).toEqual({
      steps: [
        { percent: 1, seconds: 90 },
        { percent: 100, seconds: 0 },
      ],
      analysis: { ...ANALYSIS_DEFAULT, min_requests: 7 },
      on_failure: 'pause',
      start: 'auto',
    });
  });
});

describe('a mirror', () => {
  it('has a sample and bounds', () => {
    expect(routeOf('{ pool: blue, mirror: { pool: green } }').mirror).toEqual({
      pool: 'green',
      sample: 0.01,
      maxInFlight: 32,
      maxBody: 16_384,
    });
    expect(
      routeOf('{ pool: blue, mirror: { pool: green, sample: 1, max_in_flight: 2, max_body: 0 } }').mirror,
    ).toEqual({ pool: 'green', sample: 1, maxInFlight: 2, maxBody: 0 });
  });
});

describe('mistakes', () => {
  it.each([
    [
      '{ pools: { blue: 1, green: 1 } }',
      '11:18: listeners[0].routes[0].pools: a route with several pools needs the key name',
    ],
    [
      '{ name: s, pools: { blue: 1, gren: 1 } }',
      'listeners[0].routes[0].pools.gren: there is no pool "gren"; there are blue, green, h2',
    ],
    [
      '{ name: s, pools: { blue: 0, green: 0 } }',
      'listeners[0].routes[0].pools: one weight has to be above 0',
    ],
    ['{ name: s, pool: blue, pools: { blue: 1, green: 1 } }', 'pool and pools exclude each other'],
    [
      '{ name: s, pools: { blue: 1, green: 1 }, canary: { pool: green } }',
      'pools and canary exclude each other',
    ],
    [
      '{ pool: blue, stick: { by: address } }',
      'routes[0].stick: stick is only for routes with pools or canary',
    ],
    ['{ name: s, pools: { blue: 1, green: 1 }, stick: { by: header } }', 'by: header needs the key name'],
    [
      '{ name: s, pools: { blue: 1, green: 1 }, stick: { by: draw, name: x } }',
      'name is only for by: cookie and by: header',
    ],
    [
      '{ name: s, pools: { blue: 1, green: 1 }, stick: { by: address, lifetime: 1h } }',
      'lifetime is only for by: cookie',
    ],
    [
      '{ name: s, pools: { blue: 1, green: 1 }, stick: { by: cookie, lifetime: 0 } }',
      'must be from 1s to 400d, not 0',
    ],
    [
      '{ name: s, pools: { blue: 1, green: 1 }, stick: { by: cooky } }',
      'must be one of cookie, address, header, draw, not "cooky"; did you mean cookie?',
    ],
    [
      '{ name: s, pool: blue, canary: { pool: blue } }',
      'canary.pool: is the pool "blue" that the route has already',
    ],
    ['{ name: s, pool: blue, canary: { pool: nope } }', 'canary.pool: there is no pool "nope"'],
    [
      '{ name: s, pool: blue, canary: { pool: green, steps: [ { percent: 50, hold: 1m }, { percent: 20, hold: 1m } ] } }',
      'canary.steps: want percentages that rise',
    ],
    [
      '{ name: s, pool: blue, canary: { pool: green, steps: [ { percent: 50, hold: 1m } ] } }',
      'canary.steps: want 100 as the last percentage',
    ],
    ['{ name: s, pool: blue, canary: { pool: green, analysis: { min_request: 5 } } }', 'did you mean'],
    [
      '{ pool: blue, mirror: { pool: blue } }',
      'mirror.pool: is the pool "blue" that gets the requests themselves',
    ],
    [
      '{ pool: blue, mirror: { pool: h2 } }',
      'mirror.pool: pool "h2" has protocol h2c: copies of requests for a pool of HTTP/1.1 are sent in that',
    ],
    ['{ pool: blue, mirror: { pool: green, sample: 0 } }', 'mirror.sample: must be a number above 0, not 0'],
    ['{ redirect: { host: a.example }, mirror: { pool: green } }', 'mirror is only for routes to a pool'],
  ])('%s', (route, message) => {
    expect(problemsOf(route).join('\n')).toContain(message);
  });

  it('routes of one name have to share their requests in one way', () => {
    const one = '{ match: { path: /a }, name: s, pools: { blue: 1, green: 1 } }';
    expect(problemsOf(one, '{ name: s, pools: { blue: 1, green: 1 } }')).toEqual([]);
    const [problem] = problemsOf(one, '{ name: s, pools: { blue: 1, green: 2 } }');
    expect(problem).toContain('routes[1].name: another route "s" above has other pools, stick or canary');
  });
});
