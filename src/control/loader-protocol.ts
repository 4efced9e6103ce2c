/** All that passes between the main thread and the loader thread. */
import type { Snapshot } from '../core/answer/snapshot.js';
import type { ZoneIndex } from '../core/answer/zone-index.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { HealthTarget } from '../core/zone/targets.js';
import type { AliasSlots, StagedZones, ZoneSource, ZoneSummary } from './loader.js';
import type { PoolName } from './snapshot-slots.js';

/** What a loader thread is started with. */
export interface LoaderStart {
  /** The state folder. */
  readonly state: string;
  /** What monitors may run and read on this host; nothing where absent. */
  readonly probes?: ProbePermissions;
  /** DNS nodes that probe, this one among them. */
  readonly observers?: number;
}

/** Zones that are staged, by what differs from those that are served. */
export interface StagedDifference extends Omit<StagedZones, 'zones' | 'list' | 'difference' | 'targets'> {
  /** Other zones, or other versions of zones. */
  readonly put: readonly ZoneSummary[];
  /** Origins. */
  readonly gone: readonly string[];
  /** Absent: as they were. */
  readonly targets?: {
    readonly put: readonly HealthTarget[];
    readonly gone: readonly string[];
  };
}

/** Where a zone's pools are and what they are called; the rest serialized, so that it is read only if it is asked for. */
export interface PackedZone extends Omit<ZoneIndex, 'content'> {
  readonly names: readonly PoolName[];
  /** A ZoneContent; absent where it is empty. */
  readonly content?: Uint8Array;
}

export type ToLoader =
  | { readonly type: 'geo'; readonly geo: LocationTrie }
  | {
      readonly type: 'stage';
      readonly source: ZoneSource | 'served';
      /** Absent: what was staged and settled as served last. */
      readonly served?: readonly ZoneSummary[];
    }
  | {
      readonly type: 'compile';
      readonly id: number;
      /** Those that are new, or others than before. */
      readonly slots: ReadonlyMap<string, number>;
      readonly aliases?: AliasSlots;
    }
  | {
      readonly type: 'settle';
      readonly outcome: 'served' | 'unchanged' | 'refused';
      readonly isHeld: boolean;
    };

/** One for each message, in their order. */
export type FromLoader =
  | { readonly type: 'geo' }
  | { readonly type: 'stage'; readonly staged: StagedDifference }
  | {
      readonly type: 'compile';
      readonly snapshot: Snapshot;
      /** True: no zone is as it was. */
      readonly isFresh: boolean;
      readonly put: readonly PackedZone[];
      /** Numbers. */
      readonly gone: readonly number[];
      readonly outside: ReadonlyMap<number, string>;
    }
  | { readonly type: 'settle'; readonly saveError?: string }
  | { readonly type: 'failed'; readonly error: Error };
