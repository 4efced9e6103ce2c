import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LastGoodZones } from '../../../src/sources/last-good.js';
import { loadZones } from '../../../src/sources/zone-folder.js';

const GOOD = 'zone: a.test\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { contact: h.a.test }\n';

describe('LastGoodZones', () => {
  let folder: string;
  let zones: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'last-good-'));
    zones = join(folder, 'a.yaml');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const saved = async () => {
    await writeFile(zones, GOOD);
    await new LastGoodZones(folder).save(await loadZones([zones]));
  };

  it('brings back the last good version of a file that is broken at the start', async () => {
    await saved();
    await writeFile(zones, 'zone: [');
    const filled = await new LastGoodZones(folder).fill(await loadZones([zones]));
    expect(filled.zones.map(({ zone }) => zone.origin)).toEqual(['a.test.']);
    expect(filled.problems).not.toEqual([]);
  });

  it('leaves a good file alone', async () => {
    await saved();
    await writeFile(zones, GOOD.replace('192.0.2.53', '192.0.2.54'));
    const loaded = await loadZones([zones]);
    expect(await new LastGoodZones(folder).fill(loaded)).toEqual(loaded);
  });

  it('forgets a file that was deleted', async () => {
    await saved();
    const store = new LastGoodZones(folder);
    await rm(zones);
    await store.save(await loadZones([folder]));
    expect(await readdir(join(folder, 'last-good'))).toEqual([]);
  });

  it.each(['', '{', '{"file":1,"text":2}', 'null'])(
    'takes no harm from a copy that holds %j',
    async (text) => {
      await saved();
      const [name] = await readdir(join(folder, 'last-good'));
      await writeFile(join(folder, 'last-good', name!), text);
      await writeFile(zones, 'zone: [');
      const filled = await new LastGoodZones(folder).fill(await loadZones([zones]));
      expect(filled.zones).toEqual([]);
    },
  );
});
