import { describe, expect, it } from 'vitest';
import { DEFAULT_SCALING } from '../../../src/core/scaling/model.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';

function load(scaling: string, pool = '') {
  const text = `node: { name: p, region: r }
${scaling}
pools: { web: { endpoints: [ { address: "127.0.0.1:2" } ]${pool} } }
`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/srv' });
}

function modelOf(scaling: string, pool = '') {
  const result = load(scaling, pool);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

describe('scaling of proxy.yaml', () => {
  it('has defaults', () => {
    expect(modelOf('').scaling).toBeUndefined();
    expect(modelOf('').pools[0]!.scaling).toBeUndefined();
    expect(modelOf('scaling: {}', ', scaling: {}').scaling).toEqual(DEFAULT_SCALING);
    expect(modelOf('', ', scaling: {}').pools[0]!.scaling).toEqual({ connections: 0.7, queue: 1 });
  });

  it('takes every key', () => {
    const { scaling, pools } = modelOf(
      'scaling: { cpu: 0.6, client_connections: 0.5, tolerance: 0.05, up: { after: 30s, step: 3, every: 2m }, ' +
        'down: { after: 10m, step: 0.8, every: 1m }, settle: 0s, forecast: use, history: h.json }',
      ', scaling: { connections: 0.5, requests: 200, queue: 0.5, latency: 250ms }',
    );
    expect(scaling).toEqual({
      targets: { cpu: 0.6, clientConnections: 0.5 },
      behaviour: {
        tolerance: 0.05,
        up: { afterMs: 30_000, step: 3, everyMs: 120_000 },
        down: { afterMs: 600_000, step: 0.8, everyMs: 60_000 },
        settleMs: 0,
      },
      forecast: 'use',
      history: '/srv/h.json',
    });
    expect(pools[0]!.scaling).toEqual({ connections: 0.5, requests: 200, queue: 0.5, latencyMs: 250 });
  });

  it.each([
    ['scaling: { cpu: 0 }', '', 2, 'cpu'],
    ['scaling: { cpus: 0.5 }', '', 2, 'cpu'],
    ['scaling: { tolerance: 1 }', '', 2, 'tolerance'],
    ['scaling: { up: { step: 1 } }', '', 2, 'step'],
    ['scaling: { down: { step: 1 } }', '', 2, 'step'],
    ['scaling: { down: { after: 25h } }', '', 2, 'must be from 0s to 24h'],
    ['scaling: { settle: soon }', '', 2, 'settle'],
    ['scaling: { forecast: yes }', '', 2, 'show'],
    ['scaling: { history: "" }', '', 2, 'history'],
    ['scaling: 5', '', 2, 'a map with the keys cpu'],
    ['', ', scaling: { requests: 0 }', 3, 'requests'],
    ['', ', scaling: { latency: 0ms }', 3, 'must be from 1ms to 10m'],
    ['', ', scaling: { latencies: 5ms }', 3, 'latency'],
    ['', ', scaling: { queue: -1 }', 3, 'queue'],
  ])('refuses %j %j with its line', (scaling, pool, line, text) => {
    const result = load(scaling, pool);
    if (!('problems' in result)) throw new Error('it was taken');
    expect(JSON.stringify(result.problems)).toContain(text);
    expect(result.problems[0]).toMatchObject({ line, column: expect.any(Number) });
  });
});
