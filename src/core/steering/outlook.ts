/** What steering comes to, for comparing two documents: who would move once everything has arrived. */
import type { SteeringDocument } from './document.js';
import { type HeldSteering, heldAt } from './held.js';

/** What holds at a moment, with the dials where their ramps end: a change under way is told by where it leads. */
export function outlookAt(document: SteeringDocument, atMs: number): HeldSteering {
  const dials = Object.entries(document.dials).map(([target, { ramp: _, ...dial }]) => [target, dial]);
  return heldAt({ ...document, dials: Object.fromEntries(dials) }, atMs);
}

/** Targets that are not steered alike; who steered them, and why, does not count. */
export function changedTargets(before: HeldSteering, after: HeldSteering): ReadonlySet<string> {
  const [old, now] = [entriesOf(before), entriesOf(after)];
  const changed = new Set<string>();
  for (const [key, { target, text }] of [...old, ...now]) {
    if (old.get(key)?.text !== text || now.get(key)?.text !== text) changed.add(target);
  }
  return changed;
}

interface Entry {
  readonly target: string;
  readonly text: string;
}

/** Of all the maps of what is held, by the names of these and the targets. */
function entriesOf(held: HeldSteering): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [kind, map] of Object.entries(held)) {
    if (!(map instanceof Map)) continue;
    for (const [target, value] of map as ReadonlyMap<string, unknown>) {
      const text = JSON.stringify(value, (key, part: unknown) => (key === 'cause' ? undefined : part));
      entries.set(`${kind} ${target}`, { target, text });
    }
  }
  return entries;
}
