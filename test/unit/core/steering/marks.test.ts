import { describe, expect, it } from 'vitest';
import { EMPTY_STEERING } from '../../../../src/core/steering/document.js';
import { heldAt } from '../../../../src/core/steering/held.js';
import { steeredEndpoints } from '../../../../src/core/steering/marks.js';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';
import { placesOf, type Steered, steerRig } from '../../../support/steered-rig.js';

const EU = ['192.0.2.1', '192.0.2.2'] as const;
const US = '198.51.100.1';
const LAST = '203.0.113.1';

const ZONE = `monitors: { m: { type: tcp, port: 80 } }
regions: { eu: {}, us: {} }
pools:
  eu: { region: eu, monitor: m, pick: all, endpoints: [{ A: ${EU[0]} }, { A: ${EU[1]} }], fallback: us }
  us: { region: us, endpoints: [{ A: ${US} }] }
  fixed: { endpoints: [{ A: 192.0.2.8, status: down }, { A: 192.0.2.9, status: up }] }
  last: { endpoints: [{ A: ${LAST} }] }
  six: { monitor: m, endpoints: [{ AAAA: "2001:db8::6" }] }
  name: { endpoints: [{ CNAME: Origin.Example.NET. }] }
  first: { monitor: m, endpoints: [{ A: 192.0.2.21 }, { A: 192.0.2.22, priority: 2 }] }
  world: { pools: [eu, us] }
records:
  www: { type: A, dynamic: { rules: [{ pool: eu }] } }
  closed: { type: A, fail: closed, dynamic: { rules: [{ pool: eu }] } }
  open: { type: A, dynamic: { steering: failover, pools: [eu] } }
  named: { type: A, fail: { pool: last }, dynamic: { rules: [{ pool: us }] } }
  fixed: { type: A, fail: closed, dynamic: { rules: [{ pool: fixed }] } }
  six: { type: AAAA, fail: closed, dynamic: { rules: [{ pool: six }] } }
  name: { type: CNAME, fail: closed, dynamic: { rules: [{ pool: name }] } }
  first: { type: A, fail: closed, dynamic: { rules: [{ pool: first }] } }
  ranged: { type: A, ttl: { min: 20, max: 300 }, dynamic: { rules: [{ pool: us }] } }
`;

const rig = () => rigOf([zoneText('example.com', ZONE), zoneText('example.org', ZONE)]);

function ask(steered: QueryRig, name: string, type = 'A'): readonly string[] {
  return steered.values(name.includes('.') ? name : `${name}.example.com`, type);
}

function withSteering(steered: Steered, name: string, type = 'A'): readonly string[] {
  const one = rig();
  steerRig(one, steered);
  return ask(one, name, type);
}

describe('an endpoint', () => {
  it('that is forced down is not answered, in this zone only', () => {
    const forces = { 'example.com/eu/192.0.2.1': 'down' } as const;
    expect(withSteering({ forces }, 'www')).toEqual([EU[1]]);
    expect(withSteering({ forces }, 'www.example.org')).toEqual([...EU]);
  });

  it.each(['*/eu/192.0.2.1', '*/*/192.0.2.1'])('that is forced down as %s is so in every zone', (target) => {
    const forces = { [target]: 'down' } as const;
    expect(withSteering({ forces }, 'www')).toEqual([EU[1]]);
    expect(withSteering({ forces }, 'www.example.org')).toEqual([EU[1]]);
  });

  it('that is forced up is answered, whatever probes say', () => {
    const one = rig();
    one.set('down', ...EU);
    expect(ask(one, 'www')).toEqual([US]);
    steerRig(one, { forces: { 'example.com/eu/192.0.2.2': 'up' } });
    expect(ask(one, 'www')).toEqual([EU[1]]);
  });

  it('of each family is named by its own address or name', () => {
    expect(withSteering({ forces: { 'example.com/six/2001:db8::6': 'down' } }, 'six', 'AAAA')).toEqual([]);
    expect(
      withSteering({ forces: { 'example.com/name/origin.example.net': 'down' } }, 'name', 'CNAME'),
    ).toEqual([]);
    expect(withSteering({}, 'name', 'CNAME')).toEqual(['Origin.Example.NET.']);
  });

  it('that the zone file sets down comes up only where it is named itself', () => {
    expect(withSteering({ forces: { 'example.com/fixed': 'up' } }, 'fixed')).toEqual(['192.0.2.9']);
    const both = { 'example.com/fixed/192.0.2.8': 'up', 'example.com/fixed/192.0.2.9': 'down' } as const;
    expect(withSteering({ forces: both }, 'fixed')).toEqual(['192.0.2.8']);
  });
});

describe('a pool', () => {
  it.each(['down', 'drain'] as const)('that is forced %s hands over to its fallback', (state) => {
    expect(withSteering({ forces: { 'example.com/eu': state } }, 'www')).toEqual([US]);
    expect(withSteering({ forces: { 'region:eu': state } }, 'www.example.org')).toEqual([US]);
    expect(withSteering({ forces: { 'example.com/region:eu': state } }, 'www.example.org')).toEqual([...EU]);
  });

  it('of pools is forced with all that is in it', () => {
    expect(withSteering({ forces: { 'example.com/world': 'down' } }, 'closed')).toEqual([]);
  });

  it('with priorities is forced with all of them', () => {
    expect(withSteering({ forces: { 'example.com/first': 'down' } }, 'first')).toEqual([]);
    expect(withSteering({ forces: { 'example.com/first/192.0.2.21': 'down' } }, 'first')).toEqual([
      '192.0.2.22',
    ]);
  });

  it('comes back when it is steered no more', () => {
    const one = rig();
    steerRig(one, { forces: { 'region:eu': 'down' }, dials: { 'region:us': 0 } });
    steerRig(one, {});
    expect([ask(one, 'www'), ask(one, 'named')]).toEqual([[...EU], [US]]);
    one.set('down', ...EU);
    expect(ask(one, 'www')).toEqual([US]);
  });
});

describe('where everything is taken out', () => {
  const everything = (state: 'down' | 'drain') =>
    ({ forces: { 'region:eu': state, 'region:us': state } }) as const;

  it('what is drained is answered by a record that fails open, what is forced down is not', () => {
    expect(withSteering(everything('drain'), 'open')).toEqual([...EU]);
    expect(withSteering(everything('down'), 'open')).toEqual([]);
  });

  it('nothing is answered by a record that fails closed', () => {
    expect(withSteering(everything('drain'), 'closed')).toEqual([]);
  });

  it('the pool that a record names for that is answered', () => {
    expect(withSteering(everything('drain'), 'named')).toEqual([LAST]);
  });

  it('by dials of 0, the same holds as for what is drained', () => {
    const dials = { 'region:eu': 0, 'region:us': 0 };
    expect(withSteering({ dials }, 'open')).toEqual([...EU]);
    expect(withSteering({ dials }, 'closed')).toEqual([]);
    expect(withSteering({ dials, forces: { 'example.com/eu/192.0.2.1': 'down' } }, 'open')).toEqual([EU[1]]);
  });

  it('a dial of 0 outweighs what is forced up', () => {
    const dials = { 'example.com/eu': 0 };
    expect(
      withSteering({ dials, forces: { 'example.com/eu': 'up', 'example.com/eu/192.0.2.1': 'up' } }, 'www'),
    ).toEqual([US]);
  });
});

describe('the TTL of a record with a range', () => {
  it.each<[string, Steered, number]>([
    ['nothing', {}, 300],
    ['a force', { forces: { 'example.com/us': 'up' } }, 20],
    ['a dial', { dials: { 'example.com/us': 50 } }, 20],
    ['a force elsewhere', { forces: { 'example.com/eu': 'up' } }, 300],
  ])('with %s', (_, steered, ttl) => {
    const one = rig();
    steerRig(one, steered);
    expect(one.ask('ranged.example.com', 'A').answers.map((answer) => answer.ttl)).toEqual([ttl]);
  });
});

describe('steeredEndpoints()', () => {
  it('says what is steered, why, and how it really is', () => {
    const one = rig();
    one.set('down', EU[0]);
    const note = { by: 'ann', at: '2026-05-01T12:00:00Z', reason: 'disk' };
    const forces = {
      'example.com/eu': { state: 'up', ...note },
      'example.com/us': { state: 'drain', ...note },
    } as const;
    const held = heldAt({ ...EMPTY_STEERING, forces }, 0);
    const found = placesOf(one).flatMap((place, pool) =>
      steeredEndpoints(one.compiled.snapshot, pool, place, held, one.health),
    );
    expect(
      found.map(({ place, address, state, real, causes }) => [
        place.zone,
        address,
        state,
        real,
        causes[0]!.cause.note.reason,
      ]),
    ).toEqual([
      ['example.com.', EU[0], 'up', 'down', 'disk'],
      ['example.com.', EU[1], 'up', 'unknown', 'disk'],
      ['example.com.', US, 'drain', 'fixed_up', 'disk'],
    ]);
  });
});
