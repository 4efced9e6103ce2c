import { TYPE } from '../dns/iana.js';
import { labelCount, lowerName } from '../dns/name.js';
import { costOf } from '../limit/rate-limiter.js';
import { ZONE_SLOT_OTHER } from '../tally/cells.js';
import type { DynamicRRset, FailMode, StaticRRset, ZoneRateLimit } from '../zone/model.js';
import { aliasTarget, hasDname } from './alias-target.js';
import type { Build } from './build.js';
import { compileAlias } from './compile-alias.js';
import { compilePools, numberPools } from './compile-pools.js';
import { compileSteering } from './compile-steering.js';
import { compileHinted } from './compile-svcb.js';
import { hashOf, wordAt } from './name-table.js';
import { type RecordBytes, recordBytes } from './record-bytes.js';
import { CHASE, FAIL, FAMILY, NODE, RRSET, RRSET_KIND, WILDCARD_DNAME, ZONE } from './snapshot.js';
import { nameKey, type TreeNode, wireName, type ZoneTree } from './zone-tree.js';

/**
 * Writes one zone to the tables: its nodes, RRsets, pools and what they need. `number` is its record among the zones.
 * Other zones matter by their apexes only (`Build.isApex`); links are resolved afterwards.
 */
export function compileZone(build: Build): void {
  build.zones.reserve(ZONE.STRIDE);
  numberPools(build);
  for (const node of build.tree.nodes.values()) placeNode(build, node);
  compileSoa(build);
  compilePools(build);
  compileNodes(build);
}

/**
 * Gives a name its place, with room for its RRsets. Names at and below the apex of another zone of this
 * server belong to that zone: they keep their place, for the DS at the cut, but the table does not find them.
 */
function placeNode(build: Build, node: TreeNode): void {
  const { name } = node;
  const { nodes, tree, number } = build;
  const place = nodes.push(name.length, number, -1, -1, 0, 0);
  node.place = place;
  for (let at = 0; at < name.length; at += 4) nodes.add(wordAt(name, at));
  const count = rrsetCount(node) + (node === tree.apex ? 1 : 0);
  nodes.set(place + NODE.RRSETS, nodes.reserve(count * RRSET.STRIDE));
  nodes.set(place + NODE.RRSETS_COUNT, count);
  const hash = hashOf(name);
  if (belongsElsewhere(build, node, hash)) {
    build.hidden.add(node);
    if (build.isApex(name, hash)) build.sides.push({ key: nameKey(name), hash, node: place });
  } else {
    build.entries.push(hash, place);
    build.labelsMax = Math.max(build.labelsMax, labelCount(name));
  }
}

/** A dynamic RRset is one for each family. */
function rrsetCount(node: TreeNode): number {
  let count = 0;
  for (const rrset of node.rrsets) count += rrset.kind === 'static' ? 1 : rrset.families.length;
  return count;
}

function belongsElsewhere({ tree, isApex, hidden }: Build, node: TreeNode, hash: number): boolean {
  if (node === tree.apex) return false;
  return (node.parent !== undefined && hidden.has(node.parent)) || isApex(node.name, hash);
}

function compileSoa(build: Build): void {
  const { tree, zones, number } = build;
  const { soa } = tree.zone;
  const { bytes, fixups } = soaRecord(tree, Math.min(soa.ttl, soa.minimum));
  const fields = [
    tree.apex.place,
    tree.apex.name.length,
    build.blobs.push(bytes),
    bytes.length,
    build.fixups.push(...fixups),
    fixups.length,
    ZONE_SLOT_OTHER,
    ...zoneLimits(tree.zone.rateLimit),
  ];
  for (let i = 0; i < fields.length; i++) zones.set(number * ZONE.STRIDE + i, fields[i]!);
}

/** The LIMIT fields of a zone, in the order of ZONE. */
function zoneLimits(limit: ZoneRateLimit | undefined): readonly number[] {
  const cost = (rate: number | undefined) => (rate === undefined ? -1 : costOf(rate));
  return [cost(limit?.responsesPerSecond), cost(limit?.nxdomainsPerSecond), limit?.slip ?? -1];
}

function soaRecord(tree: ZoneTree, ttl: number): RecordBytes {
  const { soa } = tree.zone;
  const mname = wireName(soa.mname);
  const rname = wireName(soa.rname);
  const rdata = new Uint8Array(mname.length + rname.length + 20);
  rdata.set(mname);
  rdata.set(rname, mname.length);
  const view = new DataView(rdata.buffer, mname.length + rname.length);
  for (const [i, field] of [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].entries()) {
    view.setUint32(4 * i, field);
  }
  return recordBytes(TYPE.SOA, ttl, [rdata], tree.apex.name);
}

function compileNodes(build: Build): void {
  const { tree } = build;
  for (const node of tree.nodes.values()) {
    const { place } = node;
    const { nodes } = build;
    nodes.set(place + NODE.CUT, node.cut ? node.cut.place : -1);
    nodes.set(place + NODE.WILDCARD, node.wildcard?.place ?? (hasDname(node) ? WILDCARD_DNAME : -1));
    let next = nodes.get(place + NODE.RRSETS);
    const write = (fields: readonly number[]) => {
      for (let i = 0; i < fields.length; i++) nodes.set(next + i, fields[i]!);
      next += RRSET.STRIDE;
    };
    if (node === tree.apex) {
      write(staticFields(build, TYPE.SOA, soaRecord(tree, tree.zone.soa.ttl), [CHASE.OUTSIDE, 0]));
    }
    for (const rrset of node.rrsets) {
      if (rrset.kind === 'static') write(compileStatic(build, node, rrset));
      else if (rrset.kind === 'alias') for (const fields of compileAlias(build, rrset)) write(fields);
      else for (const fields of compileDynamic(build, rrset)) write(fields);
    }
  }
}

function compileStatic(build: Build, node: TreeNode, rrset: StaticRRset): readonly number[] {
  const { tree } = build;
  if (rrset.hinted) return compileHinted(build, node, rrset, rrset.hinted);
  const records = recordBytes(rrset.type, rrset.ttl, rrset.rdata, tree.apex.name);
  let extra: readonly [number, number] = [CHASE.OUTSIDE, 0];
  if (rrset.type === TYPE.CNAME) extra = [aliasTarget(build, rrset.rdata[0]!), 0];
  else if (rrset.type === TYPE.NS && node.cut === node) {
    extra = compileGlue(build, rrset, records.rdataAt);
  }
  return staticFields(build, rrset.type, records, extra);
}

/** The fields of a static RRset, in the order of RRSET. */
function staticFields(
  build: Build,
  type: number,
  { bytes, fixups, rdataAt }: RecordBytes,
  [target, glueCount]: readonly [number, number],
): readonly number[] {
  const at = build.blobs.push(bytes);
  const firstFixup = build.fixups.push(...fixups);
  return [
    type,
    RRSET_KIND.STATIC,
    at,
    bytes.length,
    rdataAt.length,
    firstFixup,
    fixups.length,
    target,
    glueCount,
  ];
}

/** Addresses in this zone of the name servers of a delegation (RFC 9471 §2: in-domain, and siblings too). */
function compileGlue(
  build: Build,
  rrset: StaticRRset,
  rdataAt: readonly number[],
): readonly [number, number] {
  const { tree } = build;
  const first = build.glue.length / 3;
  let count = 0;
  for (const [i, rdata] of rrset.rdata.entries()) {
    const server = tree.nodes.get(lowerName(rdata));
    for (const address of server?.rrsets ?? []) {
      if (address.kind !== 'static' || (address.type !== TYPE.A && address.type !== TYPE.AAAA)) continue;
      for (const value of address.rdata) {
        const { bytes } = recordBytes(address.type, address.ttl, [value], tree.apex.name);
        build.glue.push(rdataAt[i]!, build.blobs.push(bytes), bytes.length);
        count++;
      }
    }
  }
  return [first, count];
}

/** The fields of a dynamic RRset, once for each of its families. */
function compileDynamic(build: Build, rrset: DynamicRRset): readonly (readonly number[])[] {
  const { tree, poolNumbers: numbers } = build;
  const key = JSON.stringify(rrset.steering);
  const compiled =
    build.steerings.get(key) ??
    compileSteering(rrset, tree.zone, (name) => numbers.get(name)!, build.steering, build.tries);
  build.steerings.set(key, compiled);
  const trie = compiled.trie ? build.trieNumber(compiled.trie) : -1;
  build.index.steerings.set(compiled.classes, rrset.steering);
  const answering =
    typeof rrset.fail === 'object' ? [...compiled.reachable, rrset.fail.pool] : [...compiled.reachable];
  const hashes = answering.some((name) => tree.zone.pools.get(name)?.pick === 'hash');
  return rrset.families.map((family) => [
    TYPE[family],
    RRSET_KIND.DYNAMIC,
    FAMILY[family],
    ttlField(build, rrset),
    trie,
    compiled.classes,
    compiled.mode,
    failField(rrset.fail, numbers),
    hashes ? 1 : 0,
  ]);
}

/** See RRSET.FAIL. */
function failField(fail: FailMode, numbers: ReadonlyMap<string, readonly number[]>): number {
  if (typeof fail === 'object') return (numbers.get(fail.pool)![0]! << 2) | FAIL.POOL;
  return fail === 'closed' ? FAIL.CLOSED : FAIL.OPEN;
}

/** See RRSET.TTL. */
function ttlField({ steering }: Build, { ttl, ttlMin = ttl }: DynamicRRset): number {
  return ttlMin >= ttl ? ttl : ~steering.push(ttlMin, ttl);
}
