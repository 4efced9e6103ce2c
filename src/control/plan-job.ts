/** What a plan is made of, and what is found: all that passes between the main thread and the plan thread. */
import type { LocationTrie } from '../core/geo/location.js';
import type { Impact } from '../core/impact/impact.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { HeldSteering } from '../core/steering/held.js';
import type { ZoneChange } from '../core/zone/zone-changes.js';
import type { Problem } from '../sources/yaml-document.js';

/** A change that somebody thinks of. */
export type Proposal =
  /**
   * Files by their paths in the zone folder (with "/"); null for one that goes. `complete`: all other zone files go, too.
   */
  | {
      readonly kind: 'files';
      readonly files: ReadonlyMap<string, string | null>;
      readonly complete: boolean;
    }
  /** One zone, wherever its file is. `name`: what its file is to be called where there is none yet; by its zone if absent. */
  | ({ readonly kind: 'zone'; readonly name?: string } & ProposedZone);

/** The text of its file, or data of which the text is made: nested no deeper than a zone file. */
export type ProposedZone = { readonly text: string } | { readonly document: object };

/** A zone that is served. */
export interface ServedFile {
  readonly origin: string;
  readonly file: string;
}

export interface PlanJob {
  readonly proposal: Proposal;
  readonly served: readonly ServedFile[];
}

/** Two sides of which nobody has to be a change: two revisions, or two documents of steering. */
export interface ImpactJob {
  /** Files that differ, by their paths in the zone folder; null for no file. */
  readonly files: readonly {
    readonly path: string;
    readonly before: string | null;
    readonly after: string | null;
  }[];
  /** Files of zones that are compared with themselves, as they are on disk: those that are steered in another way. */
  readonly served: readonly string[];
  /** Absent: on both sides what is steered now. */
  readonly steering?: { readonly before: HeldSteering; readonly after: HeldSteering };
}

export interface PlannedZone {
  readonly zone: string;
  /** In the zone folder. */
  readonly file: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** At most CHANGES_MAX in a plan, of at most FACTS_MAX facts on each side. */
  readonly changes: readonly ZoneChange[];
  readonly changesTotal: number;
}

/** Of all zones of a plan together. */
export interface PlanImpact extends Impact {
  /** Endpoints of the change that are not checked yet: they count as up. */
  readonly unchecked: number;
  /** Whether the geo database places any address; without one all addresses count. */
  readonly isPlaced: boolean;
  /** Milliseconds that it took, without reading the zones. */
  readonly tookMs: number;
}

export interface PlanFindings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Files that differ from what is on disk; null for one that goes. */
  readonly files: ReadonlyMap<string, string | null>;
  /** What each of them was when the plan was made; null for no file. */
  readonly etags: ReadonlyMap<string, string | null>;
  readonly zones: readonly PlannedZone[];
  /**
   * Origins of the zones whose files it changes, also where only comments differ or the file has mistakes; null where it
   * changes a file of which nobody can say what zone it has.
   */
  readonly touched: readonly (string | null)[];
  /** Absent where there are problems. */
  readonly impact?: PlanImpact;
  /** Milliseconds that it took. */
  readonly tookMs: number;
}

export const CHANGES_MAX = 5000;
export const FACTS_MAX = 200;

/** What a plan thread is started with. */
export interface PlanThreadStart {
  /** The zone folder and the state folder. */
  readonly zones: string;
  readonly state: string;
  /** The only file of the folder that the node reads. */
  readonly only?: string;
  readonly probes?: ProbePermissions;
  readonly observers?: number;
}

export type ToPlanner =
  | { readonly type: 'geo'; readonly geo: LocationTrie }
  | { readonly type: 'plan'; readonly job: PlanJob }
  | { readonly type: 'compare'; readonly job: ImpactJob }
  | { readonly type: 'words'; readonly words: HealthNow };

/** Health words of the keys that were asked for, in their order; `known` is 0 where nobody watches. And what is steered. */
export interface HealthNow {
  readonly steering?: HeldSteering;
  readonly words: Int32Array;
  readonly known: Uint8Array;
}

export type FromPlanner =
  | { readonly type: 'keys'; readonly keys: readonly string[] }
  | { readonly type: 'planned'; readonly findings: PlanFindings }
  | { readonly type: 'compared'; readonly impact: PlanImpact }
  | { readonly type: 'failed'; readonly error: string };
