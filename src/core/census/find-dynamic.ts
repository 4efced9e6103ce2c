import { ask, LOOPBACK } from '../answer/ask.js';
import { COUNTER } from '../answer/counters.js';
import { createQuery } from '../answer/query.js';
import { NODE, RRSET, RRSET_KIND, type Snapshot } from '../answer/snapshot.js';
import { SILENT_TRACE } from '../answer/trace.js';
import { TYPE } from '../dns/iana.js';

/** The record whose policy decides what a question is answered. */
export interface FoundDynamic {
  readonly node: number;
  readonly rrset: number;
}

/**
 * Finds the first dynamic RRset on the way of a question (wire-form name): at its own name or its wildcard, or at what
 * a CNAME or an ALIAS leads to. `none` where the answer is the same for everybody, `no-name` where there is no such name.
 * The query path finds it, so that it is the one that answers.
 */
export function findDynamic(
  snapshot: Snapshot,
  health: Int32Array,
  name: Uint8Array,
  type: number,
): FoundDynamic | 'none' | 'no-name' {
  const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), 1);
  const nodes: number[] = [];
  let known = false;
  const pass = (node: number) => {
    if (node >= 0) nodes.push(node);
  };
  query.trace = {
    ...SILENT_TRACE,
    name: (node, how) => {
      known ||= how !== 'missing' && how !== 'not-ours';
      if (how === 'exact' || how === 'wildcard') pass(node);
    },
    alias: pass,
    flatten: pass,
  };
  ask(query, { name, type, source: LOOPBACK });
  for (const node of nodes) {
    const rrset = dynamicAt(snapshot, node, type);
    if (rrset >= 0) return { node, rrset };
  }
  return known ? 'none' : 'no-name';
}

/** The dynamic RRset of the type at a node, or its dynamic CNAME; of SVCB and HTTPS that of the hints. -1: none. */
export function dynamicAt({ nodes }: Snapshot, node: number, type: number): number {
  const first = nodes[node + NODE.RRSETS]!;
  let found = -1;
  for (let i = 0; i < nodes[node + NODE.RRSETS_COUNT]!; i++) {
    const rrset = first + i * RRSET.STRIDE;
    if (nodes[rrset + RRSET.KIND] !== RRSET_KIND.DYNAMIC) continue;
    const has = nodes[rrset + RRSET.TYPE]!;
    if (has === type) return rrset;
    const hinted = (type === TYPE.SVCB || type === TYPE.HTTPS) && has === TYPE.A;
    if (has === TYPE.CNAME || hinted) found = rrset;
  }
  return found;
}
