import { TYPE } from '../dns/iana.js';
import { lowerName, parentName } from '../dns/name.js';
import type { Build } from './build.js';
import { CHASE } from './snapshot.js';
import type { TreeNode } from './zone-tree.js';

/** Where an alias leads, by the same rules by which `answer()` finds a name. */
export function aliasTarget({ tree, hidden }: Build, target: Uint8Array): number {
  const name = lowerName(target);
  for (let at = name; ; at = parentName(at)) {
    const node = tree.nodes.get(at);
    if (!node) {
      if (at.length <= tree.apex.name.length) return CHASE.OUTSIDE;
      continue;
    }
    // The resolver has to ask further down, or another zone of this server knows better.
    if (node.cut || hidden.has(node)) return CHASE.OUTSIDE;
    if (at === name) return node.place;
    if (hasDname(node)) return CHASE.DNAME;
    return node.wildcard ? node.wildcard.place : CHASE.NXDOMAIN;
  }
}

export function hasDname({ rrsets }: TreeNode): boolean {
  return rrsets.some((rrset) => rrset.kind === 'static' && rrset.type === TYPE.DNAME);
}
