import { AS_CONFIGURED, type SplitModel, shareOfPercent } from '../core/http/split.js';
import { isoTime } from '../core/query-log/line.js';
import { baselineOf, judge, type RolloutObservation } from '../core/rollout/judge.js';
import {
  afterCommand,
  afterLook,
  BY_ITSELF,
  type RolloutCommand,
  startRollout,
  verdictOf,
} from '../core/rollout/machine.js';
import {
  ANALYSIS_DEFAULT,
  isLive,
  percentOf,
  type RolloutPlan,
  type RolloutProgress,
} from '../core/rollout/plan.js';
import { ENDPOINT_CELL } from './cells.js';
import type { ProxyCounts } from './control.js';
import { PoolFigures } from './pool-figures.js';

/** How the second pool of a route takes over from the first. */
export interface RouteRollout extends RolloutPlan, RolloutProgress {
  readonly route: string;
  readonly from: string;
  readonly to: string;
  /** Who began it, and when (ISO 8601). */
  readonly by: string;
  readonly at: string;
}

/** With what is seen of it now. */
export interface RolloutView extends RouteRollout {
  /** What the new pool gets now, percent. */
  readonly percent: number;
  readonly waiting: boolean;
  /** Why it does not go on. */
  readonly why?: string;
  readonly seen?: RolloutObservation;
}

export type RolloutRefusal = {
  readonly code: 'unknown_route' | 'no_rollout' | 'rollout_refused';
  readonly message: string;
};

export interface RouteRolloutModules {
  /** The splits of the configuration in use, by name. */
  readonly splits: () => ReadonlyMap<string, SplitModel>;
  readonly setShare: (route: string, share: number) => void;
  /** Counters of all workers. */
  readonly counts: Pick<ProxyCounts, 'pools' | 'endpoints'>;
  /** The part of a pool's weight that is up, 0 to 1; undefined where there is no such pool. */
  readonly healthy: (pool: string) => number | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly log: { info(facts: object, message: string): void };
  readonly publish: (type: string, data: Readonly<Record<string, unknown>>) => void;
  /** Called after each change with all of them: who keeps them over a restart. */
  readonly keep?: (rollouts: readonly RouteRollout[]) => void;
}

interface Look {
  readonly from: string;
  readonly to: string;
  readonly windowMs: number;
  readonly old: PoolFigures;
  readonly new: PoolFigures;
  seen: RolloutObservation | undefined;
}

/**
 * Moves the canaries of routes on: each look takes in the counters, has `core/rollout/machine.ts` decide, and sets the share that
 * workers read. Rollouts are kept by the route's name over reloads.
 */
export class RouteRollouts {
  readonly #modules: RouteRolloutModules;
  readonly #rollouts = new Map<string, RouteRollout>();
  /** The canary of the configuration that was begun last, so that the same one is not begun again. */
  readonly #begun = new Map<string, string>();
  readonly #looks = new Map<string, Look>();
  readonly #steps = new Map<string, number>();
  /** Routes whose canary begins by itself as soon as it can. */
  readonly #waiting = new Set<string>();

  /** `kept`: those of before a restart. */
  constructor(modules: RouteRolloutModules, kept: readonly RouteRollout[] = []) {
    this.#modules = modules;
    for (const rollout of kept) this.#rollouts.set(rollout.route, rollout);
    for (const { route } of kept) this.#setShare(route);
  }

  /** Takes up the configuration in use: ends what it has no place for, and begins what begins by itself. */
  adopt(): void {
    const splits = this.#modules.splits();
    for (const route of this.#looks.keys()) if (!splits.has(route)) this.#looks.delete(route);
    for (const [route, rollout] of this.#rollouts) {
      if (isLive(rollout) && !splits.has(route)) this.#obey(rollout, 'abort', BY_ITSELF, 'the route is gone');
    }
    for (const [route, split] of splits) {
      this.#lookOf(split);
      this.#endWithoutPools(route, split);
      const { canary } = split;
      const said = JSON.stringify([split.arms.map(({ pool }) => pool), canary]);
      const known = this.#rollouts.get(route);
      const isNew = this.#begun.get(route) !== said && !(known && isLive(known));
      const wasKept = known !== undefined && !this.#begun.has(route) && fits(known, split);
      if (!(known && isLive(known))) this.#begun.set(route, said);
      if (canary?.start === 'auto' && isNew && !wasKept) this.#waiting.add(route);
      this.#setShare(route);
    }
    this.#startWaiting(true);
  }

  /** Takes in the counters, and does what follows by itself. To be called every second or so. */
  look(): void {
    const { nowMs, counts, splits } = this.#modules;
    if (splits().size === 0) return;
    const now = nowMs();
    this.#startWaiting(false);
    const totals = new Map(counts.pools().map(({ pool, cells }) => [pool, cells]));
    const errors = new Map<string, number>();
    for (const { pool, cells } of counts.endpoints()) {
      errors.set(pool, (errors.get(pool) ?? 0) + cells[ENDPOINT_CELL.ERRORS]!);
    }
    for (const [route, split] of splits()) {
      const look = this.#lookOf(split);
      if (look === undefined) continue;
      const [old, young] = [totals.get(look.from), totals.get(look.to)];
      if (old) look.old.take(now, old, errors.get(look.from) ?? 0);
      if (young) look.new.take(now, young, errors.get(look.to) ?? 0);
      const rollout = this.#rollouts.get(route);
      if (rollout === undefined || !isLive(rollout)) {
        look.seen = undefined;
        continue;
      }
      look.seen = this.#observe(look, now, Date.parse(rollout.step_at));
      const next = afterLook(rollout, look.seen, now);
      if (next) this.#move(rollout, next);
    }
  }

  list(): readonly RolloutView[] {
    return [...this.#rollouts.values()].map((rollout) => this.#view(rollout));
  }

  get(route: string): RolloutView | undefined {
    const rollout = this.#rollouts.get(route);
    return rollout && this.#view(rollout);
  }

  /** The plan that the configuration has for a route; undefined for none. */
  planOf(route: string): RolloutPlan | undefined {
    return this.#modules.splits().get(route)?.canary;
  }

  /** Null if it began. */
  start(route: string, { steps, analysis, on_failure }: RolloutPlan, by: string): RolloutRefusal | null {
    const { splits, nowMs, healthy } = this.#modules;
    const split = splits().get(route);
    if (split === undefined) return unknownRoute(route, splits());
    if (split.arms.length !== 2) {
      return refused(`route ${route} has ${split.arms.length} pools; a rollout takes two`);
    }
    const known = this.#rollouts.get(route);
    if (known && isLive(known)) return refused(`route ${route}: its rollout is ${known.state} already`);
    const [from, to] = [split.arms[0]!.pool, split.arms[1]!.pool];
    const up = healthy(to);
    const verdict = judge(
      { ...analysis, min_requests: 0 },
      undefined,
      up === undefined ? {} : { healthy: up },
    );
    if (verdict.verdict !== 'good') return refused(`route ${route}: ${'why' in verdict ? verdict.why : ''}`);
    const now = nowMs();
    const look = this.#lookOf(split, analysis.window_seconds * 1000)!;
    const plan: RolloutPlan = { steps, analysis, on_failure };
    const progress = startRollout(now, plan, by, baselineOf(analysis, look.old.sum(now)));
    beginStep(look);
    this.#waiting.delete(route);
    this.#set({ route, from, to, by, at: isoTime(now), ...plan, ...progress });
    return null;
  }

  /** Null if it was carried out. */
  command(route: string, command: RolloutCommand, by: string, why?: string): RolloutRefusal | null {
    const rollout = this.#rollouts.get(route);
    return rollout === undefined ? this.#noRollout(route) : this.#obey(rollout, command, by, why);
  }

  /** Forgets one that has ended: the weights of the configuration count again. */
  remove(route: string): RolloutRefusal | null {
    const rollout = this.#rollouts.get(route);
    if (rollout === undefined) return this.#noRollout(route);
    if (isLive(rollout)) return refused(`route ${route}: it is ${rollout.state}; abort or promote it first`);
    this.#rollouts.delete(route);
    this.#modules.setShare(route, AS_CONFIGURED);
    this.#modules.log.info({ route }, 'a rollout was forgotten');
    this.#modules.publish('rollout.removed', { route });
    this.#keep();
    return null;
  }

  /** How often what happened: `advanced`, `rolled_back` … */
  get steps(): ReadonlyMap<string, number> {
    return this.#steps;
  }

  #startWaiting(loudly: boolean): void {
    for (const route of this.#waiting) {
      const canary = this.#modules.splits().get(route)?.canary;
      const refusal = canary?.start === 'auto' ? this.start(route, canary, 'configuration') : null;
      if (refusal === null) this.#waiting.delete(route);
      else if (loudly) this.#modules.log.info({ route, why: refusal.message }, 'a rollout cannot begin yet');
    }
  }

  #obey(rollout: RouteRollout, command: RolloutCommand, by: string, why?: string): RolloutRefusal | null {
    const seen = this.#looks.get(rollout.route)?.seen;
    const order = {
      nowMs: this.#modules.nowMs(),
      by,
      ...(why !== undefined && { why }),
      ...(seen && { seen }),
    };
    const next = afterCommand(rollout, command, order);
    if (typeof next === 'string') return refused(`route ${rollout.route}: ${next}`);
    this.#move(rollout, next);
    return null;
  }

  /** Ends one whose pools the configuration of its route names no more. */
  #endWithoutPools(route: string, split: SplitModel): void {
    const rollout = this.#rollouts.get(route);
    if (rollout === undefined || !isLive(rollout) || fits(rollout, split)) return;
    const named = split.arms.map(({ pool }) => pool);
    if (named.includes(rollout.from) && named.includes(rollout.to)) {
      this.#obey(rollout, 'abort', BY_ITSELF, 'the route has other pools now');
      return;
    }
    const gone = named.includes(rollout.to) ? 'old' : 'new';
    const next = afterLook(rollout, { gone }, this.#modules.nowMs());
    if (next) this.#move(rollout, next);
  }

  #move(rollout: RouteRollout, next: RolloutProgress): void {
    const look = this.#looks.get(rollout.route);
    if (look && next.step_at !== rollout.step_at) beginStep(look);
    this.#set({ ...rollout, ...next });
  }

  /** First the share, then the word about it. */
  #set(rollout: RouteRollout): void {
    const { route, from, to, state, history } = rollout;
    this.#rollouts.set(route, rollout);
    this.#setShare(route);
    const entry = history.at(-1)!;
    const key = `${route}\n${entry.event}`;
    this.#steps.set(key, (this.#steps.get(key) ?? 0) + 1);
    const { event, percent, by, why, evidence } = entry;
    const data = { route, from, to, state, event, percent, by, ...(why !== undefined && { why }) };
    this.#modules.log.info({ ...data, ...(evidence && { evidence }) }, 'a rollout changed');
    this.#modules.publish('rollout.changed', { ...data, ...(evidence && { evidence }) });
    this.#keep();
  }

  #keep(): void {
    this.#modules.keep?.([...this.#rollouts.values()]);
  }

  #setShare(route: string): void {
    const { splits, setShare } = this.#modules;
    const split = splits().get(route);
    const rollout = this.#rollouts.get(route);
    if (split === undefined) return;
    const holds = rollout !== undefined && fits(rollout, split);
    setShare(route, holds ? shareOfPercent(percentOf(rollout)) : AS_CONFIGURED);
  }

  #observe(look: Look, now: number, stepMs: number): RolloutObservation {
    const healthy = this.#modules.healthy(look.to);
    return {
      old: look.old.lately(now, stepMs),
      new: look.new.sum(now, { cautious: true }),
      ...(healthy !== undefined && { healthy: Math.round(healthy * 1000) / 1000 }),
    };
  }

  #view(rollout: RouteRollout): RolloutView {
    const look = this.#looks.get(rollout.route);
    const seen = isLive(rollout) ? look?.seen : undefined;
    const verdict = seen && verdictOf(rollout, seen);
    return {
      ...rollout,
      percent: percentOf(rollout),
      waiting: verdict?.verdict === 'waiting',
      ...(verdict && 'why' in verdict && { why: verdict.why }),
      ...(seen && { seen }),
    };
  }

  /** Undefined where a split has more than two pools. Another window, or other pools, begin anew. */
  #lookOf({ name, arms, canary }: SplitModel, wantedMs?: number): Look | undefined {
    if (arms.length !== 2) return undefined;
    const [from, to] = [arms[0]!.pool, arms[1]!.pool];
    const rollout = this.#rollouts.get(name);
    const analysis = rollout && isLive(rollout) ? rollout.analysis : (canary?.analysis ?? ANALYSIS_DEFAULT);
    const windowMs = wantedMs ?? analysis.window_seconds * 1000;
    const known = this.#looks.get(name);
    const isSame = known?.from === from && known.to === to;
    if (isSame && (known.windowMs === windowMs || wantedMs === undefined)) return known;
    const figures = (): PoolFigures => new PoolFigures(windowMs);
    const look = { from, to, windowMs, old: figures(), new: figures(), seen: undefined };
    this.#looks.set(name, look);
    return look;
  }

  #noRollout(route: string): RolloutRefusal {
    const splits = this.#modules.splits();
    if (!splits.has(route)) return unknownRoute(route, splits);
    return { code: 'no_rollout', message: `route ${route} has no rollout; begin one with start` };
  }
}

/** What the new pool did with less is no evidence for more. */
function beginStep(look: Look): void {
  look.new.clear();
}

function fits({ from, to }: RouteRollout, { arms }: SplitModel): boolean {
  return arms.length === 2 && arms[0]!.pool === from && arms[1]!.pool === to;
}

const LISTED_MAX = 10;

function unknownRoute(route: string, splits: ReadonlyMap<string, SplitModel>): RolloutRefusal {
  const names = [...splits.keys()].slice(0, LISTED_MAX).join(', ');
  const hint = names === '' ? 'no route has several pools' : `there are ${names}`;
  return { code: 'unknown_route', message: `there is no route ${route} with several pools; ${hint}` };
}

function refused(message: string): RolloutRefusal {
  return { code: 'rollout_refused', message };
}
