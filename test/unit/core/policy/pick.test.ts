import { describe, expect, it } from 'vitest';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

interface Member {
  readonly weight?: number;
  readonly status?: string;
}

function poolRig(
  pick: string,
  members: readonly Member[],
  options: { seed?: number; fail?: string } = {},
): QueryRig {
  const endpoints = members.map(
    ({ weight, status }, i) => `{ A: 192.0.2.${i + 1}, weight: ${weight ?? 1}, status: ${status ?? 'obey'} }`,
  );
  return rigOf(
    zoneText(
      'example.com',
      `monitors: { m: { type: tcp, port: 80 } }
pools: { p: { monitor: m, pick: ${pick}, min_up: 0, endpoints: [${endpoints.join(', ')}] } }
records: { www: { type: A, fail: ${options.fail ?? 'open'}, dynamic: { rules: [{ pool: p }] } } }
`,
    ),
    { seed: options.seed ?? 1 },
  );
}

/** Last bytes of the addresses of one answer, in order. */
function picked(rig: QueryRig, subnet?: string): readonly number[] {
  const question = subnet === undefined ? {} : { subnet };
  return rig.ask('www.example.com', 'A', question).answers.map(({ rdata }) => Number(rdata.split('.')[3]));
}

function histogram(rig: QueryRig, draws: number): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) for (const one of picked(rig)) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

describe('pick: weighted', () => {
  it.each([1, 42, -1])('answers with one endpoint, by weight (seed %i)', (seed) => {
    const counts = histogram(
      poolRig('weighted', [{ weight: 3 }, { weight: 1 }, { weight: 0 }], { seed }),
      2000,
    );
    expect(counts.get(1)! + counts.get(2)!).toBe(2000);
    expect(Math.abs(counts.get(1)! - 1500)).toBeLessThan(60);
  });

  it('leaves out what is down', () => {
    const rig = poolRig('weighted', [{ weight: 3 }, {}, {}]);
    rig.set('down', '192.0.2.1');
    const counts = histogram(rig, 600);
    expect(counts.get(1)).toBeUndefined();
    expect(Math.abs(counts.get(2)! - 300)).toBeLessThan(50);
  });

  it('uses endpoints of weight 0 evenly once no other is up', () => {
    const rig = poolRig('weighted', [{}, { weight: 0 }, { weight: 0 }]);
    rig.set('down', '192.0.2.1');
    const counts = histogram(rig, 600);
    expect(counts.get(1)).toBeUndefined();
    expect(Math.abs(counts.get(2)! - 300)).toBeLessThan(50);
  });

  it('spreads over all by weight when it fails open, without those that the operator took out', () => {
    const rig = poolRig('weighted', [{ weight: 3 }, {}, { status: 'down', weight: 50 }]);
    rig.set('down', '192.0.2.1', '192.0.2.2');
    const counts = histogram(rig, 1000);
    expect([...counts.keys()].sort()).toEqual([1, 2]);
    expect(Math.abs(counts.get(1)! - 750)).toBeLessThan(50);
  });

  it('answers NODATA, not an endpoint that the operator took out', () => {
    expect(picked(poolRig('weighted', [{ status: 'down' }]))).toEqual([]);
  });
});

describe('pick: all', () => {
  it('answers with all, in their order if the pool says so', () => {
    const rig = poolRig('all, shuffle: false', [{}, { weight: 9 }, {}]);
    for (let i = 0; i < 20; i++) expect(picked(rig)).toEqual([1, 2, 3]);
  });

  it('shuffles: each order comes equally often', () => {
    const rig = poolRig('all', [{}, { weight: 9 }, {}]);
    const orders = new Map<string, number>();
    for (let i = 0; i < 1200; i++) {
      const order = picked(rig).join();
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  });

  it('leaves spares aside', () => {
    expect(picked(poolRig('all, shuffle: false', [{}, { weight: 0 }, {}]))).toEqual([1, 3]);
  });

  it('answers with eight of a larger pool, each endpoint in its turn', () => {
    const rig = poolRig('all', Array(20).fill({}));
    const seen = new Map<number, number>();
    for (let i = 0; i < 400; i++) {
      const answer = picked(rig);
      expect(new Set(answer).size).toBe(8);
      for (const one of answer) seen.set(one, (seen.get(one) ?? 0) + 1);
    }
    expect(seen.size).toBe(20);
    for (const count of seen.values()) expect(Math.abs(count - 160)).toBeLessThan(50);
  });

  it('finds the eight that are up wherever they lie', () => {
    const rig = poolRig('all', Array(20).fill({}));
    rig.set('down', ...Array.from({ length: 12 }, (_, i) => `192.0.2.${i + 5}`));
    for (let i = 0; i < 20; i++)
      expect([...picked(rig)].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 17, 18, 19, 20]);
  });
});

describe('pick: first', () => {
  it('answers with the first that is up', () => {
    const rig = poolRig('first', [{}, { weight: 9 }, {}]);
    expect(picked(rig)).toEqual([1]);
    rig.set('down', '192.0.2.1');
    expect(picked(rig)).toEqual([2]);
    rig.set('up', '192.0.2.1');
    expect(picked(rig)).toEqual([1]);
  });

  it('answers with the first, failing open', () => {
    const rig = poolRig('first', [{ status: 'down' }, {}, {}]);
    rig.set('down', '192.0.2.2', '192.0.2.3');
    expect(picked(rig)).toEqual([2]);
  });
});

describe('pick: hash', () => {
  const clients = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 0xff}`);
  const byClient = (rig: QueryRig) => new Map(clients.map((net) => [net, picked(rig, `${net}.0/24`)[0]!]));

  it('gives all addresses of a /24 the same endpoint, whatever the seed, with scope 24', () => {
    for (const net of clients.slice(0, 50)) {
      const one = picked(poolRig('hash', [{}, {}, {}], { seed: 1 }), `${net}.1/32`);
      const other = picked(poolRig('hash', [{}, {}, {}], { seed: 99 }), `${net}.254/32`);
      expect(one).toEqual(other);
    }
    expect(poolRig('hash', [{}, {}]).ask('www.example.com', 'A', { subnet: '10.1.2.3/32' }).edns?.scope).toBe(
      24,
    );
    expect(
      poolRig('hash', [{}, {}]).ask('www.example.com', 'A', { subnet: '2001:db8::/64' }).edns?.scope,
    ).toBe(56);
  });

  it('gives all addresses of a /56 the same endpoint', () => {
    const rig = poolRig('hash', [{}, {}, {}, {}]);
    const seen = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const net = `2001:db8:${i.toString(16)}:7f`;
      const one = picked(rig, `${net}00::1/128`);
      expect(picked(rig, `${net}ff:ffff::2/128`)).toEqual(one);
      seen.add(one[0]!);
    }
    expect(seen.size).toBe(4);
  });

  it('spreads by weight', () => {
    const counts = [0, 0, 0, 0];
    for (const one of byClient(poolRig('hash', [{ weight: 2 }, {}, {}])).values())
      counts[one] = counts[one]! + 1;
    expect(Math.abs(counts[1]! - 500)).toBeLessThan(60);
    expect(Math.abs(counts[2]! - 250)).toBeLessThan(60);
  });

  it('moves only the clients of an endpoint that leaves, and moves them back', () => {
    const rig = poolRig('hash', [{}, {}, {}, {}]);
    const before = byClient(rig);
    rig.set('down', '192.0.2.2');
    const during = byClient(rig);
    for (const net of clients) {
      if (before.get(net) === 2) expect(during.get(net)).not.toBe(2);
      else expect(during.get(net)).toBe(before.get(net));
    }
    expect(new Set([...during].filter(([net]) => before.get(net) === 2).map(([, one]) => one)).size).toBe(3);
    rig.set('up', '192.0.2.2');
    expect(byClient(rig)).toEqual(before);
  });

  it('does not depend on the place in the list', () => {
    const zone = (list: string) =>
      rigOf(
        zoneText(
          'example.com',
          `pools: { p: { pick: hash, endpoints: [${list}] } }\nrecords: { www: { type: A, dynamic: { rules: [{ pool: p }] } } }\n`,
        ),
      );
    const forth = zone('{ A: 192.0.2.1 }, { A: 192.0.2.2 }, { A: 192.0.2.3 }');
    const back = zone('{ A: 192.0.2.3 }, { A: 192.0.2.2 }, { A: 192.0.2.1 }');
    for (const net of clients.slice(0, 100)) {
      expect(picked(forth, `${net}.0/24`)).toEqual(picked(back, `${net}.0/24`));
    }
  });
});
