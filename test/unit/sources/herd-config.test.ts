import { describe, expect, it } from 'vitest';
import { listenerOfWorker, poolOfWorker } from '../../../src/core/balance/worker-share.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const TLS = 'tls: { certificates: [ { cert: a.pem, key: a.key } ] }';

function load(listener: string, pool = '', protocol = 'http') {
  const text = `node: { name: p1, region: r1 }
listeners:
  - { listen: "127.0.0.1:80", protocol: ${protocol}${listener.startsWith(', routes') ? '' : ', pool: web'}${listener} }
pools:
  web: { endpoints: [ { address: "10.0.0.1:80" } ]${pool} }
`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/srv' });
}

function modelOf(...text: Parameters<typeof load>) {
  const result = load(...text);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return { listener: result.config.listeners[0]!, pool: result.config.pools[0]! };
}

function problemsOf(...text: Parameters<typeof load>): readonly string[] {
  const result = load(...text);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

describe('overload in proxy.yaml', () => {
  it('is off where it is not written', () => {
    const { listener, pool } = modelOf('');
    expect(Object.keys(listener)).toEqual(['protocol', 'listen', 'routes', 'trusted']);
    expect(pool.concurrency).toBeUndefined();
  });

  it.each<[string, object]>([
    [
      'admission: { max_in_flight: 100 }',
      {
        admission: {
          inFlightMax: 100,
          shares: { critical: 1, high: 0.95, normal: 0.9, low: 0.75 },
          classes: [],
          fallback: 'normal',
          retryAfterSeconds: 1,
        },
      },
    ],
    [
      'admission: { max_in_flight: 5, classes: [ { match: { path_prefix: /a }, priority: low } ], default: high, shares: { normal: 0.5 }, retry_after: 1500ms }',
      {
        admission: {
          inFlightMax: 5,
          shares: { critical: 1, high: 0.95, normal: 0.5, low: 0.5 },
          classes: [{ match: { pathPrefix: '/a' }, priority: 'low' }],
          fallback: 'high',
          retryAfterSeconds: 2,
        },
      },
    ],
    [`${TLS}, handshakes: { per_second: 50 }`, { handshakes: { perSecond: 50, burst: 50 } }],
    [`${TLS}, handshakes: { per_second: 50, burst: 9 }`, { handshakes: { perSecond: 50, burst: 9 } }],
  ])('reads %s', (text, expected) => {
    expect(modelOf(`, ${text}`).listener).toMatchObject(expected);
  });

  it.each<[string, object]>([
    ['concurrency: {}', { concurrency: { min: 10, max: 10_000, tolerance: 0.2 } }],
    ['concurrency: { max: 4 }', { concurrency: { min: 4, max: 4, tolerance: 0.2 } }],
    ['queue: {}', { queue: { size: 1024, timeoutMs: 5_000, standingMs: 500 } }],
    ['queue: { standing: 1s }', { queue: { size: 1024, timeoutMs: 5_000, standingMs: 1_000 } }],
    ['queue: { standing: off }', { queue: { size: 1024, timeoutMs: 5_000 } }],
  ])('reads %s of a pool', (text, expected) => {
    const { pool } = modelOf('', `, ${text}`);
    expect(pool).toMatchObject(expected);
    expect(pool.queue).toEqual('queue' in expected ? expected.queue : undefined);
  });

  it.each<[string, string]>([
    ['admission: {}', '3:69: listeners[0].admission: the key "max_in_flight" is missing'],
    [
      'admission: { max_in_flight: 0 }',
      'listeners[0].admission.max_in_flight: must be a whole number from 1 to 1000000, not 0',
    ],
    ['admission: { max_in_flight: 9, retry_after: 500ms }', 'retry_after: must be from 1s to 1h, not 500ms'],
    [
      'admission: { max_in_flight: 9, default: medium }',
      'admission.default: must be one of critical, high, normal, low, not "medium"',
    ],
    [
      'admission: { max_in_flight: 9, shares: { low: 2 } }',
      'admission.shares.low: must be a number from 0.01 to 1',
    ],
    [
      'admission: { max_in_flight: 9, shares: { high: 0.5, normal: 0.6 } }',
      'shares.normal: must not be above 0.5, the share of the priority before it',
    ],
    ['admission: { max_in_flight: 9, shares: { critical: 1 } }', 'critical'],
    [
      'admission: { max_in_flight: 9, classes: [ { match: { path_pattern: "(" }, priority: low } ] }',
      'admission.classes[0].match.path_pattern',
    ],
    ['admission: { max_in_flight: 9, clases: [] }', 'classes'],
    ['handshakes: { per_second: 5 }', 'listeners[0].handshakes: handshakes is only for a listener with tls'],
    [`${TLS}, handshakes: { burst: 5 }`, 'handshakes: the key "per_second" is missing'],
    [`${TLS}, handshakes: { per_second: 0 }`, 'handshakes.per_second: must be a whole number from 1'],
  ])('refuses %s', (text, problem) => {
    expect(problemsOf(`, ${text}`).join('\n')).toContain(problem);
  });

  it.each<[string, string]>([
    ['concurrency: { min: 20, max: 10 }', '5:73: pools.web.concurrency.min: must not be above max'],
    ['concurrency: { min: 20000 }', 'min: must not be above max, which is 10000 where it is not written'],
    ['concurrency: { tolerance: 0 }', 'concurrency.tolerance: must be a number from 0.01 to 10'],
    ['queue: { standing: on }', 'queue.standing: must be a time such as 500ms, or off'],
    ['queue: { standing: 1h }', 'queue.standing: must be from 10ms to 1m, not 1h'],
  ])('refuses %s of a pool', (text, problem) => {
    expect(problemsOf('', `, ${text}`).join('\n')).toContain(problem);
  });

  it('refuses what has no meaning without HTTP', () => {
    expect(problemsOf(', admission: { max_in_flight: 5 }', ', concurrency: {}', 'tcp').join('\n')).toMatch(
      /admission is only for protocol http[\s\S]*concurrency: is only for pools of HTTP: a listener with protocol tcp uses/,
    );
  });

  it('gives each worker its part', () => {
    const { listener, pool } = modelOf(
      `, ${TLS}, admission: { max_in_flight: 7 }, handshakes: { per_second: 5, burst: 3 }`,
      ', concurrency: { min: 1, max: 9 }',
    );
    const parts = [0, 1].map((index) => {
      const place = { index, count: 2 };
      const own = listenerOfWorker(listener, place);
      const { concurrency } = poolOfWorker(pool, place);
      return [
        own.protocol === 'http' ? own.admission?.inFlightMax : null,
        own.handshakes,
        concurrency?.min,
        concurrency?.max,
      ];
    });
    expect(parts).toEqual([
      [4, { perSecond: 2.5, burst: 2 }, 1, 5],
      [3, { perSecond: 2.5, burst: 1 }, 1, 4],
    ]);
  });

  it.each<[string, object | undefined]>([
    ['', undefined],
    [', coalesce: true', { followersMax: 256, bytesMax: 65_536 }],
    [', coalesce: { body: 2048 }', { followersMax: 256, bytesMax: 2_048 }],
    [', coalesce: { followers: 5 }', { followersMax: 5, bytesMax: 65_536 }],
  ])('reads "%s" of a route', (text, expected) => {
    const { listener } = modelOf(`, routes: [ { pool: web${text} } ]`);
    expect(listener.protocol === 'http' ? listener.routes[0] : null).toMatchObject(
      expected === undefined ? { pool: 'web' } : { coalesce: expected },
    );
  });

  it.each<[string, string]>([
    [
      'pool: web, coalesce: false',
      'routes[0].coalesce: must be true, or a map with the keys followers and body',
    ],
    ['pool: web, coalesce: { followers: 0 }', 'routes[0].coalesce'],
    ['pool: web, coalesce: { body: 2000000 }', 'routes[0].coalesce'],
    ['respond: { status: 200 }, coalesce: true', 'coalesce is only for routes to a pool'],
  ])('refuses a route with %s', (route, problem) => {
    expect(problemsOf(`, routes: [ { ${route} } ]`).join('\n')).toContain(problem);
  });

  it.each([
    ['body: 30s', { bodyMs: 30_000 }],
    ['header: 5s', { headerMs: 5_000 }],
  ])('reads timeouts: { %s }', (text, expected) => {
    const result = loadProxyConfig('proxy.yaml', `node: { name: p, region: r }\ntimeouts: { ${text} }\n`, {
      environment: {},
      cores: 1,
      cwd: '/',
    });
    if ('problems' in result) throw new Error(result.problems[0]!.message);
    expect(result.config.timeouts).toMatchObject(expected);
    expect('bodyMs' in result.config.timeouts).toBe('bodyMs' in expected);
  });
});
