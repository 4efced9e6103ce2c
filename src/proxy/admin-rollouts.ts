/** Rollouts of routes and the list of events, for the administration of a proxy. */

import type { RolloutCommand } from '../core/rollout/machine.js';
import { heldUntilMs } from '../core/rollout/machine.js';
import type { RolloutPlan } from '../core/rollout/plan.js';
import { type AdminAnswer, jsonAnswer, problemAnswer } from './admin-answer.js';
import { isReason, WHY_LENGTH_MAX } from './admin-orders.js';
import type { ProxyEvents } from './proxy-events.js';
import type { RolloutRefusal, RolloutView, RouteRollouts } from './route-rollouts.js';

export interface RolloutAdmin {
  readonly rollouts: RouteRollouts;
  /** The plan of the body of `start`, over that of the configuration; or what is wrong with it. */
  readonly readPlan: (
    body: unknown,
    configured: RolloutPlan | undefined,
  ) => { readonly plan: RolloutPlan } | { readonly mistakes: readonly string[] };
  readonly events: ProxyEvents;
}

export type RolloutAction = 'start' | 'remove' | RolloutCommand;

export type RolloutPath =
  | { readonly kind: 'events'; readonly after: number }
  | { readonly kind: 'list' }
  | { readonly kind: 'show'; readonly route: string }
  | { readonly kind: 'order'; readonly route: string; readonly action: RolloutAction };

const ORDER = /^\/v1\/rollouts\/([A-Za-z0-9_.-]{1,63})(?:\/(start|promote|pause|resume|abort|remove))?$/;

/** Null for a path that is about something else. */
export function matchRollout(url: string): RolloutPath | null {
  const [path = '', query = ''] = url.split('?', 2);
  if (path === '/v1/events') {
    const after = /(?:^|&)after=(\d{1,15})(?:&|$)/.exec(query)?.[1];
    return { kind: 'events', after: Number(after ?? 0) };
  }
  if (path === '/v1/rollouts') return { kind: 'list' };
  const match = ORDER.exec(path);
  if (match === null) return null;
  const [, route = '', action] = match;
  return action === undefined
    ? { kind: 'show', route }
    : { kind: 'order', route, action: action as RolloutAction };
}

export function readRollouts(
  { rollouts, events }: RolloutAdmin,
  path: Exclude<RolloutPath, { kind: 'order' }>,
): AdminAnswer {
  if (path.kind === 'events') {
    const list = events.after(path.after).map(({ sequence, atMs, type, data }) => {
      return { sequence, at: new Date(atMs).toISOString(), type, data };
    });
    return jsonAnswer(200, { last: events.last, events: list });
  }
  if (path.kind === 'list') return jsonAnswer(200, { rollouts: rollouts.list().map(rolloutBody) });
  const found = rollouts.get(path.route);
  if (found) return jsonAnswer(200, rolloutBody(found));
  return problemAnswer(404, 'no_rollout', `there is no rollout of a route ${path.route}`);
}

/** Carries out an order, in the name of who gave it. */
export function orderRollout(
  { rollouts, readPlan }: RolloutAdmin,
  { route, action }: Extract<RolloutPath, { kind: 'order' }>,
  body: unknown,
  by: string,
): AdminAnswer {
  let refusal: RolloutRefusal | null;
  if (action === 'start') {
    const read = readPlan(body ?? {}, rollouts.planOf(route));
    if ('mistakes' in read) return problemAnswer(400, 'invalid_request', read.mistakes.join('; '));
    refusal = rollouts.start(route, read.plan, by);
  } else {
    const why = whyOf(body);
    if (why === null) {
      const detail = `want no body, or {"why": "…"} of at most ${WHY_LENGTH_MAX} characters without control characters`;
      return problemAnswer(400, 'invalid_request', detail);
    }
    refusal = action === 'remove' ? rollouts.remove(route) : rollouts.command(route, action, by, why);
  }
  if (refusal !== null) {
    return problemAnswer(refusal.code === 'rollout_refused' ? 409 : 404, refusal.code, refusal.message);
  }
  const now = rollouts.get(route);
  return jsonAnswer(200, now ? rolloutBody(now) : { route, state: 'removed' });
}

/** Undefined for none, null for a body that is not allowed. */
function whyOf(body: unknown): string | undefined | null {
  if (body === undefined) return undefined;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  const { why, ...others } = body as { readonly why?: unknown };
  if (Object.keys(others).length > 0) return null;
  if (why === undefined) return undefined;
  return isReason(why) ? why : null;
}

function rolloutBody(view: RolloutView): unknown {
  const { waiting, why, seen, state, ...rest } = view;
  return {
    ...rest,
    state: state === 'running' && waiting ? 'waiting_for_volume' : state,
    ...(state === 'running' && { held_until: new Date(heldUntilMs(view)).toISOString() }),
    ...(why !== undefined && { why }),
    ...(seen && { seen }),
  };
}
