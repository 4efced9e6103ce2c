import { describe, expect, it } from 'vitest';
import { TYPE } from '../../../src/core/dns/iana.js';
import { rdataText } from '../../../src/core/dns/rdata/table.js';
import type { RRset, Zone } from '../../../src/core/zone/model.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';

const NS = 'nameservers: { ns1: { A: 192.0.2.53 } }';

function load(text: string, file = 'zone.yaml'): Zone {
  const result = loadZoneFile(file, text, { serial: 7 });
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.zone;
}

function native(rest: string): Zone {
  return load(`zone: example.com\n${NS}\n${rest}`);
}

function problems(text: string, file = 'zone.yaml'): readonly string[] {
  const result = loadZoneFile(file, text);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

function rrset(zone: Zone, name: string, type: number): RRset | undefined {
  return zone.rrsets.find((set) => set.name === name && set.kind === 'static' && set.type === type);
}

function texts(zone: Zone, name: string, type: number): readonly string[] {
  const set = rrset(zone, name, type);
  return set?.kind === 'static' ? set.rdata.map((wire) => rdataText(type, wire)) : [];
}

describe('defaults', () => {
  it('fill a zone of two keys', () => {
    expect(load(`zone: Example.COM\n${NS}`)).toMatchObject({
      origin: 'example.com.',
      soa: {
        mname: 'ns1.example.com.',
        rname: 'hostmaster.example.com.',
        serial: 7,
        refresh: 3600,
        retry: 600,
        expire: 604_800,
        minimum: 30,
        ttl: 3600,
      },
    });
  });

  it('fill monitors, pools and records', () => {
    const zone = native(
      'monitors: { web: { type: http } }\npools: { eu: { endpoints: [{ A: 192.0.2.1 }] } }\n' +
        'records: { www: { type: A, dynamic: { rules: [{ pool: eu }] } } }',
    );
    expect(zone.monitors.get('web')).toEqual({
      name: 'web',
      type: 'http',
      port: 80,
      path: '/',
      method: 'GET',
      status: [{ from: 200, to: 399 }],
      verify: true,
      intervalMs: 5000,
      timeoutMs: 2000,
      fall: 3,
      rise: 1,
      quorum: 'majority',
      judgement: { from: 'global', minObservers: 1, rampMs: 0, holdDownMs: 300_000 },
    });
    expect(zone.pools.get('eu')).toEqual({
      name: 'eu',
      pick: 'weighted',
      minUp: 0.5,
      endpoints: [{ rdata: { A: Uint8Array.of(192, 0, 2, 1) }, weight: 1, status: 'obey' }],
    });
    expect(zone.rrsets.at(-1)).toMatchObject({ name: 'www.example.com.', ttl: 30, fail: 'open' });
  });

  it('can be set for the zone, and again for a record', () => {
    const zone = native(
      'ttl: 5m\nfail: closed\npools: { eu: { endpoints: [{ A: 192.0.2.1 }] } }\nrecords:\n' +
        '  a: { type: A, dynamic: { rules: [{ pool: eu }] } }\n' +
        '  b: { type: A, ttl: 0, fail: open, dynamic: { rules: [{ pool: eu }] } }',
    );
    expect(zone.rrsets.slice(-2)).toMatchObject([
      { ttl: 300, fail: 'closed' },
      { ttl: 0, fail: 'open' },
    ]);
  });

  it('give equal texts equal serials, and others another one', () => {
    const serial = (text: string) => {
      const result = loadZoneFile('zone.yaml', text);
      return 'zone' in result ? result.zone.soa.serial : undefined;
    };
    expect(serial(`zone: a.example\n${NS}`)).toBe(serial(`zone: a.example\n${NS}`));
    expect(serial(`zone: a.example\n${NS}`)).not.toBe(serial(`zone: b.example\n${NS}`));
  });
});

describe('nameservers', () => {
  it('are relative with one label, absolute with a dot or with the name of the zone', () => {
    const zone = load(
      'zone: example.com\nnameservers:\n  ns1: { A: [192.0.2.1, 192.0.2.2] }\n' +
        '  NS2.example.com: { AAAA: "2001:db8::1" }\n  ns3.example.net.: ~\n',
    );
    const names = ['ns1.example.com.', 'ns2.example.com.', 'ns3.example.net.'];
    expect(texts(zone, 'example.com.', TYPE.NS)).toEqual(names);
    expect(texts(zone, 'ns1.example.com.', TYPE.A)).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(texts(zone, 'ns2.example.com.', TYPE.AAAA)).toEqual(['2001:db8::1']);
  });

  it('may have their addresses among the records', () => {
    const zone = load(
      'zone: example.com\nnameservers: { ns1: ~ }\nrecords: { ns1: { type: A, value: 192.0.2.1 } }',
    );
    expect(texts(zone, 'ns1.example.com.', TYPE.A)).toEqual(['192.0.2.1']);
  });

  it.each([
    ['zone: example.com', 'needs at least one name server'],
    ['zone: example.com\nnameservers: { ns1: ~ }', 'needs an address'],
    ['zone: example.com\nnameservers: { ns1: { A: 192.0.2.256 } }', 'must be an IPv4 address'],
  ])('%j: %s', (text, message) => {
    expect(problems(text).join('\n')).toContain(message);
  });
});

describe('soa', () => {
  it.each([
    ['hostmaster@example.net', 'hostmaster.example.net.'],
    ['host.master@example.net.', 'host\\.master.example.net.'],
    ['Hostmaster.example.net', 'hostmaster.example.net.'],
  ])('contact %s is %s', (contact, expected) => {
    expect(native(`soa: { contact: ${contact} }`).soa.rname).toBe(expected);
  });

  it('takes its numbers', () => {
    const { soa } = native(
      'soa: { mname: ns9.example.net., refresh: 1h, retry: 60, expire: 7d, minimum: 0, ttl: 5m }',
    );
    expect(soa).toMatchObject({ mname: 'ns9.example.net.', refresh: 3600, retry: 60, expire: 604_800 });
    expect(soa).toMatchObject({ minimum: 0, ttl: 300 });
  });
});

describe('records', () => {
  it('are relative to the zone, in lower case; the apex is ""', () => {
    const zone = native(
      'records:\n  "": { type: TXT, value: apex }\n  WWW.a: { type: TXT, value: x }\n  "*": { type: TXT, value: y }\n' +
        '  abs.example.com.: { type: TXT, value: z }',
    );
    const names = zone.rrsets
      .filter((set) => set.kind === 'static' && set.type === TYPE.TXT)
      .map((set) => set.name);
    expect(names).toEqual(['example.com.', 'www.a.example.com.', '*.example.com.', 'abs.example.com.']);
  });

  it('read subnets, asns and geos of rules', () => {
    const zone = native(
      'pools: { eu: { endpoints: [{ A: 192.0.2.1 }] } }\nrecords: { www: { type: A, dynamic: { rules: ' +
        '[{ subnets: ["2001:db8::/32"], asns: [64500], geos: [NA-US-CA], pool: eu }, { pool: eu }] } } }',
    );
    const bytes = Uint8Array.from([0x20, 0x01, 0x0d, 0xb8, ...Array(12).fill(0)]);
    expect(zone.rrsets.at(-1)).toMatchObject({
      steering: {
        kind: 'rules',
        rules: [
          { subnets: [{ bytes, length: 32 }], asns: [64500], geos: ['NA-US-CA'], pool: 'eu' },
          { subnets: [], asns: [], geos: [], pool: 'eu' },
        ],
      },
    });
  });

  it('may point two pools at each other', () => {
    const pools =
      'pools:\n  a: { endpoints: [{ A: 192.0.2.1 }], fallback: b }\n  b: { endpoints: [{ A: 192.0.2.2 }], fallback: a }';
    expect(native(pools).pools.size).toBe(2);
  });

  it('may delegate, with glue', () => {
    const zone = native(
      'records:\n  sub:\n    - { type: NS, value: ns1.sub.example.com. }\n' +
        '    - { type: DS, value: { key_tag: 1, algorithm: 13, digest_type: 2, digest: "ab" } }\n' +
        '  ns1.sub: { type: A, value: 192.0.2.1 }',
    );
    expect(rrset(zone, 'sub.example.com.', TYPE.DS)).toBeDefined();
  });
});

describe('a file of octoDNS', () => {
  const FILE = '/zones/Example.com.yaml';

  it('takes the zone from the name of the file, and needs no name server', () => {
    const zone = load('www: { type: A, value: 192.0.2.1 }', FILE);
    expect(zone).toMatchObject({ origin: 'example.com.', soa: { mname: 'ns1.example.com.' } });
    expect(zone.rrsets).toMatchObject([{ name: 'www.example.com.', ttl: 3600 }]);
  });

  it('takes the primary from its NS records', () => {
    expect(load("'': { type: NS, values: [NS.example.net.] }", FILE).soa.mname).toBe('ns.example.net.');
  });

  it('may have records named zone, ttl and records', () => {
    const names = load(
      ['zone', 'ttl', 'records', 'soa'].map((name) => `${name}: { type: A, value: 192.0.2.1 }`).join('\n'),
      FILE,
    ).rrsets.map((set) => set.name);
    expect(names).toContain('records.example.com.');
  });

  it('turns pools and health checks of a record into those of the zone', () => {
    const zone = load(
      `'':\n  type: AAAA\n  values: ["2001:db8::9"]\n  dynamic:\n    pools:\n      one: { fallback: two, values: [{ value: "2001:db8::1", weight: 3, status: up }] }\n` +
        `      two: { values: [{ value: "2001:db8::2" }] }\n    rules: [{ geos: [EU], pool: one }, { pool: two }]\n` +
        '  octodns: { healthcheck: { protocol: HTTPS }, other: { x: 1 } }',
      FILE,
    );
    expect(zone.monitors.get('@/AAAA')).toMatchObject({
      type: 'https',
      port: 443,
      path: '/_dns',
      host: 'example.com',
    });
    expect([...zone.pools.keys()]).toEqual(['@/AAAA/one', '@/AAAA/two']);
    expect(zone.pools.get('@/AAAA/one')).toMatchObject({
      monitor: '@/AAAA',
      fallback: '@/AAAA/two',
      endpoints: [{ weight: 3, status: 'up' }],
    });
    expect(zone.rrsets).toMatchObject([
      { families: ['AAAA'], steering: { rules: [{ pool: '@/AAAA/one' }, { pool: '@/AAAA/two' }] } },
    ]);
  });

  it('is up without a health check', () => {
    const zone = load(
      'www: { type: CNAME, dynamic: { pools: { a: { values: [{ value: a.example.net. }] } }, rules: [{ pool: a }] } }',
      FILE,
    );
    expect(zone.pools.get('www/CNAME/a')!.monitor).toBeUndefined();
    expect(zone.monitors.size).toBe(0);
  });
});

describe('what kind of file it is', () => {
  it.each([
    ['', 'zone.yaml:1:1: the file is empty'],
    ['5', 'zone.yaml:1:1: must be a map, not 5'],
    ['zone: [a]', 'the key "zone" is missing, or a file of octoDNS must be named after its zone'],
    ['zone: 5', 'zone.yaml:1:7: zone: must be the name of the zone, such as gslb.example.com, not 5'],
    ['records: { www: { type: A, value: 192.0.2.1 } }', 'the key "zone" is missing: the name of the zone'],
    ['www: { type: A, value: 192.0.2.1 }', 'the key "zone" is missing, or a file of octoDNS'],
    ['zone: a..b', 'zone.yaml:1:7: zone: must be the name of the zone: a label must not be empty'],
  ])('%j: %s', (text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });
});
