import { describe, expect, it } from 'vitest';
import type { Zone } from '../../../../src/core/zone/model.js';
import { type ZoneChange, zoneChanges } from '../../../../src/core/zone/zone-changes.js';
import { loadZoneFile } from '../../../../src/sources/zone-file.js';

function load(rest: string, serial = 1): Zone {
  const text = `zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\n${rest}`;
  const result = loadZoneFile('zone.yaml', text, { serial });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.zone;
}

const POOLS = `
pools:
  eu: { endpoints: [{ A: 192.0.2.3 }, { A: 192.0.2.4 }] }
  us: { endpoints: [{ A: 192.0.2.5 }] }
`;

/** `what name type: -before +after`. */
function told(before: string, after: string): string[] {
  return zoneChanges(load(before), load(after)).map(line);
}

function line({ kind, what, name, type = '', before, after }: ZoneChange): string {
  const facts = [...before.map((fact) => `-${fact}`), ...after.map((fact) => `+${fact}`)];
  return `${kind} ${what} ${name}${type && ` ${type}`}: ${facts.join('; ')}`;
}

describe('zoneChanges()', () => {
  const record = (value: string) => `records: { w: ${value} }${POOLS}`;
  const dynamic = (value: string) => record(`{ type: A, dynamic: ${value} }`);

  it.each<[string, string, string, string[]]>([
    ['a serial alone', POOLS, POOLS, []],
    [
      'a value of several',
      record('{ type: A, values: [192.0.2.1, 192.0.2.2] }'),
      record('{ type: A, values: [192.0.2.1, 192.0.2.9] }'),
      ['changed record w.example.com. A: -192.0.2.2; +192.0.2.9'],
    ],
    [
      'a TTL',
      record('{ type: TXT, value: x, ttl: 60 }'),
      record('{ type: TXT, value: x, ttl: 90 }'),
      ['changed record w.example.com. TXT: -ttl 60; +ttl 90'],
    ],
    [
      'a rule',
      dynamic('{ rules: [{ geos: [EU], pool: eu }, { pool: us }] }'),
      dynamic('{ rules: [{ geos: [EU, AF], pool: eu }, { pool: us }] }'),
      ['changed record w.example.com. A: -EU -> pool eu; +EU, AF -> pool eu'],
    ],
    [
      'the order of a failover',
      dynamic('{ steering: failover, pools: [eu, us] }'),
      dynamic('{ steering: failover, pools: [us, eu] }'),
      ['changed record w.example.com. A: -failover eu, us; +failover us, eu'],
    ],
    [
      'the order of endpoints alone',
      POOLS,
      POOLS.replace('{ A: 192.0.2.3 }, { A: 192.0.2.4 }', '{ A: 192.0.2.4 }, { A: 192.0.2.3 }'),
      [
        'changed pool eu: -3. endpoint 192.0.2.3 weight 1; -4. endpoint 192.0.2.4 weight 1; ' +
          '+3. endpoint 192.0.2.4 weight 1; +4. endpoint 192.0.2.3 weight 1',
      ],
    ],
    [
      'an endpoint and a setting of a pool',
      'pools: { eu: { endpoints: [{ A: 192.0.2.3 }] } }',
      'pools: { eu: { pick: first, endpoints: [{ A: 192.0.2.3, weight: 5 }] } }',
      [
        'changed pool eu: -pick weighted; -endpoint 192.0.2.3 weight 1; +pick first; +endpoint 192.0.2.3 weight 5',
      ],
    ],
    [
      'a monitor',
      'monitors: { m: { type: tcp, port: 80, interval: 5s } }',
      'monitors: { m: { type: tcp, port: 81, interval: 5s } }',
      ['changed monitor m: -port 80; +port 81'],
    ],
    [
      'durations and places, which are told as zone files have them',
      'monitors: { m: { type: tcp, port: 80, interval: 5s, timeout: 500ms } }\nregions: { eu: { location: [53.35, -6.26] } }',
      'monitors: { m: { type: tcp, port: 80, interval: 9s, timeout: 700ms } }\nregions: { eu: { location: [52, -6.26] } }',
      [
        'changed monitor m: -interval 5s; -timeout 500ms; +interval 9s; +timeout 700ms',
        'changed region eu: -location latitude 53.35, longitude -6.26; +location latitude 52, longitude -6.26',
      ],
    ],
    [
      'a monitor that is made from others',
      'monitors: { m: { type: tcp, port: 80 } }\ncalculated: { c: { all: [m] } }',
      'monitors: { m: { type: tcp, port: 80 } }\ncalculated: { c: { any: [m] } }',
      ['changed monitor c: -kind all; +kind any'],
    ],
    ['the SOA', '', 'soa: { minimum: 60 }', ['changed soa example.com.: -minimum 30; +minimum 60']],
  ])('tells %s', (_, before, after, expected) => {
    expect(told(before, after)).toEqual(expected);
  });

  it('gives all that a new zone has, and all that a deleted one had', () => {
    const zone = load(POOLS);
    expect(zoneChanges(undefined, zone).map(({ kind }) => kind)).not.toContain('changed');
    expect(zoneChanges(undefined, zone).find(({ name }) => name === 'us')).toMatchObject({
      kind: 'added',
      before: [],
      after: expect.arrayContaining(['endpoint 192.0.2.5 weight 1']),
    });
    expect(zoneChanges(zone, undefined).every(({ after }) => after.length === 0)).toBe(true);
  });
});
