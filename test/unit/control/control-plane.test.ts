import { afterEach, describe, expect, it } from 'vitest';
import type { SimulationBase } from '../../../src/control/simulator.js';
import { type SimulationQuestion, simulate } from '../../../src/core/census/simulate.js';
import type { GeoDatabase } from '../../../src/sources/geo-database.js';
import { ControlRig } from '../../support/control-plane-rig.js';
import { trieOf } from '../../support/mmdb-writer.js';
import { wireOf } from '../../support/packet.js';
import { zoneText } from '../../support/query-rig.js';

const rigs: ControlRig[] = [];
function newRig(): ControlRig {
  const rig = new ControlRig();
  rigs.push(rig);
  return rig;
}
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.close();
});

const simple = (origin: string, address: string) =>
  zoneText(origin, `records: { www: { type: A, value: ${address} } }\n`);
const BROKEN =
  'zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\nrecords: { www: { type: A, value: 300.1.1.1 } }\n';

const pooled = (...hosts: readonly string[]) =>
  zoneText(
    'example.com',
    `monitors: { m: { type: tcp, port: 80, interval: 5s, timeout: 1s, fall: 2, rise: 1 } }
pools: { p: { monitor: m, pick: all, shuffle: false, endpoints: [${hosts.map((host) => `{ A: ${host} }`).join(', ')}] } }
records: { www: { type: A, dynamic: { rules: [{ pool: p }] } } }
`,
  );

function database(country: string): GeoDatabase {
  const trie = trieOf([{ prefix: '198.51.100.0/24', data: { country_code: country } }]);
  const source = {
    path: 'test.mmdb',
    databaseType: 'Test',
    buildEpoch: new Date(0),
    ageDays: 0,
    attribution: 'test',
  };
  return { trie, sources: [source] };
}

describe('ControlPlane: holders of a snapshot', () => {
  const nearby = (count: number) => ({
    'a.yaml': simple('example.com', `192.0.2.${count}`),
    'b.yaml': simple('example.org', `198.51.100.${count}`),
  });
  const clients = ['www.example.com', 'www.example.org'].map((name) => ({ name: wireOf(name), type: 1 }));
  const question: SimulationQuestion = {
    kind: 'clients',
    clients,
    asIf: { down: [], up: [] },
    seed: 1,
    nowSeconds: 1,
  };
  const simulated = ({ snapshot, index, health, geo }: SimulationBase) =>
    JSON.stringify(simulate({ snapshot, index: index(), health, geo }, question));

  it('leaves its tables alone while zones change, until it is released', async () => {
    const rig = newRig();
    await rig.load(nearby(1));
    const { base, release } = rig.control.holdBase();
    const before = simulated(base);
    expect(before).toContain('198.51.100.1');
    for (let i = 2; i < 8; i++) {
      await rig.load(nearby(i));
      expect(simulated(base)).toBe(before);
    }
    release();
    release();
    await rig.load(nearby(8));
    await rig.load(nearby(9));
    // The places that were held are in use again.
    expect(simulated(base)).not.toBe(before);
    expect([rig.answer('www.example.com'), rig.answer('www.example.org')]).toEqual([
      ['192.0.2.9'],
      ['198.51.100.9'],
    ]);
  });

  it('does not keep tables from being used again that it never saw', async () => {
    const rig = newRig();
    await rig.load(nearby(1));
    const first = rig.control.holdBase();
    await rig.load(nearby(2));
    const second = rig.control.holdBase();
    first.release();
    for (let i = 3; i < 6; i++) await rig.load(nearby(i));
    expect(simulated(second.base)).toContain('198.51.100.2');
    second.release();
  });
});

describe('ControlPlane: zone files', () => {
  it('answers from nothing before it has loaded anything', () => {
    expect(newRig().answer('www.example.com')).toEqual(['REFUSED']);
  });

  it('publishes what it loads, with a rising id', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.2') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.2']);
    expect(rig.published.map(({ id }) => id)).toEqual([2, 3]);
    expect(rig.control.snapshot).toBe(rig.published[1]);
    expect(rig.control.reloads).toEqual({ applied: 2, refused: 0 });
  });

  it('publishes nothing when nothing changed', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    expect(rig.published).toHaveLength(1);
  });

  it('keeps the last good zone while its file is broken, says so, and recovers', async () => {
    const rig = newRig();
    const other = { 'b.yaml': simple('example.org', '192.0.2.9') };
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1'), ...other });
    await rig.load({ 'a.yaml': BROKEN, ...other });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1']);
    expect(rig.answer('www.example.org')).toEqual(['192.0.2.9']);
    expect(rig.control.problems).toEqual([expect.stringMatching(/^a\.yaml:3:\d+: records\.www\.value: /)]);
    expect(rig.control.zoneStatus().map(({ zone, state }) => [zone, state])).toEqual([
      ['example.com.', 'stale'],
      ['example.org.', 'current'],
    ]);
    expect(rig.control.reloads.refused).toBe(1);
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.3'), ...other });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.3']);
    expect([rig.control.problems, rig.control.zoneStatus()[0]?.state]).toEqual([[], 'current']);
  });

  it('takes the good files of a folder with a broken one', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': BROKEN, 'b.yaml': simple('example.org', '192.0.2.9') });
    expect(rig.answer('www.example.org')).toEqual(['192.0.2.9']);
    expect(rig.answer('www.example.com')).toEqual(['REFUSED']);
  });

  it('drops a zone whose file is gone, even if another is broken', async () => {
    const rig = newRig();
    await rig.load({
      'a.yaml': simple('example.com', '192.0.2.1'),
      'b.yaml': simple('example.org', '192.0.2.9'),
    });
    await rig.load({ 'a.yaml': BROKEN });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1']);
    expect(rig.answer('www.example.org')).toEqual(['REFUSED']);
    await rig.load({});
    expect(rig.answer('www.example.com')).toEqual(['REFUSED']);
    expect(rig.control.zoneStatus()).toEqual([]);
  });

  it('lets a zone move to another file', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    await rig.load({ 'b.yaml': simple('example.com', '192.0.2.1') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1']);
    expect(rig.control.zoneStatus()[0]?.file).toBe('b.yaml');
    await rig.load({ 'b.yaml': BROKEN });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1']);
  });

  it('drops the old zone when a file names another', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    await rig.load({ 'a.yaml': simple('example.org', '192.0.2.2') });
    expect(rig.control.zoneStatus().map(({ zone }) => zone)).toEqual(['example.org.']);
    expect(rig.answer('www.example.com')).toEqual(['REFUSED']);
  });

  it('takes changes one after the other, in their order', async () => {
    const rig = newRig();
    const running: number[] = [];
    let most = 0;
    rig.onPublish = async (snapshot) => {
      running.push(snapshot.id);
      most = Math.max(most, running.length);
      await new Promise((resolve) => rig.time.setTimeout(() => resolve(undefined), 100));
      running.pop();
    };
    await Promise.all(
      ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) =>
        rig.load({ 'a.yaml': simple('example.com', address) }),
      ),
    );
    expect([most, rig.published.length, rig.answer('www.example.com')]).toEqual([1, 3, ['192.0.2.3']]);
  });

  it('goes on after a publication that failed', async () => {
    const rig = newRig();
    rig.onPublish = () => Promise.reject(new Error('workers are gone'));
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.1') });
    expect(rig.logged.join('\n')).toContain('workers are gone');
    rig.onPublish = () => Promise.resolve();
    await rig.load({ 'a.yaml': simple('example.com', '192.0.2.2') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.2']);
  });
});

describe('ControlPlane: health', () => {
  it('publishes after the first probe of new targets, so that the first answer is right', async () => {
    const rig = newRig();
    rig.down.add('192.0.2.1');
    let first: readonly string[] = [];
    rig.onPublish = () => {
      first = rig.answer('www.example.com');
      return Promise.resolve();
    };
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.2') });
    expect(first).toEqual(['192.0.2.2']);
    expect(new Set(rig.probed)).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
  });

  it('changes the next answer without a new snapshot', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.2') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1', '192.0.2.2']);
    rig.down.add('192.0.2.2');
    await rig.time.advance(12_000);
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1']);
    rig.down.clear();
    await rig.time.advance(6000);
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.1', '192.0.2.2']);
    expect([rig.published.length, rig.health.changes]).toEqual([1, 2]);
  });

  it('watches the old targets until the new snapshot is in use, and gives slots back only then', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.2') });
    const [one, two] = [...rig.health.targets.keys()];
    const slots = [rig.health.slotOf(one!), rig.health.slotOf(two!)];
    let during: readonly unknown[] = [];
    rig.onPublish = () => {
      during = [rig.health.targets.size, rig.health.slotOf(one!), rig.health.slotOf(two!)];
      return Promise.resolve();
    };
    await rig.load({ 'a.yaml': pooled('192.0.2.2', '192.0.2.3') });
    expect(during).toEqual([3, ...slots]);
    expect(rig.health.targets.size).toBe(2);
    expect(rig.health.slotOf(two!)).toBe(slots[1]);
    expect(() => rig.health.slotOf(one!)).toThrow('not watched');
    // The slot is free for another target.
    await rig.load({ 'a.yaml': pooled('192.0.2.2', '192.0.2.3', '192.0.2.4') });
    const used = [...rig.health.targets.keys()].map((key) => rig.health.slotOf(key));
    expect(used).toContain(slots[0]);
  });

  it('starts a target in a used slot as up, whatever stood there', async () => {
    const rig = newRig();
    rig.down.add('192.0.2.1');
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.9') });
    await rig.load({ 'a.yaml': pooled('192.0.2.9') });
    await rig.load({ 'a.yaml': pooled('192.0.2.5', '192.0.2.9') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.5', '192.0.2.9']);
  });

  it('keeps the state of a target through a reload', async () => {
    const rig = newRig();
    rig.down.add('192.0.2.1');
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.2') });
    const probes = rig.probed.filter((host) => host === '192.0.2.1').length;
    await rig.load({ 'a.yaml': pooled('192.0.2.1', '192.0.2.2', '192.0.2.3') });
    expect(rig.answer('www.example.com')).toEqual(['192.0.2.2', '192.0.2.3']);
    expect(rig.probed.filter((host) => host === '192.0.2.1').length - probes).toBeLessThanOrEqual(1);
  });
});

describe('ControlPlane: geography', () => {
  const geo = zoneText(
    'example.com',
    `pools: { eu: { endpoints: [{ A: 192.0.2.1 }] }, us: { endpoints: [{ A: 192.0.2.2 }] }, any: { endpoints: [{ A: 192.0.2.3 }] } }
records: { www: { type: A, dynamic: { rules: [{ geos: [EU-DE], pool: eu }, { geos: [NA-US], pool: us }, { pool: any }] } } }
`,
  );
  const client = '198.51.100.7';

  it('recompiles with each database: answers follow it', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': geo });
    expect(rig.answer('www.example.com', client)).toEqual(['192.0.2.3']);
    await rig.settle(rig.control.useGeo(database('DE')));
    expect(rig.answer('www.example.com', client)).toEqual(['192.0.2.1']);
    await rig.settle(rig.control.useGeo(database('US')));
    expect(rig.answer('www.example.com', client)).toEqual(['192.0.2.2']);
    expect(rig.control.locate(client)?.location.country).toBe('US');
    expect(rig.published).toHaveLength(3);
  });

  it('keeps the tries of a database from one zone file to the next', async () => {
    const rig = newRig();
    await rig.settle(rig.control.useGeo(database('DE')));
    await rig.load({ 'a.yaml': geo });
    await rig.load({ 'a.yaml': geo.replace('192.0.2.3', '192.0.2.4') });
    expect(rig.published[2]!.tries[0]).toBe(rig.published[1]!.tries[0]);
    await rig.settle(rig.control.useGeo(database('US')));
    expect(rig.published[3]!.tries[0]).not.toBe(rig.published[1]!.tries[0]);
  });

  it('keeps the database in use when another is refused, and lists why until one is taken', async () => {
    const rig = newRig();
    await rig.load({ 'a.yaml': geo });
    await rig.settle(rig.control.useGeo(database('DE')));
    rig.control.refuseGeo({ code: 'unreadable', path: 'x.mmdb', message: 'first' });
    rig.control.refuseGeo({ code: 'unreadable', path: 'x.mmdb', message: 'second' });
    expect(rig.control.geoStatus()).toMatchObject({
      sources: [{ path: 'test.mmdb' }],
      problems: ['x.mmdb: second'],
    });
    expect(rig.answer('www.example.com', client)).toEqual(['192.0.2.1']);
    await rig.settle(rig.control.useGeo(database('US')));
    expect(rig.control.geoStatus().problems).toEqual([]);
  });
});
