import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StagedZones } from '../../../src/control/loader.js';
import { ZoneLoader } from '../../../src/control/zone-loader.js';
import { EMPTY_LOCATIONS } from '../../../src/core/geo/location.js';
import { LastGoodZones } from '../../../src/sources/last-good.js';
import { zoneText } from '../../support/query-rig.js';

const GOOD = zoneText(
  'example.com',
  'monitors: { m: { type: tcp, port: 80 } }\npools: { p: { monitor: m, endpoints: [{ A: 192.0.2.1 }] } }\n',
);
const BROKEN = `${GOOD}records: { www: { type: A, value: not-an-address } }\n`;

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'loader-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const file = () => join(root, 'a.yaml');
const source = () => ({ paths: [root] });
const newLoader = (nowMs = 1, withState = true, observers = 1) =>
  new ZoneLoader({
    now: () => nowMs,
    observers,
    ...(withState && { lastGood: new LastGoodZones(join(root, '.state')) }),
  });

/** One whole change that is accepted. */
async function apply(loader: ZoneLoader, served: StagedZones['zones'] = []): Promise<StagedZones> {
  const staged = await loader.stage(source(), served);
  await loader.compile(1, new Map([...staged.targets.keys()].map((key, i) => [key, i + 2])));
  expect(await loader.settle('served')).toEqual({});
  return staged;
}

describe('a zone loader', () => {
  it('tells of a zone what others have to know, and the targets to watch', async () => {
    await writeFile(file(), GOOD);
    const { zones, changed, targets, problems } = await apply(newLoader(5));
    expect(zones).toEqual([
      {
        origin: 'example.com.',
        file: file(),
        version: expect.any(String),
        serial: expect.any(Number),
        records: 2,
        pools: 1,
        loadedMs: 5,
      },
    ]);
    expect([changed, problems]).toEqual([true, []]);
    expect([...targets.values()].map(({ host }) => host)).toEqual(['192.0.2.1']);
  });

  it('calls zones unchanged by file and serial, even if it has just begun, and keeps since when they are', async () => {
    await writeFile(file(), GOOD);
    const { zones } = await apply(newLoader(5));
    const staged = await newLoader(9).stage(source(), zones);
    expect([staged.changed, staged.zones]).toEqual([false, zones]);
  });

  it('keeps the zone of a broken file, from memory or from the last good copy', async () => {
    await writeFile(file(), GOOD);
    const loader = newLoader();
    const { zones } = await apply(loader);
    await writeFile(file(), BROKEN);
    for (const of of [loader, newLoader()]) {
      const staged = await of.stage(source(), zones);
      expect([staged.changed, staged.zones, staged.problems.length]).toEqual([false, zones, 1]);
      await of.settle('unchanged');
    }
  });

  it('serves a zone on that was good with more observers, and calls it wrong', async () => {
    const wanting = GOOD.replace('monitors: {', 'monitors: { three: { type: tcp, port: 1, quorum: 3 },');
    expect(wanting).not.toBe(GOOD);
    await writeFile(file(), wanting);
    await apply(newLoader(1, true, 3));
    const staged = await newLoader().stage(source(), []);
    expect(staged.zones).toHaveLength(1);
    expect(staged.problems).toMatchObject([{ path: 'monitors.three.quorum' }]);
  });

  it('refuses the whole change rather than lose a zone of which no good version is left', async () => {
    await writeFile(file(), GOOD);
    const { zones } = await apply(newLoader(1, false));
    await writeFile(file(), BROKEN);
    await expect(newLoader(1, false).stage(source(), zones)).rejects.toThrow(
      'no good version of example.com.',
    );
  });

  it('lets a zone go when its file is gone', async () => {
    await writeFile(file(), GOOD);
    const loader = newLoader();
    const { zones } = await apply(loader);
    await rm(file());
    expect(await loader.stage(source(), zones)).toMatchObject({ changed: true, zones: [] });
  });

  it('goes on with what was served after a change that was given up', async () => {
    await writeFile(file(), GOOD);
    const loader = newLoader();
    const { zones } = await apply(loader);
    await writeFile(file(), `${GOOD}records: { www: { type: A, value: 192.0.2.9 } }\n`);
    expect((await loader.stage(source(), zones)).zones[0]?.records).toBe(3);
    await loader.settle('refused');
    expect((await loader.stage('served', zones)).zones).toEqual(zones);
  });

  describe('with many zones', () => {
    const many = (count: number) =>
      `zone: big.test\nnameservers: { ns1: { A: 192.0.2.53 } }\nrecords:\n${Array.from(
        { length: count },
        (_, i) => `  h${i}: { type: A, value: 192.0.2.7 }`,
      ).join('\n')}\n`;
    const slotsOf = ({ targets }: StagedZones) => new Map([...targets.keys()].map((key, i) => [key, i + 2]));

    async function start() {
      await writeFile(join(root, 'big.yaml'), many(20_100));
      await writeFile(file(), GOOD);
      const loader = newLoader();
      const first = await apply(loader);
      expect(loader.dropped).toBeGreaterThan(20_000);
      return { loader, zones: first.zones, targets: first.targets };
    }

    it('compiles only the zone of a file that it is told of, into the same tables', async () => {
      const { loader, zones, targets } = await start();
      await writeFile(file(), `${GOOD}records: { www: { type: A, value: 192.0.2.9 } }\n`);
      const staged = await loader.stage({ paths: [root], only: [file()] }, zones);
      expect(staged.zones[1]).toBe(zones[1]);
      expect(staged.targets).toBe(targets);
      const { changed, isFresh, world } = loader.compileZones(2, slotsOf(staged));
      expect([isFresh, changed.put.map(({ origin }) => origin)]).toEqual([false, ['example.com.']]);
      expect(world.snapshot.zoneCount).toBe(2);
      await loader.settle('served');
      expect((await loader.stage({ paths: [root], only: [] }, staged.zones)).targets).toBe(staged.targets);
    });

    it('reads the zone above once more when one below it comes', async () => {
      const { loader, zones } = await start();
      const below = join(root, 'below.yaml');
      await writeFile(below, zoneText('sub.big.test', ''));
      const staged = await loader.stage({ paths: [root], only: [below] }, zones);
      const { changed, isFresh } = loader.compileZones(2, slotsOf(staged));
      expect(isFresh).toBe(false);
      expect(changed.put.map(({ origin }) => origin).sort()).toEqual(['big.test.', 'sub.big.test.']);
      await loader.settle('served');
    });

    it('takes a zone that it dropped from the last good copy where its file is broken by then', async () => {
      const { loader, zones } = await start();
      await writeFile(join(root, 'big.yaml'), 'zone: [');
      await loader.useGeo(EMPTY_LOCATIONS);
      const staged = await loader.stage('served', zones);
      expect(staged.zones.map(({ origin }) => origin)).toEqual(zones.map(({ origin }) => origin));
      expect((await loader.compile(2, slotsOf(staged))).snapshot.zoneCount).toBe(2);
    });

    it('compiles what it could not publish as a part of the next change', async () => {
      const { loader, zones } = await start();
      await writeFile(file(), `${GOOD}records: { www: { type: A, value: 192.0.2.9 } }\n`);
      const first = await loader.stage({ paths: [root], only: [file()] }, zones);
      loader.compileZones(2, slotsOf(first));
      // Nothing is settled: the publication failed.
      const second = await loader.stage({ paths: [root], only: [file()] }, zones);
      expect(second.changed).toBe(true);
      const { changed, world } = loader.compileZones(3, slotsOf(second));
      expect([changed.put, world.snapshot.id]).toEqual([[], 3]);
      expect(await loader.settle('served')).toEqual({});
    });
  });

  it('compiles nothing that is not staged', async () => {
    await expect(newLoader().compile(1, new Map())).rejects.toThrow('nothing is staged');
  });

  it('says why last good zones could not be saved', async () => {
    await writeFile(file(), GOOD);
    await writeFile(join(root, '.state'), 'a file in the place of the folder');
    const loader = newLoader();
    await loader.stage(source(), []);
    expect((await loader.settle('served')).saveError).toMatch(/ENOTDIR|EEXIST/);
  });
});
