import { EMPTY_STEERING, type SteeringDocument } from '../core/steering/document.js';
import type { HeldSteering } from '../core/steering/held.js';
import { changedTargets, outlookAt } from '../core/steering/outlook.js';
import type { ImpactJob, PlanImpact, ServedFile } from './plan-job.js';
import type { ImpactEngine, PlanFailure } from './plan-thread.js';
import { documentMistakes } from './steering-orders.js';

/** Two sides of zones and steering, such as two revisions. */
export interface ImpactSides {
  /** Files that differ; null for no file, undefined for a text that is not kept: that file is left out. */
  readonly files: readonly {
    readonly path: string;
    readonly before: string | null | undefined;
    readonly after: string | null | undefined;
  }[];
  /** Absent: on both sides what is steered now. */
  readonly steering?: SteeringSides;
}

export interface SteeringSides {
  /** Documents; null or undefined for none yet. */
  readonly before: unknown;
  readonly after: unknown;
  /** When they count, milliseconds since 1970: what had ended by then holds on neither side. */
  readonly atMs: number;
}

/** Who gets another answer on the one side than on the other, with health and the geo database as they are now. */
export type AskImpact = (sides: ImpactSides) => Promise<PlanImpact | PlanFailure>;

export interface ImpactDeskModules {
  readonly engine: ImpactEngine;
  readonly served: () => readonly ServedFile[];
  /** Origins of the zones that targets of steering reach. */
  readonly zonesOf: (targets: ReadonlySet<string>) => ReadonlySet<string>;
}

export function impactDesk({ engine, served, zonesOf }: ImpactDeskModules): AskImpact {
  return async ({ files, steering }) => {
    const texts = files.flatMap(({ path, before, after }) =>
      before === undefined || after === undefined ? [] : [{ path, before, after }],
    );
    if (!steering) return engine.compare({ files: texts, served: [] });
    const held = heldSides(steering);
    if ('code' in held) return held;
    const targets = changedTargets(held.before, held.after);
    const zones = targets.size === 0 ? new Set<string>() : zonesOf(targets);
    const reached = served().flatMap(({ origin, file }) => (zones.has(origin) ? [file] : []));
    return engine.compare({ files: texts, served: reached, steering: held });
  };
}

function heldSides({ before, after, atMs }: SteeringSides): NonNullable<ImpactJob['steering']> | PlanFailure {
  const [old, now] = [before, after].map((document) => heldOf(document ?? EMPTY_STEERING, atMs));
  if (!old || !now) {
    return { code: 'plan_failed', message: 'a document of steering is not one that this version reads' };
  }
  return { before: old, after: now };
}

function heldOf(document: unknown, atMs: number): HeldSteering | undefined {
  return documentMistakes(document).length > 0 ? undefined : outlookAt(document as SteeringDocument, atMs);
}
