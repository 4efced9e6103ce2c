/** What orders about rollouts make of the steering document. Nothing here has an effect. */
import { afterCommand, startRollout } from '../core/rollout/machine.js';
import {
  ANALYSIS_DEFAULT,
  isLive,
  type RolloutPlan,
  type RolloutProgress,
  type RolloutStep,
  stepsMistake,
} from '../core/rollout/plan.js';
import { ROLLOUTS_MAX, type Rollout, type SteeringDocument } from '../core/steering/document.js';
import { parseTarget } from '../core/steering/target.js';
import { parseDuration } from '../sources/duration.js';
import type { RolloutOrder } from './rollout-schema.js';
import type { OrderMistake } from './steering-orders.js';

export type Rollouts = SteeringDocument['rollouts'];

/** 5, 25, 50, 100 %, ten minutes each. */
const STEPS_DEFAULT: readonly RolloutStep[] = [5, 25, 50, 100].map((percent) => ({ percent, seconds: 600 }));

/** An order, read: what it wants, and between which pools. */
export interface WantedRollout extends RolloutPlan {
  /** An origin. */
  readonly zone: string;
  readonly from: string;
  readonly to: string;
  readonly id?: string;
  readonly reason?: string;
}

/** Reads an order. `reports`: whether anybody could tell of requests of the new pool. */
export function readOrder(
  order: RolloutOrder,
  reports: (zone: string, pool: string) => boolean,
): WantedRollout | OrderMistake {
  const { from, to, id, reason } = order;
  const target = parseTarget(`${order.zone.replaceAll('/', '%2F')}/${from}`);
  if (typeof target === 'string' || target.zone === '*') {
    return { path: 'zone', message: `${order.zone} is no name of a zone` };
  }
  const { zone } = target;
  if (from === to) return { path: 'to', message: 'want another pool than `from`' };
  const steps = order.steps ? readSteps(order.steps) : STEPS_DEFAULT;
  if ('message' in steps) return steps;
  const mistake = stepsMistake(steps);
  if (mistake !== undefined) return { path: 'steps', message: mistake };
  const isReported = reports(zone, to);
  const wanted = order.analysis?.min_requests;
  if (!isReported && wanted !== undefined && wanted > 0) {
    const message = `no endpoint of the pool ${to} has a proxy (\`proxy:\` in the zone file) that reports its requests: want 0, then health alone decides`;
    return { path: 'analysis.min_requests', message };
  }
  const least = isReported ? ANALYSIS_DEFAULT : { ...ANALYSIS_DEFAULT, min_requests: 0 };
  const named = { ...(id !== undefined && { id }), ...(reason !== undefined && reason !== '' && { reason }) };
  const analysis = { ...least, ...order.analysis };
  return { zone, from, to, ...named, steps, analysis, on_failure: order.on_failure ?? 'rollback' };
}

/** Why there can't be another one beside those that are there. */
export function collision(rollouts: Rollouts, { zone, from, to, id }: WantedRollout): string | undefined {
  for (const [key, other] of Object.entries(rollouts)) {
    if (key === id && isLive(other))
      return `the rollout ${id} is ${other.state}: end it first, or take another name`;
    if (other.zone !== zone || !hasEffect(other)) continue;
    const about = `the rollout ${key} from ${other.from} to ${other.to} (${other.state})`;
    if (other.from === from) return `${about} has the pool ${from} already; end it first`;
    if (other.from === to || other.to === from) {
      return `${about} has one of these pools; end it first, or let the zone file say what it made`;
    }
  }
  return undefined;
}

/** With a new one; the oldest that have ended make room. */
export function withRollout(
  rollouts: Rollouts,
  wanted: WantedRollout,
  {
    by,
    nowMs,
    baseline,
  }: { readonly by: string; readonly nowMs: number; readonly baseline?: RolloutProgress['baseline'] },
): { readonly id: string; readonly rollouts: Rollouts } {
  const { id: name, reason, ...plan } = wanted;
  const id = name ?? freeName(rollouts);
  const note = { by, at: new Date(nowMs).toISOString(), ...(reason !== undefined && { reason }) };
  const rollout: Rollout = { ...plan, ...note, ...startRollout(nowMs, plan, by, baseline) };
  const { [id]: _, ...others } = rollouts;
  const ended = Object.entries(others)
    .filter(([, other]) => !hasEffect(other))
    .sort(([, a], [, b]) => Date.parse(a.at) - Date.parse(b.at));
  const room = Object.keys(others).length + 1 - ROLLOUTS_MAX;
  const gone = new Set(ended.slice(0, Math.max(room, 0)).map(([key]) => key));
  const kept = Object.entries(others).filter(([key]) => !gone.has(key));
  return { id, rollouts: { ...Object.fromEntries(kept), [id]: rollout } };
}

/** With another progress of one. */
export function withProgress(rollouts: Rollouts, id: string, progress: RolloutProgress): Rollouts {
  const { state: _s, step: _n, step_at: _t, baseline: _b, history: _h, ...rest } = rollouts[id]!;
  return { ...rollouts, [id]: { ...rest, ...progress } };
}

/**
 * A document of the past, without rollouts that would go on as if no time had passed: what ran then waits for somebody to
 * resume it, unless it runs in the same way now.
 */
export function withoutStaleRollouts(
  then: SteeringDocument,
  now: SteeringDocument,
  { author, nowMs }: { readonly author: string; readonly nowMs: number },
): SteeringDocument {
  let { rollouts } = then;
  for (const [id, rollout] of Object.entries(rollouts)) {
    const same = now.rollouts[id];
    if (rollout.state !== 'running' || (same?.state === 'running' && same.step_at === rollout.step_at))
      continue;
    const why = 'the document was rolled back to a revision in which it ran';
    const paused = afterCommand(rollout, 'pause', { nowMs, by: author, why });
    if (typeof paused !== 'string') rollouts = withProgress(rollouts, id, paused);
  }
  return rollouts === then.rollouts ? then : { ...then, rollouts };
}

function hasEffect(rollout: Rollout): boolean {
  return isLive(rollout) || rollout.state === 'promoted';
}

function readSteps(steps: NonNullable<RolloutOrder['steps']>): readonly RolloutStep[] | OrderMistake {
  const read: RolloutStep[] = [];
  for (const [i, { percent, hold }] of steps.entries()) {
    const ms = parseDuration(hold);
    if (ms === undefined) return { path: `steps.${i}.hold`, message: 'want a duration such as 10m' };
    read.push({ percent, seconds: ms / 1000 });
  }
  return read;
}

/** `r1`, `r2`, … */
function freeName(rollouts: Rollouts): string {
  let number = 1;
  while (Object.hasOwn(rollouts, `r${number}`)) number++;
  return `r${number}`;
}
