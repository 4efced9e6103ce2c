/**
 * Writes small MaxMind DB files (https://maxmind.github.io/MaxMind-DB/) for tests. Repeated texts become pointers
 * and equal records are written once, as real databases do. Everything stays in memory: not for a million prefixes.
 */
import { parsePrefix } from '../../src/core/dns/rdata/address.js';
import type { LocationTrie } from '../../src/core/geo/location.js';
import { readMmdb } from '../../src/sources/mmdb.js';

/** A number that is written as a 64-bit or 32-bit float even if it is whole. */
export interface Float {
  readonly float: number;
  readonly bits: 32 | 64;
}

/** A number that is written as uint16: readers insist on that type for most of the metadata. */
export interface Short {
  readonly uint16: number;
}

/** Whole numbers become uint32 or int32, others double; bigint becomes uint64. */
export type MmdbValue =
  | string
  | number
  | bigint
  | boolean
  | Float
  | Short
  | readonly MmdbValue[]
  | { readonly [key: string]: MmdbValue };

export interface MmdbEntry {
  /** `192.0.2.0/24` or `2001:db8::/32`. */
  readonly prefix: string;
  readonly data: MmdbValue;
}

export interface MmdbOptions {
  readonly recordSize?: 24 | 28 | 32;
  readonly ipVersion?: 4 | 6;
  readonly databaseType?: string;
  readonly buildEpoch?: Date;
  /** Lets ::ffff:0:0/96, 2001::/32 and 2002::/16 point back to the IPv4 nodes, as MaxMind's files do. */
  readonly hasAliases?: boolean;
}

export function writeMmdb(entries: readonly MmdbEntry[], options: MmdbOptions = {}): Buffer {
  const { recordSize = 28, ipVersion = 6 } = options;
  const data = new DataWriter();
  const nodes: TreeNode[] = [[undefined, undefined]];
  const sized = entries.map((entry) => ({ ...place(entry.prefix, ipVersion), data: entry.data }));
  for (const { bytes, length, data: value } of sized.sort((a, b) => a.length - b.length)) {
    insert(nodes, bytes, length, { data: data.record(value) });
  }
  if (options.hasAliases) addAliases(nodes);
  const tree = Buffer.alloc((nodes.length * recordSize) / 4);
  for (const [n, node] of nodes.entries()) writeNode(tree, n, recordSize, node, nodes.length);
  const metadata = new DataWriter();
  metadata.record({
    binary_format_major_version: uint16(2),
    binary_format_minor_version: uint16(0),
    build_epoch: BigInt(Math.floor((options.buildEpoch ?? new Date(1_700_000_000_000)).getTime() / 1000)),
    database_type: options.databaseType ?? 'Test',
    description: { en: 'made by a test' },
    ip_version: uint16(ipVersion),
    languages: ['en'],
    node_count: nodes.length,
    record_size: uint16(recordSize),
  });
  const marker = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');
  return Buffer.concat([tree, Buffer.alloc(16), data.bytes(), marker, metadata.bytes()]);
}

/** What a database with these entries knows. */
export function trieOf(entries: readonly MmdbEntry[]): LocationTrie {
  const read = readMmdb(writeMmdb(entries), 'test');
  if ('code' in read) throw new Error(read.message);
  return read.trie;
}

export function double(value: number): Float {
  return { float: value, bits: 64 };
}

export function float(value: number): Float {
  return { float: value, bits: 32 };
}

export function uint16(value: number): Short {
  return { uint16: value };
}

type Child = number | { readonly data: number } | undefined;
type TreeNode = [Child, Child];

function place(prefix: string, ipVersion: 4 | 6): { bytes: Uint8Array; length: number } {
  const parsed = parsePrefix(prefix);
  if ('code' in parsed) throw new Error(`${prefix}: ${parsed.message}`);
  if (parsed.bytes.length === 4 && ipVersion === 6) {
    const bytes = new Uint8Array(16);
    bytes.set(parsed.bytes, 12);
    return { bytes, length: parsed.length + 96 };
  }
  if (parsed.bytes.length === 16 && ipVersion === 4) throw new Error(`${prefix}: not in an IPv4 database`);
  return parsed;
}

function insert(nodes: TreeNode[], bytes: Uint8Array, length: number, child: Child): void {
  let node = nodes[0]!;
  if (length === 0) node[1] = node[0] = child;
  for (let depth = 0; depth < length - 1; depth++) {
    const bit = bitAt(bytes, depth);
    let next = node[bit];
    if (typeof next !== 'number') {
      nodes.push([next, next]);
      next = nodes.length - 1;
      node[bit] = next;
    }
    node = nodes[next]!;
  }
  if (length > 0) node[bitAt(bytes, length - 1)] = child;
}

function addAliases(nodes: TreeNode[]): void {
  let root: Child = 0;
  for (let depth = 0; depth < 96 && typeof root === 'number'; depth++) root = nodes[root]![0];
  for (const prefix of ['::ffff:0:0/96', '2001::/32', '2002::/16']) {
    const { bytes, length } = place(prefix, 6);
    insert(nodes, bytes, length, root);
  }
}

function bitAt(bytes: Uint8Array, depth: number): 0 | 1 {
  return ((bytes[depth >> 3]! >> (7 - (depth & 7))) & 1) as 0 | 1;
}

function writeNode(tree: Buffer, n: number, recordSize: 24 | 28 | 32, node: TreeNode, count: number): void {
  const record = (child: Child) => {
    if (child === undefined) return count;
    return typeof child === 'number' ? child : count + 16 + child.data;
  };
  const at = (n * recordSize) / 4;
  const [left, right] = [record(node[0]), record(node[1])];
  if (recordSize === 28) {
    tree.writeUIntBE(left & 0xff_ffff, at, 3);
    tree.writeUInt8(((left >>> 20) & 0xf0) | (right >>> 24), at + 3);
    tree.writeUIntBE(right & 0xff_ffff, at + 4, 3);
  } else {
    tree.writeUIntBE(left, at, recordSize / 8);
    tree.writeUIntBE(right, at + recordSize / 8, recordSize / 8);
  }
}

/** Values one behind the other; offsets count from the start of the section. */
class DataWriter {
  readonly #chunks: Buffer[] = [];
  #size = 0;
  readonly #texts = new Map<string, number>();
  readonly #records = new Map<string, number>();

  /** Writes a value, unless an equal one is there; returns its offset. */
  record(value: MmdbValue): number {
    const key = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part));
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    const offset = this.#size;
    this.#value(value);
    this.#records.set(key, offset);
    return offset;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #value(value: MmdbValue): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'boolean') this.#head(14, value ? 1 : 0);
    else if (typeof value === 'bigint') this.#unsigned(9, value);
    else if (typeof value === 'number') this.#number(value);
    else if (Array.isArray(value)) {
      this.#head(11, value.length);
      for (const item of value) this.#value(item);
    } else if (isFloat(value)) this.#float(value);
    else if (isShort(value)) this.#unsigned(5, BigInt(value.uint16));
    else {
      const pairs = Object.entries(value as Readonly<Record<string, MmdbValue>>);
      this.#head(7, pairs.length);
      for (const [key, item] of pairs) {
        this.#text(key);
        this.#value(item);
      }
    }
  }

  #number(value: number): void {
    if (!Number.isInteger(value)) this.#float({ float: value, bits: 64 });
    else if (value >= 0) this.#unsigned(6, BigInt(value));
    else {
      this.#head(8, 4);
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(value);
      this.#push(bytes);
    }
  }

  #float({ float: number, bits }: Float): void {
    this.#head(bits === 64 ? 3 : 15, bits / 8);
    const bytes = Buffer.alloc(bits / 8);
    if (bits === 64) bytes.writeDoubleBE(number);
    else bytes.writeFloatBE(number);
    this.#push(bytes);
  }

  /** Without leading zero bytes, as the format wants it. */
  #unsigned(type: number, value: bigint): void {
    const hex = value === 0n ? '' : value.toString(16);
    const bytes = Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex');
    this.#head(type, bytes.length);
    this.#push(bytes);
  }

  #text(text: string): void {
    const known = this.#texts.get(text);
    if (known !== undefined) {
      this.#pointer(known);
      return;
    }
    // A pointer takes up to five bytes: not worth it for short texts.
    if (text.length > 4) this.#texts.set(text, this.#size);
    const bytes = Buffer.from(text);
    this.#head(2, bytes.length);
    this.#push(bytes);
  }

  #pointer(target: number): void {
    if (target < 2048) this.#push(Buffer.of((1 << 5) | (target >> 8), target & 0xff));
    else if (target < 526_336) {
      const value = target - 2048;
      this.#push(Buffer.of((1 << 5) | (1 << 3) | (value >> 16), (value >> 8) & 0xff, value & 0xff));
    } else {
      const bytes = Buffer.alloc(5);
      bytes.writeUInt8((1 << 5) | (3 << 3));
      bytes.writeUInt32BE(target, 1);
      this.#push(bytes);
    }
  }

  #head(type: number, size: number): void {
    const [low, extra] = sizeBytes(size);
    const bytes = type > 7 ? [low, type - 7] : [(type << 5) | low];
    this.#push(Buffer.from([...bytes, ...extra]));
  }

  #push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
  }
}

function sizeBytes(size: number): [number, number[]] {
  if (size < 29) return [size, []];
  if (size < 285) return [29, [size - 29]];
  if (size < 65_821) return [30, [(size - 285) >> 8, (size - 285) & 0xff]];
  const rest = size - 65_821;
  return [31, [rest >> 16, (rest >> 8) & 0xff, rest & 0xff]];
}

function isFloat(value: object): value is Float {
  return 'float' in value && 'bits' in value;
}

function isShort(value: object): value is Short {
  return 'uint16' in value;
}
