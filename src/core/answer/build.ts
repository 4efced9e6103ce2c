import type { LocationTrie } from '../geo/location.js';
import type { GeoTrie } from '../geo/trie.js';
import type { Endpoint, Family, Pool, Steering, Zone } from '../zone/model.js';
import type { CompiledSteering, TrieCache, TrieMaker, TrieSource } from './compile-steering.js';
import type { Snapshot } from './snapshot.js';
import type { Bytes, Ints, IntTable } from './table.js';
import type { TreeNode, ZoneTree } from './zone-tree.js';

/** What zones are compiled with, beside their own content. */
export interface CompileModules {
  readonly id: number;
  /** The health slot of a target, by its key (`core/zone/targets.ts`). */
  readonly slotOf: (key: string) => number;
  /** The alias slots, and the slot of a name outside; without them every ALIAS to the outside fails. */
  readonly aliases?: {
    readonly table: Int32Array;
    readonly slotOf: (name: string) => number | undefined;
  };
}

export interface CompileInput extends CompileModules {
  /** Valid zones with different origins. */
  readonly zones: readonly Zone[];
  readonly geo: LocationTrie;
  /** What the last compilation with the same `geo` returned. */
  readonly tries?: TrieCache;
  /** For views of zones that nobody asks through the tries. */
  readonly trieMaker?: TrieMaker;
}

/** What the numbers in a snapshot stand for: for `explain`, and for nothing on the query path. */
export interface SnapshotIndex {
  /** Origins, by the numbers of zones. Numbers that nothing has are left out here and below. */
  readonly zones: readonly string[];
  /** By where the class table begins: equal steerings of a zone share one. */
  readonly steerings: ReadonlyMap<number, Steering>;
  /** `groups`: pools of pools that it is in. */
  readonly pools: readonly (
    | { readonly zone: number; readonly pool: Pool; readonly groups?: readonly string[] }
    | undefined
  )[];
  readonly endpoints: readonly (
    | { readonly pool: number; readonly family: Family; readonly endpoint: Endpoint }
    | undefined
  )[];
  /** Names by their alias slots. */
  readonly outside: ReadonlyMap<number, string>;
}

/** As SnapshotIndex, for those who ask for a few numbers: only the zones that they stand in are looked at. */
export interface NumberIndex {
  /** The origin of a zone. */
  zone(number: number): string;
  pool(number: number): Pool | undefined;
  endpoint(number: number): { readonly family: Family; readonly endpoint: Endpoint } | undefined;
  steering(classes: number): Steering | undefined;
  /** The name that an alias slot is for. */
  outsideName(slot: number): string | undefined;
}

export interface Compiled {
  readonly snapshot: Snapshot;
  readonly index: SnapshotIndex & NumberIndex;
  readonly tries: TrieCache;
}

/** The tables that zones are written to. */
export interface Tables {
  readonly nodes: Ints;
  readonly zones: Ints;
  readonly pools: Ints;
  readonly endpoints: Ints;
  readonly steering: Ints;
  readonly fixups: Ints;
  readonly glue: Ints;
  readonly links: Ints;
  readonly blobs: Bytes;
}

/** One zone on its way into the tables. */
export interface Build extends Tables {
  readonly input: CompileModules;
  readonly tree: ZoneTree;
  /** Of its record in `zones`. */
  readonly number: number;
  readonly tries: TrieSource;
  /** The number of a trie in the snapshot. */
  readonly trieNumber: (trie: GeoTrie) => number;
  /** Whether a zone of this server begins at a name with this hash. */
  readonly isApex: (name: Uint8Array, hash: number) => boolean;
  /** Nodes that the name table finds: pairs of hash and place. */
  readonly entries: IntTable;
  /** Of the longest of their names. */
  labelsMax: number;
  /** Nodes that it does not find, since another zone of this server owns the name. */
  readonly hidden: Set<TreeNode>;
  /** Those of them at which another zone begins. */
  readonly sides: ParentSide[];
  /** By steering: records that are steered alike share what that becomes. */
  readonly steerings: Map<string, CompiledSteering>;
  /** Names of pools to the numbers of what stands behind them, in order, at least one. */
  readonly poolNumbers: Map<string, readonly number[]>;
  /** Names that the links lead to, in their order. */
  readonly targets: Uint8Array[];
  readonly index: ZoneContent;
}

/** A zone's node at the apex of another. */
export interface ParentSide {
  readonly key: string;
  readonly hash: number;
  readonly node: number;
}

/** What the numbers of one zone stand for; pools and endpoints in the order of their numbers. */
export interface ZoneContent {
  /** `groups`: pools of pools that it is in. */
  readonly pools: { readonly pool: Pool; groups?: string[] }[];
  readonly endpoints: { readonly pool: number; readonly family: Family; readonly endpoint: Endpoint }[];
  readonly steerings: Map<number, Steering>;
}

export function startBuild(
  given: Tables & Pick<Build, 'input' | 'tree' | 'number' | 'tries' | 'trieNumber' | 'isApex' | 'entries'>,
): Build {
  return {
    ...given,
    labelsMax: 0,
    hidden: new Set(),
    sides: [],
    steerings: new Map(),
    poolNumbers: new Map(),
    targets: [],
    index: { pools: [], endpoints: [], steerings: new Map() },
  };
}
