import { describe, expect, it } from 'vitest';
import {
  type Dial,
  EMPTY_STEERING,
  type Force,
  type ForcedState,
  type Maintenance,
  percentAt,
  pruned,
  type SteeringDocument,
} from '../../../../src/core/steering/document.js';
import {
  dialsOf,
  endpointForceOf,
  forceOf,
  heldAt,
  isAddressed,
  keptOf,
  nextChangeMs,
  type PoolPlace,
} from '../../../../src/core/steering/held.js';

const NOW = Date.parse('2026-05-01T12:00:00Z');
const iso = (ms: number) => new Date(ms).toISOString();
const NOTE = { by: 'ann', at: iso(NOW) };
const EU: PoolPlace = { zone: 'example.com.', pool: 'eu1', region: 'eu', groups: ['world'] };

const force = (state: ForcedState, changes: Partial<Force> = {}): Force => ({ state, ...NOTE, ...changes });
const document = (changes: Partial<SteeringDocument>): SteeringDocument => ({
  ...EMPTY_STEERING,
  ...changes,
});
const stateOf = (forces: Record<string, Force>, place = EU) =>
  forceOf(heldAt(document({ forces }), NOW), place)?.state;

describe('the force that counts', () => {
  it.each<[string, ForcedState | undefined]>([
    ['example.com/eu1', 'down'],
    ['*/eu1', 'down'],
    ['example.com/region:eu', 'down'],
    ['region:eu', 'down'],
    ['example.com/world', 'down'],
    ['example.org/eu1', undefined],
    ['example.org/region:eu', undefined],
    ['region:us', undefined],
    ['*/eu', undefined],
    ['example.com/eu1/192.0.2.1', undefined],
  ])('of a pool: %s forces it %s', (target, state) => {
    expect(stateOf({ [target]: force('down') })).toBe(state);
  });

  it('is the one whose target is the most precise', () => {
    const targets = ['example.com/eu1', '*/eu1', 'example.com/world', 'example.com/region:eu', 'region:eu'];
    for (const [i, precise] of targets.entries()) {
      for (const other of targets.slice(i + 1)) {
        expect(stateOf({ [other]: force('down'), [precise]: force('drain') }), `${precise} ${other}`).toBe(
          'drain',
        );
      }
    }
  });

  it('of an endpoint goes before that of its pool, and is not asked of pools that nobody named', () => {
    const held = heldAt(
      document({ forces: { 'example.com/eu1/192.0.2.1': force('up'), 'region:eu': force('down') } }),
      NOW,
    );
    expect(endpointForceOf(held, EU, '192.0.2.1')?.state).toBe('up');
    expect(endpointForceOf(held, EU, '192.0.2.2')).toBeUndefined();
    expect([isAddressed(held, EU), isAddressed(held, { ...EU, zone: 'example.org.' })]).toEqual([
      true,
      false,
    ]);
    const everywhere = heldAt(document({ forces: { '*/*/192.0.2.1': force('up') } }), NOW);
    expect(isAddressed(everywhere, EU)).toBe(true);
    expect(endpointForceOf(everywhere, { ...EU, zone: 'example.org.' }, '192.0.2.1')?.state).toBe('up');
  });

  it('holds until its time, and not a millisecond longer', () => {
    const forces = { 'region:eu': force('down', { until: iso(NOW + 1000) }) };
    expect(heldAt(document({ forces }), NOW + 999).forces.size).toBe(1);
    expect(heldAt(document({ forces }), NOW + 1000).forces.size).toBe(0);
    expect(nextChangeMs(document({ forces }), NOW)).toBe(NOW + 1000);
    expect(nextChangeMs(document({ forces }), NOW + 1000)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('maintenance', () => {
  const window = { start: iso(NOW + 1000), end: iso(NOW + 3000) };
  const entry = (changes: Partial<Maintenance> = {}): Maintenance => ({
    target: 'region:eu',
    action: 'drain',
    window,
    ...NOTE,
    ...changes,
  });

  it('holds while its window is open', () => {
    const maintenance = { m1: entry() };
    const states = [0, 1000, 2999, 3000].map(
      (ms) => heldAt(document({ maintenance }), NOW + ms).forces.get('region:eu')?.state,
    );
    expect(states).toEqual([undefined, 'drain', 'drain', undefined]);
    const changes = [0, 1000, 3000].map((ms) => nextChangeMs(document({ maintenance }), NOW + ms) - NOW);
    expect(changes).toEqual([1000, 3000, Number.POSITIVE_INFINITY]);
  });

  it('gives way to what is forced by hand, and the stricter of two windows counts', () => {
    const both = document({ maintenance: { a: entry({ action: 'down' }), b: entry() } });
    expect(heldAt(both, NOW + 1500).forces.get('region:eu')).toMatchObject({
      state: 'down',
      cause: { id: 'a' },
    });
    const forced = { ...both, forces: { 'region:eu': force('up') } };
    expect(heldAt(forced, NOW + 1500).forces.get('region:eu')).toMatchObject({
      state: 'up',
      cause: { kind: 'force' },
    });
  });

  it('does not open after it has ended for good', () => {
    const maintenance = { m1: entry({ until: iso(NOW + 1000) }) };
    expect(heldAt(document({ maintenance }), NOW + 1500).forces.size).toBe(0);
  });
});

describe('dials', () => {
  const dial = (percent: number, changes: Partial<Dial> = {}): Dial => ({ percent, ...NOTE, ...changes });
  const ramp = (from: number, seconds = 100) => ({ ramp: { from, start: iso(NOW), seconds } });

  it('of a region and of its pools are multiplied', () => {
    const dials = {
      'region:eu': dial(50),
      'example.com/eu1': dial(20),
      'example.org/eu1': dial(1),
      '*/eu1': dial(50),
    };
    expect(keptOf(dialsOf(heldAt(document({ dials }), NOW), EU))).toBeCloseTo(0.05, 10);
  });

  it.each([
    [0, 100],
    [25_000, 80],
    [50_000, 60],
    [99_999, 20.0008],
    [100_000, 20],
    [1e9, 20],
    [-5_000, 100],
  ])('%d ms into a ramp of 100 s from 100 to 20 %%: %d %%', (ms, percent) => {
    expect(percentAt(dial(20, ramp(100)), NOW + ms)).toBeCloseTo(percent, 6);
  });

  it('are looked at every second while they move, and at their ends', () => {
    const dials = { a: dial(20, { ...ramp(100, 2.5), until: iso(NOW + 9_000) }) };
    const moments: number[] = [];
    for (let now = NOW; Number.isFinite(now); now = nextChangeMs(document({ dials }), now))
      moments.push(now - NOW);
    expect(moments).toEqual([0, 1000, 2000, 2500, 9000]);
  });

  it('at 100 % hold nothing', () => {
    expect(heldAt(document({ dials: { 'region:eu': dial(100) } }), NOW).dials.size).toBe(0);
    expect(heldAt(document({ dials: { 'region:eu': dial(100, ramp(50)) } }), NOW).dials.size).toBe(1);
  });
});

describe('pruned()', () => {
  it('leaves out what counts no more, and nothing else', () => {
    const past = iso(NOW);
    const later = iso(NOW + 1);
    const full = document({
      forces: { a: force('up', { until: past }), b: force('up', { until: later }), c: force('up') },
      dials: {
        a: { percent: 100, ...NOTE },
        b: { percent: 100, ramp: { from: 0, start: past, seconds: 1 }, ...NOTE },
        c: { percent: 5, until: past, ...NOTE },
      },
      maintenance: {
        a: { target: 'region:eu', action: 'drain', window: { start: past, end: past }, ...NOTE },
        b: { target: 'region:eu', action: 'drain', window: { start: past, end: later }, ...NOTE },
      },
    });
    const left = pruned(full, NOW);
    expect([Object.keys(left.forces), Object.keys(left.dials), Object.keys(left.maintenance)]).toEqual([
      ['b', 'c'],
      ['b'],
      ['b'],
    ]);
    expect(pruned(left, NOW)).toBe(left);
  });
});
