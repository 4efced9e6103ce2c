import { nameLength } from '../dns/name.js';
import type { HintedRecord, StaticRRset } from '../zone/model.js';
import type { Build } from './build.js';
import { addLink } from './links.js';
import { CHASE, HINTED, RRSET_KIND } from './snapshot.js';
import type { TreeNode } from './zone-tree.js';

const IPV4HINT = 4;
const IPV6HINT = 6;

/** The fields of SVCB or HTTPS records with hints to be chosen, in the order of RRSET; the records go to `steering`. */
export function compileHinted(
  build: Build,
  node: TreeNode,
  rrset: StaticRRset,
  hinted: readonly HintedRecord[],
): readonly number[] {
  const records = rrset.rdata.map((rdata, i) => {
    const ask = hinted[i] ?? { v4: false, v6: false };
    const link = addLink(build, targetOf(rdata, node));
    const beforeV4 = paramAt(rdata, IPV4HINT);
    const afterV6 = paramAt(rdata, IPV6HINT);
    const asked = (ask.v4 ? HINTED.V4 : 0) | (ask.v6 ? HINTED.V6 : 0);
    const bytes = build.blobs.push(rdata);
    return [bytes, beforeV4, afterV6 - beforeV4, rdata.length - afterV6, asked, link];
  });
  const at = build.steering.push(...records.flat());
  return [rrset.type, RRSET_KIND.HINTED, at, rrset.ttl, records.length, 0, 0, CHASE.OUTSIDE, 0];
}

/** `.` is the owner (RFC 9460 §2.5.2). */
function targetOf(rdata: Uint8Array, node: TreeNode): Uint8Array {
  const target = rdata.subarray(2, 2 + nameLength(rdata, 2));
  return target.length === 1 ? node.name : target;
}

/** Where a parameter stands, or would stand: in front of the first whose key is not below `key`. */
function paramAt(rdata: Uint8Array, key: number): number {
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
  let at = 2 + nameLength(rdata, 2);
  while (at < rdata.length && view.getUint16(at) < key) at += 4 + view.getUint16(at + 2);
  return at;
}
