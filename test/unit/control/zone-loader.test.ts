import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StagedZones } from '../../../src/control/loader.js';
import { ZoneLoader } from '../../../src/control/zone-loader.js';
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
const newLoader = (nowMs = 1, withState = true) =>
  new ZoneLoader({
    now: () => nowMs,
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
