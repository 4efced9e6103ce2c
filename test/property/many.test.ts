import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type QueryRig, rigOf, zoneText } from '../support/query-rig.js';

interface Member {
  readonly weight: number;
}

function rigFor(pick: string, members: readonly Member[], seed = 7): QueryRig {
  const endpoints = members.map(({ weight }, i) => `{ A: 192.0.2.${i + 1}, weight: ${weight} }`);
  return rigOf(
    zoneText(
      'example.com',
      `monitors: { m: { type: tcp, port: 80 } }
pools: { p: { monitor: m, min_up: 0, pick: ${pick}, endpoints: [${endpoints.join(', ')}] } }
records: { www: { type: A, dynamic: { rules: [{ pool: p }] } } }
`,
    ),
    { seed },
  );
}

function picked(rig: QueryRig, subnet?: string): readonly number[] {
  const { answers } = rig.ask('www.example.com', 'A', subnet === undefined ? {} : { subnet });
  return answers.map(({ rdata }) => Number(rdata.split('.')[3]));
}

/** The probability of each member to be in a sample of `size`, when one after the other is drawn by weight. */
function inclusion(weights: readonly number[], size: number): readonly number[] {
  const sums = weights.map(() => 0);
  const draw = (left: readonly number[], probability: number, depth: number): void => {
    const total = left.reduce((sum, i) => sum + weights[i]!, 0);
    for (const i of left) {
      const p = (probability * weights[i]!) / total;
      sums[i]! += p;
      if (depth > 1)
        draw(
          left.filter((other) => other !== i),
          p,
          depth - 1,
        );
    }
  };
  draw(
    weights.map((_, i) => i),
    1,
    size,
  );
  return sums;
}

const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 6 });

describe('several answers by weight', () => {
  it('come as often as draws without putting back would have them', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 2, max: 3 }), fc.integer(), (list, answers, seed) => {
        const size = Math.min(answers, list.length);
        const rig = rigFor(
          `weighted, answers: ${answers}`,
          list.map((weight) => ({ weight })),
          seed,
        );
        const rounds = 1500;
        const counts = list.map(() => 0);
        for (let i = 0; i < rounds; i++) {
          const one = picked(rig);
          expect([one.length, new Set(one).size]).toEqual([size, size]);
          for (const member of one) counts[member - 1]!++;
        }
        // Five standard deviations of a share of one half.
        const tolerance = (5 * 0.5) / Math.sqrt(rounds);
        for (const [i, expected] of inclusion(list, size).entries()) {
          expect(Math.abs(counts[i]! / rounds - expected)).toBeLessThan(tolerance);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('stand in every order alike', () => {
    const rig = rigFor('weighted, answers: 2', [{ weight: 9 }, { weight: 1 }]);
    let first = 0;
    for (let i = 0; i < 1000; i++) if (picked(rig)[0] === 1) first++;
    expect(Math.abs(first - 500)).toBeLessThan(80);
  });

  it('leave spares out while another is up, and are spares once none is', () => {
    const rig = rigFor('weighted, answers: 3', [{ weight: 5 }, { weight: 0 }, { weight: 0 }, { weight: 1 }]);
    expect([...picked(rig)].sort()).toEqual([1, 4]);
    rig.set('down', '192.0.2.1', '192.0.2.4');
    expect([...picked(rig)].sort()).toEqual([2, 3]);
    // Failing open: all have the same chance again, but spares still stand back.
    rig.set('down', '192.0.2.2', '192.0.2.3');
    expect([...picked(rig)].sort()).toEqual([1, 4]);
  });
});

describe('several answers by hash', () => {
  it('move only the clients of an endpoint that goes, and only that one of their answers', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3 }), fc.nat(), (list, answers, pick) => {
        const members = list.map((weight) => ({ weight }));
        const rig = rigFor(`hash, answers: ${answers}`, members);
        const gone = 1 + (pick % list.length);
        const clients = Array.from({ length: 60 }, (_, i) => `10.${i}.7.9/32`);
        const before = clients.map((client) => picked(rig, client));
        rig.set('down', `192.0.2.${gone}`);
        for (const [i, client] of clients.entries()) {
          const kept = before[i]!.filter((member) => member !== gone);
          const after = picked(rig, client);
          expect(after.slice(0, kept.length)).toEqual(kept);
          expect(after).not.toContain(gone);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('are in proportion to the weights', () => {
    const rig = rigFor('hash, answers: 1', [{ weight: 3 }, { weight: 1 }]);
    let first = 0;
    for (let i = 0; i < 2000; i++) if (picked(rig, `10.${i >> 8}.${i & 255}.0/24`)[0] === 1) first++;
    expect(Math.abs(first - 1500)).toBeLessThan(110);
  });

  it.each([
    ['IPv4-mapped', '::ffff:198.51.100.7', 120],
    ['NAT64', '64:ff9b::198.51.100.7', 120],
    ['6to4', '2002:c633:6407::1', 40],
    ['Teredo', '2001:0:1:2:3:4:39cc:9bf8', 120],
  ])('are those of the IPv4 address that an %s client embeds', (_, address, scope) => {
    const members = Array.from({ length: 8 }, () => ({ weight: 1 }));
    const rig = rigFor('hash, answers: 8', members);
    const message = rig.ask('www.example.com', 'A', { subnet: `${address}/128` });
    expect(message.answers.map(({ rdata }) => Number(rdata.split('.')[3]))).toEqual(
      picked(rig, '198.51.100.7/32'),
    );
    expect(message.edns?.scope).toBe(scope);
  });
});

describe('several regions in one answer', () => {
  const zone = (extra: string) =>
    zoneText(
      'example.com',
      `regions: { a: { location: [0, 0] }, b: { location: [0, 10] }, c: { location: [0, 20] } }
monitors: { m: { type: tcp, port: 80 } }
pools:
  a1: { region: a, monitor: m, fallback: last, endpoints: [{ A: 192.0.2.1 }] }
  a2: { region: a, monitor: m, pick: all, endpoints: [{ A: 192.0.2.2 }, { A: 192.0.2.22 }] }
  b1: { region: b, monitor: m, endpoints: [{ A: 192.0.2.3 }] }
  c1: { region: c, monitor: m, endpoints: [{ A: 192.0.2.4 }] }
  last: { endpoints: [{ A: 192.0.2.9 }] }
records:
  www: { type: A, ${extra} dynamic: { steering: nearest, regions: 2, pools: [a1, a2, b1, c1] } }
`,
    );

  it('takes one endpoint of each of the nearest, the nearest first', () => {
    const rig = rigOf(zone(''));
    expect(picked(rig)).toEqual([1, 3]);
    rig.set('down', '192.0.2.1');
    expect([
      [2, 3],
      [22, 3],
    ]).toContainEqual(picked(rig));
    rig.set('down', '192.0.2.2', '192.0.2.22');
    expect(picked(rig)).toEqual([3, 4]);
    rig.set('down', '192.0.2.3');
    expect(picked(rig)).toEqual([4]);
  });

  it('falls back as for one region once all are down', () => {
    const rig = rigOf(zone(''));
    rig.set('down', '192.0.2.1', '192.0.2.2', '192.0.2.22', '192.0.2.3', '192.0.2.4');
    expect(picked(rig)).toEqual([9]);
  });
});
