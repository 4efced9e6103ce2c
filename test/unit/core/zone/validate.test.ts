import { describe, expect, it } from 'vitest';
import { parseName } from '../../../../src/core/dns/name.js';
import { FINDINGS_MAX } from '../../../../src/core/zone/finding.js';
import type {
  DynamicRRset,
  Monitor,
  Pool,
  RRset,
  StaticRRset,
  Zone,
} from '../../../../src/core/zone/model.js';
import { validateZone } from '../../../../src/core/zone/validate.js';

const A = 1;
const NS = 2;
const CNAME = 5;

function static_(name: string, type: number, ...rdata: readonly Uint8Array[]): StaticRRset {
  return { kind: 'static', name, type, ttl: 30, rdata };
}

function name(text: string): Uint8Array {
  return parseName(text) as Uint8Array;
}

const ADDRESS = Uint8Array.of(192, 0, 2, 1);
const SERVERS = static_('example.com.', NS, name('ns.example.net.'));

function zone(
  rrsets: readonly RRset[],
  pools: readonly Pool[] = [],
  monitors: readonly Monitor[] = [],
): Zone {
  return {
    origin: 'example.com.',
    soa: {
      mname: 'ns.example.net.',
      rname: 'h.example.com.',
      ...{ serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1, ttl: 1 },
    },
    regions: new Map(),
    monitors: new Map(monitors.map((monitor) => [monitor.name, monitor])),
    pools: new Map(pools.map((pool) => [pool.name, pool])),
    rrsets: [SERVERS, ...rrsets],
  };
}

function pool(poolName: string, fallback?: string): Pool {
  const endpoint = { rdata: { A: ADDRESS }, weight: 1, status: 'obey' } as const;
  const base = { name: poolName, pick: 'weighted', minUp: 0.5, endpoints: [endpoint] } as const;
  return fallback === undefined ? base : { ...base, fallback };
}

function dynamic(
  steering: DynamicRRset['steering'],
  families: DynamicRRset['families'] = ['A'],
): DynamicRRset {
  return { kind: 'dynamic', name: 'www.example.com.', families, ttl: 30, steering, fail: 'open' };
}

function found(subject: Zone): readonly string[] {
  return validateZone(subject).map(({ path, code }) => `${path.join('.')} ${code}`);
}

describe('validateZone()', () => {
  it('finds nothing in a good zone', () => {
    expect(found(zone([static_('www.example.com.', A, ADDRESS)]))).toEqual([]);
  });

  it.each<[string, readonly RRset[], readonly string[]]>([
    ['another zone', [static_('www.example.net.', A, ADDRESS)], ['rrsets.1 outside-zone']],
    ['a name that only ends alike', [static_('badexample.com.', A, ADDRESS)], ['rrsets.1 outside-zone']],
    [
      'a TTL above a week',
      [{ ...static_('a.example.com.', A, ADDRESS), ttl: 604_801 }],
      ['rrsets.1.ttl out-of-range'],
    ],
    ['no value', [static_('a.example.com.', A)], ['rrsets.1 no-endpoint']],
    ['a value twice', [static_('a.example.com.', A, ADDRESS, ADDRESS)], ['rrsets.1.rdata.1 duplicate']],
    ['two CNAMEs', [static_('a.example.com.', CNAME, name('b.'), name('c.'))], ['rrsets.1 not-single']],
    ['a CNAME at the apex', [static_('example.com.', CNAME, name('b.'))], ['rrsets.1 beside-cname']],
    ['SOA as a record', [static_('a.example.com.', 6, Uint8Array.of(0))], ['rrsets.1.type not-allowed']],
    ['DS without NS', [static_('a.example.com.', 43, Uint8Array.of(0))], ['rrsets.1 below-cut']],
    [
      'data below an escaped dot is not below the delegation',
      [static_('sub.example.com.', NS, name('ns.')), static_('a\\.sub.example.com.', A, ADDRESS)],
      [],
    ],
    [
      'data below a delegation',
      [static_('sub.example.com.', NS, name('ns.')), static_('a.b.sub.example.com.', A, ADDRESS)],
      ['rrsets.2 below-cut'],
    ],
    ['an RRset too large', [static_('a.example.com.', 16, new Uint8Array(60_000))], ['rrsets.1 too-large']],
  ])('%s', (_, rrsets, expected) => {
    expect(found(zone(rrsets))).toEqual(expected);
  });

  it('accepts two pools that back each other up, and none that backs itself', () => {
    expect(found(zone([], [pool('a', 'b'), pool('b', 'a')]))).toEqual([]);
    expect(found(zone([], [pool('a', 'a')]))).toEqual(['pools.a.fallback loop']);
  });

  it('refuses a ring of three and more, once, and says the way round', () => {
    const ring = [pool('x', 'a'), pool('a', 'b'), pool('b', 'c'), pool('c', 'a')];
    expect(found(zone([], ring))).toEqual(['pools.a.fallback loop']);
    expect(validateZone(zone([], ring))[0]?.message).toContain('a → b → c → a');
  });

  it('looks for a family behind fallbacks, and ends where they go round', () => {
    const steering = { kind: 'failover', pools: ['a'] } as const;
    const six: Pool = {
      ...pool('b', 'a'),
      endpoints: [{ rdata: { AAAA: new Uint8Array(16) }, weight: 1, status: 'obey' }],
    };
    expect(found(zone([dynamic(steering, ['A', 'AAAA'])], [pool('a', 'b'), six]))).toEqual([]);
    expect(found(zone([dynamic(steering, ['A', 'AAAA'])], [pool('a', 'b'), pool('b', 'a')]))).toEqual([
      'rrsets.1.type no-endpoint',
    ]);
  });

  it('refuses a CNAME that a pool would answer several times', () => {
    const endpoints = ['a.', 'b.'].map(
      (text) => ({ rdata: { CNAME: name(text) }, weight: 1, status: 'obey' }) as const,
    );
    const all: Pool = { ...pool('p'), pick: 'all', endpoints };
    expect(found(zone([dynamic({ kind: 'failover', pools: ['p'] }, ['CNAME'])], [all]))).toEqual([
      'rrsets.1.type not-single',
    ]);
  });

  it('does not need name servers when told so', () => {
    const bare = { ...zone([]), rrsets: [] };
    expect(found(bare)).toEqual(['nameservers no-nameserver']);
    expect(validateZone(bare, { nameservers: 'optional' })).toEqual([]);
  });

  it('stops at a limit', () => {
    const many = Array.from({ length: FINDINGS_MAX + 100 }, (_, i) =>
      static_(`${i}.example.net.`, A, ADDRESS),
    );
    expect(found(zone(many))).toHaveLength(FINDINGS_MAX);
  });
});
