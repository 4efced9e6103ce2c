import { describe, expect, it } from 'vitest';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const A = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'] as const;
const [B1, C1] = ['198.51.100.1', '203.0.113.1'];

/** Pool `a` with `size` endpoints and a proxy, `b` and `c` with one each. */
function rigWith(size: number, dynamic: string, options: { pick?: string; minUp?: number } = {}): QueryRig {
  const endpoints = A.slice(0, size).map((address) => `{ A: ${address}, proxy: eu, service: web }`);
  const { pick = 'weighted', minUp = 0.5 } = options;
  return rigOf(
    zoneText(
      'example.com',
      `monitors: { m: { type: tcp, port: 80 } }
pools:
  a: { monitor: m, pick: ${pick}, min_up: ${minUp}, shed: { from: 0.7, to: 0.95 }, endpoints: [${endpoints.join(', ')}] }
  b: { monitor: m, endpoints: [{ A: ${B1} }] }
  c: { monitor: m, endpoints: [{ A: ${C1} }] }
records: { www: { type: A, dynamic: ${dynamic} } }
`,
    ),
  );
}

const FAILOVER = '{ steering: failover, pools: [a, b, c] }';
const DRAWS = 4000;

/** Part of the answers that each address gets. */
function shares(rig: QueryRig, draws = DRAWS): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < draws; i++) {
    for (const address of rig.values('www.example.com', 'A')) counts[address] = (counts[address] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).map(([address, count]) => [address, count / draws]));
}

describe('a pool that comes back', () => {
  it('takes the part of the answers that its only endpoint takes, the next pool the rest', () => {
    const rig = rigWith(1, FAILOVER);
    rig.share(64, A[0]);
    const found = shares(rig);
    expect(found[A[0]]).toBeCloseTo(0.25, 1);
    expect(found[B1]).toBeCloseTo(0.75, 1);
    expect(found[C1]).toBeUndefined();
  });

  it('takes all of them when no other pool is up', () => {
    const rig = rigWith(1, FAILOVER);
    rig.share(1, A[0]);
    rig.set('down', B1, C1);
    expect(shares(rig, 50)).toEqual({ [A[0]]: 1 });
  });

  it('takes all of them while what did not fall is enough for it to be up', () => {
    const rig = rigWith(4, FAILOVER);
    rig.share(1, A[3]);
    const found = shares(rig);
    expect(found[B1]).toBeUndefined();
    expect(found[A[3]] ?? 0).toBeLessThan(0.01);
    for (const address of A.slice(0, 3)) expect(found[address]).toBeCloseTo(1 / 3, 1);
  });

  it('takes what it can when all of it comes back at once', () => {
    const rig = rigWith(4, FAILOVER);
    rig.share(64, ...A);
    // A quarter of the weight, of which half is needed.
    expect(shares(rig)[B1]).toBeCloseTo(0.5, 1);
  });

  it('takes everything where any weight is enough for it to be up', () => {
    const rig = rigWith(2, FAILOVER, { minUp: 0 });
    rig.share(1, A[0], A[1]);
    expect(shares(rig, 200)[B1]).toBeUndefined();
  });

  it('has its part of the weight among weighted pools', () => {
    const rig = rigWith(1, '{ steering: weighted, pools: { a: 10, b: 10 } }');
    rig.share(128, A[0]);
    const found = shares(rig);
    expect(found[A[0]]).toBeCloseTo(1 / 3, 1);
    expect(found[B1]).toBeCloseTo(2 / 3, 1);
  });

  it('gives endpoints of a hash pool their part of the clients, and a client the same answer each time', () => {
    const rig = rigWith(2, FAILOVER, { pick: 'hash', minUp: 0 });
    rig.share(64, A[0]);
    let first = 0;
    for (let i = 0; i < 1000; i++) {
      const question = { subnet: `10.${i >> 8}.${i & 255}.0/24` };
      const [address] = rig.values('www.example.com', 'A', question);
      expect(rig.values('www.example.com', 'A', question)).toEqual([address]);
      if (address === A[0]) first++;
    }
    expect(first / 1000).toBeCloseTo(0.2, 1);
  });
});

describe('a pool that sheds', () => {
  it('hands its share of the answers to the next pool', () => {
    const rig = rigWith(2, FAILOVER);
    rig.share(192, 'pool a of example.com.');
    const found = shares(rig);
    expect(found[B1]).toBeCloseTo(0.25, 1);
    expect(found[A[0]]! + found[A[1]]!).toBeCloseTo(0.75, 1);
  });

  it('keeps its clients or hands them on for good where it picks by hash', () => {
    const rig = rigWith(2, FAILOVER, { pick: 'hash' });
    rig.share(128, 'pool a of example.com.');
    let handed = 0;
    for (let i = 0; i < DRAWS; i++) {
      const question = { subnet: `10.${i >> 8}.${i & 255}.0/24` };
      const [address] = rig.values('www.example.com', 'A', question);
      expect(rig.values('www.example.com', 'A', question)).toEqual([address]);
      if (address === B1) handed++;
    }
    expect(handed / DRAWS).toBeCloseTo(0.5, 1);
  });

  it('is passed by when it is down, whatever it would keep', () => {
    const rig = rigWith(2, FAILOVER);
    rig.share(192, 'pool a of example.com.');
    rig.set('down', A[0], A[1]);
    expect(shares(rig, 50)).toEqual({ [B1]: 1 });
  });
});
