/** The zones that a loader holds: what of them stays in memory, and what a reading makes of them. */
import { type ForcedEndpoint, forcedEndpoints } from '../core/zone/forced-endpoints.js';
import type { Zone } from '../core/zone/model.js';
import { type HealthTarget, healthTargets } from '../core/zone/targets.js';
import { DraftMap } from '../sources/draft-map.js';
import { sameData } from '../sources/same-data.js';
import { existence, type LoadedZone, type LoadedZones } from '../sources/zone-folder.js';
import type { ZoneReading } from '../sources/zone-reader.js';
import type { ZoneSummary } from './loader.js';
import type { ZoneList } from './zone-list.js';

/** A zone that is served or about to be. */
export interface HeldZone {
  readonly summary: ZoneSummary;
  /** Absent where only its tables are kept. */
  readonly zone: Zone | undefined;
  readonly targets: ReadonlyMap<string, HealthTarget>;
  readonly forced: readonly ForcedEndpoint[];
  readonly hasAlias: boolean;
}

export type HeldZones = DraftMap<string, HeldZone>;

/** What is counted of zones, so that nobody has to look at all of them. */
export interface Sums {
  readonly records: number;
  readonly aliases: number;
  readonly models: number;
}

/** The zones after a reading. */
export interface Merged {
  readonly zones: HeldZones;
  /** They are a draft of what is held. */
  readonly isPart: boolean;
  readonly sums: Sums;
}

/** A zone whose file has mistakes keeps its last good state; one whose file is gone goes. */
export function mergeSome(
  zones: HeldZones,
  { zones: read, part, notes }: ZoneReading,
  known: ZoneList,
  loadedMs: number,
): void {
  const origins = new Set(read.map(({ zone }) => zone.origin));
  for (const file of [...part!.looked, ...part!.gone]) {
    const served = known.byFile(file);
    if (!served || origins.has(served.origin)) continue;
    const note = notes.get(file);
    const isKept = note && (note.origin === undefined || note.origin === served.origin);
    if (!isKept) zones.delete(served.origin);
  }
  for (const next of read) {
    const { origin } = next.zone;
    const held = zones.get(origin);
    const isSame = held && next.file === held.summary.file && next.version === held.summary.version;
    zones.set(
      origin,
      isSame ? { ...held, zone: next.zone } : hold(summaryOf(next, loadedMs), next.zone, held),
    );
  }
}

/** What is held after all was read. Throws where a zone is served whose content nobody has. */
export function mergeAll(
  before: HeldZones,
  loaded: LoadedZones,
  served: readonly ZoneSummary[],
  loadedMs: number,
): HeldZones {
  const zones = new Map<string, HeldZone>();
  const read = new Map(loaded.zones.map((loadedZone) => [loadedZone.zone.origin, loadedZone]));
  const good = new Set(loaded.zones.map(({ file }) => file));
  const { same } = loaded;
  let exists: ((file: string) => boolean) | undefined;
  for (const known of served) {
    const { origin, file } = known;
    const held = before.get(origin);
    const next = read.get(origin);
    if (next) {
      const isSame = next.file === file && next.version === known.version;
      const summary = isSame ? known : summaryOf(next, loadedMs);
      zones.set(origin, isSame && held ? { ...held, zone: next.zone } : hold(summary, next.zone, held));
      continue;
    }
    const unchanged = same?.get(file);
    if (unchanged !== origin) {
      exists ??= existence(loaded);
      if (unchanged !== undefined || good.has(file) || !exists(file)) continue;
    }
    if (!held) throw new Error(`no good version of ${origin} (${file}) is left`);
    zones.set(origin, held);
  }
  for (const [origin, next] of read) {
    if (!zones.has(origin)) zones.set(origin, hold(summaryOf(next, loadedMs), next.zone, undefined));
  }
  return new DraftMap(zones);
}

/** What differs from the zones that are served. */
export function differenceOf(
  { zones, isPart }: Merged,
  known: ZoneList,
): { readonly put: readonly ZoneSummary[]; readonly gone: readonly string[] } {
  const put: ZoneSummary[] = [];
  for (const [origin, now] of isPart ? zones.changes : zones) {
    const served = known.get(origin);
    if (now && (served?.file !== now.summary.file || served.version !== now.summary.version)) {
      put.push(now.summary);
    }
  }
  const gone: string[] = [];
  if (isPart) {
    for (const [origin, now] of zones.changes) if (!now && known.get(origin)) gone.push(origin);
  } else for (const { origin } of known.list) if (!zones.has(origin)) gone.push(origin);
  return { put, gone };
}

export function sumsOf(zones: Iterable<HeldZone>): Sums {
  let [records, aliases, models] = [0, 0, 0];
  for (const { summary, hasAlias, zone } of zones) {
    records += summary.records;
    if (hasAlias) aliases++;
    if (zone) models++;
  }
  return { records, aliases, models };
}

export function added({ records, aliases, models }: Sums, held: HeldZone | undefined, sign: 1 | -1): Sums {
  if (!held) return { records, aliases, models };
  return {
    records: records + sign * held.summary.records,
    aliases: aliases + sign * Number(held.hasAlias),
    models: models + sign * Number(held.zone !== undefined),
  };
}

export const NO_SUMS: Sums = { records: 0, aliases: 0, models: 0 };
export const NO_TARGETS: ReadonlyMap<string, HealthTarget> = new Map();

/** Targets that are as they were stay the same object. */
function hold(summary: ZoneSummary, zone: Zone, before: HeldZone | undefined): HeldZone {
  const targets = healthTargets(zone);
  const known = before?.targets;
  return {
    summary,
    zone,
    targets: targets.size === 0 ? NO_TARGETS : known && areSame(targets, known) ? known : targets,
    forced: forcedEndpoints(zone),
    hasAlias: zone.rrsets.some(({ kind }) => kind === 'alias'),
  };
}

function areSame(
  targets: ReadonlyMap<string, HealthTarget>,
  known: ReadonlyMap<string, HealthTarget>,
): boolean {
  if (targets.size !== known.size) return false;
  const before = known.values();
  for (const target of targets.values()) if (!sameData(target, before.next().value)) return false;
  return true;
}

function summaryOf({ file, zone, version }: LoadedZone, loadedMs: number): ZoneSummary {
  const { origin, soa, rrsets, pools } = zone;
  return { origin, file, serial: soa.serial, version, records: rrsets.length, pools: pools.size, loadedMs };
}
