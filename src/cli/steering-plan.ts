import { type ApiOptions, postJson } from './api-client.js';
import { steeringLines, terminalPaint } from './difference-text.js';
import { print } from './output.js';
import { type Impact, impactLines, type Paint } from './plan-text.js';

interface SteeringPlan {
  readonly state: 'ready' | 'empty';
  readonly steering: Parameters<typeof steeringLines>[0];
  readonly impact: Impact;
}

/** A plan may wait for others, and take a while. */
const TIMEOUT_MS = 60_000;

/** Prints what orders of steering would do; `steering` as `POST /v1/plan` takes it. */
export async function printSteeringPlan(
  steering: object,
  options: ApiOptions & { readonly json?: boolean },
): Promise<void> {
  const plan = (await postJson(
    '/v1/plan',
    { steering },
    { ...options, timeoutMs: TIMEOUT_MS },
  )) as SteeringPlan;
  print(plan, options, (shown) => formatSteeringPlan(shown, terminalPaint()));
}

export function formatSteeringPlan({ state, steering, impact }: SteeringPlan, paint: Paint): string {
  if (state === 'empty') return 'nothing would change: it is steered so already';
  const lines = [...steeringLines(steering, paint), '', ...impactLines(impact, paint)];
  return [...lines, '', 'Nothing was changed. To do it, leave --dry-run out.'].join('\n');
}
