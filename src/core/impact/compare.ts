import { TYPE, typeName } from '../dns/iana.js';
import { zoneDifference } from '../zone/difference.js';
import type { Zone } from '../zone/model.js';
import type { Comparison } from './impact.js';
import { constantView } from './view.js';
import type { ZoneViews } from './zone-views.js';

/**
 * What to compare of two versions of a zone, one of which may be absent: all names whose answers are chosen, and those
 * whose records differ. Under a wildcard that is new or gone, the wildcard stands for the names that do not exist.
 */
export function compareViews(
  before: Zone | undefined,
  viewsBefore: ZoneViews | undefined,
  after: Zone | undefined,
  viewsAfter: ZoneViews | undefined,
): readonly Comparison[] {
  const asked = new Map<string, { readonly name: string; readonly type: number }>();
  const ask = (one: { readonly name: string; readonly type: number }) =>
    asked.set(`${one.name} ${one.type}`, one);
  for (const views of [viewsBefore, viewsAfter]) for (const one of views?.chosen() ?? []) ask(one);
  for (const { name, before: old, after: now } of zoneDifference(before, after).rrsets) {
    for (const rrset of [old, now]) {
      if (!rrset) continue;
      if (rrset.kind === 'static') ask({ name, type: rrset.type });
      else for (const family of rrset.families) ask({ name, type: TYPE[family] });
    }
  }
  return [...asked.values()].map(({ name, type }) => ({
    name,
    type: typeName(type),
    before: viewsBefore?.view(name, type) ?? constantView([]),
    after: viewsAfter?.view(name, type) ?? constantView([]),
  }));
}
