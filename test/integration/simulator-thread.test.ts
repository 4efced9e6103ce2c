import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { InlineSimulator, SIMULATIONS_MAX, type SimulationBase } from '../../src/control/simulator.js';
import { SimulatorThread } from '../../src/control/simulator-thread.js';
import type { SimulationQuestion } from '../../src/core/census/simulate.js';
import { QUARTERS } from '../support/census-rig.js';
import { wireOf } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const ENTRY = pathToFileURL(resolve(import.meta.dirname, '../../dist/control/simulator-worker.js'));
const body = (pool: string) => `monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, endpoints: [{ A: 192.0.2.1, weight: 3 }, { A: 192.0.2.2 }], fallback: us }
  us: { monitor: m, endpoints: [{ A: 198.51.100.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU-DE], pool: ${pool} }, { pool: us }] } }
`;

let thread: SimulatorThread | undefined;
afterEach(async () => {
  await thread?.close();
});

function baseOf(pool: string): SimulationBase & { readonly down: (host: string) => void } {
  const rig = rigOf(zoneText('example.com', body(pool)), { geo: QUARTERS });
  rig.set('up', ...rig.hosts);
  const { snapshot, index } = rig.compiled;
  return {
    snapshot,
    index: () => index,
    geo: QUARTERS,
    health: rig.health,
    down: (host) => rig.set('down', host),
  };
}

const WORLD: SimulationQuestion = {
  kind: 'world',
  scope: { name: wireOf('www.example.com'), type: 1 },
  by: 'country',
  families: [4, 6],
  placesMax: 10,
  asIf: { down: ['192.0.2.1'], up: [] },
};

describe('the simulator thread', () => {
  it('replies as the main thread would, with new health and new tables', async () => {
    thread = new SimulatorThread({}, ENTRY);
    const inline = new InlineSimulator();
    const first = baseOf('eu');
    expect(await thread.run(first, WORLD)).toEqual(await inline.run(first, WORLD));
    const before = await thread.run(first, WORLD);
    first.down('192.0.2.2');
    expect(await thread.run(first, WORLD)).not.toEqual(before);
    const second = baseOf('us');
    expect(await thread.run(second, WORLD)).toEqual(await inline.run(second, WORLD));
  });

  it('lets a few wait, and refuses more', async () => {
    thread = new SimulatorThread({}, ENTRY);
    const base = baseOf('eu');
    const replies = await Promise.all(
      Array.from({ length: SIMULATIONS_MAX + 3 }, () => thread!.run(base, WORLD)),
    );
    const codes = replies.map((reply) => ('code' in reply ? reply.code : reply.kind));
    // One runs, and as many as may wait.
    expect(codes.filter((code) => code === 'world')).toHaveLength(SIMULATIONS_MAX + 1);
    expect(codes.filter((code) => code === 'busy')).toHaveLength(2);
  });

  it('says so when its thread fails, and goes on with another one', async () => {
    const bad = 'throw new Error("no thread")';
    thread = new SimulatorThread({}, new URL(`data:text/javascript,${encodeURIComponent(bad)}`));
    expect(await thread.run(baseOf('eu'), WORLD)).toMatchObject({
      code: 'failed',
      message: expect.stringContaining('no thread'),
    });
    expect(await thread.run(baseOf('eu'), WORLD)).toMatchObject({ code: 'failed' });
    await thread.close();
    expect(await thread.run(baseOf('eu'), WORLD)).toMatchObject({ code: 'failed' });
  });
});
