import type { SnapshotIndex } from '../core/answer/build.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { HealthTarget } from '../core/zone/targets.js';
import type { Problem } from '../sources/yaml-document.js';
import type { LoadedZones } from '../sources/zone-folder.js';
import type { PoolName } from './snapshot-slots.js';

/** Where zones are: to be read from files and folders, or read already. */
export type ZoneSource = { readonly paths: readonly string[] } | LoadedZones;

/** What everybody but the loader has to know of a zone. */
export interface ZoneSummary {
  readonly origin: string;
  readonly file: string;
  readonly serial: number;
  /** Another for every other content of the file. */
  readonly version: string;
  /** RRsets without the SOA. */
  readonly records: number;
  readonly pools: number;
  /** Milliseconds since 1970: since when this version is served. */
  readonly loadedMs: number;
}

/** Zones that were read and checked, and wait to be compiled. */
export interface StagedZones {
  readonly problems: readonly Problem[];
  /** What was left out of zones that are served. */
  readonly warnings?: readonly Problem[];
  readonly zones: readonly ZoneSummary[];
  /** False where all of them are as those that are served. */
  readonly changed: boolean;
  readonly targets: ReadonlyMap<string, HealthTarget>;
  /** Names outside that ALIAS records lead to. */
  readonly outside: readonly string[];
}

export interface LoadedSnapshot {
  readonly snapshot: Snapshot;
  /** Made when it is asked for: it is needed by `explain` only. */
  readonly index: () => SnapshotIndex;
  /** By their numbers in the snapshot. */
  readonly pools: readonly PoolName[];
}

/** The names of a compiled snapshot's pools. */
export function poolNames({ zones, pools }: SnapshotIndex): readonly PoolName[] {
  return pools.map(({ zone, pool: { name, region = '' } }) => ({
    zone: zones[zone] ?? '',
    pool: name,
    region,
  }));
}

/** The table of alias slots, and the slots of names outside. */
export interface AliasSlots {
  readonly table: Int32Array;
  readonly slots: ReadonlyMap<string, number>;
}

/**
 * Reads, checks and compiles zones for the control plane, which gets no zones but their summaries. One change at a
 * time: `stage`, then `compile`, then `settle`, whatever became of it.
 */
export interface Loader {
  /** Places of addresses, for all that is compiled from now. */
  useGeo(geo: LocationTrie): Promise<void>;
  /** Reads a source, or takes the zones that are served once more. `served` are those. Rejects: nothing changed. */
  stage(source: ZoneSource | 'served', served: readonly ZoneSummary[]): Promise<StagedZones>;
  /** Compiles what is staged. `slots` has the health slot of each of its targets. Rejects if that can't be done. */
  compile(id: number, slots: ReadonlyMap<string, number>, aliases?: AliasSlots): Promise<LoadedSnapshot>;
  /** What is staged is served now, or is given up. Returns why the last good zones could not be saved, if so. */
  settle(outcome: 'served' | 'unchanged' | 'refused'): Promise<{ readonly saveError?: string }>;
}
