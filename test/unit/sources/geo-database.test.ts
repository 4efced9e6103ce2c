import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  EMBEDDED,
  type GeoDatabase,
  type GeoProblem,
  type GeoWatch,
  geoFile,
  loadGeoDatabase,
  lookupLocation,
  openGeoDatabase,
  watchGeoDatabase,
} from '../../../src/sources/geo-database.js';
import { writeMmdb } from '../../support/mmdb-writer.js';

const MODULES = { nowMs: () => Date.parse('2026-07-01T12:00:00Z') };
const COUNTRIES = [
  { prefix: '192.0.2.0/24', data: { country: { iso_code: 'US' } } },
  { prefix: '2001:db8::/32', data: { country: { iso_code: 'FR' } } },
];
const NETWORKS = [{ prefix: '192.0.2.128/25', data: { autonomous_system_number: 64500 } }];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'geo-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function load(paths: readonly string[]): Promise<GeoDatabase> {
  const loaded = await loadGeoDatabase(paths, MODULES);
  if (!('trie' in loaded)) throw new Error(loaded[0]?.message ?? '');
  return loaded;
}

describe('loadGeoDatabase()', () => {
  it('merges databases, the later one first', async () => {
    const countries = file('countries.mmdb', writeMmdb(COUNTRIES, { databaseType: 'GeoLite2-Country' }));
    const networks = file('networks.mmdb', writeMmdb(NETWORKS, { recordSize: 24, ipVersion: 4 }));
    const database = await load([countries, networks]);
    expect(lookupLocation(database, '192.0.2.129')).toEqual({
      location: { country: 'US', asn: 64500 },
      prefix: '192.0.2.128/25',
    });
    expect(lookupLocation(database, '2001:db8::1')).toEqual({
      location: { country: 'FR' },
      prefix: '2001:db8::/32',
    });
    expect(database.sources.map((source) => source.path)).toEqual([countries, networks]);
  });

  it('says what it is, how old it is and whom to thank', async () => {
    const buildEpoch = new Date('2026-06-01T00:00:00Z');
    const path = file('city.mmdb', writeMmdb(COUNTRIES, { databaseType: 'GeoLite2-City', buildEpoch }));
    expect((await load([path])).sources).toEqual([
      {
        path,
        databaseType: 'GeoLite2-City',
        buildEpoch,
        ageDays: 30,
        attribution: expect.stringContaining('MaxMind'),
      },
    ]);
  });

  it('reports every database that it cannot use by its name', async () => {
    const paths = [
      join(folder, 'missing.mmdb'),
      file('text.mmdb', 'hello'),
      folder,
      file('empty.mmdb', writeMmdb([{ prefix: '192.0.2.0/24', data: { note: 'x' } }])),
      file('good.mmdb', writeMmdb(COUNTRIES)),
    ];
    const problems = (await loadGeoDatabase(paths, MODULES)) as readonly GeoProblem[];
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ['unreadable', paths[0]],
      ['no-metadata', paths[1]],
      ['unreadable', paths[2]],
      ['empty', paths[3]],
    ]);
    for (const { path, message } of problems) expect(message).toContain(path);
  });

  it('knows well-known addresses in the embedded database', async () => {
    const database = await load([EMBEDDED]);
    const country = (address: string) => lookupLocation(database, address)?.location.country;
    expect(country('193.0.6.139')).toBe('NL');
    expect(country('8.8.8.8')).toBe('US');
    expect(country('133.11.0.1')).toBe('JP');
    expect(country('2001:4860:4860::8888')).toBe('US');
    expect(country('::ffff:8.8.8.8')).toBe('US');
    expect(lookupLocation(database, '192.168.1.1')?.location).toEqual({});
    expect(lookupLocation(database, '2001:db8::1')?.location).toEqual({});
    expect(database.sources[0]?.attribution).toContain('nro.net');
    expect(geoFile(EMBEDDED)).toContain('node_modules');
  });
});

describe('openGeoDatabase()', () => {
  it('falls back to the embedded database behind the good ones and reports the broken one', async () => {
    const broken = file('broken.mmdb', writeMmdb(COUNTRIES).subarray(0, 100));
    const networks = file('networks.mmdb', writeMmdb(NETWORKS));
    const { database, problems } = await openGeoDatabase([broken, networks], MODULES);
    expect(problems.map((problem) => [problem.code, problem.path])).toEqual([['no-metadata', broken]]);
    expect(database.sources.map((source) => source.path)).toEqual([EMBEDDED, networks]);
    expect(lookupLocation(database, '8.8.8.8')?.location.country).toBe('US');
    expect(lookupLocation(database, '192.0.2.129')?.location.asn).toBe(64500);
  });

  it('reports nothing where nothing is wrong', async () => {
    const { problems } = await openGeoDatabase([file('good.mmdb', writeMmdb(COUNTRIES))], MODULES);
    expect(problems).toEqual([]);
  });
});

describe('lookupLocation()', () => {
  it.each(['', '192.0.2', '192.0.2.1/24', 'localhost', '2001:db8::g'])('has none for %j', async (text) => {
    expect(lookupLocation(await load([file('a.mmdb', writeMmdb(COUNTRIES))]), text)).toBeUndefined();
  });
});

describe('watchGeoDatabase()', () => {
  let watching: GeoWatch | undefined;
  const told: (GeoDatabase | GeoProblem)[] = [];
  let wake: () => void = () => {};

  function watchFile(path: string, pollMs = 60_000): void {
    told.length = 0;
    const tell = (news: GeoDatabase | GeoProblem) => {
      told.push(news);
      wake();
    };
    const modules = { nowMs: () => Date.now() };
    watching = watchGeoDatabase(
      { paths: [path], onChange: tell, onError: tell, debounceMs: 10, pollMs },
      modules,
    );
  }

  /** The next news, or those already there. */
  async function news(): Promise<GeoDatabase | GeoProblem> {
    if (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return told.shift()!;
  }

  /** Replaces a file as a careful updater does. */
  function replace(path: string, content: Buffer): void {
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  }

  afterEach(() => watching?.close());

  it('hands on a good file, reports a broken one by its name and takes the next good one', async () => {
    const path = file('watched.mmdb', writeMmdb(COUNTRIES));
    watchFile(path);
    replace(path, writeMmdb([{ prefix: '192.0.2.0/24', data: { country_code: 'CA' } }]));
    const first = await news();
    expect('trie' in first && lookupLocation(first, '192.0.2.1')?.location).toEqual({ country: 'CA' });
    replace(path, writeMmdb(COUNTRIES).subarray(0, 50));
    expect(await news()).toMatchObject({ code: 'no-metadata', path });
    rmSync(path);
    expect(await news()).toMatchObject({ code: 'unreadable', path });
    replace(path, writeMmdb([{ prefix: '192.0.2.0/24', data: { country_code: 'MX' } }]));
    const last = await news();
    expect('trie' in last && lookupLocation(last, '192.0.2.1')?.location).toEqual({ country: 'MX' });
    expect(told).toEqual([]);
  });

  it('finds by polling a file in a folder that was not there at first', async () => {
    const path = join(folder, 'later', 'watched.mmdb');
    watchFile(path, 10);
    mkdirSync(join(folder, 'later'));
    replace(path, writeMmdb(COUNTRIES));
    expect(await news()).toMatchObject({ sources: [{ path }] });
  });

  it('tells nothing after close()', async () => {
    const path = file('watched.mmdb', writeMmdb(COUNTRIES));
    watchFile(path, 5);
    watching?.close();
    replace(path, writeMmdb(NETWORKS));
    watching = undefined;
    const first = [...told];
    watchFile(file('other.mmdb', writeMmdb(COUNTRIES)), 5);
    replace(join(folder, 'other.mmdb'), writeMmdb(NETWORKS));
    expect(await news()).toMatchObject({ sources: [{ path: join(folder, 'other.mmdb') }] });
    expect(first).toEqual([]);
  });
});
