import type { NumberIndex, SnapshotIndex } from '../core/answer/build.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type { ZoneIndex } from '../core/answer/zone-index.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { ForcedEndpoint } from '../core/zone/forced-endpoints.js';
import type { HealthTarget } from '../core/zone/targets.js';
import type { Problem } from '../sources/yaml-document.js';
import type { LoadedZones } from '../sources/zone-folder.js';
import type { PoolName, SnapshotNames } from './snapshot-slots.js';
import type { ZoneList } from './zone-list.js';

/**
 * Where zones are: to be read from files and folders, or read already. `only`: files that are known to have changed, to
 * have come or gone; nothing else is looked at.
 */
export type ZoneSource =
  | { readonly paths: readonly string[]; readonly only?: readonly string[] }
  | LoadedZones;

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
  /** The same, where the loader has them so. */
  readonly list?: ZoneList;
  /** What differs from those that are served: other zones or versions, and origins; where the loader tells. */
  readonly difference?: { readonly put: readonly ZoneSummary[]; readonly gone: readonly string[] };
  /** False where all of them are as those that are served. */
  readonly changed: boolean;
  /** The same object as the last time where no target changed. */
  readonly targets: ReadonlyMap<string, HealthTarget>;
  /** Endpoints whose state is fixed: no targets. */
  readonly forced?: readonly ForcedEndpoint[];
  /** Names outside that ALIAS records lead to. */
  readonly outside: readonly string[];
}

export interface LoadedSnapshot {
  readonly snapshot: Snapshot;
  readonly index: () => SnapshotIndex & NumberIndex;
  readonly names: SnapshotNames;
}

/** The names of a zone's pools, in the order of their numbers. */
export function poolNames({ origin, content }: ZoneIndex): readonly PoolName[] {
  return content().pools.map(({ pool: { name, region = '' }, groups }) => ({
    zone: origin,
    pool: name,
    region,
    ...(groups && { groups }),
  }));
}

/** The names of a snapshot's zones and pools. */
export function snapshotNames(
  zones: Iterable<ZoneIndex & { readonly names: readonly PoolName[] }>,
): SnapshotNames {
  const found: SnapshotNames = { zones: [], pools: [] };
  for (const { number, origin, firstPool, names } of zones) {
    found.zones.push([number, origin]);
    for (let i = 0; i < names.length; i++) found.pools.push([firstPool + i, names[i]!]);
  }
  return found;
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
  /**
   * What is staged is served now, or is given up. `isHeld`: snapshots before it are still read, and what only they have
   * is kept. Returns why the last good zones could not be saved, if so.
   */
  settle(
    outcome: 'served' | 'unchanged' | 'refused',
    isHeld?: boolean,
  ): Promise<{ readonly saveError?: string }>;
}
