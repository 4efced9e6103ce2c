import { describe, expect, it } from 'vitest';
import { SimulationRunner } from '../../../src/control/planned-simulation.js';
import type { SimulationQuestion } from '../../../src/core/census/simulate.js';
import { QUARTERS } from '../../support/census-rig.js';
import { wireOf } from '../../support/packet.js';
import { rigOf, zoneText } from '../../support/query-rig.js';

const body = (pool: string) => `monitors: { m: { type: tcp, port: 80 } }
pools: { eu: { monitor: m, endpoints: [{ A: 10.0.0.1 }] }, us: { monitor: m, endpoints: [{ A: 10.0.1.1 }] }, ap: { endpoints: [{ A: 10.0.2.1 }] } }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU-DE], pool: ${pool} }, { pool: us }] } }
`;
const rig = rigOf([zoneText('example.com', body('eu')), zoneText('example.net', body('eu'))], {
  geo: QUARTERS,
});
rig.set('up', ...rig.hosts);
const { snapshot, index } = rig.compiled;
const source = { snapshot, index, health: rig.health, geo: QUARTERS };
const planned = (files: Readonly<Record<string, string | null>>, removed: readonly string[] = []) => ({
  id: JSON.stringify(files),
  files: new Map(Object.entries(files)),
  removed,
  slots: new Map<string, number>(),
});
const plan = planned({ 'com.yaml': zoneText('example.com', body('ap')) });
const NOTHING = { down: [], up: [] };

function poolsOf(name: string, zones = plan) {
  const question: SimulationQuestion = {
    kind: 'world',
    scope: { name: wireOf(name), type: 1 },
    by: 'country',
    families: [4],
    placesMax: 10,
    asIf: NOTHING,
  };
  const reply = new SimulationRunner().run(source, question, zones);
  if ('code' in reply) return reply.code;
  if (reply.kind !== 'world') throw new Error('not the world');
  return Object.fromEntries(reply.families[0]!.total.pools.map(({ pool, share }) => [pool, share]));
}

describe('a simulation with a plan', () => {
  it('takes the zones of the plan, and leaves the others as they are', () => {
    expect(poolsOf('www.example.com')).toEqual({ us: 0.75, ap: 0.25 });
    expect(poolsOf('www.example.net')).toEqual({ us: 0.75, eu: 0.25 });
    expect(poolsOf('www.example.com', planned({ 'com.yaml': null }, ['example.com.']))).toBe('unknown_name');
  });

  it('answers clients of both in their order', () => {
    const names = ['www.example.net', 'www.example.com', 'www.example.org', 'www.example.net'];
    const subnet = { address: Uint8Array.of(1, 2, 3, 0), sourcePrefix: 24 };
    const clients = names.map((name) => ({ name: wireOf(name), type: 1, subnet }));
    const question = { kind: 'clients', clients, asIf: NOTHING, seed: 1, nowSeconds: 0 } as const;
    const reply = new SimulationRunner().run(source, question, plan);
    expect('answers' in reply && reply.answers.map(({ rcode, pool }) => pool ?? rcode)).toEqual([
      'eu',
      'ap',
      'REFUSED',
      'eu',
    ]);
  });
});
