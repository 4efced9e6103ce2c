import type { LocationTrie } from '../geo/location.js';
import type { GeoTrie } from '../geo/trie.js';
import type { Endpoint, Family, Pool, Steering, Zone } from '../zone/model.js';
import { createAliasTable } from './alias-slot.js';
import {
  type CompiledSteering,
  createTrieCache,
  type TrieCache,
  type TrieSource,
} from './compile-steering.js';
import type { Snapshot } from './snapshot.js';
import { ByteTable, IntTable } from './table.js';
import type { TreeNode, ZoneTree } from './zone-tree.js';

export interface CompileInput {
  readonly id: number;
  /** Valid zones with different origins. */
  readonly zones: readonly Zone[];
  readonly geo: LocationTrie;
  /** The health slot of a target, by its key (`core/zone/targets.ts`). */
  readonly slotOf: (key: string) => number;
  /** The alias slots, and the slot of a name outside; without them every ALIAS to the outside fails. */
  readonly aliases?: {
    readonly table: Int32Array;
    readonly slotOf: (name: string) => number | undefined;
  };
  /** What the last compilation with the same `geo` returned. */
  readonly tries?: TrieCache;
}

/** What the numbers in a snapshot stand for: for `explain`, and for nothing on the query path. */
export interface SnapshotIndex {
  /** Origins. */
  readonly zones: readonly string[];
  /** By where the class table begins: equal steerings of a zone share one. */
  readonly steerings: ReadonlyMap<number, Steering>;
  readonly pools: readonly { readonly zone: number; readonly pool: Pool }[];
  readonly endpoints: readonly {
    readonly pool: number;
    readonly family: Family;
    readonly endpoint: Endpoint;
  }[];
  /** Names by their alias slots. */
  readonly outside: ReadonlyMap<number, string>;
}

export interface Compiled {
  readonly snapshot: Snapshot;
  readonly index: SnapshotIndex;
  readonly tries: TrieCache;
}

/** The tables of a snapshot while they grow, and what their numbers stand for. */
export interface Build {
  readonly input: CompileInput;
  readonly tries: TrieSource;
  readonly nodes: IntTable;
  readonly zones: IntTable;
  readonly pools: IntTable;
  readonly endpoints: IntTable;
  readonly steering: IntTable;
  readonly fixups: IntTable;
  readonly glue: IntTable;
  readonly blobs: ByteTable;
  readonly trieList: GeoTrie[];
  /** By the keys of their apexes. */
  readonly trees: Map<string, ZoneTree>;
  /** Nodes that the name table finds: pairs of hash and place. */
  readonly entries: IntTable;
  /** Of the longest of their names. */
  labelsMax: number;
  /** Nodes that it does not find, since another zone of this server owns the name. */
  readonly hidden: Set<TreeNode>;
  /** The zone above that holds the apex of a zone as a name of its own. */
  readonly parentSides: Map<string, { place: number; labels: number }>;
  /** By zone and steering: records that are steered alike share what that becomes. */
  readonly steerings: Map<string, CompiledSteering>;
  /** By zone: names of pools to the numbers of what stands behind them, in order, at least one. */
  readonly poolNumbers: Map<string, readonly number[]>[];
  readonly index: {
    zones: readonly string[];
    steerings: Map<number, Steering>;
    pools: { zone: number; pool: Pool }[];
    endpoints: { pool: number; family: Family; endpoint: Endpoint }[];
    outside: Map<number, string>;
  };
}

/** Empty tables. */
export function startBuild(input: CompileInput): Build {
  return {
    input,
    tries: { geo: input.geo, previous: input.tries ?? createTrieCache(), next: createTrieCache() },
    nodes: new IntTable(),
    zones: new IntTable(),
    pools: new IntTable(),
    endpoints: new IntTable(),
    steering: new IntTable(),
    fixups: new IntTable(),
    glue: new IntTable(),
    blobs: new ByteTable(),
    trieList: [],
    trees: new Map(),
    entries: new IntTable(),
    labelsMax: 0,
    hidden: new Set(),
    parentSides: new Map(),
    steerings: new Map(),
    poolNumbers: [],
    index: {
      zones: input.zones.map(({ origin }) => origin),
      steerings: new Map(),
      pools: [],
      endpoints: [],
      outside: new Map(),
    },
  };
}

/** Tables in shared memory. */
export function finishBuild(build: Build, buckets: Int32Array, aliasTargets: Int32Array): Compiled {
  const snapshot: Snapshot = {
    id: build.input.id,
    buckets,
    nodes: build.nodes.share(),
    labelsMax: build.labelsMax,
    zones: build.zones.share(),
    blobs: build.blobs.share(),
    fixups: build.fixups.share(),
    glue: build.glue.share(),
    steering: build.steering.share(),
    pools: build.pools.share(),
    endpoints: build.endpoints.share(),
    tries: build.trieList,
    aliasTargets,
    aliases: build.input.aliases?.table ?? createAliasTable(0),
  };
  return { snapshot, index: build.index, tries: build.tries.next };
}
