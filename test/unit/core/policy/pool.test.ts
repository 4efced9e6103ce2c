import { describe, expect, it } from 'vitest';
import { rigOf, zoneText } from '../../../support/query-rig.js';

const MONITOR = 'monitors: { m: { type: tcp, port: 80 } }\n';
const failover = (pools: string, extra = '') =>
  rigOf(
    zoneText(
      'example.com',
      `${MONITOR}pools:\n${pools}records:\n  www: { type: [A, AAAA], dynamic: { steering: failover, pools: [one, two] }${extra} }\n`,
    ),
  );
const TWO = '  two: { monitor: m, pick: all, endpoints: [{ A: 203.0.113.1, AAAA: "2001:db8:2::1" }] }\n';

describe('the state of a pool', () => {
  it.each([
    [0, 3, true],
    [0.25, 3, true],
    [0.26, 3, false],
    [0.5, 2, true],
    [0.5, 3, false],
    [1, 1, false],
    [1, 0, true],
  ])('min_up %d with %i of 4 endpoints down: up is %s', (minUp, down, up) => {
    const hosts = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
    const list = hosts.map((host) => `{ A: ${host} }`).join(', ');
    const rig = failover(`  one: { monitor: m, pick: all, min_up: ${minUp}, endpoints: [${list}] }\n${TWO}`);
    rig.set('down', ...hosts.slice(0, down));
    expect(rig.values('www.example.com', 'A')).toEqual(up ? hosts.slice(down) : ['203.0.113.1']);
  });

  it('counts weight, not endpoints', () => {
    const list = '{ A: 192.0.2.1, weight: 9 }, { A: 192.0.2.2, weight: 1 }';
    const rig = failover(`  one: { monitor: m, pick: all, min_up: 0.5, endpoints: [${list}] }\n${TWO}`);
    rig.set('down', '192.0.2.2');
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1']);
    rig.set('up', '192.0.2.2');
    rig.set('down', '192.0.2.1');
    expect(rig.values('www.example.com', 'A')).toEqual(['203.0.113.1']);
  });

  it('is judged for each family by itself', () => {
    const list = '{ A: 192.0.2.1, AAAA: "2001:db8::1" }, { A: 192.0.2.2 }, { AAAA: "2001:db8::3" }';
    const rig = failover(`  one: { monitor: m, pick: all, min_up: 0.9, endpoints: [${list}] }\n${TWO}`);
    rig.set('down', '192.0.2.1');
    expect(rig.values('www.example.com', 'A')).toEqual(['203.0.113.1']);
    expect(rig.values('www.example.com', 'AAAA')).toEqual(['2001:db8::1', '2001:db8::3']);
    rig.set('up', '192.0.2.1');
    rig.set('down', '2001:db8::3');
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(rig.values('www.example.com', 'AAAA')).toEqual(['2001:db8:2::1']);
  });

  it('does not exist for a family that it has no address of', () => {
    const rig = failover(`  one: { monitor: m, endpoints: [{ A: 192.0.2.1 }] }\n${TWO}`);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1']);
    expect(rig.values('www.example.com', 'AAAA')).toEqual(['2001:db8:2::1']);
    rig.set('down', '192.0.2.1', '203.0.113.1', '2001:db8:2::1');
    expect(rig.values('www.example.com', 'AAAA')).toEqual(['2001:db8:2::1']);
  });

  it('is a spare when only endpoints of weight 0 are up', () => {
    const list = '{ A: 192.0.2.1 }, { A: 192.0.2.2, weight: 0 }, { A: 192.0.2.3, weight: 0 }';
    const rig = failover(`  one: { monitor: m, pick: all, min_up: 0.5, endpoints: [${list}] }\n${TWO}`);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1']);
    rig.set('down', '192.0.2.1');
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.2', '192.0.2.3']);
    rig.set('down', '192.0.2.2', '192.0.2.3');
    expect(rig.values('www.example.com', 'A')).toEqual(['203.0.113.1']);
  });

  it('obeys the operator before health', () => {
    const list = '{ A: 192.0.2.1, status: up }, { A: 192.0.2.2, status: down }, { A: 192.0.2.3 }';
    const rig = failover(`  one: { monitor: m, pick: all, min_up: 0, endpoints: [${list}] }\n${TWO}`);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1', '192.0.2.3']);
    rig.set('down', '192.0.2.3');
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1']);
    expect(() => rig.set('down', '192.0.2.1')).toThrow('nothing is watched');
  });

  it('without a monitor is up', () => {
    const rig = failover(`  one: { pick: all, endpoints: [{ A: 192.0.2.1 }, { A: 192.0.2.2 }] }\n${TWO}`);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.1', '192.0.2.2']);
  });
});
