import { describe, expect, it } from 'vitest';
import { serviceLoad } from '../../../src/proxy/service-load.js';

function pool(active: readonly number[], up: readonly boolean[]) {
  return {
    healthy: up.filter(Boolean).length,
    endpoints: up.map((one, index) => ({ up: one, active: active[index]! })),
  };
}

describe('serviceLoad()', () => {
  it.each<[string, readonly number[], readonly boolean[], Record<string, number>, object]>([
    ['counts the work at its endpoints', [10, 40], [true, true], {}, { capacity: 200, utilisation: 0.25 }],
    ['leaves out endpoints that are down', [10, 99], [true, false], {}, { capacity: 100, utilisation: 0.1 }],
    [
      'names what is fuller than that',
      [10, 10],
      [true, true],
      { client_connections: 0.4, cpu: 0.6 },
      { capacity: 200, utilisation: 0.6, limiting: 'cpu' },
    ],
    ['has a capacity with nothing up', [0], [false], {}, { capacity: 100, utilisation: 0 }],
  ])('%s', (_, active, up, shared, expected) => {
    expect(serviceLoad(pool(active, up), 100, shared)).toEqual({
      limiting: 'upstream_connections',
      ...expected,
    });
  });
});
