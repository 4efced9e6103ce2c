import { type FSWatcher, statSync, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { Reader } from 'maxmind';
import { formatAddress, maskBytes, parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';
import {
  EMPTY_LOCATIONS,
  keyOf,
  type Location,
  type LocationTrie,
  locate,
  mergeLocations,
} from '../core/geo/location.js';
import { locationFromRecord } from '../core/geo/record.js';
import { forgetSpecialPrefixes } from '../core/geo/special.js';
import { type MmdbProblem, readMmdb } from './mmdb.js';

export interface GeoSource {
  readonly path: string;
  readonly databaseType: string;
  readonly buildEpoch: Date;
  /** Whole days between the build and the moment of loading. */
  readonly ageDays: number;
  /** Licence and attribution, to be shown wherever the data is. */
  readonly attribution: string;
}

/** One or several databases as one. */
export interface GeoDatabase {
  readonly trie: LocationTrie;
  readonly sources: readonly GeoSource[];
}

export interface GeoProblem {
  readonly code: MmdbProblem['code'] | 'unreadable' | 'not-installed' | 'empty' | 'canary';
  /** The path as it was configured. */
  readonly path: string;
  /** Names the path and says what is wrong. */
  readonly message: string;
}

export interface GeoModules {
  readonly nowMs: () => number;
}

/** In place of a path: the database that comes with Meridian. */
export const EMBEDDED = 'embedded';

/** GeoIP2 City has 120 MB. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;
const PATHS_MAX = 8;

/**
 * Loads databases (`embedded` or paths of mmdb files) and merges them; where two know the same field, the later one
 * wins. Returns the problems, at least one, if any of them can't be used.
 */
export async function loadGeoDatabase(
  paths: readonly string[],
  modules: GeoModules,
): Promise<GeoDatabase | readonly GeoProblem[]> {
  const { database, problems } = await loadUsable(paths, modules);
  return problems.length > 0 ? problems : database;
}

/**
 * Loads databases at the first start, when there is no earlier one to keep: those that can't be used are reported
 * and the embedded one stands in for them, behind the others. If that is broken too, nothing is known of any
 * address, and every client gets the default.
 */
export async function openGeoDatabase(
  paths: readonly string[],
  modules: GeoModules,
): Promise<{ readonly database: GeoDatabase; readonly problems: readonly GeoProblem[] }> {
  const first = await loadUsable(paths, modules);
  if (first.problems.length === 0) return first;
  const broken = new Set(first.problems.map((problem) => problem.path));
  if (broken.has(EMBEDDED)) return first;
  const good = paths.filter((path) => !broken.has(path) && path !== EMBEDDED).slice(0, PATHS_MAX - 1);
  const second = await loadUsable([EMBEDDED, ...good], modules);
  return { database: second.database, problems: [...first.problems, ...second.problems] };
}

export interface GeoWatchOptions {
  readonly paths: readonly string[];
  /** A new state of the files that was read and checked whole. */
  readonly onChange: (database: GeoDatabase) => void;
  /** A new state that can't be used; the database in use stays. Told once for each state of the files. */
  readonly onError: (problem: GeoProblem) => void;
  /** Quiet time after the last event before the files are read; copying a large file takes a while. */
  readonly debounceMs?: number;
  /** How often the files are looked at where the system sends no events (network file systems). */
  readonly pollMs?: number;
}

/** Watches the files of a database until `close()`; after that nothing is told any more. */
export function watchGeoDatabase(options: GeoWatchOptions, modules: GeoModules): GeoWatch {
  return new GeoWatch(options, modules);
}

export class GeoWatch {
  readonly #options: GeoWatchOptions;
  readonly #modules: GeoModules;
  readonly #files: readonly string[];
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  /** Events can't put off reading for longer than this. */
  #latestMs = 0;
  /** State of the files that was last read or tried. */
  #state: string;
  #isLoading = false;
  #isClosed = false;

  constructor(options: GeoWatchOptions, modules: GeoModules) {
    this.#options = options;
    this.#modules = modules;
    this.#files = options.paths.filter((path) => path !== EMBEDDED).map((path) => resolve(path));
    this.#state = stateOf(this.#files);
    // The directory, as a file that is replaced by renaming is another file to the system.
    for (const directory of new Set(this.#files.map((file) => dirname(file)))) this.#watch(directory);
    this.#poll = setInterval(() => this.#lookAgain(), options.pollMs ?? 60_000);
    this.#poll.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#lookAgain());
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // No such directory yet, or no watches left: polling goes on.
    }
  }

  #lookAgain(): void {
    if (this.#isClosed || stateOf(this.#files) === this.#state) return;
    const debounceMs = this.#options.debounceMs ?? 1_000;
    const nowMs = this.#modules.nowMs();
    if (this.#timer === undefined) this.#latestMs = nowMs + 10 * debounceMs;
    clearTimeout(this.#timer);
    const waitMs = Math.min(debounceMs, Math.max(0, this.#latestMs - nowMs));
    this.#timer = setTimeout(() => void this.#load(), waitMs).unref();
  }

  async #load(): Promise<void> {
    this.#timer = undefined;
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#state = stateOf(this.#files);
    const loaded = await loadGeoDatabase(this.#options.paths, this.#modules);
    this.#isLoading = false;
    if (this.#isClosed) return;
    // Written to while it was read: what was read may be half of each.
    if (stateOf(this.#files) !== this.#state) return this.#lookAgain();
    if ('trie' in loaded) this.#options.onChange(loaded);
    else for (const problem of loaded) this.#options.onError(problem);
  }
}

/** Differs when one of the files was replaced, written to, added or removed. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const stats = statSync(file, { bigint: true });
        return `${stats.ino}/${stats.size}/${stats.mtimeNs}`;
      } catch {
        return 'missing';
      }
    })
    .join();
}

/** Where an address is, and the prefix for which the database says so; undefined if the text is no address. */
export function lookupLocation(
  database: GeoDatabase,
  text: string,
): { readonly location: Location; readonly prefix: string } | undefined {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (bytes === undefined) return undefined;
  const { id, length } = locate(database.trie, bytes);
  const prefix = `${formatAddress(maskBytes(bytes, length))}/${length}`;
  return { location: database.trie.locations[id]!, prefix };
}

/** The file behind a configured path; undefined if the embedded database isn't installed. */
export function geoFile(path: string): string | undefined {
  if (path !== EMBEDDED) return path;
  try {
    return createRequire(import.meta.url).resolve(EMBEDDED_FILE);
  } catch {
    return undefined;
  }
}

const EMBEDDED_FILE = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

async function loadUsable(
  paths: readonly string[],
  modules: GeoModules,
): Promise<{ database: GeoDatabase; problems: readonly GeoProblem[] }> {
  const problems: GeoProblem[] = [];
  const sources: GeoSource[] = [];
  let trie = EMPTY_LOCATIONS;
  for (const path of paths.slice(0, PATHS_MAX)) {
    const loaded = await loadOne(path, modules);
    if ('code' in loaded) {
      problems.push(loaded);
      continue;
    }
    trie = sources.length === 0 ? loaded.trie : mergeLocations(trie, loaded.trie);
    sources.push(loaded.source);
  }
  for (const path of paths.slice(PATHS_MAX)) {
    problems.push({
      code: 'too-large',
      path,
      message: `${path}: at most ${PATHS_MAX} databases are allowed`,
    });
  }
  return { database: { trie, sources }, problems };
}

async function loadOne(
  path: string,
  modules: GeoModules,
): Promise<{ trie: LocationTrie; source: GeoSource } | GeoProblem> {
  const file = geoFile(path);
  if (file === undefined) {
    return {
      code: 'not-installed',
      path,
      message: `${path}: package ${EMBEDDED_FILE.slice(0, 48)} is missing`,
    };
  }
  const bytes = await readWhole(file, path);
  if (!Buffer.isBuffer(bytes)) return bytes;
  const read = readMmdb(bytes, path);
  if ('code' in read) return { ...read, path };
  const wrong = checkCanaries(bytes, read.trie, path, read.metadata.ipVersion);
  if (wrong !== undefined) return wrong;
  const { databaseType, buildEpoch } = read.metadata;
  const ageDays = Math.max(0, Math.floor((modules.nowMs() - buildEpoch.getTime()) / 86_400_000));
  const attribution = attributionOf(path, databaseType);
  // A private network may well be in a database of one's own, but not in a public one.
  const trie = path === EMBEDDED ? forgetSpecialPrefixes(read.trie) : read.trie;
  return { trie, source: { path, databaseType, buildEpoch, ageDays, attribution } };
}

async function readWhole(file: string, path: string): Promise<Buffer | GeoProblem> {
  try {
    const stats = await stat(file);
    // Reading a pipe would wait for ever.
    if (!stats.isFile()) return { code: 'unreadable', path, message: `${path} isn't a file` };
    const { size } = stats;
    if (size > FILE_BYTES_MAX) {
      return { code: 'too-large', path, message: `${path} has ${size} bytes; ${FILE_BYTES_MAX} are allowed` };
    }
    return await readFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { code: 'unreadable', path, message: `${path} can't be read: ${reason}` };
  }
}

/** Addresses of root name servers, public resolvers and documentation, in all parts of both address spaces. */
const CANARIES = [
  '1.1.1.1',
  '8.8.8.8',
  '41.0.0.1',
  '81.2.69.142',
  '133.11.0.1',
  '192.0.2.1',
  '193.0.14.129',
  '200.160.0.8',
  '203.119.0.1',
  '223.255.255.255',
  '2001:4860:4860::8888',
  '2001:7fd::1',
  '2400:cb00::1',
  '2606:4700::1',
  '2800:3f0::1',
  '2a00:1450::1',
  '2c0f:f248::1',
];

/**
 * Compares what our trie says with what the reader of maxmind finds in the same bytes, before a database is
 * accepted; and refuses one that knows nothing at all.
 */
function checkCanaries(
  bytes: Buffer,
  trie: LocationTrie,
  path: string,
  ipVersion: 4 | 6,
): GeoProblem | undefined {
  if (trie.locations.length < 2) {
    return { code: 'empty', path, message: `${path} knows no location in any of its records` };
  }
  try {
    const reader = new Reader<Readonly<Record<string, never>>>(bytes);
    for (const address of CANARIES) {
      const v4 = parseIPv4(address);
      // It finds wrong records for IPv6 addresses in a database of IPv4.
      if (v4 === undefined && ipVersion === 4) continue;
      const ours = trie.locations[locate(trie, v4 ?? parseIPv6(address)!).id]!;
      if (keyOf(ours) !== keyOf(locationFromRecord(reader.get(address)))) {
        return { code: 'canary', path, message: `${path}: two ways to look up ${address} disagree` };
      }
    }
    return undefined;
  } catch {
    return { code: 'canary', path, message: `${path}: the canary look-ups failed` };
  }
}

function attributionOf(path: string, databaseType: string): string {
  if (path === EMBEDDED) {
    return (
      'ip-location-db geo-whois-asn-country, CC0-1.0; contains statistics of the Number Resource Organization ' +
      '(nro.net), CC BY 4.0'
    );
  }
  if (/^(?:GeoLite|GeoIP)/i.test(databaseType)) {
    return 'This product includes GeoLite or GeoIP data created by MaxMind, available from https://www.maxmind.com';
  }
  if (/^DBIP/i.test(databaseType)) return 'IP Geolocation by DB-IP, https://db-ip.com';
  if (/ipinfo/i.test(databaseType)) return 'IP address data powered by IPinfo, https://ipinfo.io';
  return `see the supplier of ${databaseType || path}`;
}
