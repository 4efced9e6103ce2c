import { describe, expect, it } from 'vitest';
import { type QueryRig, rigOf, zoneText } from '../support/query-rig.js';
import { steerRig } from '../support/steered-rig.js';

const BLUE = '192.0.2.1';
const GREEN = '198.51.100.1';
const SPARE = '203.0.113.1';
const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
pools:
  blue: { monitor: m, endpoints: [{ A: ${BLUE} }, { A: 192.0.2.2, AAAA: "2001:db8::b2", priority: 2 }], fallback: spare }
  green: { monitor: m, endpoints: [{ A: ${GREEN}, AAAA: "2001:db8::1" }, { A: 198.51.100.2, priority: 2 }] }
  spare: { endpoints: [{ A: ${SPARE} }] }
records:
  www: { type: [A, AAAA], dynamic: { rules: [{ pool: blue }] } }
  range: { type: A, ttl: { min: 5, max: 60 }, dynamic: { rules: [{ pool: blue }] } }
`,
);

const CLIENTS = Array.from({ length: 2_000 }, (_, i) => `10.${i >> 8}.${i & 255}.7`);

function rig(): QueryRig {
  const made = rigOf(ZONE);
  made.set('up', ...made.hosts);
  return made;
}

function answered(from: QueryRig, source: string, name = 'www.example.com', type = 'A'): string {
  return from.ask(name, type, { source }).answers[0]?.rdata ?? 'nothing';
}

describe('clients of a pool that another stands in for', () => {
  it('move once while the share grows, and go back in the same way', () => {
    const world = rig();
    const moved = new Map<string, number>();
    for (const percent of [0, 5, 25, 50, 100]) {
      steerRig(world, { rollouts: { 'blue>green': percent } });
      const there = CLIENTS.filter((client) => answered(world, client) === GREEN);
      const share = percent / 100;
      const bound = 5 * Math.sqrt((share * (1 - share)) / CLIENTS.length) + 1e-9;
      expect(Math.abs(there.length / CLIENTS.length - share)).toBeLessThanOrEqual(bound);
      for (const client of moved.keys()) expect(there).toContain(client);
      for (const client of there) moved.set(client, moved.get(client) ?? percent);
    }
    for (const percent of [50, 25, 5]) {
      steerRig(world, { rollouts: { 'blue>green': percent } });
      const right = CLIENTS.every(
        (client) => (answered(world, client) === GREEN) === moved.get(client)! <= percent,
      );
      expect(right).toBe(true);
    }
  });

  it('are one by their /24, and the scope says so only while they are told apart', () => {
    const world = rig();
    const scope = () => world.ask('www.example.com', 'A', { subnet: '10.1.2.3/32' }).edns?.scope;
    expect(scope()).toBe(0);
    steerRig(world, { rollouts: { 'blue>green': 50 } });
    expect(scope()).toBe(24);
    for (const net of ['10.1.2', '10.1.3', '10.1.4', '10.1.5']) {
      const of = (host: number) =>
        world.ask('www.example.com', 'A', { subnet: `${net}.${host}/32` }).answers[0]!.rdata;
      expect(new Set([of(1), of(77), of(254)]).size).toBe(1);
    }
    steerRig(world, { rollouts: { 'blue>green': 100 } });
    expect(scope()).toBe(0);
  });

  it('get the next priority of the new pool, then the old pool, then its fallback', () => {
    const world = rig();
    steerRig(world, { rollouts: { 'blue>green': 100 } });
    const client = CLIENTS[0]!;
    expect(answered(world, client)).toBe(GREEN);
    world.set('down', GREEN, '2001:db8::1');
    expect(answered(world, client)).toBe('198.51.100.2');
    world.set('down', '198.51.100.2');
    expect(answered(world, client)).toBe(BLUE);
    world.set('down', BLUE, '192.0.2.2', '2001:db8::b2');
    expect(answered(world, client)).toBe(SPARE);
    world.set('up', GREEN);
    expect(answered(world, client)).toBe(GREEN);
  });

  it('get an address of a family that the first priority of the old pool does not have', () => {
    const world = rig();
    expect(answered(world, CLIENTS[0]!, 'www.example.com', 'AAAA')).toBe('2001:db8::b2');
    steerRig(world, { rollouts: { 'blue>green': 100 } });
    expect(answered(world, CLIENTS[0]!, 'www.example.com', 'AAAA')).toBe('2001:db8::1');
    expect(answered(world, CLIENTS[0]!)).toBe(GREEN);
  });

  it('get the shortest TTL of a record with a range', () => {
    const world = rig();
    const ttl = () => world.ask('range.example.com', 'A').answers[0]!.ttl;
    expect(ttl()).toBe(60);
    steerRig(world, { rollouts: { 'blue>green': 5 } });
    expect(ttl()).toBe(5);
    steerRig(world, {});
    expect(ttl()).toBe(60);
  });

  it('stay where the new pool is not there', () => {
    const world = rig();
    steerRig(world, { rollouts: { 'blue>gone': 100 } });
    expect(answered(world, CLIENTS[0]!)).toBe(BLUE);
  });
});
