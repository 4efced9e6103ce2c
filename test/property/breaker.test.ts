import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BreakerBank, DEFAULT_BREAKER } from '../../src/core/limit/breaker.js';
import { RetryBudget } from '../../src/core/limit/retry-budget.js';
import { WindowCounts } from '../../src/core/limit/window-counts.js';

describe('WindowCounts', () => {
  it('counts what is in the window, to a tenth of it', () => {
    const events = fc.array(fc.record({ row: fc.nat(2), kind: fc.nat(1), afterMs: fc.nat(700) }));
    fc.assert(
      fc.property(events, (list) => {
        const counts = new WindowCounts(3, 2, 1_000);
        const seen: { row: number; kind: number; atMs: number }[] = [];
        let nowMs = 0;
        for (const { row, kind, afterMs } of list) {
          nowMs += afterMs;
          counts.add(row, kind, nowMs);
          seen.push({ row, kind, atMs: nowMs });
        }
        for (let row = 0; row < 3; row++) {
          counts.advance(row, nowMs);
          for (let kind = 0; kind < 2; kind++) {
            const own = seen.filter((one) => one.row === row && one.kind === kind);
            const from = Math.floor(nowMs / 100) * 100 - 900;
            expect(counts.count(row, kind)).toBe(own.filter(({ atMs }) => atMs >= from).length);
          }
        }
      }),
    );
  });
});

describe('RetryBudget', () => {
  it('keeps all retries below the ratio of all requests, beside the floor of each window', () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat(400), requests: fc.nat(30), retries: fc.nat(30) }));
    fc.assert(
      fc.property(steps, fc.constantFrom(0.1, 0.2, 0.5, 1), (list, ratio) => {
        const budget = new RetryBudget({ ratio, floor: 0, windowMs: 1_000 });
        let [nowMs, requests, retries] = [0, 0, 0];
        for (const step of list) {
          nowMs += step.afterMs;
          for (let i = 0; i < step.requests; i++) budget.request(nowMs);
          requests += step.requests;
          for (let i = 0; i < step.retries; i++) if (budget.take(nowMs)) retries++;
          expect(retries).toBeLessThanOrEqual(ratio * requests);
        }
      }),
    );
  });
});

describe('BreakerBank', () => {
  const step = fc.record({
    do: fc.constantFrom('good', 'bad', 'slow', 'enter', 'sweep', 'open', 'closed', 'auto'),
    afterMs: fc.nat(2_000),
    draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });

  it('never lets more than the trials through before a verdict, and always comes back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const model = { ...DEFAULT_BREAKER, slow: { ms: 100, rate: 0.5 }, openMsMax: 20_000 };
        const bank = new BreakerBank(1, model);
        let nowMs = 0;
        let trials = 0;
        for (const { do: what, afterMs, draw } of steps) {
          nowMs += afterMs;
          if (what === 'enter') {
            if (bank.state(0) === 'half_open' && !bank.isBarred(0)) trials++;
            if (!bank.isBarred(0)) bank.enter(0, nowMs);
          } else if (what === 'sweep') {
            if (bank.sweep(nowMs)) trials = 0;
          } else if (what === 'good' || what === 'bad' || what === 'slow') {
            bank.record(0, what !== 'bad', what === 'slow' ? 200 : 1, nowMs, draw);
          } else if (bank.force(0, what, nowMs)) trials = 0;
          if (bank.state(0) !== 'half_open') trials = 0;
          expect(trials).toBeLessThanOrEqual(model.trials);
          if (bank.state(0) === 'closed') expect(bank.isBarred(0)).toBe(false);
        }
        bank.force(0, 'auto', nowMs);
        nowMs += 2 * model.openMsMax;
        bank.sweep(nowMs);
        // Verdicts of those who entered before are missing: two rounds at most.
        for (let i = 0; i < 2 * model.trials && bank.state(0) !== 'closed'; i++) {
          bank.sweep(nowMs + 2 * model.openMsMax);
          bank.enter(0, nowMs);
          bank.record(0, true, 1, nowMs, 0.5);
        }
        expect(bank.state(0)).toBe('closed');
      }),
    );
  });
});
