import { describe, expect, it } from 'vitest';
import { simulate } from './simulation.js';

const SEEDS = 50;
const HOURS = 0.05;

describe('health of many nodes under a virtual clock', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => [seed + 1]))(
    'keeps its promises with seed %d',
    async (seed) => {
      const result = await simulate({ seed, nodes: 3 + (seed % 4), hours: HOURS });
      expect(result.verdicts).toBeGreaterThan(1000);
      expect(result.answers).toBeGreaterThan(1000);
      expect(result.faults).toBeGreaterThan(2);
      expect(result.shares).toBeGreaterThan(0);
    },
  );

  it('runs the same way with the same seed', async () => {
    const [a, b] = [
      await simulate({ seed: 7, nodes: 3, hours: HOURS }),
      await simulate({ seed: 7, nodes: 3, hours: HOURS }),
    ];
    expect(a).toEqual(b);
  });
});
