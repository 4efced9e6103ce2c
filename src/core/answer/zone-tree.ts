import { TYPE } from '../dns/iana.js';
import { lowerName, parseName } from '../dns/name.js';
import type { RRset, Zone } from '../zone/model.js';
import { hashOf } from './name-table.js';

/** One name of a zone while the tables are built. */
export interface TreeNode {
  readonly name: Uint8Array;
  rrsets: RRset[];
  readonly parent: TreeNode | undefined;
  wildcard: TreeNode | undefined;
  /** The delegation at or above this name. */
  cut: TreeNode | undefined;
  /** Where it is in the table of nodes; -1 until it has its place. */
  place: number;
}

export interface ZoneTree {
  readonly zone: Zone;
  readonly apex: TreeNode;
  /** Parents come before their children. */
  readonly nodes: TreeNames;
}

/**
 * The names of a zone with the empty non-terminals between them (RFC 4592 §2.2.2), its wildcards and its
 * delegations. Expects a zone that passed validation.
 */
export function buildTree(zone: Zone): ZoneTree {
  const nodes = new TreeNames();
  const apex = nodes.add(wireName(zone.origin), undefined);
  for (const rrset of zone.rrsets) addRRset(insert(nodes, wireName(rrset.name)), rrset);
  for (const node of nodes.values()) {
    if (node === apex) continue;
    node.cut = node.parent?.cut ?? (node.rrsets.some(isNs) ? node : undefined);
    if (node.parent && isWildcard(node.name)) node.parent.wildcard = node;
  }
  return { zone, apex, nodes };
}

/** The nodes of a zone by their names; a hash table over bytes, since a million strings would cost more. */
export class TreeNames {
  readonly #nodes: TreeNode[] = [];
  readonly #hashes: number[] = [];
  /** Open addressing: the number of a node plus one, 0 where free. A power of two, at most half full. */
  #table = new Int32Array(64);

  /** The node of the lower-case name in wire form that begins at `start`. */
  get(name: Uint8Array, start = 0): TreeNode | undefined {
    const hash = hashOf(name, start);
    const mask = this.#table.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const number = this.#table[at]! - 1;
      if (number < 0) return undefined;
      if (this.#hashes[number] === hash && endsWith(name, start, this.#nodes[number]!.name)) {
        return this.#nodes[number];
      }
    }
  }

  /** Adds a name that is not there yet. */
  add(name: Uint8Array, parent: TreeNode | undefined): TreeNode {
    const node: TreeNode = {
      name,
      rrsets: NO_RRSETS,
      parent,
      wildcard: undefined,
      cut: undefined,
      place: -1,
    };
    this.#hashes.push(hashOf(name));
    if (this.#nodes.push(node) * 2 > this.#table.length) this.#grow();
    else this.#enter(this.#nodes.length - 1);
    return node;
  }

  /** In the order in which they came. */
  values(): readonly TreeNode[] {
    return this.#nodes;
  }

  get size(): number {
    return this.#nodes.length;
  }

  #grow(): void {
    this.#table = new Int32Array(2 * this.#table.length);
    for (let number = 0; number < this.#nodes.length; number++) this.#enter(number);
  }

  #enter(number: number): void {
    const mask = this.#table.length - 1;
    let at = this.#hashes[number]! & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = number + 1;
  }
}

/** Absolute lower-case presentation form to wire form. The zone was validated, so a bad name is a bug. */
export function wireName(text: string): Uint8Array {
  const plain = plainName(text);
  if (plain) return plain;
  const wire = parseName(text);
  if (!(wire instanceof Uint8Array)) throw new Error(`name ${text}: ${wire.message}`);
  return lowerName(wire);
}

/** A set's or map's key that two names share only if they are equal. */
export function nameKey(wire: Uint8Array): string {
  return String.fromCharCode(...wire);
}

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;

/** Names in lower case without escapes are nearly all there are; undefined for others, and for wrong ones. */
function plainName(text: string): Uint8Array | undefined {
  if (text.length < 2 || text.length >= NAME_BYTES_MAX) return undefined;
  const wire = new Uint8Array(text.length + 1);
  let labelAt = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH || code <= 0x20 || code >= 0x7f) return undefined;
    if (code >= 0x41 && code <= 0x5a) return undefined;
    if (code !== DOT) wire[i + 1] = code;
    else {
      const length = i - labelAt;
      if (length === 0 || length > LABEL_BYTES_MAX) return undefined;
      wire[labelAt] = length;
      labelAt = i + 1;
    }
  }
  return labelAt === text.length ? wire : undefined;
}

function insert(nodes: TreeNames, name: Uint8Array): TreeNode {
  const known = nodes.get(name);
  if (known) return known;
  if (name.length === 1) throw new Error('a name outside its zone: the zone was not validated');
  const parentAt = 1 + name[0]!;
  return nodes.add(name, nodes.get(name, parentAt) ?? insert(nodes, name.slice(parentAt)));
}

function endsWith(name: Uint8Array, start: number, end: Uint8Array): boolean {
  if (name.length - start !== end.length) return false;
  for (let i = 0; i < end.length; i++) if (name[start + i] !== end[i]) return false;
  return true;
}

const NO_RRSETS: RRset[] = [];

/** A list of one takes a tenth of the room of an empty list that grew. */
function addRRset(node: TreeNode, rrset: RRset): void {
  if (node.rrsets.length === 0) node.rrsets = [rrset];
  else node.rrsets.push(rrset);
}

function isNs(rrset: RRset): boolean {
  return rrset.kind === 'static' && rrset.type === TYPE.NS;
}

function isWildcard(name: Uint8Array): boolean {
  return name[0] === 1 && name[1] === 0x2a;
}
