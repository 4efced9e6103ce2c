import { describe, expect, it } from 'vitest';
import { loadZoneFile } from '../../../../src/sources/zone-file.js';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const [A, B, S] = ['192.0.2.1', '192.0.2.2', '192.0.2.9'];

function text(dynamic: string, fail: string): string {
  return zoneText(
    'example.com',
    `monitors: { m: { type: tcp, port: 80 } }
pools:
  a: { monitor: m, endpoints: [{ A: ${A} }] }
  b: { monitor: m, endpoints: [{ A: ${B}, AAAA: "2001:db8::2" }] }
  sorry: { monitor: m, pick: hash, endpoints: [{ A: ${S} }] }
  off: { endpoints: [{ A: 192.0.2.8, status: down }] }
records: { www: { type: [A, AAAA], fail: ${fail}, dynamic: ${dynamic} } }
`,
  );
}

function rigWith(dynamic: string, fail: string): QueryRig {
  const rig = rigOf(text(dynamic, fail));
  rig.set('down', A, B, '2001:db8::2');
  return rig;
}

describe('fail: { pool }', () => {
  it.each([
    ['failover', '{ steering: failover, pools: [a, b] }'],
    ['weighted', '{ steering: weighted, pools: { a: 1, b: 1 } }'],
    ['rules', '{ rules: [{ pool: b }] }'],
  ])('answers with that pool when all of %s are down, and only then', (_, dynamic) => {
    const rig = rigWith(dynamic, '{ pool: sorry }');
    expect(rig.values('www.example.com', 'A')).toEqual([S]);
    rig.set('up', B);
    expect(rig.values('www.example.com', 'A')).toEqual([B]);
  });

  it('answers with it even if it is down', () => {
    const rig = rigWith('{ rules: [{ pool: b, geos: [EU] }, { pool: a }] }', '{ pool: sorry }');
    rig.set('down', S);
    expect(rig.values('www.example.com', 'A')).toEqual([S]);
  });

  it.each([
    ['has no address of the family', 'AAAA', '{ pool: sorry }'],
    ['was set down by the operator', 'A', '{ pool: off }'],
  ])('answers nothing where the pool %s', (_, type, fail) => {
    const rig = rigWith('{ steering: failover, pools: [a, b] }', fail);
    expect(rig.values('www.example.com', type)).toEqual([]);
  });

  it('must name a pool of the zone', () => {
    const result = loadZoneFile('a.yaml', text('{ rules: [{ pool: b }] }', '{ pool: sory }'));
    expect('problems' in result && result.problems[0]).toMatchObject({
      message: expect.stringContaining('no pool is named "sory"'),
      line: 10 + 1,
    });
  });
});

describe('min_up: { endpoints }', () => {
  function rigOfSize(minUp: number, weights: readonly number[]): QueryRig {
    const endpoints = weights.map((weight, i) => `{ A: 198.51.100.${i + 1}, weight: ${weight} }`);
    return rigOf(
      zoneText(
        'example.com',
        `monitors: { m: { type: tcp, port: 80 } }
pools:
  a: { monitor: m, min_up: { endpoints: ${minUp} }, endpoints: [${endpoints.join(', ')}] }
  b: { endpoints: [{ A: ${B} }] }
records: { www: { type: A, dynamic: { steering: failover, pools: [a, b] } } }
`,
      ),
    );
  }
  const serves = (rig: QueryRig) => rig.values('www.example.com', 'A')[0] !== B;

  it.each<[number, readonly number[], readonly number[], boolean]>([
    [1, [1, 1, 1], [1, 2], true],
    [1, [1, 1, 1], [1, 2, 3], false],
    [2, [1, 1, 1], [1], true],
    [2, [1, 1, 1], [1, 2], false],
    [2, [100, 1, 1], [1], true],
    [2, [100, 1, 1], [2, 3], false],
    [2, [1, 1, 0], [1], false],
  ])('%d of weights %j with %j down: serves is %s', (minUp, weights, down, expected) => {
    const rig = rigOfSize(minUp, weights);
    rig.set('down', ...down.map((i) => `198.51.100.${i}`));
    expect(serves(rig)).toBe(expected);
  });

  it('lets a pool that comes back climb by endpoints, not by weight', () => {
    const rig = rigOfSize(2, [100, 1, 1]);
    rig.share(64, '198.51.100.1', '198.51.100.2', '198.51.100.3');
    const draws = Array.from({ length: 2000 }, () => serves(rig)).filter(Boolean).length;
    expect(draws / 2000).toBeCloseTo((3 * 64) / (2 * 256), 1);
  });

  it('can not ask for more endpoints than have a weight', () => {
    expect(() => rigOfSize(3, [1, 1, 0])).toThrow('min_up: must be from 1 to 2');
  });
});
