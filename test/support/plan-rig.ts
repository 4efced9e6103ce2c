import { join } from 'node:path';
import { healthOf } from '../../src/compose/plans.js';
import { type AskImpact, impactDesk } from '../../src/control/impact-desk.js';
import { Planner } from '../../src/control/planner.js';
import { PlanBook, type PlanModules } from '../../src/control/plans.js';
import type { ControlRig } from './control-rig.js';

/** Plans of a rig, made in the thread that asks. `zones`: the zone folder. They can be applied with a `writer` only. */
export function planBook(
  { control }: Pick<ControlRig, 'control'>,
  zones: string,
  modules: Pick<Partial<PlanModules>, 'writer' | 'history'> = {},
): PlanBook {
  const planner = plannerOn(zones);
  let made = 0;
  return new PlanBook({
    engine: {
      plan: (job) => {
        if (control.locations) planner.useGeo(control.locations);
        return planner.plan(job, async (keys) => healthOf(control, keys));
      },
      close: async () => {},
    },
    served: () => control.zones,
    now: Date.now,
    newId: () => `p${++made}`,
    publish: (event) => control.events.publish(event),
    ...modules,
  });
}

/** Who gets another answer, as a node with these zones tells it. */
export function impactOn({ control }: Pick<ControlRig, 'control'>, zones: string): AskImpact {
  const planner = plannerOn(zones);
  return impactDesk({
    engine: {
      compare: (job) => {
        if (control.locations) planner.useGeo(control.locations);
        return planner.compare(job, async (keys) => healthOf(control, keys));
      },
    },
    served: () => control.zones,
    zonesOf: (targets) => control.steering?.marks.zonesOf(targets) ?? new Set(),
  });
}

function plannerOn(zones: string): Planner {
  return new Planner({ zones, state: join(zones, '.state') }, () => performance.now());
}
