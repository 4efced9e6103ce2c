/** What changed between two revisions, zone by zone and record by record. */
import { join } from 'node:path';
import type { Zone } from '../core/zone/model.js';
import { zoneChanges } from '../core/zone/zone-changes.js';
import { loadMasterFile } from '../sources/master-zone.js';
import { formatProblem, type Problem } from '../sources/yaml-document.js';
import { loadZoneFile, type ZoneFileOptions } from '../sources/zone-file.js';
import { zoneName } from './revision.js';
import type { FileTexts } from './revisions.js';
import type { ChangedZone } from './zone-write.js';

/** A file that can't be compared, and why. */
export interface UnreadFile {
  readonly file: string;
  readonly message: string;
}

export interface FilesDifference {
  /** In the order of their names; at most CHANGES_MAX changes in all. */
  readonly zones: readonly ChangedZone[];
  /** How many changes there are. */
  readonly total: number;
  readonly unread: readonly UnreadFile[];
}

/** A record more would tell a person nothing. */
export const CHANGES_MAX = 5000;

interface Found {
  readonly zone: Zone;
  readonly file: string;
}

export interface DifferenceOptions extends ZoneFileOptions {
  /** The zone folder: there master files find what they include, as it is now. */
  readonly folder?: string;
}

/** Zones are compared with those of the same name, also where they moved to another file. `options`: as they are loaded. */
export function filesDifference(
  texts: readonly FileTexts[],
  options: DifferenceOptions = {},
): FilesDifference {
  const unread: UnreadFile[] = [];
  const read = (file: string, text: string | null | undefined, when: string): readonly Found[] => {
    if (text === null) return [];
    if (text === undefined) {
      unread.push({ file, message: `the text ${when} is not kept: it is too large, or not UTF-8` });
      return [];
    }
    const result = zoneOf(file, text, options);
    if ('zone' in result) return [{ zone: result.zone, file }];
    const [first, ...more] = result.problems;
    const others = more.length > 0 ? ` (and ${more.length} more)` : '';
    const what = first ? formatProblem(first) : 'it can not be read';
    unread.push({ file, message: `${when} it has mistakes: ${what}${others}` });
    return [];
  };
  const before = byOrigin(texts.flatMap(({ path, before: text }) => read(path, text, 'before')));
  const after = byOrigin(texts.flatMap(({ path, after: text }) => read(path, text, 'after')));
  // One side alone would look as if the zone were new, or gone.
  const skipped = new Set(unread.map(({ file }) => file));
  const origins = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const zones: ChangedZone[] = [];
  let total = 0;
  for (const origin of origins) {
    const [old, now] = [before.get(origin), after.get(origin)];
    const file = (now ?? old)!.file;
    if (skipped.has(file)) continue;
    const changes = zoneChanges(old?.zone, now?.zone);
    const room = Math.max(CHANGES_MAX - total, 0);
    total += changes.length;
    const kind = old ? (now ? 'changed' : 'removed') : 'added';
    zones.push({
      zone: zoneName(origin),
      file,
      kind,
      changes: changes.slice(0, room),
      total: changes.length,
    });
  }
  return { zones, total, unread };
}

function zoneOf(
  file: string,
  text: string,
  { folder = '/', ...options }: DifferenceOptions,
): { readonly zone: Zone } | { readonly problems: readonly Problem[] } {
  if (!/\.zone$/i.test(file)) return loadZoneFile(file, text, options);
  return loadMasterFile(join(folder, file), Buffer.from(text));
}

function byOrigin(found: readonly Found[]): ReadonlyMap<string, Found> {
  return new Map(found.map((one) => [one.zone.origin, one]));
}

/** A part of the steering document that differs. Absent: it was not there, or is not. */
export interface SteeringChange {
  /** The keys that lead to it, joined by dots. */
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

const STEERING_CHANGES_MAX = 1000;
/** Forces, dials and the like are maps of entries: what is in an entry changes as a whole. */
const STEERING_DEPTH = 2;

/** Entry by entry. */
export function steeringDifference(before: unknown, after: unknown): readonly SteeringChange[] {
  const changes: SteeringChange[] = [];
  const visit = (path: readonly string[], old: unknown, now: unknown): void => {
    if (changes.length >= STEERING_CHANGES_MAX || JSON.stringify(old) === JSON.stringify(now)) return;
    const [olds, nows] = [old ?? {}, now ?? {}];
    if (path.length < STEERING_DEPTH && isMap(olds) && isMap(nows)) {
      const keys = new Set([...Object.keys(olds), ...Object.keys(nows)]);
      for (const key of [...keys].toSorted()) visit([...path, key], olds[key], nows[key]);
      return;
    }
    const sides = { ...(old !== undefined && { before: old }), ...(now !== undefined && { after: now }) };
    changes.push({ path: path.join('.'), ...sides });
  };
  visit([], before ?? {}, after ?? {});
  return changes;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
