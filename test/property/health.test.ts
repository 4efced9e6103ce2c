import fc from 'fast-check';
import { describe, it } from 'vitest';
import { regionalVerdict, type View, verdict } from '../../src/core/health/quorum.js';
import {
  afterProbe,
  checksToFlip,
  type TargetState,
  type Thresholds,
  UNOBSERVED,
} from '../../src/core/health/target.js';
import { type HealthWord, packHealth, unpackHealth } from '../../src/core/health/word.js';

const results = fc.array(fc.boolean(), { minLength: 1, maxLength: 200 });
const thresholds = fc.record({
  fall: fc.integer({ min: 1, max: 10 }),
  rise: fc.integer({ min: 1, max: 10 }),
});

function run(
  given: readonly boolean[],
  limits: Thresholds,
  visit: (before: TargetState, step: ReturnType<typeof afterProbe>, index: number) => boolean,
): boolean {
  let state: TargetState = UNOBSERVED;
  return given.every((ok, index) => {
    const before = state;
    const step = afterProbe(before, ok, limits);
    state = step.next;
    return visit(before, step, index);
  });
}

describe('the state of a target', () => {
  it('flips only after `fall` failures or `rise` successes in a row, and then always', () => {
    fc.assert(
      fc.property(results, thresholds, (given, limits) =>
        run(given, limits, (before, step, index) => {
          if (index === 0) return step.changed;
          const against = before.state === 'down';
          const needed = against ? limits.rise : limits.fall;
          // The first result opened the state, so it can't count against it.
          const tail = given.slice(Math.max(index + 1 - needed, 1), index + 1);
          const flipsNow = tail.length === needed && tail.every((ok) => ok === against);
          return !step.changed || flipsNow;
        }),
      ),
    );
  });

  it('flips after exactly as many checks as checksToFlip() says', () => {
    fc.assert(
      fc.property(results, thresholds, (given, limits) => {
        let state: TargetState = UNOBSERVED;
        for (const ok of given) state = afterProbe(state, ok, limits).next;
        const against = state.state === 'down';
        const promised = checksToFlip(state, limits);
        for (let check = 1; check <= promised; check++) {
          const step = afterProbe(state, against, limits);
          if (step.changed !== (check === promised)) return false;
          state = step.next;
        }
        return true;
      }),
    );
  });
});

describe('the verdict of a quorum', () => {
  const views = fc.array(fc.constantFrom<View>('up', 'down', 'unknown'), { maxLength: 30 });
  const quorum = fc.oneof(fc.constantFrom('any', 'majority', 'all'), fc.integer({ min: 1, max: 64 }));
  const last = fc.constantFrom<'up' | 'down'>('up', 'down');

  it('does not depend on observers that know nothing, nor on the order', () => {
    fc.assert(
      fc.property(views, quorum, last, (given, wanted, held) => {
        const known = given.filter((view) => view !== 'unknown').reverse();
        const [a, b] = [verdict(given, wanted, held), verdict(known, wanted, held)];
        return a.state === b.state && a.basis === b.basis && a.up === b.up && a.known === b.known;
      }),
    );
  });

  it('never becomes worse when one observer changes from down to up', () => {
    fc.assert(
      fc.property(views, quorum, last, fc.nat(29), (given, wanted, held, index) => {
        if (given[index] !== 'down') return true;
        const better = given.with(index, 'up');
        return verdict(given, wanted, held).state === 'down' || verdict(better, wanted, held).state === 'up';
      }),
    );
  });
});

describe('the health word', () => {
  it('gives back what was packed', () => {
    const word: fc.Arbitrary<HealthWord> = fc.record({
      down: fc.boolean(),
      forced: fc.boolean(),
      unknown: fc.boolean(),
      ttlSeconds: fc.oneof(fc.integer({ min: 0, max: 0xffffe }), fc.constant(Number.POSITIVE_INFINITY)),
    });
    fc.assert(
      fc.property(word, fc.integer({ min: 1, max: 255 }), (given, share) => {
        if (unpackHealth(packHealth({ ...given, share })).share !== share) return false;
        const packed = packHealth(given);
        const back = unpackHealth(new Int32Array([packed])[0]!);
        return (
          back.down === given.down &&
          back.forced === given.forced &&
          back.unknown === given.unknown &&
          back.ttlSeconds === given.ttlSeconds
        );
      }),
    );
  });
});

describe('the verdict of observers in several regions', () => {
  const region = fc.constantFrom('eu', 'us', 'ap', 'sa');
  const votes = fc.array(fc.record({ view: fc.constantFrom<View>('up', 'down', 'unknown'), region }), {
    maxLength: 20,
  });
  const rules = { quorum: 'majority', from: 'global', minObservers: 1, region: 'eu' } as const;

  it('is never down while more than half of those known, or of the regions, see it up', () => {
    fc.assert(
      fc.property(votes, (given) => {
        const known = given.filter(({ view }) => view !== 'unknown');
        const up = known.filter(({ view }) => view === 'up').length;
        return up * 2 <= known.length || regionalVerdict(given, rules, 'down').state === 'up';
      }),
    );
  });

  it('is down where nobody sees it up, and up where nobody sees it down', () => {
    fc.assert(
      fc.property(votes, fc.boolean(), (given, up) => {
        const view = up ? 'up' : 'down';
        const agreed = given.map((vote) =>
          vote.view === 'unknown' ? vote : { ...vote, view: view as View },
        );
        const { state, basis } = regionalVerdict(agreed, rules, up ? 'down' : 'up');
        return basis === 'held' || state === view;
      }),
    );
  });

  it('never becomes worse when one observer changes from down to up', () => {
    fc.assert(
      fc.property(votes, fc.nat(19), (given, index) => {
        const vote = given[index];
        if (vote?.view !== 'down') return true;
        const better = given.with(index, { ...vote, view: 'up' });
        return (['up', 'down'] as const).every((last) => {
          const before = regionalVerdict(given, rules, last).state;
          return before === 'down' || regionalVerdict(better, rules, last).state === 'up';
        });
      }),
    );
  });
});
