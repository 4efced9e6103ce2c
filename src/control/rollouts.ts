import type { RolloutObservation } from '../core/rollout/judge.js';
import { baselineOf, judge } from '../core/rollout/judge.js';
import {
  afterCommand,
  afterLook,
  BY_ITSELF,
  heldUntilMs,
  type RolloutCommand,
  verdictOf,
} from '../core/rollout/machine.js';
import { isLive, percentOf, type RolloutProgress } from '../core/rollout/plan.js';
import type { Rollout } from '../core/steering/document.js';
import { formatTarget } from '../core/steering/target.js';
import { nearest } from '../sources/schema-problems.js';
import type { EventBus } from './event-bus.js';
import type { OrderContext, OrderDone, OrderRefusal } from './order-outcome.js';
import type { ProxyReport } from './report-book.js';
import { PoolFigures, recentFigures } from './rollout-figures.js';
import { collision, readOrder, type WantedRollout, withProgress, withRollout } from './rollout-orders.js';
import type { RolloutPools } from './rollout-pools.js';
import type { RolloutOrder } from './rollout-schema.js';
import type { Steering } from './steering.js';

/** How often rollouts are looked at. */
const LOOK_MS = 1_000;

export interface RolloutModules {
  readonly steering: Steering;
  readonly pools: RolloutPools;
  /** The last report of each proxy. */
  readonly reports: () => readonly ProxyReport[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timers: {
    setTimeout(callback: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
  };
  readonly log: { info(facts: object, message: string): void; error(facts: object, message: string): void };
  readonly events?: Pick<EventBus, 'publish'>;
}

/** What is seen of a rollout now. */
export interface RolloutNow {
  /** Its state; `waiting_for_volume` for one that runs and has had too few requests. */
  readonly state: Rollout['state'] | 'waiting_for_volume';
  /** Why it does not go on. */
  readonly why?: string;
  readonly seen?: RolloutObservation;
}

interface Look {
  readonly old: PoolFigures;
  readonly new: PoolFigures;
  stepAt: string;
  now: RolloutNow;
}

/**
 * Moves rollouts on: looks at both pools every second, and makes each step a revision before it has an effect. The state
 * machine itself is `core/rollout/machine.ts`.
 */
export class Rollouts {
  readonly #modules: RolloutModules;
  readonly #looks = new Map<string, Look>();
  /** How rollouts ended, where that could not be written yet. */
  readonly #unsaved = new Map<string, RolloutProgress>();
  #timer: unknown;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(modules: RolloutModules) {
    this.#modules = modules;
    this.#arm();
  }

  /** All, those that are live first, else the newest first. */
  list(): readonly (readonly [id: string, rollout: Rollout])[] {
    return Object.entries(this.#modules.steering.document.rollouts).sort(
      ([, a], [, b]) => Number(isLive(b)) - Number(isLive(a)) || Date.parse(b.at) - Date.parse(a.at),
    );
  }

  get(id: string): Rollout | undefined {
    const { rollouts } = this.#modules.steering.document;
    return Object.hasOwn(rollouts, id) ? rollouts[id] : undefined;
  }

  nowOf(id: string): RolloutNow {
    const rollout = this.get(id)!;
    const look = isLive(rollout) ? this.#looks.get(id) : undefined;
    return look && look.stepAt === rollout.step_at && rollout.state === 'running'
      ? look.now
      : { state: rollout.state, ...(look?.now.seen && { seen: look.now.seen }) };
  }

  async start(order: RolloutOrder, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    const { steering, pools } = this.#modules;
    const wanted = readOrder(order, (zone, pool) => pools.sources(zone, pool).length > 0);
    if ('message' in wanted) return { code: 'invalid_request', mistakes: [wanted] };
    const refusal = this.#unready(wanted);
    if (refusal) return refusal;
    const { zone, from, to, reason } = wanted;
    const old = recentFigures(pools.sources(zone, from), this.#reports());
    const baseline = baselineOf(wanted.analysis, old);
    let id = '';
    const change = {
      id: () => id,
      text: () =>
        `rollout ${id}: ${placeOf(zone)}: ${from} to ${to}${reason === undefined ? '' : `: ${reason}`}`,
    };
    const done = await steering.changeRollouts(change, context, (rollouts, nowMs) => {
      const detail = collision(rollouts, wanted);
      if (detail !== undefined) return { code: 'rollout_refused', detail };
      const made = withRollout(rollouts, wanted, { by: context.by, nowMs, ...(baseline && { baseline }) });
      id = made.id;
      return made;
    });
    if (done.code === 'done') this.#tell(done.id);
    return done;
  }

  async command(
    id: string,
    command: RolloutCommand,
    why: string | undefined,
    context: OrderContext,
  ): Promise<OrderDone | OrderRefusal> {
    const seen = this.#looks.get(id)?.now.seen;
    const change = {
      id: () => id,
      text: () => `rollout ${id}: ${command}${why === undefined || why === '' ? '' : `: ${why}`}`,
    };
    const done = await this.#modules.steering.changeRollouts(change, context, (rollouts, nowMs) => {
      const rollout = Object.hasOwn(rollouts, id) ? rollouts[id] : undefined;
      if (!rollout) return missing(id);
      const order = {
        nowMs,
        by: context.by,
        ...(why !== undefined && why !== '' && { why }),
        ...(seen && { seen }),
      };
      const next = afterCommand(rollout, command, order);
      if (typeof next === 'string') return { code: 'rollout_refused', detail: `rollout ${id}: ${next}` };
      return { rollouts: withProgress(rollouts, id, next) };
    });
    if (done.code === 'done') this.#tell(id);
    return done;
  }

  /** Forgets one that has ended; a promoted one has no effect any more then. */
  async remove(id: string, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    const change = { id: () => id, text: () => `forget the rollout ${id}` };
    return this.#modules.steering.changeRollouts(change, context, (rollouts) => {
      const rollout = Object.hasOwn(rollouts, id) ? rollouts[id] : undefined;
      if (!rollout) return missing(id);
      if (isLive(rollout)) {
        return {
          code: 'rollout_refused',
          detail: `rollout ${id}: it is ${rollout.state}; abort or promote it first`,
        };
      }
      const { [id]: _, ...rest } = rollouts;
      return { rollouts: rest };
    });
  }

  /** Looks at all that run; resolves when what follows is done. */
  async look(): Promise<void> {
    const { pools, now } = this.#modules;
    const live = this.list().filter(([, rollout]) => isLive(rollout));
    for (const id of this.#looks.keys()) {
      if (live.some(([key]) => key === id)) continue;
      this.#looks.delete(id);
      this.#unsaved.delete(id);
    }
    if (live.length === 0 || !pools.isReady) return;
    const reports = this.#reports();
    for (const [id, rollout] of live) {
      const nowMs = now();
      const look = this.#lookOf(id, rollout);
      const seen = this.#observe(rollout, look, reports, nowMs);
      const before = look.now.state;
      look.now = nowFrom(rollout, seen);
      const next = this.#unsaved.get(id) ?? afterLook(rollout, seen, nowMs);
      if (next) await this.#move(id, rollout, next);
      else if (look.now.state !== before && isLive(rollout)) this.#tell(id);
    }
  }

  /** Resolves when what was decided so far is done. */
  async settled(): Promise<void> {
    await this.#work;
  }

  close(): void {
    this.#closed = true;
    this.#modules.timers.clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#modules.timers.setTimeout(() => {
      this.#work = this.look()
        .catch((error: unknown) =>
          this.#modules.log.error({ error: String(error) }, 'a rollout could not be looked at'),
        )
        .finally(() => this.#arm());
    }, LOOK_MS);
  }

  /** Makes what happened by itself a revision. What must end ends even where that can't be written. */
  async #move(id: string, rollout: Rollout, next: RolloutProgress): Promise<void> {
    const { steering, log } = this.#modules;
    const entry = next.history.at(-1)!;
    const change = {
      id: () => id,
      text: () =>
        `rollout ${id}: ${entry.event}, ${entry.percent} %${entry.why === undefined ? '' : `: ${entry.why}`}`,
      source: 'schedule' as const,
    };
    const done = await steering.changeRollouts(change, { by: BY_ITSELF }, (rollouts) => {
      // Somebody else moved it meanwhile.
      if (rollouts[id]?.step_at !== rollout.step_at || rollouts[id].state !== rollout.state)
        return { rollouts };
      return { rollouts: withProgress(rollouts, id, next) };
    });
    if (done.code === 'done') {
      this.#unsaved.delete(id);
      if (done.changed) this.#tell(id);
      return;
    }
    if (next.state === 'rolled_back' || next.state === 'aborted') {
      this.#unsaved.set(id, next);
      steering.suspendRollout(id);
    }
    log.error({ rollout: id, ...done }, 'a step of a rollout could not be recorded; it is tried again');
  }

  #lookOf(id: string, { step_at: stepAt, analysis }: Rollout): Look {
    const known = this.#looks.get(id);
    const windowMs = analysis.window_seconds * 1000;
    if (!known) {
      const look: Look = {
        old: new PoolFigures(windowMs),
        new: new PoolFigures(windowMs),
        stepAt,
        now: { state: 'running' },
      };
      this.#looks.set(id, look);
      return look;
    }
    // What the new pool did with less is no evidence for more.
    if (known.stepAt !== stepAt) known.new.clear();
    known.stepAt = stepAt;
    return known;
  }

  #observe(
    { zone, from, to, analysis }: Rollout,
    look: Look,
    reports: ReadonlyMap<string, ProxyReport>,
    nowMs: number,
  ): RolloutObservation {
    const { pools } = this.#modules;
    if (!pools.hasZone(zone)) return { hold: `the zone ${placeOf(zone)} is not served now` };
    if (!pools.has(zone, to)) return { gone: 'new' };
    if (!pools.has(zone, from)) return { gone: 'old' };
    const health = pools.health(zone, to)!;
    const isReported = analysis.min_requests > 0;
    const stale = [
      isReported ? look.old.take(nowMs, pools.sources(zone, from), reports) : undefined,
      isReported ? look.new.take(nowMs, pools.sources(zone, to), reports) : undefined,
    ].find((proxy) => proxy !== undefined);
    const steered = pools.steeredBy(zone, to) ?? pools.steeredBy(zone, from);
    const hold =
      steered ??
      (stale === undefined ? undefined : `the proxy ${stale} does not report`) ??
      (health.unknown === 0
        ? undefined
        : `the health of ${health.unknown} endpoints of the new pool is not known`);
    return {
      healthy: Math.round(health.healthy * 1000) / 1000,
      ...(isReported && {
        old: look.old.lately(nowMs, Date.parse(look.stepAt)),
        new: look.new.sum(nowMs, { cautious: true }),
      }),
      ...(hold !== undefined && { hold }),
    };
  }

  /** Why a rollout can't begin now. */
  #unready(wanted: WantedRollout): OrderRefusal | undefined {
    const { pools } = this.#modules;
    const { zone, from, to, analysis } = wanted;
    for (const pool of [from, to]) {
      if (pools.has(zone, pool)) continue;
      const close = nearest(formatTarget({ zone, pool }), pools.names);
      const hint = close === undefined ? '' : `; did you mean ${close}?`;
      return {
        code: 'no_such_target',
        detail: `no pool with endpoints of its own is ${placeOf(zone)}/${pool} now${hint}`,
      };
    }
    const steered = pools.steeredBy(zone, to) ?? pools.steeredBy(zone, from);
    if (steered !== undefined) return { code: 'rollout_refused', detail: `${steered}: take that back first` };
    const health = pools.health(zone, to)!;
    if (health.unknown > 0) {
      return {
        code: 'rollout_refused',
        detail: `the health of ${to} is not known yet: wait for its first probes`,
      };
    }
    const verdict = judge({ ...analysis, min_requests: 0 }, undefined, { healthy: health.healthy });
    return verdict.verdict === 'good'
      ? undefined
      : { code: 'rollout_refused', detail: `${verdict.why}: see \`meridian status\`` };
  }

  #reports(): ReadonlyMap<string, ProxyReport> {
    return new Map(this.#modules.reports().map((report) => [report.node, report]));
  }

  #tell(id: string): void {
    const rollout = this.get(id);
    if (!rollout) return;
    const { log, events, steering } = this.#modules;
    const { zone, from, to, history } = rollout;
    const now = this.nowOf(id);
    const last = history.at(-1);
    const why = now.why ?? last?.why;
    const data = {
      rollout: id,
      ...{ zone, from, to, state: now.state, percent: percentOf(rollout), event: last?.event, by: last?.by },
      ...(why !== undefined && { why }),
      revision: steering.revision,
    };
    log.info(data, 'a rollout changed');
    events?.publish({ type: 'rollout.changed', data });
  }
}

/** When the step of one that runs may end, ISO 8601. */
export function heldUntil(rollout: Rollout): string {
  return new Date(heldUntilMs(rollout)).toISOString();
}

function nowFrom(rollout: Rollout, seen: RolloutObservation): RolloutNow {
  const verdict = verdictOf(rollout, seen);
  const why = verdict && 'why' in verdict ? verdict.why : undefined;
  const state = verdict?.verdict === 'waiting' ? 'waiting_for_volume' : rollout.state;
  return { state, seen, ...(why !== undefined && { why }) };
}

function missing(id: string): OrderRefusal {
  return { code: 'not_steered', detail: `there is no rollout ${id}` };
}

function placeOf(zone: string): string {
  return zone === '.' ? '.' : zone.replace(/\.$/, '');
}
