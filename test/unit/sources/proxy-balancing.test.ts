import { describe, expect, it } from 'vitest';
import { DEFAULT_OUTLIER, type PoolModel } from '../../../src/core/balance/model.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

function load(pool: string, listener = '') {
  const text = `node: { name: p1, region: r1 }\nlisteners: [ ${listener} ]\npools:\n  web: ${pool}\n`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/srv' });
}

function poolOf(pool: string): PoolModel {
  const result = load(pool);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config.pools[0]!;
}

function problemsOf(pool: string, listener = ''): string {
  const result = load(pool, listener);
  return 'problems' in result ? result.problems.map(formatProblem).join('\n') : '';
}

const ENDPOINTS = 'endpoints: [ { address: "10.0.0.1:80" }, { address: "10.0.0.2:80" } ]';

describe('the balancing of a pool', () => {
  it('has nothing on that is not written', () => {
    expect(Object.keys(poolOf(`{ ${ENDPOINTS} }`))).toEqual(['name', 'balance', 'endpoints']);
  });

  it.each(['round_robin', 'least_connections', 'random', 'p2c', 'ip_hash', 'maglev', 'least_time', 'first'])(
    'knows %s',
    (balance) => {
      expect(poolOf(`{ balance: ${balance}, ${ENDPOINTS} }`).balance).toBe(balance);
    },
  );

  it.each<[string, object]>([
    ['hash: { key: path }', { hash: { source: { key: 'path' }, bound: 1.25 } }],
    [
      'hash: { key: header, name: X-User, bound: 2 }',
      { hash: { source: { key: 'header', name: 'x-user' }, bound: 2 } },
    ],
    [
      'hash: { key: cookie, name: Session }',
      { hash: { source: { key: 'cookie', name: 'Session' }, bound: 1.25 } },
    ],
    ['overprovisioning: 2', { overprovisioning: 2 }],
    ['panic: {}', { panic: { threshold: 0.5, mode: 'open' } }],
    ['panic: { threshold: 0.2, mode: secure }', { panic: { threshold: 0.2, mode: 'secure' } }],
    ['slow_start: { duration: 30s }', { slowStart: { durationMs: 30_000, aggression: 1 } }],
    ['slow_start: { duration: 1m, aggression: 1.5 }', { slowStart: { durationMs: 60_000, aggression: 1.5 } }],
    ['outlier: {}', { outlier: DEFAULT_OUTLIER }],
    [
      'outlier: { consecutive: 3, interval: 5s, ejection: 10m, max_ejected: 0.5, success_rate: { hosts: 3 } }',
      {
        outlier: {
          consecutive: 3,
          intervalMs: 5_000,
          ejectionMs: 600_000,
          ejectionMsMax: 600_000,
          ejectedMax: 0.5,
          successRate: { hosts: 3, requests: 100, deviations: 1.9 },
        },
      },
    ],
    ['outlier: { success_rate: false }', { outlier: { ...DEFAULT_OUTLIER, successRate: null } }],
    ['limits: { requests: 10, pending: 2 }', { limits: { requests: 10, pending: 2 } }],
    ['queue: {}', { queue: { size: 1_024, timeoutMs: 5_000 } }],
    ['queue: { size: 5, timeout: 100ms }', { queue: { size: 5, timeoutMs: 100 } }],
  ])('reads %s', (key, expected) => {
    expect(poolOf(`{ balance: maglev, ${key}, ${ENDPOINTS} }`)).toMatchObject(expected);
  });

  it('reads priorities and backups', () => {
    const endpoints = [
      '{ address: "10.0.0.1:80", priority: 1 }',
      '{ address: "10.0.0.2:80", backup: true }',
      '{ address: "10.0.0.3:80" }',
    ];
    const [one, two, three] = poolOf(`{ endpoints: [ ${endpoints.join(', ')} ] }`).endpoints;
    expect(one).toMatchObject({ priority: 1 });
    expect(two).toMatchObject({ backup: true });
    expect(Object.keys(three!)).toEqual(['address', 'weight']);
  });

  it.each([
    ['balance: fastest', 'proxy.yaml:4:19: pools.web.balance: must be one of round_robin, '],
    ['hash: { key: path }', 'proxy.yaml:4:16: pools.web.hash: is only for balance: maglev'],
    ['balance: maglev, hash: { key: cookie }', 'pools.web.hash: the key cookie needs the name of the cookie'],
    ['balance: maglev, hash: { key: path, name: a }', 'pools.web.hash.name: has no meaning for the key path'],
    ['balance: maglev, hash: { key: header, name: "a b" }', 'pools.web.hash.name: must be the name of a'],
    ['balance: maglev, hash: { key: path, bound: 1 }', 'pools.web.hash.bound: must be a number from 1.01'],
    ['panic: { threshold: 50 }', 'pools.web.panic.threshold: must be a number from 0 to 1'],
    ['slow_start: {}', 'pools.web.slow_start'],
    ['slow_start: { duration: 1ms }', 'pools.web.slow_start.duration: must be from 1s to 24h, not 1ms'],
    ['outlier: { ejection: 10s, ejection_max: 5s }', 'ejection_max: must not be shorter than ejection'],
    ['outlier: { max_ejected: 10 }', 'pools.web.outlier.max_ejected: must be a number from 0 to 1'],
    ['limits: { requests: 0 }', 'pools.web.limits.requests: must be'],
    ['queue: { timeout: 2m }', 'pools.web.queue.timeout: must be from 10ms to 1m, not 2m'],
    ['queue: { size: 100000 }', 'pools.web.queue.size: must be'],
    ['overprovisioning: 0.5', 'pools.web.overprovisioning: must be a number from 1 to 100'],
  ])('refuses %s', (key, problem) => {
    expect(problemsOf(`{ ${key}, ${ENDPOINTS} }`)).toContain(problem);
  });

  it.each([
    [
      '{ address: "10.0.0.1:80", backup: true }',
      'pools.web.endpoints: must have an endpoint that is no backup',
    ],
    [
      '{ address: "10.0.0.1:80" }, { address: "10.0.0.2:80", backup: true, priority: 1 }',
      'pools.web.endpoints[1].priority: has no meaning for a backup',
    ],
    ['{ address: "10.0.0.1:80", priority: 16 }', 'pools.web.endpoints[0].priority: must be'],
  ])('refuses the endpoints %s', (endpoints, problem) => {
    expect(problemsOf(`{ endpoints: [ ${endpoints} ] }`)).toContain(problem);
  });

  it('refuses to hash by a header where no HTTP is', () => {
    const pool = `{ balance: maglev, hash: { key: header, name: a }, ${ENDPOINTS} }`;
    expect(problemsOf(pool, '{ listen: "127.0.0.1:1", protocol: http, pool: web }')).toBe('');
    expect(problemsOf(pool, '{ listen: "127.0.0.1:1", protocol: tcp, pool: web }')).toMatch(
      /^proxy.yaml:4:\d+: pools.web.hash.key: must be address, not header: a listener with protocol tcp/,
    );
  });
});
