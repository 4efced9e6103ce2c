import type { RolloutPlan } from '../core/rollout/plan.js';
import type { RouteFile } from './route-schema.js';
import { rolloutPlanOf } from './route-split-config.js';
import { CanaryOrderSchema } from './route-split-schema.js';
import { schemaProblems } from './schema-problems.js';
import { formatPath } from './yaml-document.js';

/** The plan of an order to begin a rollout. What it does not say is as the configuration has it, or as by default. */
export function readCanaryOrder(
  body: unknown,
  configured: RolloutPlan | undefined,
): { readonly plan: RolloutPlan } | { readonly mistakes: readonly string[] } {
  const mistakes = schemaProblems(CanaryOrderSchema, body).map(({ path, message }) =>
    mistakeOf(path, message),
  );
  if (mistakes.length > 0) return { mistakes };
  const order = body as Pick<NonNullable<RouteFile['canary']>, 'steps' | 'analysis' | 'on_failure'>;
  const plan = rolloutPlanOf(order, [], (path, message) => mistakes.push(mistakeOf(path, message)));
  if (mistakes.length > 0) return { mistakes };
  if (configured === undefined) return { plan };
  return {
    plan: {
      steps: order.steps === undefined ? configured.steps : plan.steps,
      analysis: { ...configured.analysis, ...order.analysis },
      on_failure: order.on_failure ?? configured.on_failure,
    },
  };
}

function mistakeOf(path: readonly (string | number)[], message: string): string {
  return path.length === 0 ? message : `${formatPath(path)}: ${message}`;
}
