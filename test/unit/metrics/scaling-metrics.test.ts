import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { regionScaling } from '../../../src/core/scaling/region.js';
import { scalingMetrics } from '../../../src/metrics/scaling-metrics.js';

const FACTS = { action: 'up' as const, reason: 'usage', limiting: 'cpu', usage: 1.5 };

async function rowsOf(registry: Registry): Promise<readonly string[]> {
  const text = await registry.metrics();
  return text
    .split('\n')
    .filter((line) => line.startsWith('meridian_scaling'))
    .map((line) => line.slice('meridian_scaling_'.length));
}

it('scalingMetrics() shows what each region wants, for its proxies and pools', async () => {
  const registry = new Registry();
  let fresh = true;
  scalingMetrics(registry, () =>
    regionScaling([
      {
        ...{ region: 'eu', fresh: true },
        subjects: [
          { subject: '(proxy)', current: 1, desired: 2, ...FACTS, forecast: 3, forecastError: 0.1 },
          { subject: 'web', action: 'down', current: 4, desired: 3, reason: 'tolerance' },
        ],
      },
      {
        region: 'eu',
        fresh,
        subjects: [{ subject: '(proxy)', current: 1, desired: 1, ...FACTS, usage: 0.9 }],
      },
    ]),
  );
  expect(await rowsOf(registry)).toEqual([
    'proxies_missing{region="eu"} 0',
    'current{region="eu",subject="(proxy)"} 2',
    'current{region="eu",subject="web"} 4',
    'desired{region="eu",subject="(proxy)"} 3',
    'desired{region="eu",subject="web"} 3',
    'usage{region="eu",subject="(proxy)",metric="cpu"} 1.5',
    'reason{region="eu",subject="(proxy)",reason="usage"} 1',
    'reason{region="eu",subject="web",reason="tolerance"} 1',
  ]);
  fresh = false;
  const rows = await rowsOf(registry);
  expect(rows).toContain('proxies_missing{region="eu"} 1');
  expect(rows).toContain('desired{region="eu",subject="web"} 4');
  expect(rows).toContain('forecast{region="eu",subject="(proxy)"} 3');
});
