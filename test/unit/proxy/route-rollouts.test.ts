import { describe, expect, it } from 'vitest';
import { AS_CONFIGURED, type CanaryModel, type SplitModel } from '../../../src/core/http/split.js';
import { ANALYSIS_DEFAULT, type RolloutPlan } from '../../../src/core/rollout/plan.js';
import { countLatency } from '../../../src/core/tally/latency.js';
import { ENDPOINT_CELL, POOL_CELL } from '../../../src/proxy/cells.js';
import { type RouteRollout, RouteRollouts } from '../../../src/proxy/route-rollouts.js';

const START = Date.parse('2026-05-01T12:00:00Z');
const PLAN: RolloutPlan = {
  steps: [5, 100].map((percent) => ({ percent, seconds: 10 })),
  analysis: { ...ANALYSIS_DEFAULT, min_requests: 10 },
  on_failure: 'rollback',
};
const AUTO: CanaryModel = { ...PLAN, start: 'auto' };

function splitOf(pools: readonly string[], canary?: CanaryModel): SplitModel {
  const arms = pools.map((pool, i) => ({ pool, weight: i === 0 ? 1 : 0 }));
  return { name: 'shop', arms, stick: { by: 'draw' }, ...(canary && { canary }) };
}

class World {
  splits: ReadonlyMap<string, SplitModel>;
  seconds = 0;
  share = AS_CONFIGURED;
  readonly healthy: Record<string, number> = { blue: 1, green: 1, red: 1 };
  readonly events: string[] = [];
  kept: readonly RouteRollout[] = [];
  readonly rollouts: RouteRollouts;
  readonly #cells = new Map<string, Float64Array>();
  readonly #endpoints = new Map<string, Float64Array>();

  constructor(split: SplitModel, kept: readonly RouteRollout[] = []) {
    this.splits = new Map([[split.name, split]]);
    this.rollouts = new RouteRollouts(
      {
        splits: () => this.splits,
        setShare: (_, share) => {
          this.share = share;
        },
        counts: {
          pools: () => [...this.#cells].map(([pool, cells]) => ({ pool, cells })),
          endpoints: () => [...this.#endpoints].map(([pool, cells]) => ({ pool, endpoint: 'e', cells })),
        },
        healthy: (pool) => this.healthy[pool],
        nowMs: () => START + this.seconds * 1000,
        log: { info() {} },
        publish: (_, { event, why }) => this.events.push(why === undefined ? `${event}` : `${event}: ${why}`),
        keep: (all) => {
          this.kept = all;
        },
      },
      kept,
    );
  }

  use(split: SplitModel | null): void {
    this.splits = new Map(split === null ? [] : [[split.name, split]]);
    this.rollouts.adopt();
  }

  /** So many answers of a pool; `hidden`: failures of tries that a retry hid. */
  answers(pool: string, count: number, { errors = 0, ms = 10, hidden = 0 } = {}): void {
    const cells = this.#cells.get(pool) ?? new Float64Array(POOL_CELL.STRIDE);
    const endpoints = this.#endpoints.get(pool) ?? new Float64Array(ENDPOINT_CELL.STRIDE);
    this.#cells.set(pool, cells);
    this.#endpoints.set(pool, endpoints);
    cells[POOL_CELL.OK]! += count - errors;
    cells[POOL_CELL.ERRORS]! += errors;
    endpoints[ENDPOINT_CELL.ERRORS]! += errors + hidden;
    for (let i = 0; i < count; i++) countLatency(cells, POOL_CELL.LATENCY, ms);
  }

  /** Looks once a second. */
  pass(seconds: number, each: () => void = () => {}): void {
    for (let i = 0; i < seconds; i++) {
      each();
      this.seconds++;
      this.rollouts.look();
    }
  }

  both(young: { errors?: number; ms?: number; hidden?: number } = {}): () => void {
    return () => {
      this.answers('blue', 20);
      this.answers('green', 20, young);
    };
  }

  get state(): string | undefined {
    return this.rollouts.get('shop')?.state;
  }
}

function begun(split = splitOf(['blue', 'green'])): World {
  const world = new World(split);
  world.rollouts.adopt();
  world.pass(5, world.both());
  expect(world.rollouts.start('shop', PLAN, 'ann')).toBeNull();
  return world;
}

describe('a rollout of a route', () => {
  it('goes on when its time is over and the new pool is good, and keeps each step', () => {
    const world = begun();
    expect(world.share).toBe(500);
    world.pass(9, world.both());
    expect(world.share).toBe(500);
    world.pass(1, world.both());
    expect(world.share).toBe(10_000);
    world.pass(10, world.both());
    expect([world.state, world.share]).toEqual(['promoted', 10_000]);
    expect(world.events).toEqual(['started', 'advanced', 'promoted']);
    expect(world.kept.map(({ state }) => state)).toEqual(['promoted']);
    expect([...world.rollouts.steps]).toContainEqual(['shop\nadvanced', 1]);
  });

  it.each([
    ['fails', { errors: 10 }, /fails 50 % of/],
    ['is slow', { ms: 500 }, /99 % of the new pool's answers/],
    ['fails where a retry hides it', { hidden: 10 }, /fails 3\d(\.\d)? % of/],
  ])('steps back when the new pool %s', (_, young, why) => {
    const world = begun();
    world.pass(3, world.both(young));
    expect([world.state, world.share]).toEqual(['rolled_back', 0]);
    expect(world.events.at(-1)).toMatch(why);
  });

  it('waits for requests, and shows so', () => {
    const world = begun();
    world.pass(100, () => world.answers('blue', 20));
    expect(world.rollouts.get('shop')).toMatchObject({ state: 'running', waiting: true, percent: 5 });
  });

  it('is not judged by what the new pool did before', () => {
    const world = new World(splitOf(['blue', 'green']));
    world.rollouts.adopt();
    world.pass(5, world.both({ errors: 20 }));
    world.rollouts.start('shop', PLAN, 'ann');
    world.pass(10, world.both());
    expect(world.events).toEqual(['started', 'advanced']);
  });

  it('obeys orders, and says who and why', () => {
    const world = begun();
    expect(world.rollouts.command('shop', 'pause', 'bob', 'lunch')).toBeNull();
    world.pass(100, world.both({ errors: 20 }));
    expect([world.state, world.share]).toEqual(['paused', 500]);
    expect(world.rollouts.command('shop', 'pause', 'bob')?.code).toBe('rollout_refused');
    expect(world.rollouts.remove('shop')?.code).toBe('rollout_refused');
    expect(world.rollouts.command('shop', 'abort', 'bob')).toBeNull();
    expect(world.share).toBe(0);
    expect(world.rollouts.get('shop')?.history.map(({ by, why }) => [by, why])).toEqual([
      ['ann', undefined],
      ['bob', 'lunch'],
      ['bob', undefined],
    ]);
    expect(world.rollouts.remove('shop')).toBeNull();
    expect([world.share, world.state]).toEqual([AS_CONFIGURED, undefined]);
  });

  it.each([
    ['unknown_route', 'nope', undefined],
    ['rollout_refused', 'shop', 'green'],
  ])('is refused as %s', (code, route, down) => {
    const world = new World(splitOf(['blue', 'green']));
    world.rollouts.adopt();
    if (down !== undefined) world.healthy[down] = 0.5;
    expect(world.rollouts.start(route, PLAN, 'ann')?.code).toBe(code);
    expect(world.share).toBe(AS_CONFIGURED);
  });

  it('takes two pools, and one at a time', () => {
    const three = new World(splitOf(['blue', 'green', 'red']));
    three.rollouts.adopt();
    expect(three.rollouts.start('shop', PLAN, 'ann')?.message).toContain('has 3 pools');
    expect(begun().rollouts.start('shop', PLAN, 'ann')?.message).toContain('is running already');
    expect(three.rollouts.command('shop', 'promote', 'ann')?.code).toBe('no_rollout');
  });
});

describe('a reload', () => {
  it('changes nothing where the pools stay', () => {
    const world = begun();
    world.use({ ...splitOf(['blue', 'green']), stick: { by: 'cookie', cookie: 'c', seconds: 1 } });
    expect([world.state, world.share]).toEqual(['running', 500]);
  });

  it.each<[string, SplitModel | null, string, string]>([
    ['the new pool has gone', splitOf(['blue', 'red']), 'rolled_back', 'rolled_back: the new pool is gone'],
    ['the old pool has gone', splitOf(['red', 'green']), 'aborted', 'aborted: the old pool is gone'],
    ['the route has gone', null, 'aborted', 'aborted: the route is gone'],
    [
      'it has one pool more',
      splitOf(['blue', 'green', 'red']),
      'aborted',
      'aborted: the route has other pools now',
    ],
  ])('ends it where %s', (_, split, state, event) => {
    const world = begun();
    world.use(split);
    expect([world.state, world.events.at(-1)]).toEqual([state, event]);
    if (split !== null) expect(world.share).toBe(AS_CONFIGURED);
    world.pass(30, world.both());
    expect(world.state).toBe(state);
  });

  it('begins what begins by itself once, and again when it is worded anew', () => {
    const world = new World(splitOf(['blue', 'green'], AUTO));
    world.rollouts.adopt();
    expect(world.events).toEqual(['started']);
    world.rollouts.command('shop', 'abort', 'ann');
    world.use(splitOf(['blue', 'green'], AUTO));
    expect(world.state).toBe('aborted');
    world.use(splitOf(['blue', 'green'], { ...AUTO, on_failure: 'pause' }));
    expect(world.state).toBe('running');
  });

  it('begins later where the new pool is not up yet', () => {
    const world = new World(splitOf(['blue', 'green'], AUTO));
    world.healthy.green = 0;
    world.rollouts.adopt();
    world.pass(3);
    expect(world.state).toBeUndefined();
    world.healthy.green = 1;
    world.pass(1);
    expect(world.state).toBe('running');
  });
});

describe('a restart', () => {
  it('goes on where it was, at once, and begins nothing anew', () => {
    const before = new World(splitOf(['blue', 'green'], AUTO));
    before.rollouts.adopt();
    before.pass(15, before.both());
    const world = new World(splitOf(['blue', 'green'], AUTO), before.kept);
    expect(world.share).toBe(10_000);
    world.rollouts.adopt();
    world.seconds = before.seconds;
    expect([world.events, world.state]).toEqual([[], 'running']);
    world.rollouts.command('shop', 'abort', 'ann');
    const again = new World(splitOf(['blue', 'green'], AUTO), world.kept);
    again.rollouts.adopt();
    expect([again.state, again.share]).toEqual(['aborted', 0]);
  });
});
