import { describe, expect, it } from 'vitest';
import { AS_CONFIGURED, type SplitModel } from '../../../src/core/http/split.js';
import {
  matchRollout,
  orderRollout,
  type RolloutAdmin,
  readRollouts,
} from '../../../src/proxy/admin-rollouts.js';
import { ProxyEvents } from '../../../src/proxy/proxy-events.js';
import { RouteRollouts } from '../../../src/proxy/route-rollouts.js';
import { readCanaryOrder } from '../../../src/sources/canary-order.js';

const SPLIT: SplitModel = {
  name: 'shop',
  arms: [
    { pool: 'blue', weight: 95 },
    { pool: 'green', weight: 5 },
  ],
  stick: { by: 'draw' },
};

function newAdmin(): RolloutAdmin & { readonly shares: number[] } {
  const shares: number[] = [];
  const events = new ProxyEvents(() => 0);
  const rollouts = new RouteRollouts({
    splits: () => new Map([['shop', SPLIT]]),
    setShare: (_, share) => shares.push(share),
    counts: { pools: () => [], endpoints: () => [] },
    healthy: () => 1,
    nowMs: () => 0,
    log: { info() {} },
    publish: (type, data) => events.publish(type, data),
  });
  return { rollouts, events, readPlan: readCanaryOrder, shares };
}

function order(admin: RolloutAdmin, action: string, body?: unknown, route = 'shop') {
  const path = matchRollout(`/v1/rollouts/${route}/${action}`);
  if (path?.kind !== 'order') throw new Error('no order');
  const { status, body: text } = orderRollout(admin, path, body, 'ops');
  return { status, ...(JSON.parse(text) as Record<string, unknown>) };
}

describe('paths of rollouts', () => {
  it.each([
    ['/v1/rollouts', { kind: 'list' }],
    ['/v1/rollouts/shop', { kind: 'show', route: 'shop' }],
    ['/v1/rollouts/shop/start', { kind: 'order', route: 'shop', action: 'start' }],
    ['/v1/rollouts/shop/start?x=1', { kind: 'order', route: 'shop', action: 'start' }],
    ['/v1/events', { kind: 'events', after: 0 }],
    ['/v1/events?after=7', { kind: 'events', after: 7 }],
    ['/v1/events?after=-7', { kind: 'events', after: 0 }],
    [`/v1/events?after=${'9'.repeat(400)}`, { kind: 'events', after: 0 }],
    ['/v1/rollouts/', null],
    ['/v1/rollouts/shop/delete', null],
    ['/v1/rollouts/%2e%2e/start', null],
    [`/v1/rollouts/${'a'.repeat(64)}`, null],
    ['/v1/status', null],
  ])('%s', (url, expected) => {
    expect(matchRollout(url)).toEqual(expected);
  });
});

describe('orders', () => {
  it('begin with steps of their own, move on and end', () => {
    const admin = newAdmin();
    const steps = [
      { percent: 10, hold: '1m' },
      { percent: 100, hold: 0 },
    ];
    expect(order(admin, 'start', { steps, analysis: { min_requests: 5 } })).toMatchObject({
      status: 200,
      ...{ from: 'blue', to: 'green', by: 'ops', percent: 10, held_until: '1970-01-01T00:01:00.000Z' },
      analysis: { min_requests: 5, latency_ratio: 1.5 },
    });
    expect(order(admin, 'pause', { why: 'lunch' })).toMatchObject({ status: 200, state: 'paused' });
    expect(order(admin, 'resume')).toMatchObject({ status: 200, state: 'running' });
    expect(order(admin, 'promote')).toMatchObject({ status: 200, state: 'promoted' });
    expect(order(admin, 'abort')).toMatchObject({ status: 200, state: 'aborted' });
    expect(order(admin, 'remove')).toMatchObject({ status: 200, state: 'removed' });
    expect(admin.shares).toEqual([1_000, 1_000, 1_000, 10_000, 0, AS_CONFIGURED]);
  });

  it.each([
    [{ steps: [] }, 'steps'],
    [{ steps: [{ percent: 5, hold: '1m' }] }, 'want 100 as the last percentage'],
    [{ steps: [{ percent: 101, hold: '1m' }] }, 'steps[0].percent'],
    [{ stepz: [] }, 'did you mean steps'],
    [{ analysis: { min_requests: -1 } }, 'analysis.min_requests'],
    [[], 'must be'],
    ['start', 'must be'],
  ])('to start with %j are refused', (body, detail) => {
    const answer = order(newAdmin(), 'start', body);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer).toHaveProperty('detail', expect.stringContaining(detail));
  });

  it.each([
    [{ why: 7 }],
    [{ why: 'a\nb' }],
    [{ why: 'x'.repeat(501) }],
    [{ because: 'x' }],
    [[]],
    ['x'],
    [null],
  ])('with %j are refused', (body) => {
    expect(order(newAdmin(), 'pause', body)).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it.each([
    ['shop', 'promote', 404, 'no_rollout'],
    ['shop', 'remove', 404, 'no_rollout'],
    ['nope', 'start', 404, 'unknown_route'],
  ])('%s/%s is a %i %s', (route, action, status, code) => {
    expect(order(newAdmin(), action, undefined, route)).toMatchObject({ status, code });
  });

  it('that change nothing are a conflict', () => {
    const admin = newAdmin();
    order(admin, 'start');
    expect(order(admin, 'start')).toMatchObject({ status: 409, code: 'rollout_refused' });
    expect(order(admin, 'resume')).toMatchObject({ status: 409, code: 'rollout_refused' });
  });
});

describe('what can be read', () => {
  it('is the list, one of them, and events after a number', () => {
    const admin = newAdmin();
    expect(readRollouts(admin, { kind: 'show', route: 'shop' }).status).toBe(404);
    order(admin, 'start');
    order(admin, 'abort', { why: 'no' });
    expect(JSON.parse(readRollouts(admin, { kind: 'list' }).body)).toMatchObject({
      rollouts: [{ route: 'shop' }],
    });
    expect(JSON.parse(readRollouts(admin, { kind: 'events', after: 1 }).body)).toEqual({
      last: 2,
      events: [
        {
          ...{ sequence: 2, at: '1970-01-01T00:00:00.000Z', type: 'rollout.changed' },
          data: {
            route: 'shop',
            from: 'blue',
            to: 'green',
            state: 'aborted',
            event: 'aborted',
            percent: 0,
            by: 'ops',
            why: 'no',
          },
        },
      ],
    });
  });

  it('is bounded', () => {
    const events = new ProxyEvents(() => 0);
    for (let i = 0; i < 5_000; i++) events.publish('x', {});
    expect([events.after(0).length, events.last, events.after(4_999).length]).toEqual([1_000, 5_000, 1]);
  });
});
