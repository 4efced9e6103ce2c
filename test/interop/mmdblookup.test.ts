import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED, geoFile, loadGeoDatabase, lookupLocation } from '../../src/sources/geo-database.js';
import { double, float, type MmdbOptions, uint16, writeMmdb } from '../support/mmdb-writer.js';

const isInstalled = spawnSync('mmdblookup', ['--version']).error === undefined;

/** What mmdblookup (Debian's mmdb-bin) finds for an address, and what it complains of. */
function mmdblookup(file: string, address: string, ...path: readonly string[]): string {
  const run = spawnSync('mmdblookup', ['--file', file, '--ip', address, ...path], { encoding: 'utf8' });
  return `${run.stdout}${run.stderr}`.trim();
}

const RECORD = {
  country: { iso_code: 'US', names: { en: 'United States of America', de: 'Vereinigte Staaten' } },
  location: { latitude: double(37), longitude: float(-122.25) },
  subdivisions: [{ iso_code: 'CA' }, { iso_code: 'XX' }],
  again: 'United States of America',
  long: 'x'.repeat(300),
  number: 4_000_000_000,
  small: uint16(443),
  below: -7,
  wide: 12_345_678_901_234n,
  flag: true,
};

describe.skipIf(!isInstalled)('mmdblookup (skipped where mmdb-bin is not installed)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mmdb-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const kinds: MmdbOptions[] = [24, 28, 32].flatMap((recordSize) => [
    { recordSize: recordSize as 24, ipVersion: 4 },
    { recordSize: recordSize as 24, ipVersion: 6, hasAliases: true },
  ]);

  it.each(kinds)('reads what the writer wrote: $recordSize bits, IP version $ipVersion', (options) => {
    const file = join(folder, `${options.recordSize}-${options.ipVersion}.mmdb`);
    const entries = [
      { prefix: '192.0.2.0/24', data: RECORD },
      { prefix: '192.0.2.128/25', data: { country_code: 'DE' } },
      ...(options.ipVersion === 6 ? [{ prefix: '2001:db8::/32', data: { country_code: 'FR' } }] : []),
    ];
    writeFileSync(file, writeMmdb(entries, options));
    const values: readonly (readonly [string, ...string[]])[] = [
      ['"US" <utf8_string>', 'country', 'iso_code'],
      ['"United States of America" <utf8_string>', 'again'],
      [`"${'x'.repeat(300)}" <utf8_string>`, 'long'],
      ['37.000000 <double>', 'location', 'latitude'],
      ['-122.250000 <float>', 'location', 'longitude'],
      ['"XX" <utf8_string>', 'subdivisions', '1', 'iso_code'],
      ['4000000000 <uint32>', 'number'],
      ['443 <uint16>', 'small'],
      ['-7 <int32>', 'below'],
      ['12345678901234 <uint64>', 'wide'],
      ['true <boolean>', 'flag'],
    ];
    for (const [expected, ...path] of values) expect(mmdblookup(file, '192.0.2.1', ...path)).toBe(expected);
    expect(mmdblookup(file, '192.0.2.200', 'country_code')).toBe('"DE" <utf8_string>');
    expect(mmdblookup(file, '198.51.100.1')).toContain('Could not find an entry');
    if (options.ipVersion === 6) {
      expect(mmdblookup(file, '2001:db8::1', 'country_code')).toBe('"FR" <utf8_string>');
      expect(mmdblookup(file, '2002:c000:2c8::1', 'country_code')).toBe('"DE" <utf8_string>');
    }
  });

  it('agrees with our look-up in the embedded database', async () => {
    const database = await loadGeoDatabase([EMBEDDED], { nowMs: () => 0 });
    if (!('trie' in database)) throw new Error(database[0]?.message ?? '');
    const v4 = Array.from({ length: 120 }, (_, i) => `${(i * 37) % 224}.${(i * 91) % 256}.${i}.7`);
    const v6 = Array.from({ length: 60 }, (_, i) => `2${(i % 14).toString(16)}0${i % 10}:${i * 257}::1`);
    for (const address of [...v4, ...v6]) {
      const theirs = /"([A-Z]{2})"/.exec(mmdblookup(geoFile(EMBEDDED)!, address))?.[1];
      expect([address, lookupLocation(database, address)?.location.country]).toEqual([address, theirs]);
    }
  });
});
