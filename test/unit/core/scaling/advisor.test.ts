import { describe, expect, it } from 'vitest';
import { ScalingAdvisor, type ScalingSample } from '../../../../src/core/scaling/advisor.js';
import { DEFAULT_SCALING, type ScalingBehaviour } from '../../../../src/core/scaling/model.js';

const BEHAVIOUR: ScalingBehaviour = {
  tolerance: 0.1,
  up: { afterMs: 0, step: 2, everyMs: 60_000 },
  down: { afterMs: 300_000, step: 0.5, everyMs: 300_000 },
  settleMs: 120_000,
};

const at = (current: number, ratio: number, ahead?: number): ScalingSample => ({
  current,
  usage: { ratio, limiting: 'cpu' },
  ...(ahead !== undefined && { ahead }),
});

/** The same sample every 10 s until `untilMs`; the last advice. */
function hold(advisor: ScalingAdvisor, fromMs: number, untilMs: number, sample: ScalingSample) {
  let advice = advisor.sample(fromMs, sample);
  for (let ms = fromMs + 10_000; ms <= untilMs; ms += 10_000) advice = advisor.sample(ms, sample);
  return advice;
}

describe('ScalingAdvisor', () => {
  it.each([
    [10, 1, 'hold', 10, 'tolerance'],
    [10, 1.09, 'hold', 10, 'tolerance'],
    [10, 0.91, 'hold', 10, 'tolerance'],
    [10, 1.2, 'up', 12, 'usage'],
    [10, 1.21, 'up', 13, 'usage'],
    [10, 5, 'up', 20, 'step'],
    [1, 1.2, 'up', 2, 'usage'],
    [10, 0.5, 'hold', 10, 'window'],
    [10, 0, 'hold', 10, 'window'],
  ] as const)('of %d at a usage of %d says at once %s %d (%s)', (current, ratio, action, desired, reason) => {
    const advice = new ScalingAdvisor(BEHAVIOUR, true).sample(0, at(current, ratio));
    expect(advice).toMatchObject({ action, desired, reason, current });
  });

  it('goes down only when five minutes agree, and by half at most', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    expect(hold(advisor, 0, 290_000, at(10, 0.2))).toMatchObject({ action: 'hold', reason: 'window' });
    expect(hold(advisor, 300_000, 320_000, at(10, 0.2))).toMatchObject({ desired: 5, reason: 'step' });
  });

  it('one busy moment starts the five minutes anew', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    hold(advisor, 0, 200_000, at(10, 0.5));
    advisor.sample(210_000, at(10, 0.95));
    expect(hold(advisor, 220_000, 480_000, at(10, 0.5)).action).toBe('hold');
    expect(hold(advisor, 490_000, 540_000, at(10, 0.5)).desired).toBe(5);
  });

  it('does not take back what is on its way, nor ask for more before that has settled', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    expect(advisor.sample(0, at(10, 1.5)).desired).toBe(15);
    expect(advisor.sample(10_000, at(10, 1)).desired).toBe(15);
    // They came; the metrics still tell of before.
    expect(advisor.sample(60_000, at(15, 1.5))).toMatchObject({ desired: 15, reason: 'settling' });
    expect(advisor.sample(170_000, at(15, 1.5))).toMatchObject({ desired: 15 });
    expect(advisor.sample(181_000, at(15, 1.5))).toMatchObject({ desired: 23, reason: 'usage' });
  });

  it('an endpoint that comes and goes does not keep it from asking for more', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    for (let ms = 0; ms < 180_000; ms += 10_000) advisor.sample(ms, at(9 + ((ms / 10_000) % 2), 1));
    expect(advisor.sample(180_000, at(9, 1.6))).toMatchObject({ action: 'up', reason: 'usage' });
    expect(advisor.sample(190_000, at(10, 1.6)).desired).toBeGreaterThanOrEqual(15);
  });

  it('what nobody carries out is forgotten when five minutes ask for less', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    advisor.sample(0, at(10, 1.5));
    expect(hold(advisor, 10_000, 320_000, at(10, 1)).desired).toBe(10);
  });

  it('keeps what it wanted where nothing is known or nothing is up', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    advisor.sample(0, at(10, 1.5));
    expect(advisor.sample(10_000, { current: 10, usage: null })).toMatchObject({
      action: 'hold',
      desired: 15,
      reason: 'no_data',
    });
    expect(advisor.sample(20_000, at(0, 3))).toMatchObject({
      action: 'hold',
      desired: 15,
      ratio: 1,
      reason: 'no_capacity',
    });
  });

  it('says nothing of the kind before it ever saw capacity', () => {
    const advice = new ScalingAdvisor(BEHAVIOUR, true).sample(0, at(0, 3));
    expect(advice).toMatchObject({ action: 'hold', desired: 0, reason: 'no_capacity' });
  });

  it('takes the forecast where that asks for more', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    expect(advisor.sample(0, at(10, 0.5, 14))).toMatchObject({ desired: 14, reason: 'forecast' });
    expect(new ScalingAdvisor(BEHAVIOUR, true).sample(0, at(10, 1.5, 12))).toMatchObject({ desired: 15 });
  });

  it('of itself a proxy says a multiple, which need not be whole', () => {
    const { desired, ratio } = new ScalingAdvisor(BEHAVIOUR, false).sample(0, at(1, 1.25));
    expect(desired).toBeCloseTo(1.25);
    expect(ratio).toBeCloseTo(1.25);
  });

  it('a window for up waits too', () => {
    const behaviour = { ...DEFAULT_SCALING.behaviour, up: { ...BEHAVIOUR.up, afterMs: 60_000 } };
    const advisor = new ScalingAdvisor(behaviour, true);
    advisor.sample(0, at(10, 1));
    expect(hold(advisor, 10_000, 50_000, at(10, 1.5)).action).toBe('hold');
    expect(hold(advisor, 60_000, 80_000, at(10, 1.5)).desired).toBe(15);
  });

  it('stays in bounds whatever it is told', () => {
    const advisor = new ScalingAdvisor(BEHAVIOUR, true);
    for (const [i, ratio] of [1e9, Number.POSITIVE_INFINITY, 0, 1e-9, 5].entries()) {
      const { desired } = advisor.sample(i * 1000, at(3, ratio));
      expect(desired).toBeGreaterThanOrEqual(1);
      expect(desired).toBeLessThanOrEqual(6);
    }
    expect(advisor.sample(-5000, at(3, 1)).desired).toBeLessThanOrEqual(6);
  });
});
