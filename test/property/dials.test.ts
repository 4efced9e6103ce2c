import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type QueryRig, rigOf, zoneText } from '../support/query-rig.js';
import { steerRig } from '../support/steered-rig.js';

const A = '192.0.2.1';
const A2 = '192.0.2.2';
const B = '198.51.100.1';
const C = '203.0.113.1';

const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
regions: { ra: { location: [50, 8] }, rb: { location: [40, -75] }, rc: { location: [1, 103] } }
pools:
  a: { region: ra, monitor: m, endpoints: [{ A: ${A} }, { A: ${A2}, priority: 2 }], fallback: c }
  b: { region: rb, monitor: m, endpoints: [{ A: ${B} }] }
  c: { region: rc, monitor: m, endpoints: [{ A: ${C} }] }
  hashed: { region: ra, monitor: m, pick: hash, endpoints: [{ A: ${A} }], fallback: c }
records:
  one: { type: A, dynamic: { rules: [{ pool: a }] } }
  two: { type: A, dynamic: { steering: failover, pools: [a, b] } }
  weighted: { type: A, dynamic: { steering: weighted, pools: { a: 60, b: 40 } } }
  near: { type: A, dynamic: { steering: nearest, pools: [a, b], regions: 2 } }
  hashed: { type: A, dynamic: { rules: [{ pool: hashed }] } }
`,
);

const DRAWS = 1000;
/** Five standard deviations of so many draws: by luck once in two million. */
const bound = (p: number) => 5 * Math.sqrt((p * (1 - p)) / DRAWS) + 1e-3;

function shares(rig: QueryRig, name: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < DRAWS; i++) {
    for (const address of rig.values(`${name}.example.com`, 'A'))
      counts[address] = (counts[address] ?? 0) + 1 / DRAWS;
  }
  return counts;
}

function expectShares(
  found: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>,
): void {
  for (const [address, share] of Object.entries(expected)) {
    expect(
      Math.abs((found[address] ?? 0) - share),
      `${address}: ${found[address]} for ${share}`,
    ).toBeLessThan(bound(share));
  }
}

const percent = fc.integer({ min: 0, max: 100 });
const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const RUNS = { numRuns: 8 };

describe('a dialled pool keeps its part of the answers that it would get', () => {
  it('and the rest goes to its fallback', () => {
    fc.assert(
      fc.property(percent, seed, (dial, start) => {
        const rig = rigOf(ZONE, { seed: start });
        steerRig(rig, { dials: { 'example.com/a': dial } });
        expectShares(shares(rig, 'one'), { [A]: dial / 100, [A2]: 0, [C]: 1 - dial / 100 });
      }),
      RUNS,
    );
  });

  it('where the dials of its region and of others count too', () => {
    fc.assert(
      fc.property(percent, percent, percent, seed, (region, pool, next, start) => {
        const rig = rigOf(ZONE, { seed: start });
        steerRig(rig, { dials: { 'region:ra': region, 'example.com/a': pool, 'region:rb': next } });
        const a = (region * pool) / 10_000;
        const b = (1 - a) * (next / 100);
        expectShares(shares(rig, 'two'), { [A]: a, [B]: b, [C]: 1 - a - b });
      }),
      RUNS,
    );
  });

  it('when it is one of weighted pools, of which those that are not dialled take the rest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), seed, (dial, start) => {
        const rig = rigOf(ZONE, { seed: start });
        steerRig(rig, { dials: { 'example.com/a': dial } });
        const a = 0.6 * (dial / 100);
        expectShares(shares(rig, 'weighted'), { [A]: a, [A2]: 0, [B]: 1 - a });
      }),
      RUNS,
    );
  });

  it('when all weighted pools are dialled: the rest goes to the fallback', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 99 }), seed, (a, b, start) => {
        const rig = rigOf(ZONE, { seed: start });
        steerRig(rig, { dials: { 'example.com/a': a, 'example.com/b': b } });
        const kept = { [A]: 0.6 * (a / 100), [B]: 0.4 * (b / 100) };
        // At 100 % nothing is dialled: then b's rest goes to a.
        if (a === 100) expectShares(shares(rig, 'weighted'), { [A]: 1 - kept[B]!, [B]: kept[B]! });
        else expectShares(shares(rig, 'weighted'), { ...kept, [C]: 1 - kept[A]! - kept[B]! });
      }),
      RUNS,
    );
  });

  it('when an answer has an endpoint of each of several regions', () => {
    fc.assert(
      fc.property(percent, seed, (dial, start) => {
        const rig = rigOf(ZONE, { seed: start });
        steerRig(rig, { dials: { 'example.com/a': dial } });
        expectShares(shares(rig, 'near'), { [A]: dial / 100, [B]: 1 });
        rig.set('down', B);
        expectShares(shares(rig, 'near'), { [A]: dial / 100, [C]: 1 - dial / 100 });
      }),
      RUNS,
    );
  });

  it('together with what its load lets it keep', () => {
    const shedding = ZONE.replace(
      'a: { region: ra, monitor: m,',
      'a: { region: ra, shed: { from: 0.7, to: 0.9 },',
    )
      .replace(`{ A: ${A} }`, `{ A: ${A}, proxy: p, service: s }`)
      .replace(`, { A: ${A2}, priority: 2 }`, '');
    const rig = rigOf(shedding);
    rig.share(128, 'pool a of example.com.');
    steerRig(rig, { dials: { 'example.com/a': 50 } });
    expectShares(shares(rig, 'one'), { [A]: 0.25, [C]: 0.75 });
  });

  it('and all of them where nothing else is up', () => {
    const rig = rigOf(ZONE);
    rig.set('down', B, C);
    steerRig(rig, { dials: { 'example.com/a': 1 } });
    expectShares(shares(rig, 'one'), { [A]: 1, [A2]: 0 });
    expectShares(shares(rig, 'weighted'), { [A]: 1, [A2]: 0 });
  });
});

describe('a pool that picks by hash', () => {
  it('keeps the same clients, and gives each away once while its dial goes down', () => {
    const rig = rigOf(ZONE);
    const clients = Array.from({ length: 400 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    let kept = new Set(clients);
    for (const dial of [100, 80, 50, 20, 3, 0]) {
      steerRig(rig, { dials: { 'example.com/hashed': dial } });
      const now = clients.filter((subnet) => rig.values('hashed.example.com', 'A', { subnet })[0] === A);
      expect(now.every((client) => kept.has(client))).toBe(true);
      expect(now.length / clients.length).toBeCloseTo(dial / 100, 1);
      kept = new Set(now);
    }
  });
});
