/**
 * Which pools shed load, and how much of it: the loads that proxies report go in, shares come out. It has no clock of
 * its own; the owner calls `step` about once a second.
 */

import {
  afterLoads,
  type PoolLoad,
  SHEDDING_NOTHING,
  type ShedPool,
  type ShedState,
} from '../core/health/shed.js';
import { SHARE_FULL } from '../core/health/word.js';
import type { HealthTarget, ShedTarget } from '../core/zone/targets.js';
import type { ReportBook } from './report-book.js';

/** Clients keep an answer for its TTL, and what they do comes back with a report. */
const REPORT_LAG_MS = 2_000;

export interface ShedDescription {
  /** The pool, as in `HealthTarget.host`. */
  readonly pool: string;
  readonly shedding: boolean;
  /** Part of the answers that goes to the next pool, 0 to 1. */
  readonly share: number;
  readonly utilisation?: number;
  /** What comes to its end first at the busiest proxy. */
  readonly limiting?: string;
}

interface Entry {
  readonly key: string;
  readonly host: string;
  readonly target: ShedTarget;
  state: ShedState;
  load: (PoolLoad & { readonly limiting: string }) | undefined;
}

export class LoadShedder {
  readonly #reports: ReportBook;
  #entries: readonly Entry[] = [];
  #lastMs: number | undefined;

  constructor(reports: ReportBook) {
    this.#reports = reports;
  }

  /** Says which pools shed. A pool that stays keeps its share. */
  setTargets(targets: Iterable<HealthTarget>): void {
    const known = new Map(this.#entries.map((entry) => [entry.key, entry]));
    this.#entries = [...targets].flatMap(({ key, host, shed }) =>
      shed
        ? [
            {
              key,
              host,
              target: shed,
              state: known.get(key)?.state ?? SHEDDING_NOTHING,
              load: known.get(key)?.load,
            },
          ]
        : [],
    );
  }

  /** Takes the loads as they are now; returns what each pool keeps, in 256ths. */
  step(nowMs: number): ReadonlyMap<string, number> {
    const elapsedMs = Math.max(nowMs - (this.#lastMs ?? nowMs), 0);
    this.#lastMs = nowMs;
    for (const entry of this.#entries) entry.load = this.#loadOf(entry.target, nowMs);
    for (const group of groupsOf(this.#entries)) {
      const lagMs = Math.max(...group.map(({ target }) => target.ttlSeconds)) * 1000 + REPORT_LAG_MS;
      const next = afterLoads(group.map(asShedPool), elapsedMs, lagMs);
      for (const [i, entry] of group.entries()) entry.state = next[i]!;
    }
    return new Map(this.#entries.map(({ key, state }) => [key, Math.round((1 - state.share) * SHARE_FULL)]));
  }

  describe(): readonly ShedDescription[] {
    return this.#entries.map(({ host, state: { shedding, share }, load }) => ({
      pool: host,
      shedding,
      share,
      ...(load && { utilisation: load.utilisation, limiting: load.limiting }),
    }));
  }

  /** All proxies of the pool together; the busiest names what limits. */
  #loadOf({ sources }: ShedTarget, nowMs: number): Entry['load'] {
    const loads = sources.flatMap(({ proxy, service }) => this.#reports.loadOf(proxy, service, nowMs) ?? []);
    if (loads.length === 0) return undefined;
    const capacity = loads.reduce((sum, load) => sum + load.capacity, 0);
    const used = loads.reduce((sum, load) => sum + load.utilisation * load.capacity, 0);
    const busiest = loads.reduce((a, b) => (b.utilisation > a.utilisation ? b : a));
    return { capacity, utilisation: used / capacity, limiting: busiest.limiting };
  }
}

function asShedPool({ target, state, load }: Entry): ShedPool {
  return { region: target.region, rules: target.rules, state, ...(load && { load }) };
}

function groupsOf(entries: readonly Entry[]): Iterable<readonly Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.target.group);
    if (group) group.push(entry);
    else groups.set(entry.target.group, [entry]);
  }
  return groups.values();
}
