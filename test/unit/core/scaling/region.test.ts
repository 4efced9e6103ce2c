import { expect, it } from 'vitest';
import type { ScalingFacts } from '../../../../src/core/health/report-facts.js';
import { PROXY_SUBJECT, regionScaling } from '../../../../src/core/scaling/region.js';

function fact(
  subject: string,
  current: number,
  desired: number,
  more: Partial<ScalingFacts> = {},
): ScalingFacts {
  return { subject, action: 'hold', current, desired, reason: 'usage', ...more };
}

const member = (region: string, subjects: readonly ScalingFacts[], fresh = true) => ({
  region,
  fresh,
  subjects,
});

it('what proxies want of themselves adds up, and the fullest one says why', () => {
  const regions = regionScaling([
    member('eu', [
      fact(PROXY_SUBJECT, 1, 1.3, { usage: 1.3, limiting: 'cpu', forecast: 1.1, forecastError: 0.2 }),
    ]),
    member('eu', [
      fact(PROXY_SUBJECT, 1, 1.4, { usage: 1.4, limiting: 'queue', forecast: 1.2, forecastError: 0.1 }),
    ]),
    member('us', [fact(PROXY_SUBJECT, 1, 0.4)]),
  ]);
  expect(regions.get('eu')).toEqual({
    missing: 0,
    proxies: {
      ...{ action: 'up', current: 2, desired: 3, ratio: 1.5, reason: 'usage', limiting: 'queue', usage: 1.4 },
      ...{ forecast: 3, forecastError: 0.2 },
    },
    pools: new Map(),
  });
  expect(regions.get('us')?.proxies).toMatchObject({ action: 'hold', desired: 1 });
});

it('of a pool that several share the one that wants most decides', () => {
  const regions = regionScaling([
    member('eu', [fact('web', 4, 3), fact('api', 2, 2)]),
    member('eu', [fact('web', 4, 6, { limiting: 'latency' })]),
  ]);
  expect(regions.get('eu')?.pools.get('web')).toMatchObject({
    action: 'up',
    desired: 6,
    limiting: 'latency',
  });
  expect(regions.get('eu')?.pools.get('api')).toMatchObject({ action: 'hold', desired: 2 });
});

it('nothing is taken away while a proxy is not heard of, but more is given', () => {
  const regions = regionScaling([
    member('eu', [fact(PROXY_SUBJECT, 1, 0.3), fact('web', 4, 2), fact('api', 1, 2)]),
    member('eu', [fact(PROXY_SUBJECT, 1, 0.3), fact('db', 1, 9)]),
    member('eu', [fact(PROXY_SUBJECT, 1, 5), fact('web', 4, 9)], false),
  ]);
  const { missing, proxies, pools } = regions.get('eu')!;
  expect(missing).toBe(1);
  expect(proxies).toMatchObject({ action: 'hold', current: 2, desired: 2, reason: 'missing' });
  expect(pools.get('web')).toMatchObject({ action: 'hold', desired: 4, reason: 'missing' });
  expect(pools.get('api')).toMatchObject({ action: 'up', desired: 2 });
});

it('a region of which nothing is heard says only that', () => {
  expect(regionScaling([member('eu', [fact('web', 4, 2)], false)]).get('eu')).toEqual({
    missing: 1,
    pools: new Map(),
  });
});

it('rounding of reports asks for no proxy more', () => {
  const thirds = Array.from({ length: 3 }, () => member('eu', [fact(PROXY_SUBJECT, 1, 1.0003)]));
  expect(regionScaling(thirds).get('eu')?.proxies?.desired).toBe(3);
});
