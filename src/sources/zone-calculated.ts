/** Calculated monitors of a zone file. */

import type { CalculatedMonitor } from '../core/zone/model.js';
import { type Draft, report } from './zone-draft.js';
import type { FileCalculated } from './zone-schema.js';

export function readCalculated(draft: Draft, calculated: Readonly<Record<string, FileCalculated>>): void {
  for (const [name, file] of Object.entries(calculated)) {
    const monitor = readOne(name, file);
    if (monitor) draft.calculated.set(name, monitor);
    else {
      report(draft, ['calculated', name], 'must have exactly one of all, any, not, and at_least with of');
    }
  }
}

function readOne(name: string, file: FileCalculated): CalculatedMonitor | undefined {
  const { all, any, not, at_least: count, of } = file;
  const kinds = [all, any, not, count].filter((part) => part !== undefined).length;
  if (kinds !== 1 || (count === undefined) !== (of === undefined)) return undefined;
  if (all) return { name, kind: 'all', of: all };
  if (any) return { name, kind: 'any', of: any };
  if (not !== undefined) return { name, kind: 'not', of: [not] };
  return { name, kind: 'at_least', count: count ?? 1, of: of ?? [] };
}
