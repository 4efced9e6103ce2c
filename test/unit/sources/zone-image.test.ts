import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Zone } from '../../../src/core/zone/model.js';
import { LastGoodZones } from '../../../src/sources/last-good.js';
import { loadMasterFile } from '../../../src/sources/master-zone.js';
import { loadZones } from '../../../src/sources/zone-folder.js';
import { decodeZoneImage, encodeZoneImage } from '../../../src/sources/zone-image.js';

const GOOD = `@ 3600 SOA ns1 h 1 7200 1800 259200 900
@ NS ns1
ns1 A 192.0.2.53
www 60 A 192.0.2.1
www 60 A 192.0.2.2
www AAAA 2001:db8::1
b\\044c.d TXT "x" ""
`;

function zone(text = GOOD): Zone {
  const result = loadMasterFile('a.test.zone', Buffer.from(text));
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.zone;
}

/** Only what the zone says: rdata may be parts of anything, and an RRset may know its line. */
const plain = (value: Zone | undefined) =>
  value && {
    ...value,
    rrsets: value.rrsets.map((rrset) => {
      if (rrset.kind !== 'static') return rrset;
      const { kind, name, type, ttl, rdata } = rrset;
      return { kind, name, type, ttl, rdata: rdata.map((bytes) => [...bytes]) };
    }),
  };

describe('the image of a zone', () => {
  it('is the zone again', () => {
    expect(plain(decodeZoneImage(encodeZoneImage(zone())))).toEqual(plain(zone()));
  });

  it('is nothing when cut short, wherever, or when it is something else', () => {
    const image = encodeZoneImage(zone());
    const whole = zone().rrsets.length;
    for (let length = 0; length < image.length; length++) {
      const decoded = decodeZoneImage(image.subarray(0, length));
      // A cut between two RRsets can't be told from a shorter zone; a copy is renamed into place as a whole.
      if (decoded) expect(decoded.rrsets.length).toBeLessThan(whole);
    }
    expect(decodeZoneImage(Buffer.from('{"file":"x"}'))).toBeUndefined();
  });
});

describe('a master file', () => {
  it('keeps its last good records over a broken file and a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'last-good-master-'));
    try {
      const file = join(folder, 'a.test.zone');
      await writeFile(file, GOOD);
      await new LastGoodZones(folder).save(await loadZones([file]));
      await writeFile(file, `${GOOD}www A 192.0.2.300\n`);
      const filled = await new LastGoodZones(folder).fill(await loadZones([file]));
      expect(filled.problems.map(({ line }) => line)).toEqual([8]);
      expect(filled.zones.map(({ zone: { origin, rrsets } }) => [origin, rrsets.length])).toEqual([
        ['a.test.', 5],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has another version for every other content, of an included file too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'version-'));
    try {
      const file = join(folder, 'a.test.zone');
      const versions = new Set<string>();
      for (const [main, more] of [
        ['$INCLUDE more.inc\n', 'x A 192.0.2.1\n'],
        ['$INCLUDE more.inc\n', 'x A 192.0.2.2\n'],
        ['$INCLUDE more.inc\n;\n', 'x A 192.0.2.2\n'],
      ] as const) {
        await writeFile(file, GOOD + main);
        await writeFile(join(folder, 'more.inc'), more);
        const [loaded] = (await loadZones([file])).zones;
        versions.add(loaded!.version);
      }
      expect(versions.size).toBe(3);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
