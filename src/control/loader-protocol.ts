/** All that passes between the main thread and the loader thread. */
import type { Snapshot } from '../core/answer/snapshot.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { AliasSlots, StagedZones, ZoneSource, ZoneSummary } from './loader.js';
import type { PoolName } from './snapshot-slots.js';

/** What a loader thread is started with. */
export interface LoaderStart {
  /** The state folder. */
  readonly state: string;
  /** What monitors may run and read on this host; nothing where absent. */
  readonly probes?: ProbePermissions;
}

export type ToLoader =
  | { readonly type: 'geo'; readonly geo: LocationTrie }
  | {
      readonly type: 'stage';
      readonly source: ZoneSource | 'served';
      readonly served: readonly ZoneSummary[];
    }
  | {
      readonly type: 'compile';
      readonly id: number;
      readonly slots: ReadonlyMap<string, number>;
      readonly aliases?: AliasSlots;
    }
  | { readonly type: 'settle'; readonly outcome: 'served' | 'unchanged' | 'refused' };

/** One for each message, in their order. */
export type FromLoader =
  | { readonly type: 'geo' }
  | { readonly type: 'stage'; readonly staged: StagedZones }
  /** `index`: the SnapshotIndex, serialized, so that the main thread reads it only if it is asked for. */
  | {
      readonly type: 'compile';
      readonly snapshot: Snapshot;
      readonly index: Uint8Array;
      readonly pools: readonly PoolName[];
    }
  | { readonly type: 'settle'; readonly saveError?: string }
  | { readonly type: 'failed'; readonly error: Error };
