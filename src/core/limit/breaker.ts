/**
 * Circuit breakers, one for each endpoint of a pool: one that fails, or is slow, gets no requests for a while, then a few trials:
 *
 *     closed ──failures in a row, failure rate or slow rate──▶ open
 *       ▲                                                     │ ▲
 *       │ all trials good: ramp                 its time over │ │ a trial fails: open for longer
 *       └───────────────────── half-open ◀────────────────────┘ │
 *                                  └────────────────────────────┘
 *
 * An operator may force one open or closed. Pure: the clock (milliseconds that never go back) and the draw are parameters.
 */

import { SLOW_START_STEPS, slowStartSteps } from '../balance/slow-start.js';
import { WindowCounts } from './window-counts.js';

export interface BreakerModel {
  /** Failures in a row that open; 0: they don't. */
  readonly consecutive: number;
  /** Rates are those of the last `windowMs`, and count from `volume` answers on. */
  readonly windowMs: number;
  readonly volume: number;
  /** Part of the answers, 0 to 1, from which on it opens; null: the rate doesn't open. */
  readonly failureRate: number | null;
  /** Likewise for answers that took `ms` or more; null: slowness doesn't open. */
  readonly slow: { readonly ms: number; readonly rate: number } | null;
  /** The first time; each further one in close succession is twice as long. */
  readonly openMs: number;
  readonly openMsMax: number;
  /** The time is up to this part shorter or longer, 0 to 1. */
  readonly jitter: number;
  /** Requests that a half-open breaker lets through; all have to be good. */
  readonly trials: number;
  /** How long the share grows after it closed; 0: it has all of it at once. */
  readonly rampMs: number;
}

export const DEFAULT_BREAKER = {
  consecutive: 5,
  windowMs: 10_000,
  volume: 20,
  failureRate: 0.5,
  slow: null,
  openMs: 5_000,
  openMsMax: 60_000,
  jitter: 0.2,
  trials: 3,
  rampMs: 10_000,
} as const satisfies BreakerModel;

export type BreakerState = 'closed' | 'open' | 'half_open';
/** What an operator wants; `auto`: the answers decide. */
export type BreakerForce = 'auto' | 'open' | 'closed';

/** Whoever began so much before the trials may still be one: the clock of pools ticks that coarsely. */
const TICK_MS = 150;
/** 2^16 times the first open time is beyond every maximum. */
const DOUBLINGS_MAX = 16;
const ANSWERS = 0;
const FAILURES = 1;
const SLOW = 2;
const KINDS = 3;
/** The ramp of a breaker that never opened is long over. */
const LONG_AGO = Number.NEGATIVE_INFINITY;

export class BreakerBank {
  readonly #model: BreakerModel;
  readonly #states: BreakerState[];
  readonly #forces: BreakerForce[];
  readonly #counts: WindowCounts;
  readonly #inARow: Int32Array;
  /** Openings in close succession. */
  readonly #openings: Int32Array;
  readonly #untilMs: Float64Array;
  /** When the last change of state was. */
  readonly #sinceMs: Float64Array;
  readonly #rampFromMs: Float64Array;
  readonly #trialsLeft: Int32Array;
  readonly #trialsGood: Int32Array;
  readonly #lastTrialMs: Float64Array;

  constructor(endpoints: number, model: BreakerModel) {
    this.#model = model;
    this.#states = new Array<BreakerState>(endpoints).fill('closed');
    this.#forces = new Array<BreakerForce>(endpoints).fill('auto');
    this.#counts = new WindowCounts(endpoints, KINDS, model.windowMs);
    this.#inARow = new Int32Array(endpoints);
    this.#openings = new Int32Array(endpoints);
    this.#untilMs = new Float64Array(endpoints);
    this.#sinceMs = new Float64Array(endpoints);
    this.#rampFromMs = new Float64Array(endpoints).fill(LONG_AGO);
    this.#trialsLeft = new Int32Array(endpoints);
    this.#trialsGood = new Int32Array(endpoints);
    this.#lastTrialMs = new Float64Array(endpoints);
  }

  state(index: number): BreakerState {
    return this.#states[index]!;
  }

  forced(index: number): BreakerForce {
    return this.#forces[index]!;
  }

  /** True while the endpoint may get no request: open, or enough trials are on their way. */
  isBarred(index: number): boolean {
    const state = this.#states[index]!;
    return state === 'open' || (state === 'half_open' && this.#trialsLeft[index]! <= 0);
  }

  /** Of SLOW_START_STEPS: how much of its share an endpoint has. */
  steps(index: number, nowMs: number): number {
    const { rampMs } = this.#model;
    if (rampMs === 0) return SLOW_START_STEPS;
    return slowStartSteps(nowMs - this.#rampFromMs[index]!, { durationMs: rampMs, aggression: 1 });
  }

  /** Milliseconds until an open breaker lets trials through; 0 for one that isn't open, Infinity for one forced open. */
  opensForMs(index: number, nowMs: number): number {
    if (this.#states[index] !== 'open') return 0;
    return Math.max(0, this.#untilMs[index]! - nowMs);
  }

  /** A request goes to the endpoint. True if it was the last trial for now: `isBarred` says something else from here on. */
  enter(index: number, nowMs: number): boolean {
    if (this.#states[index] !== 'half_open') return false;
    this.#lastTrialMs[index] = nowMs;
    return --this.#trialsLeft[index]! === 0;
  }

  /** Counts how a request ended, `latencyMs` to the head of its response; true if the state changed by that. */
  record(index: number, good: boolean, latencyMs: number, nowMs: number, draw: number): boolean {
    if (this.#forces[index] !== 'auto') return false;
    const { slow } = this.#model;
    const isSlow = slow !== null && latencyMs >= slow.ms;
    switch (this.#states[index]!) {
      case 'closed':
        if (!this.#isTooBad(index, good, isSlow, nowMs)) return false;
        this.#open(index, nowMs, draw);
        return true;
      case 'half_open':
        // What was asked before says nothing about now.
        if (nowMs - latencyMs < this.#sinceMs[index]! - TICK_MS) return false;
        if (!good || isSlow) this.#open(index, nowMs, draw);
        else if (++this.#trialsGood[index]! < this.#model.trials) return false;
        else this.#close(index, nowMs, nowMs);
        return true;
      default:
        return false;
    }
  }

  /** Lets trials through where it is time. To be called a few times a second; true if `isBarred` changed for any. */
  sweep(nowMs: number): boolean {
    let changed = false;
    for (let i = 0; i < this.#states.length; i++) {
      const state = this.#states[i]!;
      if (state === 'open' && this.#untilMs[i]! <= nowMs) {
        this.#tryOut(i, nowMs);
        changed = true;
      } else if (state === 'half_open' && this.#trialsLeft[i]! <= 0) {
        // A trial may have ended without a verdict: its client went away, for instance.
        if (nowMs - this.#lastTrialMs[i]! < this.#model.openMs) continue;
        this.#trialsLeft[i] = this.#model.trials - this.#trialsGood[i]!;
        this.#lastTrialMs[i] = nowMs;
        changed = true;
      }
    }
    return changed;
  }

  /** What an operator wants; true if that is new. Given back to itself, an open breaker begins with trials. */
  force(index: number, wanted: BreakerForce, nowMs: number): boolean {
    const before = this.#forces[index]!;
    if (before === wanted) return false;
    this.#forces[index] = wanted;
    if (wanted === 'open') {
      this.#states[index] = 'open';
      this.#sinceMs[index] = nowMs;
      this.#untilMs[index] = Number.POSITIVE_INFINITY;
    } else if (wanted === 'closed') this.#close(index, nowMs, LONG_AGO);
    else if (before === 'open') this.#tryOut(index, nowMs);
    return true;
  }

  /** Takes over what another bank knows of one of its endpoints. */
  adopt(index: number, from: BreakerBank, fromIndex: number): void {
    this.#states[index] = from.#states[fromIndex]!;
    this.#forces[index] = from.#forces[fromIndex]!;
    // Another window counts anew.
    if (this.#model.windowMs === from.#model.windowMs) this.#counts.adopt(index, from.#counts, fromIndex);
    this.#inARow[index] = from.#inARow[fromIndex]!;
    this.#openings[index] = from.#openings[fromIndex]!;
    this.#untilMs[index] = from.#untilMs[fromIndex]!;
    this.#sinceMs[index] = from.#sinceMs[fromIndex]!;
    this.#rampFromMs[index] = from.#rampFromMs[fromIndex]!;
    this.#lastTrialMs[index] = from.#lastTrialMs[fromIndex]!;
    // The answers to trials that are on their way go to the other bank.
    this.#trialsGood[index] = 0;
    this.#trialsLeft[index] = this.#states[index] === 'half_open' ? this.#model.trials : 0;
  }

  #isTooBad(index: number, good: boolean, isSlow: boolean, nowMs: number): boolean {
    const { consecutive, volume, failureRate, slow } = this.#model;
    const counts = this.#counts;
    counts.add(index, ANSWERS, nowMs);
    if (isSlow) counts.add(index, SLOW, nowMs);
    if (good) this.#inARow[index] = 0;
    else {
      counts.add(index, FAILURES, nowMs);
      if (++this.#inARow[index]! >= consecutive && consecutive > 0) return true;
    }
    const answers = counts.count(index, ANSWERS);
    if (answers < volume) return false;
    if (!good && failureRate !== null && counts.count(index, FAILURES) >= failureRate * answers) return true;
    return isSlow && slow !== null && counts.count(index, SLOW) >= slow.rate * answers;
  }

  #open(index: number, nowMs: number, draw: number): void {
    const { jitter, rampMs } = this.#model;
    const lastMs = this.#timeOf(this.#openings[index]!);
    // Closed for as long as it was open, after its ramp: a new story.
    const isNew = this.#states[index] === 'closed' && nowMs - this.#sinceMs[index]! > lastMs + rampMs;
    const openings = isNew ? 1 : Math.min(this.#openings[index]! + 1, DOUBLINGS_MAX);
    this.#openings[index] = openings;
    this.#states[index] = 'open';
    this.#sinceMs[index] = nowMs;
    this.#untilMs[index] = nowMs + this.#timeOf(openings) * (1 - jitter + 2 * jitter * draw);
  }

  /** Of the n-th opening, without jitter. */
  #timeOf(openings: number): number {
    const { openMs, openMsMax } = this.#model;
    return openings === 0 ? 0 : Math.min(openMs * 2 ** (openings - 1), openMsMax);
  }

  #tryOut(index: number, nowMs: number): void {
    this.#states[index] = 'half_open';
    this.#sinceMs[index] = nowMs;
    this.#trialsLeft[index] = this.#model.trials;
    this.#trialsGood[index] = 0;
    this.#lastTrialMs[index] = nowMs;
  }

  #close(index: number, nowMs: number, rampFromMs: number): void {
    this.#states[index] = 'closed';
    this.#sinceMs[index] = nowMs;
    this.#rampFromMs[index] = rampFromMs;
    this.#inARow[index] = 0;
    this.#counts.clear(index);
  }
}
