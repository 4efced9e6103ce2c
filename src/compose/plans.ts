import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ControlPlane } from '../control/control-plane.js';
import { type AskImpact, impactDesk } from '../control/impact-desk.js';
import type { HealthNow } from '../control/plan-job.js';
import { PlanThread } from '../control/plan-thread.js';
import { type ChangeWriter, PlanBook, type PlanHistory } from '../control/plans.js';
import type { ServerConfig } from '../sources/server-config.js';

export interface Plans {
  readonly book: PlanBook;
  /** Who gets another answer on one side of zones and steering than on the other. */
  readonly impact: AskImpact;
  close(): Promise<void>;
}

/** The plans of a node, and the thread that makes them. Without a writer they can be made, but not applied. */
export function openPlans(
  config: Pick<ServerConfig, 'zones' | 'state' | 'probes' | 'observers'>,
  parts: { readonly control: ControlPlane; readonly history?: PlanHistory; readonly writer?: ChangeWriter },
): Plans {
  const { control, history, writer } = parts;
  const { zones, state, observers } = config;
  const { programs, folders } = config.probes;
  const isFile = statSync(zones, { throwIfNoEntry: false })?.isFile() ?? false;
  const start = {
    zones: isFile ? dirname(zones) : zones,
    ...(isFile && { only: basename(zones) }),
    state,
    probes: { programs, folders },
    observers,
  };
  const engine = new PlanThread(start, {
    geo: () => control.locations,
    healthOf: (keys) => healthOf(control, keys),
  });
  const served = () => control.zones.map(({ origin, file }) => ({ origin, file }));
  const book = new PlanBook({
    engine,
    served,
    now: Date.now,
    newId: () => `p${randomBytes(6).toString('hex')}`,
    publish: (event) => control.events.publish(event),
    ...(history && { history }),
    ...(writer && { writer }),
  });
  return {
    book,
    impact: impactDesk({
      engine,
      served,
      zonesOf: (targets) => control.steering?.marks.zonesOf(targets) ?? new Set(),
    }),
    close: () => engine.close(),
  };
}

/** The words that are answered by now. */
export function healthOf(
  { health, steering }: Pick<ControlPlane, 'health' | 'steering'>,
  keys: readonly string[],
): HealthNow {
  const words = new Int32Array(keys.length);
  const known = new Uint8Array(keys.length);
  for (const [i, key] of keys.entries()) {
    // What is not watched has no slot.
    const slot = health.targets.has(key) ? health.slotOf(key) : undefined;
    if (slot === undefined) continue;
    words[i] = Atomics.load(health.table, slot);
    known[i] = 1;
  }
  const held = steering?.held;
  return { words, known, ...(held && { steering: held }) };
}
