import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, type RolloutObservation } from '../../../../src/core/rollout/judge.js';
import {
  afterCommand,
  afterLook,
  heldUntilMs,
  type RolloutCommand,
  startRollout,
} from '../../../../src/core/rollout/machine.js';
import {
  ANALYSIS_DEFAULT,
  HISTORY_MAX,
  isLive,
  percentOf,
  type RolloutPlan,
  type RolloutProgress,
  stepsMistake,
} from '../../../../src/core/rollout/plan.js';

const START = Date.parse('2026-05-01T12:00:00Z');
const PLAN: RolloutPlan = {
  steps: [5, 25, 50, 100].map((percent) => ({ percent, seconds: 60 })),
  analysis: ANALYSIS_DEFAULT,
  on_failure: 'rollback',
};
const OLD = { requests: 10_000, errors: 10, p99_ms: 80 };
const FINE: RolloutObservation = { healthy: 1, old: OLD, new: { requests: 1_000, errors: 1, p99_ms: 82 } };

type Running = RolloutPlan & RolloutProgress;

function begun(plan: Partial<RolloutPlan> = {}): Running {
  const whole = { ...PLAN, ...plan };
  return { ...whole, ...startRollout(START, whole, 'ann') };
}

/** Looks every second, and returns what became of it after so many of them. */
function lookedAt(rollout: Running, seconds: number, seen: RolloutObservation, fromMs = START): Running {
  let now = rollout;
  for (let i = 1; i <= seconds; i++) {
    const next = afterLook(now, seen, fromMs + i * 1000);
    if (next) now = { ...now, ...next };
  }
  return now;
}

describe('a canary whose new pool is fine', () => {
  it.each([
    [0, 'running', 5],
    [59, 'running', 5],
    [60, 'running', 25],
    [120, 'running', 50],
    [239, 'running', 100],
    [240, 'promoted', 100],
    [10_000, 'promoted', 100],
  ] as const)('is after %i s %s at %i %%', (seconds, state, percent) => {
    const now = lookedAt(begun(), seconds, FINE);
    expect([now.state, percentOf(now)]).toEqual([state, percent]);
  });

  it('tells each step with the figures it was decided on', () => {
    const { history } = lookedAt(begun(), 240, FINE);
    expect(history.map(({ event, percent, by }) => `${event} ${percent} ${by}`)).toEqual([
      'started 5 ann',
      'advanced 25 rollout',
      'advanced 50 rollout',
      'advanced 100 rollout',
      'promoted 100 rollout',
    ]);
    expect(history[1]).toMatchObject({ at: '2026-05-01T12:01:00.000Z', evidence: FINE });
  });

  it('is blue-green with a single step', () => {
    const plan = { steps: [{ percent: 100, seconds: 30 }] };
    expect(percentOf(begun(plan))).toBe(100);
    expect(lookedAt(begun(plan), 30, FINE).state).toBe('promoted');
  });
});

describe('judge()', () => {
  it.each<[string, Partial<RolloutObservation>, string]>([
    ['errors as before', {}, 'good'],
    ['errors of one point more', { new: { requests: 1_000, errors: 11 } }, 'good'],
    ['as many as chance may bring then', { new: { requests: 1_000, errors: 21 } }, 'good'],
    ['errors of more than that', { new: { requests: 1_000, errors: 22 } }, 'bad'],
    ['errors of a point and a half more, of many', { new: { requests: 20_000, errors: 320 } }, 'bad'],
    [
      'the last few requests of the old pool',
      { old: { requests: 120, errors: 0 }, new: { requests: 2_000, errors: 60 } },
      'good',
    ],
    ['errors before the volume is there', { new: { requests: 20, errors: 10 } }, 'bad'],
    ['one error before the volume is there', { new: { requests: 20, errors: 1 } }, 'waiting'],
    ['no requests yet', { new: { requests: 0, errors: 0 } }, 'waiting'],
    ['one request too few', { new: { requests: 99, errors: 0 } }, 'waiting'],
    ['twice the latency', { new: { requests: 1_000, errors: 0, p99_ms: 160 } }, 'bad'],
    ['a latency within the ratio', { new: { requests: 1_000, errors: 0, p99_ms: 119 } }, 'good'],
    ['half of the pool down', { healthy: 0.5 }, 'bad'],
    ['a quarter of the pool down', { healthy: 0.75 }, 'good'],
    ['what nobody knows', { hold: 'reports are old' }, 'hold'],
    ['what is bad although somebody steers', { hold: 'drained', healthy: 0 }, 'bad'],
    ['errors while a report is old', { hold: 'old', new: { requests: 500, errors: 400 } }, 'bad'],
  ])('%s', (_, part, verdict) => {
    const before = part.old && { error_rate: 0.03 };
    expect(judge(ANALYSIS_DEFAULT, before, { ...FINE, ...part }).verdict).toBe(verdict);
  });

  it('does not know a pool whose health nobody knows', () => {
    const { healthy: _, ...seen } = FINE;
    expect(judge(ANALYSIS_DEFAULT, undefined, seen).verdict).toBe('hold');
  });

  it('goes by health alone where no volume is wanted', () => {
    const analysis = { ...ANALYSIS_DEFAULT, min_requests: 0 };
    expect(judge(analysis, undefined, { healthy: 1 }).verdict).toBe('good');
    expect(judge(analysis, undefined, { healthy: 0.1 }).verdict).toBe('bad');
  });

  it('compares with what the old pool was, once it gets too little itself', () => {
    const seen = {
      healthy: 1,
      old: { requests: 3, errors: 3 },
      new: { requests: 1_000, errors: 55, p99_ms: 82 },
    };
    expect(judge(ANALYSIS_DEFAULT, { error_rate: 0.05, p99_ms: 80 }, seen).verdict).toBe('good');
    expect(judge(ANALYSIS_DEFAULT, { error_rate: 0.001, p99_ms: 80 }, seen).verdict).toBe('bad');
  });

  it('does not mind milliseconds', () => {
    const seen = { healthy: 1, old: { ...OLD, p99_ms: 1 }, new: { requests: 1_000, errors: 0, p99_ms: 9 } };
    expect(judge(ANALYSIS_DEFAULT, undefined, seen).verdict).toBe('good');
  });
});

describe('a rollout that gets worse', () => {
  const BAD = { ...FINE, new: { requests: 1_000, errors: 300 } };

  it('rolls back at the next look, and stays so', () => {
    const half = lookedAt(begun(), 130, FINE);
    const now = lookedAt(half, 600, BAD, START + 130_000);
    expect([now.state, percentOf(now), now.history.length]).toEqual(['rolled_back', 0, 4]);
    expect(now.history.at(-1)).toMatchObject({
      at: '2026-05-01T12:02:11.000Z',
      by: 'rollout',
      evidence: BAD,
    });
    expect(now.history.at(-1)!.why).toBe('the new pool fails 30 % of 1000 requests, the old one 0.1 %');
    expect(lookedAt(now, 600, FINE).state).toBe('rolled_back');
  });

  it('pauses where that is wanted, and stays at its share', () => {
    const now = lookedAt(begun({ on_failure: 'pause' }), 3, BAD);
    expect([now.state, percentOf(now)]).toEqual(['paused', 5]);
  });

  it.each([
    ['new', 'rolled_back'],
    ['old', 'aborted'],
  ] as const)('ends when the %s pool is gone: %s', (gone, state) => {
    const now = lookedAt(begun(), 1, { gone });
    expect([now.state, percentOf(now)]).toEqual([state, 0]);
    const { state: paused } = lookedAt(pausedOne(), 1, { gone });
    expect(paused).toBe(state);
  });
});

describe('a rollout that is held', () => {
  it.each<[string, RolloutObservation]>([
    ['waits for volume', { ...FINE, new: { requests: 5, errors: 0 } }],
    ['waits for reports', { ...FINE, hold: 'the proxy p1 does not report' }],
    ['waits for health', { old: OLD, new: FINE.new! }],
  ])('%s for as long as it takes, then goes on at once', (_, seen) => {
    const held = lookedAt(begun(), 100_000, seen);
    expect([held.state, percentOf(held), held.history.length]).toEqual(['running', 5, 1]);
    expect(percentOf(lookedAt(held, 1, FINE, START + 100_000_000))).toBe(25);
  });

  it('does nothing while it is paused, and begins its step anew', () => {
    const paused = pausedOne();
    expect(lookedAt(paused, 1_000, { ...FINE, healthy: 0 })).toEqual(paused);
    const next = afterCommand(paused, 'resume', { nowMs: START + 500_000, by: 'bob' });
    const resumed = { ...paused, ...(next as RolloutProgress) };
    expect(heldUntilMs(resumed)).toBe(START + 560_000);
    expect(percentOf(lookedAt(resumed, 59, FINE, START + 500_000))).toBe(5);
    expect(percentOf(lookedAt(resumed, 60, FINE, START + 500_000))).toBe(25);
  });
});

function pausedOne(): Running {
  const rollout = begun();
  const next = afterCommand(rollout, 'pause', { nowMs: START + 5_000, by: 'bob', why: 'lunch' });
  return { ...rollout, ...(next as RolloutProgress) };
}

describe('afterCommand()', () => {
  const states = ['running', 'paused', 'promoted', 'rolled_back', 'aborted'] as const;
  const allowed: Readonly<Record<RolloutCommand, readonly string[]>> = {
    promote: ['running', 'paused'],
    pause: ['running'],
    resume: ['paused'],
    abort: ['running', 'paused', 'promoted'],
  };
  const cases = states.flatMap((state) =>
    (Object.keys(allowed) as RolloutCommand[]).map((command) => [command, state] as const),
  );

  it.each(cases)('%s of one that is %s', (command, state) => {
    const next = afterCommand({ ...begun(), state }, command, { nowMs: START, by: 'ann' });
    expect(typeof next !== 'string').toBe(allowed[command].includes(state));
  });
});

describe('whatever is seen and ordered', () => {
  const figures = fc.record({
    requests: fc.nat(2_000),
    errors: fc.nat(2_000),
    p99_ms: fc.double({ min: 0, max: 1_000, noNaN: true }),
  });
  const observation = fc.record(
    {
      healthy: fc.double({ min: 0, max: 1, noNaN: true }),
      old: figures,
      new: figures,
      hold: fc.constant('hold'),
    },
    { requiredKeys: [] },
  );
  const happening = fc.oneof(
    { weight: 5, arbitrary: observation },
    { weight: 1, arbitrary: fc.constantFrom<RolloutCommand>('pause', 'resume', 'promote', 'abort') },
  );

  it('never goes up without a good verdict or an order, skips no step, and keeps a bounded history', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(happening, fc.integer({ min: 1, max: 90 })), { maxLength: 200 }),
        (all) => {
          let now = begun();
          let nowMs = START;
          for (const [what, seconds] of all) {
            nowMs += seconds * 1000;
            const before = now;
            const next =
              typeof what === 'string'
                ? afterCommand(now, what, { nowMs, by: 'ann' })
                : afterLook(now, what as RolloutObservation, nowMs);
            if (next === undefined || typeof next === 'string') continue;
            now = { ...now, ...next };
            expect(now.history.length).toBeLessThanOrEqual(HISTORY_MAX);
            expect(now.history.at(-1)!.percent).toBe(percentOf(now));
            expect(now.step - before.step).toBeLessThanOrEqual(1);
            if (percentOf(now) <= percentOf(before) || typeof what === 'string') continue;
            expect(judge(now.analysis, before.baseline, what as RolloutObservation).verdict).toBe('good');
            expect(nowMs).toBeGreaterThanOrEqual(heldUntilMs(before));
            expect(isLive(before)).toBe(true);
          }
        },
      ),
    );
  });
});

describe('stepsMistake()', () => {
  const steps = (...percents: readonly number[]) => percents.map((percent) => ({ percent, seconds: 1 }));

  it.each([
    [steps(5, 25, 100), true],
    [steps(100), true],
    [[], false],
    [steps(5, 5, 100), false],
    [steps(50, 25, 100), false],
    [steps(0, 100), false],
    [steps(5, 50), false],
    [steps(5, 101), false],
    [steps(Number.NaN, 100), false],
    [[{ percent: 100, seconds: 8 * 86_400 }], false],
    [steps(...Array.from({ length: 21 }, (_, i) => (i + 1) * (100 / 21))), false],
  ])('%j: %s', (list, isRight) => {
    expect(stepsMistake(list) === undefined).toBe(isRight);
  });
});
