import { createRequire } from 'node:module';
import type decoderModule from 'mmdb-lib/lib/decoder.js';
import { keyOf, type Location, type LocationTrie } from '../core/geo/location.js';
import { type DataBudget, type DataSection, isSoundValue } from '../core/geo/mmdb-data.js';
import { readSearchTree, type TreeLayout, treeBytes } from '../core/geo/mmdb-tree.js';
import { locationFromRecord } from '../core/geo/record.js';

// The decoder isn't exported by the package's main file, and import gives different things for CommonJS modules with
// a default export under Node and under vitest; require doesn't.
const { default: Decoder } = createRequire(import.meta.url)(
  'mmdb-lib/lib/decoder.js',
) as typeof decoderModule;

export interface MmdbMetadata {
  readonly databaseType: string;
  readonly buildEpoch: Date;
  readonly ipVersion: 4 | 6;
  readonly nodeCount: number;
}

export interface MmdbProblem {
  readonly code:
    | 'no-metadata'
    | 'bad-metadata'
    | 'unsupported'
    | 'too-large'
    | 'truncated'
    | 'bad-tree'
    | 'bad-data';
  /** Names the file and says what is wrong. */
  readonly message: string;
}

/**
 * Reads a MaxMind DB file (https://maxmind.github.io/MaxMind-DB/) whole. `name` stands in front of messages.
 *
 * All offsets and sizes are checked before anything is decoded, so a broken or hostile file ends in a problem.
 * IPv4 addresses of a version 6 database come from ::/96; a version 4 database leaves all of IPv6 unknown.
 */
export function readMmdb(
  file: Buffer,
  name: string,
): { readonly trie: LocationTrie; readonly metadata: MmdbMetadata } | MmdbProblem {
  const marker = findMarker(file);
  if (marker < 0) return problem(name, 'no-metadata', "isn't a MaxMind DB file: it has no metadata section");
  const metadata = readMetadata(file, marker, name);
  if ('code' in metadata) return metadata;
  const layout: TreeLayout = { ...metadata, dataEnd: marker };
  if (treeBytes(layout) + 16 > marker) {
    return problem(name, 'truncated', `is too short for its ${layout.nodeCount} nodes`);
  }
  const reader = new RecordReader(file.subarray(0, marker), treeBytes(layout) + 16);
  const tree = readSearchTree(file, layout, (offset) => reader.locationAt(offset));
  if (reader.isOverLimit) return problem(name, 'too-large', 'holds more data than a database may');
  if ('code' in tree) return problem(name, tree.code, `is broken: ${tree.message}`);
  const { databaseType, buildEpoch, ipVersion, nodeCount } = metadata;
  return {
    trie: { ...tree, locations: reader.locations },
    metadata: { databaseType, buildEpoch, ipVersion, nodeCount },
  };
}

const MARKER = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');

/** "The metadata section … must be within the last 128 KiB of the file." */
const METADATA_BYTES_MAX = 131_072;

/** Six times GeoIP2 City; the arrays for more would take over a gigabyte. */
const NODES_MAX = 1 << 25;
const LOCATIONS_MAX = 1 << 22;

/** GeoLite2 City needs about four million. */
const VALUES_MAX = 1 << 26;

function findMarker(file: Buffer): number {
  const first = Math.max(0, file.length - METADATA_BYTES_MAX);
  const at = file.subarray(first).lastIndexOf(MARKER);
  return at < 0 ? -1 : first + at;
}

interface Metadata extends MmdbMetadata {
  readonly recordSize: 24 | 28 | 32;
}

function readMetadata(file: Buffer, marker: number, name: string): Metadata | MmdbProblem {
  const start = marker + MARKER.length;
  const section: DataSection = { bytes: file, start, end: file.length };
  const values = decodeSound(file, section, start, { left: 10_000, checked: new Set() }) as
    | Readonly<Record<string, unknown>>
    | undefined;
  if (typeof values !== 'object' || values === null) {
    return problem(name, 'bad-metadata', "has metadata that can't be decoded");
  }
  const nodeCount = values['node_count'];
  const recordSize = values['record_size'];
  const ipVersion = values['ip_version'];
  const major = values['binary_format_major_version'];
  const buildEpoch = new Date(Number(asNumber(values['build_epoch'])) * 1000);
  const databaseType = values['database_type'];
  if (major !== 2) return problem(name, 'unsupported', `has format version ${shown(major)}; 2 is supported`);
  if (recordSize !== 24 && recordSize !== 28 && recordSize !== 32) {
    return problem(name, 'unsupported', `has record size ${shown(recordSize)}; 24, 28 and 32 are allowed`);
  }
  if (ipVersion !== 4 && ipVersion !== 6) {
    return problem(name, 'unsupported', `has IP version ${shown(ipVersion)}; 4 and 6 are allowed`);
  }
  if (typeof nodeCount !== 'number' || !Number.isInteger(nodeCount) || nodeCount < 1) {
    return problem(name, 'bad-metadata', 'has no nodes');
  }
  if (nodeCount > NODES_MAX)
    return problem(name, 'too-large', `has ${nodeCount} nodes; ${NODES_MAX} are allowed`);
  if (Number.isNaN(buildEpoch.getTime())) return problem(name, 'bad-metadata', 'has no date of build');
  if (typeof databaseType !== 'string') return problem(name, 'bad-metadata', 'has no database type');
  return { nodeCount, recordSize, ipVersion, buildEpoch, databaseType: databaseType.slice(0, 200) };
}

/** Decodes each record once and gives equal locations one id. */
class RecordReader {
  readonly locations: Location[] = [{}];
  isOverLimit = false;
  readonly #file: Buffer;
  readonly #section: DataSection;
  readonly #budget: DataBudget = { left: VALUES_MAX, checked: new Set() };
  readonly #cache = new Map<string | number, unknown>();
  readonly #idOfOffset = new Map<number, number>();
  readonly #idOfKey = new Map<string, number>([[keyOf({}), 0]]);
  #lastOffset = -1;
  #lastId = 0;

  constructor(file: Buffer, dataStart: number) {
    this.#file = file;
    this.#section = { bytes: file, start: dataStart, end: file.length };
  }

  /** Location id of the record at `offset`, -1 if it is broken. */
  locationAt(offset: number): number {
    // Neighbours in the tree often share their record.
    if (offset === this.#lastOffset) return this.#lastId;
    const id = this.#idOfOffset.get(offset) ?? this.#read(offset);
    this.#lastOffset = offset;
    this.#lastId = id;
    return id;
  }

  #read(offset: number): number {
    const record = decodeSound(this.#file, this.#section, offset, this.#budget, this.#cache);
    if (this.#budget.left < 0) this.isOverLimit = true;
    if (record === undefined) return -1;
    const location = locationFromRecord(record);
    const key = keyOf(location);
    let id = this.#idOfKey.get(key);
    if (id === undefined) {
      id = this.locations.push(location) - 1;
      this.#idOfKey.set(key, id);
      if (id > LOCATIONS_MAX) this.isOverLimit = true;
    }
    this.#idOfOffset.set(offset, id);
    return this.isOverLimit ? -1 : id;
  }
}

/** The value at an offset of `file`, undefined if it isn't sound. */
function decodeSound(
  file: Buffer,
  section: DataSection,
  offset: number,
  budget: DataBudget,
  cache?: Map<string | number, unknown>,
): unknown {
  if (!isSoundValue(section, offset, budget)) return undefined;
  try {
    return new Decoder(file, section.start, cache).decode(offset).value;
  } catch {
    // Sound values decode; what the check may have missed is still no reason to fall over.
    return undefined;
  }
}

/** mmdb-lib gives 64-bit integers as bigint. */
function asNumber(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string'
    ? String(value).slice(0, 40)
    : 'of a wrong type';
}

function problem(name: string, code: MmdbProblem['code'], message: string): MmdbProblem {
  return { code, message: `${name} ${message}` };
}
