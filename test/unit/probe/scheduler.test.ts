import { describe, expect, it } from 'vitest';
import type { ProbeResult } from '../../../src/probe/attempt.js';
import type { ProbeMonitor, ProbeTarget } from '../../../src/probe/job.js';
import { OVERRUN_MS, ProbeScheduler } from '../../../src/probe/scheduler.js';
import { ManualTime } from '../../support/manual-time.js';

type Http = Extract<ProbeMonitor, { type: 'http' | 'https' | 'http2' }>;

const MONITOR: Http = {
  type: 'http',
  port: 80,
  path: '/',
  method: 'GET',
  status: [{ from: 200, to: 399 }],
  verify: true,
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 1,
};

function target(key: string, host: string, changes: Partial<Http> = {}): ProbeTarget {
  return { key, host, monitor: { ...MONITOR, ...changes } };
}

interface World {
  readonly ok: Map<string, boolean>;
  readonly takesMs: Map<string, number>;
}

/** A scheduler over simulated hosts: a host is up and answers after 10 ms unless the world says otherwise. */
function setUp(options: { random?: () => number; maxConcurrent?: number } = {}) {
  const time = new ManualTime();
  const world: World = { ok: new Map(), takesMs: new Map() };
  const starts: { host: string; atMs: number }[] = [];
  const results: string[] = [];
  const aborted: string[] = [];
  let running = 0;
  let peak = 0;
  const scheduler = new ProbeScheduler(
    {
      clock: time.clock,
      timers: time,
      random: options.random ?? (() => 0),
      maxConcurrent: options.maxConcurrent ?? 256,
      probe: (host, _, signal) => {
        starts.push({ host, atMs: time.clock() });
        peak = Math.max(peak, ++running);
        signal.addEventListener('abort', () => aborted.push(host));
        return new Promise<ProbeResult>((resolve) => {
          const takesMs = world.takesMs.get(host) ?? 10;
          time.setTimeout(() => {
            running--;
            const ok = world.ok.get(host) ?? true;
            resolve({ ok, detail: ok ? 'status 200' : 'connect refused', elapsedMs: takesMs });
          }, takesMs);
        });
      },
    },
    {
      onResult: (key, { state }, { detail }, changed) =>
        results.push(`${key} ${changed ? state.toUpperCase() : state} ${detail}`),
    },
  );
  const startsOf = (host: string) => starts.filter((start) => start.host === host).map(({ atMs }) => atMs);
  return { time, world, scheduler, starts, startsOf, results, aborted, peak: () => peak };
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const mark = {};
  return (await Promise.race([promise, Promise.resolve(mark)])) !== mark;
}

describe('ProbeScheduler', () => {
  it('probes every target at once and then at its interval, from start to start', async () => {
    const { time, world, scheduler, startsOf } = setUp();
    world.takesMs.set('slow', 1900);
    scheduler.set([target('a', 'fast'), target('b', 'slow'), target('c', 'often', { intervalMs: 1000 })]);
    await time.advance(10_500);
    expect(startsOf('fast')).toEqual([0, 5000, 10_000]);
    expect(startsOf('slow')).toEqual([0, 5000, 10_000]);
    expect(startsOf('often')).toHaveLength(11);
  });

  it('shortens an interval by at most a tenth and never lengthens it', async () => {
    let draw = 0;
    const { time, scheduler, startsOf } = setUp({ random: () => (draw = (draw + 0.37) % 1) });
    scheduler.set([target('a', 'h')]);
    await time.advance(200_000);
    const gaps = startsOf('h').map((atMs, index, all) => atMs - (all[index - 1] ?? Number.NaN));
    // The first one is drawn from the whole interval: see below.
    for (const gap of gaps.slice(2)) {
      expect(gap).toBeGreaterThanOrEqual(4500);
      expect(gap).toBeLessThanOrEqual(5000);
    }
    expect(new Set(gaps).size).toBeGreaterThan(5);
  });

  it('says down within interval × fall + timeout of a failure, whatever the jitter', async () => {
    for (const random of [() => 0, () => 0.5, () => 0.999]) {
      const { time, world, scheduler, results } = setUp({ random });
      scheduler.set([target('a', 'h')]);
      await time.advance(5_011);
      world.ok.set('h', false);
      world.takesMs.set('h', 2000);
      await time.advance(3 * 5000 + 2000);
      expect(results).toContain('a DOWN connect refused');
    }
  });

  it('never runs more probes at once than allowed, and serves all in turn', async () => {
    const { time, scheduler, starts, peak } = setUp({ maxConcurrent: 4 });
    const targets = Array.from({ length: 50 }, (_, i) => target(`t${i}`, `h${i}`));
    scheduler.set(targets);
    expect(scheduler.stats).toEqual({ jobs: 50, running: 4, queued: 46 });
    await time.advance(1000);
    expect(new Set(starts.map(({ host }) => host)).size).toBe(50);
    expect(peak()).toBe(4);
    await time.advance(60_000);
    expect(peak()).toBe(4);
  });

  it('probes sooner while the last result speaks against the state, and no longer than that', async () => {
    const { time, world, scheduler, startsOf, results } = setUp();
    scheduler.set([target('a', 'h', { rise: 2 })]);
    await time.advance(5_010);
    world.ok.set('h', false);
    await time.advance(15_000);
    world.ok.set('h', true);
    await time.advance(15_000);
    // A quarter of the interval from the failure at 10 s and from the success at 22.5 s on, on the next tick.
    const expected = [0, 5000, 10_000, 11_260, 12_520, 17_520, 22_520, 23_780, 28_780, 33_780];
    expect(startsOf('h')).toEqual(expected);
    expect(results.filter((line) => /DOWN|UP/.test(line))).toHaveLength(3);
  });

  it('probes in transition at the retry interval of the monitor', async () => {
    const { time, world, scheduler, startsOf } = setUp();
    scheduler.set([target('a', 'h', { retryMs: 500, fall: 4 })]);
    await time.advance(10);
    world.ok.set('h', false);
    await time.advance(10_000);
    expect(startsOf('h')).toEqual([0, 5000, 5500, 6000, 6500]);
  });

  it('does not hurry after a result that fits the state, or where nothing is to be confirmed', async () => {
    const { time, world, scheduler, startsOf } = setUp();
    world.ok.set('h', false);
    scheduler.set([target('a', 'h')]);
    await time.advance(11_000);
    expect(startsOf('h')).toEqual([0, 5000, 10_000]);
  });

  it('draws the first interval from nearly all of it, so that what began together does not stay so', async () => {
    let draw = 0;
    const { time, scheduler, startsOf } = setUp({ random: () => (draw = (draw + 0.37) % 1) });
    const hosts = Array.from({ length: 50 }, (_, i) => `h${i}`);
    scheduler.set(hosts.map((host) => target(host, host)));
    await time.advance(5_100);
    const second = hosts.map((host) => startsOf(host)[1] ?? Number.NaN);
    for (const atMs of second) {
      expect(atMs).toBeGreaterThanOrEqual(500);
      expect(atMs).toBeLessThanOrEqual(5020);
    }
    for (let from = 500; from < 5000; from += 500) {
      expect(second.some((atMs) => atMs >= from && atMs < from + 500)).toBe(true);
    }
  });

  it('serves monitors in turn, so that one whose targets all hang does not delay the others', async () => {
    const { time, world, scheduler, startsOf } = setUp({ maxConcurrent: 10 });
    const hanging = Array.from({ length: 200 }, (_, i) => `dead${i}`);
    for (const host of hanging) world.takesMs.set(host, 2000);
    scheduler.set([
      ...hanging.map((host) => target(host, host)),
      ...Array.from({ length: 5 }, (_, i) => target(`live${i}`, `live${i}`, { path: '/other' })),
    ]);
    // The first ten places go to the first monitor; the next to both in turn.
    await time.advance(4_100);
    for (let i = 0; i < 5; i++) expect(startsOf(`live${i}`)).toHaveLength(1);
  });

  it('asks once for targets that ask the same, and tells each of them', async () => {
    const { time, scheduler, startsOf, results } = setUp();
    scheduler.set([target('a', 'h'), target('b', 'h'), target('c', 'h', { path: '/other' })]);
    await time.advance(100);
    expect(startsOf('h')).toHaveLength(2);
    expect(results.toSorted()).toEqual(['a UP status 200', 'b UP status 200', 'c UP status 200']);
    scheduler.add(target('d', 'h'));
    expect(results.at(-1)).toBe('d UP status 200');
    expect(startsOf('h')).toHaveLength(2);
  });

  it.each<[string, Partial<Http>, Partial<Http>, number]>([
    ['another port', {}, { port: 81 }, 2],
    ['another timeout', {}, { timeoutMs: 1000 }, 2],
    ['another status', {}, { status: [{ from: 200, to: 200 }] }, 2],
    ['another host header', {}, { host: 'www.example.com' }, 2],
    ['another header', {}, { headers: [['X-A', '1']] }, 2],
    ['another source', {}, { sources: ['192.0.2.1'] }, 2],
    ['a check of certificates, which http has no use for', {}, { verify: false }, 1],
    ['a check of certificates, with https', { type: 'https' }, { type: 'https', verify: false }, 2],
  ])('with %s runs the right number of probes', async (_, one, other, jobs) => {
    const { time, scheduler } = setUp();
    scheduler.set([target('a', 'h', one), target('b', 'h', other)]);
    await time.advance(10);
    expect(scheduler.stats.jobs).toBe(jobs);
    scheduler.close();
  });

  it('leaves unchanged targets undisturbed when others come, change and go', async () => {
    const { time, scheduler, startsOf } = setUp();
    scheduler.set([target('stay', 'stay'), target('go', 'go'), target('change', 'change')]);
    await time.advance(3000);
    scheduler.set([target('stay', 'stay'), target('change', 'change', { port: 81 }), target('new', 'new')]);
    await time.advance(3000);
    expect(startsOf('stay')).toEqual([0, 5000]);
    expect(startsOf('go')).toEqual([0]);
    expect(startsOf('change')).toEqual([0, 3000]);
    expect(startsOf('new')).toEqual([3000]);
  });

  it('drops the result of a target that is removed while its probe runs, and frees its place', async () => {
    const { time, scheduler, startsOf, results, aborted } = setUp({ maxConcurrent: 1 });
    scheduler.set([target('a', 'h1'), target('b', 'h2')]);
    scheduler.set([target('b', 'h2')]);
    expect(aborted).toEqual(['h1']);
    expect(startsOf('h2')).toEqual([0]);
    await time.advance(100);
    expect(results).toEqual(['b UP status 200']);
    expect(scheduler.stats).toEqual({ jobs: 1, running: 0, queued: 0 });
  });

  it('takes a probe that this host could not make for no result, and tries again soon', async () => {
    const time = new ManualTime();
    const heard: string[] = [];
    const starts: number[] = [];
    const answers = [{ local: true }, { ok: true }, { local: true }, { local: true }, { ok: false }] as const;
    const scheduler = new ProbeScheduler(
      {
        clock: time.clock,
        timers: time,
        random: () => 0,
        probe: async () => {
          const answer = answers[starts.push(time.clock()) - 1] ?? { ok: true };
          return { ok: false, detail: '', elapsedMs: 0, ...answer };
        },
      },
      {
        onResult: (_, { state, count }, { local }, changed) =>
          heard.push(`${local ? 'local' : 'asked'}: ${state} ${count}${changed ? ', changed' : ''}`),
      },
    );
    scheduler.add(target('a', 'h'));
    const round = scheduler.firstRound();
    await time.advance(100);
    await round;
    scheduler.add(target('b', 'h'));
    scheduler.remove('b');
    await time.advance(9_900);
    expect(heard).toEqual([
      'local: unknown 0',
      'local: unknown 0',
      'asked: up 0, changed',
      'local: up 0',
      'local: up 0',
      'asked: up 1',
    ]);
    expect(starts).toEqual([0, 1260, 6260, 7520, 8780]);
  });

  it('says of a target what it knows, and when it asks again', async () => {
    const { time, scheduler } = setUp();
    scheduler.add(target('a', 'h'));
    expect(scheduler.describe('a')).toEqual({ state: 'unknown', nextInMs: 0 });
    await time.advance(1000);
    const last = { ok: true, detail: 'status 200', elapsedMs: 10 };
    expect(scheduler.describe('a')).toEqual({ state: 'up', nextInMs: 4000, last });
    await time.advance(4005);
    expect(scheduler.describe('a')).toMatchObject({ state: 'up', nextInMs: 0 });
    expect(scheduler.describe('b')).toBeUndefined();
  });

  it('goes on for the others when one of several equal targets is removed', async () => {
    const { time, scheduler, results, aborted } = setUp();
    scheduler.set([target('a', 'h'), target('b', 'h')]);
    scheduler.remove('a');
    await time.advance(100);
    expect(aborted).toEqual([]);
    expect(results).toEqual(['b UP status 200']);
  });

  it('does not mix up a removed target with one that is added again at once', async () => {
    const { time, world, scheduler, results } = setUp();
    world.takesMs.set('h', 500);
    scheduler.add(target('a', 'h'));
    await time.advance(400);
    scheduler.remove('a');
    scheduler.add(target('a', 'h'));
    await time.advance(400);
    expect(results).toEqual([]);
    await time.advance(200);
    expect(results).toEqual(['a UP status 200']);
  });

  it('gives up a probe that breaks its own timeout', async () => {
    const { time, world, scheduler, results, aborted } = setUp({ maxConcurrent: 1 });
    world.takesMs.set('stuck', 1e9);
    scheduler.set([target('a', 'stuck'), target('b', 'h')]);
    await time.advance(2000 + OVERRUN_MS + 10);
    expect(results).toEqual(['a DOWN timeout after 2000 ms', 'b UP status 200']);
    expect(aborted).toEqual(['stuck']);
  });

  it.each<[string, () => Promise<ProbeResult>]>([
    ['rejects', () => Promise.reject(new Error('bug'))],
    [
      'throws',
      () => {
        throw new Error('bug');
      },
    ],
  ])('takes a probe that %s as failed', async (_, probe) => {
    const time = new ManualTime();
    const details: string[] = [];
    const scheduler = new ProbeScheduler(
      { probe, clock: time.clock, timers: time, random: () => 0 },
      { onResult: (key, { state }, { detail }) => details.push(`${key} ${state} ${detail}`) },
    );
    scheduler.add(target('a', 'h'));
    await time.advance(10);
    expect(details).toEqual(['a down probe failed: Error: bug']);
  });

  it('lets a handler remove and add targets', async () => {
    const time = new ManualTime();
    const seen: string[] = [];
    const scheduler: ProbeScheduler = new ProbeScheduler(
      {
        probe: async () => ({ ok: true, detail: '', elapsedMs: 0 }),
        clock: time.clock,
        timers: time,
        random: () => 0,
      },
      {
        onResult: (key) => {
          seen.push(key);
          if (key === 'a') scheduler.set([target('c', 'h2')]);
        },
      },
    );
    scheduler.set([target('a', 'h'), target('b', 'h')]);
    await time.advance(20_000);
    expect(seen.slice(0, 2)).toEqual(['a', 'c']);
    expect(new Set(seen)).toEqual(new Set(['a', 'c']));
  });
});

describe('ProbeScheduler firstRound()', () => {
  it('resolves when each target of now has its first result, without waiting for later ones', async () => {
    const { time, world, scheduler } = setUp();
    world.takesMs.set('slow', 1500);
    world.takesMs.set('later', 1900);
    scheduler.set([target('a', 'h'), target('b', 'slow')]);
    const round = scheduler.firstRound();
    scheduler.add(target('c', 'later'));
    await time.advance(1499);
    expect(await isSettled(round)).toBe(false);
    await time.advance(1);
    expect(await isSettled(round)).toBe(true);
  });

  it('resolves at once without targets or when all have been seen', async () => {
    const { time, scheduler } = setUp();
    await scheduler.firstRound();
    scheduler.add(target('a', 'h'));
    await time.advance(10);
    await scheduler.firstRound();
  });

  it('does not wait for a target that is removed', async () => {
    const { time, world, scheduler } = setUp();
    world.takesMs.set('slow', 1500);
    scheduler.add(target('a', 'slow'));
    const round = scheduler.firstRound();
    scheduler.remove('a');
    await time.advance(0);
    expect(await isSettled(round)).toBe(true);
  });

  it('gives up at its limit', async () => {
    const { time, world, scheduler } = setUp();
    world.takesMs.set('slow', 1500);
    scheduler.add(target('a', 'slow'));
    const round = scheduler.firstRound(700);
    await time.advance(699);
    expect(await isSettled(round)).toBe(false);
    await time.advance(1);
    expect(await isSettled(round)).toBe(true);
  });
});

describe('ProbeScheduler close()', () => {
  it('calls off what runs, forgets what waits and leaves no timer of its own', async () => {
    const { time, scheduler, results, aborted } = setUp({ maxConcurrent: 2 });
    scheduler.set(['a', 'b', 'c'].map((key) => target(key, key)));
    const round = scheduler.firstRound();
    scheduler.close();
    await round;
    scheduler.add(target('d', 'd'));
    expect(aborted).toEqual(['a', 'b']);
    await time.advance(60_000);
    expect(results).toEqual([]);
    expect(time.pending).toBe(0);
    expect(scheduler.stats).toEqual({ jobs: 0, running: 0, queued: 0 });
  });
});
