import fc from 'fast-check';
import { describe, it } from 'vitest';
import { TimerWheel, type WheelTimer, wheelTimer } from '../../src/probe/timer-wheel.js';

const TICK_MS = 20;

type Step =
  | { readonly kind: 'set'; readonly timer: number; readonly delayMs: number }
  | { readonly kind: 'cancel'; readonly timer: number }
  | { readonly kind: 'pass'; readonly ms: number };

const timer = fc.nat({ max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    timer,
    delayMs: fc.oneof(
      fc.nat({ max: 100 }),
      fc.nat({ max: 5000 }),
      fc.double({ min: 0, max: 50, noNaN: true }),
    ),
  }),
  fc.record({ kind: fc.constant('cancel' as const), timer }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 3000 })) }),
);

/** A wheel whose owner comes at each time that it names, and what it should do: a map from timer to due time. */
class World {
  nowMs: number;
  readonly wheel: TimerWheel;
  readonly due = new Map<number, number>();
  readonly timers: readonly WheelTimer[];
  fault: string | undefined;

  constructor(startMs: number, slots: number) {
    this.nowMs = startMs;
    this.wheel = new TimerWheel({ tickMs: TICK_MS, slots, startMs });
    this.timers = Array.from({ length: 10 }, (_, i) => wheelTimer(() => this.#rang(i)));
  }

  do(given: Step): void {
    switch (given.kind) {
      case 'set':
        this.due.set(given.timer, this.nowMs + given.delayMs);
        this.wheel.set(this.timers[given.timer]!, this.nowMs + given.delayMs);
        break;
      case 'cancel':
        this.due.delete(given.timer);
        this.wheel.cancel(this.timers[given.timer]!);
        break;
      default:
        this.#pass(given.ms);
    }
    if (this.wheel.size !== this.due.size) this.fault ??= `${this.wheel.size} timers, want ${this.due.size}`;
  }

  #pass(ms: number): void {
    const endMs = this.nowMs + ms;
    let advancedMs = -1;
    for (;;) {
      const nextMs = this.wheel.nextMs();
      if (nextMs === undefined || nextMs > endMs) break;
      // A wheel that was empty for a while has to catch up; but once only.
      if (nextMs <= this.nowMs && advancedMs === this.nowMs) this.fault ??= 'the wheel does not move on';
      this.nowMs = Math.max(nextMs, this.nowMs);
      advancedMs = this.nowMs;
      this.wheel.advance(this.nowMs);
    }
    this.nowMs = endMs;
    for (const [i, dueMs] of this.due) {
      if (dueMs + TICK_MS < this.nowMs) this.fault ??= `timer ${i} of ${dueMs} has not run by ${this.nowMs}`;
    }
  }

  #rang(i: number): void {
    const dueMs = this.due.get(i);
    if (dueMs === undefined) this.fault ??= `timer ${i} ran though it was not set`;
    else if (this.nowMs < dueMs) this.fault ??= `timer ${i} ran early: ${this.nowMs} before ${dueMs}`;
    else if (this.nowMs > dueMs + TICK_MS) this.fault ??= `timer ${i} ran late: ${this.nowMs}, ${dueMs}`;
    this.due.delete(i);
  }
}

describe('the timer wheel', () => {
  it('runs each timer once, never early, never later than one tick, and none that was cancelled', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.nat({ max: 1000 }),
        fc.constantFrom(4, 16, 1024),
        (steps, startMs, slots) => {
          const world = new World(startMs, slots);
          for (const given of steps) world.do(given);
          if (world.fault !== undefined) throw new Error(world.fault);
        },
      ),
      { numRuns: 500 },
    );
  });
});
