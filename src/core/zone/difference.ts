/** What changed between two versions of a zone, RRset by RRset: for journals, plans and logs. */
import { TYPE, typeName } from '../dns/iana.js';
import type { RRset, Zone } from './model.js';

export interface RRsetChange {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly name: string;
  /** `MX`, or `A, AAAA` of a dynamic RRset. */
  readonly type: string;
  readonly before?: RRset;
  readonly after?: RRset;
}

export interface ZoneDifference {
  readonly rrsets: readonly RRsetChange[];
  /** Names that were added, removed or changed. */
  readonly pools: readonly string[];
  /** Those that are made from others, too. */
  readonly monitors: readonly string[];
  readonly regions: readonly string[];
  /** Anything in the SOA but its serial. */
  readonly soa: boolean;
  readonly rateLimit: boolean;
}

/** The way from `before` to `after`; a zone that is new or gone is compared with `undefined`. */
export function zoneDifference(before: Zone | undefined, after: Zone | undefined): ZoneDifference {
  return {
    rrsets: rrsetChanges(before?.rrsets ?? [], after?.rrsets ?? []),
    pools: changedKeys(before?.pools, after?.pools),
    monitors: [
      ...changedKeys(before?.monitors, after?.monitors),
      ...changedKeys(before?.calculated, after?.calculated),
    ].toSorted(),
    regions: changedKeys(before?.regions, after?.regions),
    soa: !same({ ...before?.soa, serial: 0 }, { ...after?.soa, serial: 0 }),
    rateLimit: !same(before?.rateLimit, after?.rateLimit),
  };
}

export function isEmptyDifference(difference: ZoneDifference): boolean {
  const { rrsets, pools, monitors, regions, soa, rateLimit } = difference;
  return rrsets.length + pools.length + monitors.length + regions.length === 0 && !soa && !rateLimit;
}

/** In the order of the zone they are in: what was removed comes first. */
function rrsetChanges(before: readonly RRset[], after: readonly RRset[]): readonly RRsetChange[] {
  const old = new Map(before.map((rrset) => [keyOf(rrset), rrset]));
  const current = new Set(after.map(keyOf));
  const changes: RRsetChange[] = [];
  for (const rrset of before) {
    if (!current.has(keyOf(rrset))) changes.push({ kind: 'removed', ...labelOf(rrset), before: rrset });
  }
  for (const rrset of after) {
    const previous = old.get(keyOf(rrset));
    if (!previous) changes.push({ kind: 'added', ...labelOf(rrset), after: rrset });
    else if (!same(previous, rrset)) {
      changes.push({ kind: 'changed', ...labelOf(rrset), before: previous, after: rrset });
    }
  }
  return changes;
}

function keyOf(rrset: RRset): string {
  return `${rrset.name} ${labelOf(rrset).type}`;
}

function labelOf(rrset: RRset): { name: string; type: string } {
  const types = rrset.kind === 'static' ? [rrset.type] : rrset.families.map((family) => TYPE[family]);
  return { name: rrset.name, type: types.map(typeName).join(', ') };
}

function changedKeys(
  before: ReadonlyMap<string, unknown> = new Map(),
  after: ReadonlyMap<string, unknown> = new Map(),
): readonly string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => !same(before.get(key), after.get(key))).toSorted();
}

/** Deep equality of plain model data; bytes count by value. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (Array.isArray(a) !== Array.isArray(b) || keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return keys.every((key) => Object.hasOwn(right, key) && same(left[key], right[key]));
}
