import { describe, expect, it } from 'vitest';
import type { ProxyModel } from '../../../src/core/balance/model.js';
import { DEFAULT_BREAKER } from '../../../src/core/limit/breaker.js';
import { DEFAULT_RETRIES } from '../../../src/core/limit/retry.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

function load(pool: string, route = '') {
  const text = `node: { name: p1, region: r1 }
listeners:
  - { listen: "127.0.0.1:1", protocol: http, routes: [ { pool: web${route} } ] }
pools:
  web: { endpoints: [ { address: "10.0.0.1:80" } ]${pool} }
`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/srv' });
}

function configOf(pool: string, route = ''): ProxyModel {
  const result = load(pool, route);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problemsOf(pool: string, route = ''): string {
  const result = load(pool, route);
  return 'problems' in result ? result.problems.map(formatProblem).join('\n') : '';
}

describe('breakers, retries and limits of pools', () => {
  it.each<[string, object]>([
    ['breaker: {}', { breaker: DEFAULT_BREAKER }],
    [
      'breaker: { slow_call: 2s, failure_rate: false, open: 2m, ramp: 0, trials: 1 }',
      {
        breaker: {
          ...DEFAULT_BREAKER,
          slow: { ms: 2_000, rate: 0.5 },
          failureRate: null,
          ...{ openMs: 120_000, openMsMax: 120_000, rampMs: 0, trials: 1 },
        },
      },
    ],
    ['retries: {}', { retries: DEFAULT_RETRIES }],
    [
      'retries: { max: 2, on: [ timeout, gateway, 429 ], methods: [ POST ], body: 0, try_timeout: 50ms, hedge: 1s }',
      {
        retries: {
          ...DEFAULT_RETRIES,
          max: 2,
          failures: ['timeout'],
          statuses: [
            { from: 502, to: 504 },
            { from: 429, to: 429 },
          ],
          ...{ methods: ['POST'], bodyBytes: 0, tryMs: 50, hedgeMs: 1_000 },
        },
      },
    ],
    ['retries: { on: [ 5xx ], backoff: { base: 1s } }', { retries: { baseMs: 1_000, maxMs: 1_000 } }],
    ['retry_budget: { ratio: 0.1 }', { retryBudget: { ratio: 0.1, floor: 3, windowMs: 10_000 } }],
    ['limits: { pool: { retries: 0 } }', { poolLimits: { retries: 0 } }],
    [
      'limits: { requests: 5, pool: { requests: 9 } }',
      { limits: { requests: 5 }, poolLimits: { requests: 9 } },
    ],
  ])('reads %s', (key, expected) => {
    expect(configOf(`, ${key}`).pools[0]).toMatchObject(expected);
  });

  it('reads those of a route', () => {
    const [listener] = configOf('', ', retries: { max: 0 }').listeners;
    expect(listener).toMatchObject({ routes: [{ retries: { ...DEFAULT_RETRIES, max: 0 } }] });
  });

  it.each([
    ['breaker: { open: 1ms }', 'breaker.open', 'must be from 100ms to 24h, not 1ms'],
    ['breaker: { open: 10s, open_max: 5s }', 'breaker.open_max', 'must not be shorter than open'],
    ['breaker: { slow_rate: 0.5 }', 'breaker.slow_rate', 'needs the key slow_call'],
    ['breaker: { consecutive: 0, failure_rate: false }', 'breaker', 'never opens'],
    ['breaker: { failure_rate: 0 }', 'breaker.failure_rate', 'must be false, or a number from 0.01 to 1'],
    ['breaker: { trails: 3 }', 'breaker.trails', 'trials'],
    ['breaker: { trials: 0 }', 'breaker.trials', 'from 1 to 1000'],
    ['retries: { max: 99 }', 'retries.max', 'from 0 to 10'],
    [
      'retries: { on: [ often ] }',
      'retries.on[0]',
      'reset, timeout, gateway, 5xx, or a status from 400 to 599',
    ],
    ['retries: { on: [ 200 ] }', 'retries.on[0]', 'a status from 400 to 599'],
    ['retries: { backoff: { base: 1s, max: 10ms } }', 'retries.backoff.max', 'must not be shorter than base'],
    ['retries: { retry_after: 2h }', 'retries.retry_after', 'must be from 0 to 1m, not 2h'],
    ['retries: { body: 1000000 }', 'retries.body', '0 to 65536'],
    ['retry_budget: { ratio: 2 }', 'retry_budget.ratio', 'a number from 0 to 1'],
    ['limits: { pool: { requests: 0 } }', 'limits.pool.requests', 'from 1 to 10000000'],
  ])('refuses %s and names %s', (key, path, message) => {
    const [place = '', rest = ''] = problemsOf(`, ${key}`).split(/: (.*)/s);
    // Line 5 begins with 52 characters that are the same for all.
    expect(place).toMatch(/^proxy\.yaml:5:(?:[6-9]\d|1\d\d)$/);
    expect(rest).toContain(`pools.web.${path}: `);
    expect(rest).toContain(message);
  });

  it('refuses retries where there is no HTTP', () => {
    const result = loadProxyConfig(
      'proxy.yaml',
      `node: { name: p, region: r }
listeners: [ { listen: "127.0.0.1:1", protocol: tcp, pool: db } ]
pools: { db: { endpoints: [ { address: "10.0.0.1:80" } ], retries: {}, breaker: {} } }
`,
      { environment: {}, cores: 1, cwd: '/' },
    );
    expect('problems' in result && result.problems.map(formatProblem)).toEqual([
      'proxy.yaml:3:68: pools.db.retries: is only for http: a listener with protocol tcp uses this pool',
    ]);
  });

  it('refuses retries of a route that leads to no pool', () => {
    const text = problemsOf('', ', retries: {}').concat(problemsOf('', ', respond: { status: 200 }'));
    expect(text).toContain('exclude each other');
    const result = loadProxyConfig(
      'proxy.yaml',
      'node: { name: p, region: r }\nlisteners: [ { listen: "127.0.0.1:1", protocol: http, routes: [ { respond: { status: 200 }, retries: {} } ] } ]\n',
      { environment: {}, cores: 1, cwd: '/' },
    );
    expect('problems' in result && result.problems.map(formatProblem).join()).toContain(
      'retries is only for routes to a pool',
    );
  });
});
