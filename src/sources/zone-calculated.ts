/** Calculated monitors of a zone file. */

import type { CalculatedMonitor } from '../core/zone/model.js';
import { type Draft, report } from './zone-draft.js';
import { ownerName } from './zone-records.js';
import type { FileCalculated } from './zone-schema.js';

export function readCalculated(draft: Draft, calculated: Readonly<Record<string, FileCalculated>>): void {
  for (const [name, file] of Object.entries(calculated)) {
    const monitor = readOne(draft, name, file);
    if (monitor) draft.calculated.set(name, monitor);
    else {
      const message = 'must have exactly one of all, any, not, record, and at_least with of';
      report(draft, ['calculated', name], message);
    }
  }
}

function readOne(draft: Draft, name: string, file: FileCalculated): CalculatedMonitor | undefined {
  const { all, any, not, at_least: count, of, record } = file;
  const kinds = [all, any, not, count, record].filter((part) => part !== undefined).length;
  if (kinds !== 1 || (count === undefined) !== (of === undefined)) return undefined;
  if (all) return { name, kind: 'all', of: all };
  if (any) return { name, kind: 'any', of: any };
  if (record !== undefined) return readRecordMonitor(draft, name, record);
  if (not !== undefined) return { name, kind: 'not', of: [not] };
  return { name, kind: 'at_least', count: count ?? 1, of: of ?? [] };
}

/** The record is named as where it stands: relative to the zone, or with a trailing dot. */
function readRecordMonitor(draft: Draft, name: string, record: string): CalculatedMonitor {
  const owner = ownerName(draft, record);
  if ('text' in owner) return { name, kind: 'record', of: [], record: owner.text };
  report(draft, ['calculated', name, 'record'], owner.message);
  return { name, kind: 'record', of: [] };
}
