import { describe, expect, it } from 'vitest';
import { trieOf } from '../../../support/mmdb-writer.js';
import { lines, QueryRig, readZone, rigOf, zoneText } from '../../../support/query-rig.js';

const HEAD = `monitors: { m: { type: tcp, port: 80 } }
regions:
  dublin: { location: [53.35, -6.26] }
  ashburn: { location: [38.95, -77.45] }
  mumbai: { location: [19.08, 72.88] }
pools:
  eu: { region: dublin, monitor: m, pick: all, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }], fallback: us }
  us: { region: ashburn, monitor: m, pick: all, endpoints: [{ A: 192.0.2.2, AAAA: "2001:db8::2" }], fallback: eu }
  ap: { region: mumbai, monitor: m, pick: all, endpoints: [{ A: 192.0.2.3 }], fallback: eu }
  v4: { monitor: m, pick: all, endpoints: [{ A: 192.0.2.4 }] }
`;
const GEO = trieOf([
  { prefix: '198.51.100.0/26', data: { continent_code: 'EU', country_code: 'DE' } },
  { prefix: '198.51.100.64/26', data: { continent_code: 'NA', country_code: 'US', state1: 'CA' } },
  {
    prefix: '198.51.100.128/26',
    data: { continent_code: 'NA', country_code: 'US', state1: 'NY', asn: 64500 },
  },
  { prefix: '198.51.100.192/26', data: { continent_code: 'AS', country_code: 'JP' } },
  { prefix: '2001:db8:100::/48', data: { continent_code: 'EU', country_code: 'DE' } },
]);
const [EU, CALIFORNIA, NEW_YORK, JAPAN, NOWHERE] = [
  '198.51.100.1',
  '198.51.100.65',
  '198.51.100.129',
  '198.51.100.193',
  '203.0.113.1',
];

function rigWith(records: string, seed = 1): QueryRig {
  return rigOf(zoneText('example.com', `${HEAD}records:\n${records}`), { geo: GEO, seed });
}

const POOLS: Readonly<Record<string, string>> = {
  '192.0.2.1': 'eu',
  '192.0.2.2': 'us',
  '192.0.2.3': 'ap',
  '192.0.2.4': 'v4',
  '2001:db8::1': 'eu',
  '2001:db8::2': 'us',
};
const HOSTS = Object.keys(POOLS);

function poolOf(rig: QueryRig, client = NOWHERE, type = 'A', name = 'www.example.com'): string {
  return rig
    .values(name, type, { subnet: `${client}/${client!.includes(':') ? 128 : 32}` })
    .map((value) => POOLS[value] ?? value)
    .join();
}

describe('steering by rules', () => {
  const rules = `  www:
    type: [A, AAAA]
    dynamic:
      rules:
        - { subnets: [198.51.100.0/30], pool: ap }
        - { asns: [64500], pool: v4 }
        - { geos: [NA-US-CA], pool: ap }
        - { geos: [NA], pool: us }
        - { geos: [EU], pool: eu }
        - { pool: us }
`;
  it.each([
    ['a continent', '198.51.100.9', 'eu'],
    ['a subnet before geography', '198.51.100.2', 'ap'],
    ['a province before the continent', CALIFORNIA, 'ap'],
    ['an ASN before the continent', NEW_YORK, 'v4'],
    ['the default', JAPAN, 'us'],
    ['the default where the place is unknown', NOWHERE, 'us'],
    ['a continent, for IPv6', '2001:db8:100::5', 'eu'],
  ])('takes %s', (_what, client, pool) => {
    expect(poolOf(rigWith(rules), client)).toBe(pool);
  });

  it('walks the fallbacks while pools are down, and comes back', () => {
    const rig = rigWith(rules);
    expect(poolOf(rig, CALIFORNIA)).toBe('ap');
    rig.set('down', '192.0.2.3');
    expect(poolOf(rig, CALIFORNIA)).toBe('eu');
    rig.set('down', '192.0.2.1');
    expect(poolOf(rig, CALIFORNIA)).toBe('us');
    rig.set('up', '192.0.2.3');
    expect(poolOf(rig, CALIFORNIA)).toBe('ap');
  });

  it('lets two pools back each other up', () => {
    const rig = rigWith(rules);
    rig.set('down', '192.0.2.1');
    expect(poolOf(rig, '198.51.100.9')).toBe('us');
    rig.set('up', '192.0.2.1');
    rig.set('down', '192.0.2.2');
    expect(poolOf(rig, JAPAN)).toBe('eu');
  });

  it('falls back for one family alone', () => {
    const rig = rigWith(rules);
    rig.set('down', '2001:db8::1');
    expect(poolOf(rig, '198.51.100.9', 'A')).toBe('eu');
    expect(poolOf(rig, '198.51.100.9', 'AAAA')).toBe('us');
  });

  it('passes by pools that have no address of the family', () => {
    // The chain of "ap" is ap → eu → us, and "ap" has IPv4 only.
    expect(poolOf(rigWith(rules), CALIFORNIA, 'AAAA')).toBe('eu');
  });

  it('answers NODATA where no pool of the chain has the family', () => {
    const message = rigWith(rules).ask('www.example.com', 'AAAA', { subnet: `${NEW_YORK}/32` });
    expect(lines(message)[0]).toBe('NOERROR aa');
    expect(message.authorities).toHaveLength(1);
    expect(message.edns?.scope).toBe(0);
  });

  it('keeps the scope whatever the health', () => {
    const rig = rigWith(rules);
    const scope = () => rig.ask('www.example.com', 'A', { subnet: `${JAPAN}/32` }).edns?.scope;
    const before = scope();
    expect(before).toBe(26);
    rig.set('down', '192.0.2.2');
    expect(scope()).toBe(before);
    rig.set('down', ...HOSTS);
    expect(scope()).toBe(before);
  });
});

describe('steering by failover', () => {
  const failover = (fail: string, pools = '[v4, ap]') =>
    rigWith(`  www: { type: [A, AAAA], fail: ${fail}, dynamic: { steering: failover, pools: ${pools} } }\n`);

  it('takes the first pool that is up, then the fallbacks behind the list', () => {
    const rig = failover('open');
    const path = [poolOf(rig)];
    for (const host of ['192.0.2.4', '192.0.2.3', '192.0.2.1']) {
      rig.set('down', host);
      path.push(poolOf(rig));
    }
    expect(path).toEqual(['v4', 'ap', 'eu', 'us']);
  });

  it('answers with the first pool when all are down and it fails open', () => {
    const rig = failover('open');
    rig.set('down', ...HOSTS);
    expect(poolOf(rig)).toBe('v4');
    expect(poolOf(rig, NOWHERE, 'AAAA')).toBe('eu');
  });

  it('answers NODATA when all are down and it fails closed', () => {
    const rig = failover('closed');
    rig.set('down', ...HOSTS);
    const message = rig.ask('www.example.com', 'A', { subnet: '192.0.2.0/24' });
    expect(lines(message).slice(0, 2)).toEqual([
      'NOERROR aa',
      'authority example.com. 60 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 604800 60',
    ]);
    rig.set('up', '192.0.2.3');
    expect(poolOf(rig)).toBe('ap');
  });

  it('gives scope 0: the client does not matter', () => {
    expect(failover('open').ask('www.example.com', 'A', { subnet: `${EU}/32` }).edns?.scope).toBe(0);
  });

  it.each(['failover, pools: [drained, other]', 'weighted, pools: { drained: 99, other: 1 }'])(
    'fails open past a pool that the operator emptied: %s',
    (steering) => {
      const rig = rigOf(
        zoneText(
          'example.com',
          `monitors: { m: { type: tcp, port: 80 } }
pools:
  drained: { monitor: m, endpoints: [{ A: 192.0.2.1, status: down }] }
  other: { monitor: m, endpoints: [{ A: 192.0.2.2 }] }
records: { www: { type: A, dynamic: { steering: ${steering} } } }
`,
        ),
      );
      expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.2']);
      rig.set('down', '192.0.2.2');
      for (let i = 0; i < 10; i++) expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.2']);
    },
  );
});

describe('steering to the nearest', () => {
  const near = () =>
    rigWith('  www: { type: [A, AAAA], dynamic: { steering: nearest, pools: [ap, eu, us] } }\n');

  it.each([
    ['Germany', EU, 'eu'],
    ['the United States', NEW_YORK, 'us'],
    ['Japan', JAPAN, 'ap'],
    ['nowhere: the given order', NOWHERE, 'ap'],
  ])('goes from %s', (_what, client, pool) => {
    expect(poolOf(near(), client)).toBe(pool);
  });

  it('goes to the next nearest when the nearest is down', () => {
    const rig = near();
    rig.set('down', '192.0.2.1');
    expect(poolOf(rig, EU)).toBe('ap');
    rig.set('down', '192.0.2.3');
    expect(poolOf(rig, EU)).toBe('us');
  });
});

describe('steering by weight', () => {
  const weighted = (pools: string, seed: number, fail = 'open') =>
    rigWith(
      `  www: { type: [A, AAAA], fail: ${fail}, dynamic: { steering: weighted, pools: ${pools} } }\n`,
      seed,
    );

  function shares(rig: QueryRig, draws: number, type = 'A'): Record<string, number> {
    const counts: Record<string, number> = {};
    for (let i = 0; i < draws; i++) {
      const pool = poolOf(rig, NOWHERE, type);
      counts[pool] = (counts[pool] ?? 0) + 1;
    }
    return counts;
  }

  it.each([1, 2, 3, -5, 0])('gives each pool its share (seed %i)', (seed) => {
    const counts = shares(weighted('{ eu: 70, us: 25, ap: 5 }', seed), 2000);
    // Three standard deviations of a binomial of 2000 draws are below 62.
    expect(Math.abs(counts['eu']! - 1400)).toBeLessThan(62);
    expect(Math.abs(counts['us']! - 500)).toBeLessThan(62);
    expect(Math.abs(counts['ap']! - 100)).toBeLessThan(40);
  });

  it('starts elsewhere with another seed', () => {
    const first = Array.from({ length: 40 }, (_, seed) =>
      poolOf(weighted('{ eu: 50, us: 50 }', seed * 7919 + 1)),
    );
    expect(new Set(first).size).toBe(2);
  });

  it('shares the weight of a pool that is down among the others', () => {
    const rig = weighted('{ eu: 50, us: 25, ap: 25 }', 1);
    rig.set('down', '192.0.2.1');
    const counts = shares(rig, 1000);
    expect(counts['eu']).toBeUndefined();
    expect(Math.abs(counts['us']! - 500)).toBeLessThan(50);
  });

  it('spends no weight on pools without the family', () => {
    expect(shares(weighted('{ ap: 90, us: 10 }', 1), 50, 'AAAA')).toEqual({ us: 50 });
  });

  it('takes a pool of weight 0 only when no other is up', () => {
    const rig = weighted('{ eu: 1, ap: 0 }', 1);
    expect(shares(rig, 100)).toEqual({ eu: 100 });
    rig.set('down', '192.0.2.1');
    expect(shares(rig, 20)).toEqual({ ap: 20 });
  });

  it('goes on to the fallbacks when all of the list are down, and then fails open over the list', () => {
    const rig = weighted('{ v4: 1, ap: 1 }', 1);
    rig.set('down', '192.0.2.4', '192.0.2.3');
    expect(shares(rig, 20)).toEqual({ eu: 20 });
    rig.set('down', ...HOSTS);
    expect(Object.keys(shares(rig, 40)).sort()).toEqual(['ap', 'v4']);
  });

  it('answers NODATA when all are down and it fails closed', () => {
    const rig = weighted('{ eu: 1, us: 1 }', 1, 'closed');
    rig.set('down', ...HOSTS);
    expect(poolOf(rig)).toBe('');
  });
});

describe('dynamic CNAME', () => {
  const rig = () =>
    rigOf(
      zoneText(
        'example.com',
        `monitors: { m: { type: tcp, port: 80 } }
pools:
  inside: { monitor: m, endpoints: [{ CNAME: web.example.com. }] }
  outside: { monitor: m, endpoints: [{ CNAME: cdn.other.test. }] }
  broken: { endpoints: [{ CNAME: none.example.com. }] }
  chained: { endpoints: [{ CNAME: near.example.com. }] }
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records:
  web: { type: A, value: 192.0.2.1 }
  near: { type: A, dynamic: { rules: [{ subnets: [198.51.100.0/25, 198.52.7.0/24], pool: eu }, { pool: us }] } }
  www: { type: CNAME, dynamic: { steering: failover, pools: [inside, outside] } }
  geo: { type: CNAME, dynamic: { rules: [{ subnets: [198.51.0.0/16], pool: broken }, { subnets: [198.52.0.0/16, 203.0.113.0/24], pool: chained }, { pool: outside }] } }
`,
      ),
    );

  it('is followed in the zone', () => {
    const expected = ['NOERROR aa', 'answer www.example.com. 300 CNAME web.example.com.'];
    expect(lines(rig().ask('www.example.com', 'A'))).toEqual([
      ...expected,
      'answer web.example.com. 300 A 192.0.2.1',
    ]);
    expect(lines(rig().ask('www.example.com', 'CNAME'))).toEqual(expected);
    expect(lines(rig().ask('www.example.com', 'AAAA'))[2]).toMatch(/^authority example\.com\. 60 SOA/);
  });

  it('is followed by health', () => {
    const down = rig();
    down.set('down', 'web.example.com');
    expect(lines(down.ask('www.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer www.example.com. 300 CNAME cdn.other.test.',
    ]);
  });

  it('has the narrowest scope of the chain', () => {
    const scope = (subnet: string) => rig().ask('geo.example.com', 'A', { subnet }).edns?.scope;
    expect(scope('198.52.0.1/32')).toBe(22);
    expect(scope('198.52.7.1/32')).toBe(24);
    // The first record looks at more bits than the second.
    expect(scope('203.0.113.1/32')).toBe(24);
    expect(scope('192.0.2.1/32')).toBe(6);
    expect(rig().ask('near.example.com', 'A', { subnet: '198.51.100.1/32' }).edns?.scope).toBe(25);
  });

  it('keeps its scope where the target does not exist: others get another alias', () => {
    const message = rig().ask('geo.example.com', 'A', { subnet: '198.51.1.1/32' });
    expect(lines(message).slice(0, 2)).toEqual([
      'NXDOMAIN aa',
      'answer geo.example.com. 300 CNAME none.example.com.',
    ]);
    expect(message.edns?.scope).toBe(16);
  });
});

describe('a wildcard with a policy', () => {
  it('steers every name below it', () => {
    const rig = rigWith('  "*.apps": { type: A, dynamic: { steering: nearest, pools: [eu, us, ap] } }\n');
    expect(poolOf(rig, NEW_YORK, 'A', 'a.b.apps.example.com')).toBe('us');
    expect(poolOf(rig, EU, 'A', 'c.apps.example.com')).toBe('eu');
  });
});

describe('two zones', () => {
  it('have pools of the same name apart', () => {
    const zone = (origin: string, address: string) =>
      readZone(
        zoneText(
          origin,
          `pools: { p: { endpoints: [{ A: ${address} }] } }\nrecords: { www: { type: A, dynamic: { rules: [{ pool: p }] } } }\n`,
        ),
      );
    const rig = new QueryRig([zone('example.com', '192.0.2.1'), zone('example.org', '192.0.2.2')]);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1']);
    expect(rig.values('www.example.org', 'A')).toEqual(['192.0.2.2']);
  });
});
