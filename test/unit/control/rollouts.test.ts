import { afterEach, describe, expect, it } from 'vitest';
import type { OrderDone, OrderRefusal } from '../../../src/control/order-outcome.js';
import { memoryRevisions, REVISION_LIMITS, type RevisionBook } from '../../../src/control/revisions.js';
import type { RolloutOrder } from '../../../src/control/rollout-schema.js';
import type { Report } from '../../../src/core/health/report.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';
import { ControlRig } from '../../support/control-plane-rig.js';
import { zoneText } from '../../support/query-rig.js';

const BLUE = '192.0.2.1';
const GREEN = '198.51.100.1';
const GREEN2 = '198.51.100.2';
const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80, interval: 2s, timeout: 1s, fall: 1, rise: 1 } }
regions: { eu: {} }
pools:
  blue: { region: eu, monitor: m, endpoints: [{ A: ${BLUE}, proxy: p1, service: blue }] }
  green:
    monitor: m
    endpoints: [{ A: ${GREEN}, proxy: p1, service: green }, { A: ${GREEN2}, proxy: p2, service: green }]
  plain: { endpoints: [{ A: 203.0.113.1 }] }
  both: { pools: [blue, green] }
records: { www: { type: A, dynamic: { rules: [{ pool: blue }] } } }
`,
);
const WWW = 'www.example.com.';
const ANN = { by: 'ann' };
const ORDER: RolloutOrder = {
  zone: 'example.com',
  from: 'blue',
  to: 'green',
  steps: [
    { percent: 50, hold: '10s' },
    { percent: 100, hold: '10s' },
  ],
  analysis: { window_seconds: 20 },
};

const rigs: ControlRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.close();
});

/** What the proxies have counted so far, by `PROXY/SERVICE`. */
class Proxies {
  readonly rig: ControlRig;
  readonly counts: Record<string, { issued: number; errors: number }> = {};
  silent: readonly string[] = [];
  #sequence = 0;

  constructor(rig: ControlRig) {
    this.rig = rig;
  }

  report(): void {
    this.#sequence++;
    for (const node of ['p1', 'p2']) {
      if (!this.silent.includes(node))
        expect(this.rig.health.report(this.#reportOf(node)).outcome).toBe('accepted');
    }
  }

  #reportOf(node: string): Report {
    const services = node === 'p1' ? ['blue', 'green'] : ['green'];
    return {
      ...{
        schema: 1,
        node,
        region: 'eu',
        epoch: 1,
        sequence: this.#sequence,
        intervalMs: 2_000,
        state: 'up',
      },
      sent: this.rig.time.clock(),
      services: services.map((service) => {
        const { issued, errors } = this.counts[`${node}/${service}`] ?? { issued: 0, errors: 0 };
        const none = { connectFailures: 0, timeouts: 0, retried: 0, shed: 0 };
        const counters = { issued, ok: issued - errors, errors, ...none };
        const rest = {
          ejected: 0,
          draining: 0,
          healthyWeight: 1,
          weight: 1,
          panic: false,
          inFlight: 0,
          queued: 0,
        };
        return { service, endpoints: 1, healthy: 1, pool: { ...rest, counters } };
      }),
    };
  }

  /** Lets seconds pass, in each of which services get so many requests with so many errors. */
  async pass(
    seconds: number,
    each: Readonly<Record<string, readonly [requests: number, errors: number]>>,
  ): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      for (const [key, [issued, errors]] of Object.entries(each)) {
        const before = this.counts[key] ?? { issued: 0, errors: 0 };
        this.counts[key] = { issued: before.issued + issued, errors: before.errors + errors };
      }
      this.report();
      await this.rig.time.advance(1_000);
      // What was decided is written by then.
      await this.rig.rollouts.settled();
    }
  }
}

const GOOD = { 'p1/blue': [100, 0], 'p1/green': [50, 0], 'p2/green': [50, 0] } as const;

async function started(
  book?: RevisionBook,
): Promise<{ readonly rig: ControlRig; readonly proxies: Proxies }> {
  const rig = new ControlRig(book);
  rigs.push(rig);
  await rig.load({ 'example.com.yaml': ZONE });
  expect(rig.control.problems).toEqual([]);
  const proxies = new Proxies(rig);
  await proxies.pass(4, GOOD);
  return { rig, proxies };
}

function done(result: OrderDone | OrderRefusal): string {
  if (result.code !== 'done') throw new Error(JSON.stringify(result));
  return result.id;
}

function detail(result: OrderDone | OrderRefusal): string {
  return 'detail' in result ? `${result.code}: ${result.detail}` : JSON.stringify(result);
}

const stateOf = ({ rollouts }: ControlRig, id = 'r1') => rollouts.nowOf(id).state;

/** Share of clients that get an address of green. */
function greenShare(rig: ControlRig): number {
  const clients = Array.from({ length: 400 }, (_, i) => `10.${i >> 4}.${(i & 15) * 16}.1`);
  return clients.filter((client) => rig.answer(WWW, client)[0] !== BLUE).length / clients.length;
}

describe('a canary', () => {
  it('gives the clients of a pool to another by steps, and keeps them there', async () => {
    const { rig, proxies } = await started();
    expect(done(await rig.rollouts.start({ ...ORDER, reason: 'v2' }, ANN))).toBe('r1');
    expect(greenShare(rig)).toBeCloseTo(0.5, 0);
    await proxies.pass(12, GOOD);
    expect([stateOf(rig), greenShare(rig)]).toEqual(['running', 1]);
    await proxies.pass(12, GOOD);
    expect([stateOf(rig), greenShare(rig)]).toEqual(['promoted', 1]);
    expect(
      rig.book.list({ kind: 'steering' }).revisions.map(({ author, message }) => `${author}: ${message}`),
    ).toEqual([
      'rollout: rollout r1: promoted, 100 %',
      'rollout: rollout r1: advanced, 100 %',
      'ann: rollout r1: example.com: blue to green: v2',
    ]);
    const told = rig.events.filter(({ type }) => type === 'rollout.changed').map(({ data }) => data);
    expect(told.at(0)).toMatchObject({ rollout: 'r1', state: 'running', percent: 50, event: 'started' });
    expect(told.at(-1)).toMatchObject({ rollout: 'r1', state: 'promoted', percent: 100, by: 'rollout' });
  });

  it('rolls back by itself when the new pool fails more requests', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    await proxies.pass(3, { ...GOOD, 'p2/green': [50, 20] });
    expect([stateOf(rig), greenShare(rig)]).toEqual(['rolled_back', 0]);
    const [, last] = rig.rollouts.get('r1')!.history;
    expect(last!.why).toMatch(/^the new pool fails \d+(\.\d)? % of \d+ requests, the old one 0 %$/);
    expect(last!.evidence!.new!.errors).toBeGreaterThan(0);
    await proxies.pass(30, GOOD);
    expect(stateOf(rig)).toBe('rolled_back');
  });

  it('rolls back by itself when half of the new pool goes down', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    rig.down.add(GREEN);
    await proxies.pass(6, GOOD);
    expect([stateOf(rig), greenShare(rig)]).toEqual(['rolled_back', 0]);
  });

  it('waits for volume, says so, and tells when it goes on', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    await proxies.pass(40, { 'p1/blue': [100, 0], 'p1/green': [1, 0] });
    expect(stateOf(rig)).toBe('waiting_for_volume');
    expect(rig.rollouts.nowOf('r1').why).toMatch(/requests of the 100 that are wanted/);
    expect(rig.book.list({ kind: 'steering' }).revisions).toHaveLength(1);
    expect(rig.events.at(-1)!.data).toMatchObject({ state: 'waiting_for_volume', percent: 50 });
    await proxies.pass(3, GOOD);
    expect(greenShare(rig)).toBe(1);
  });

  it('holds while a proxy is silent, and while somebody steers one of its pools', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    proxies.silent = ['p2'];
    await proxies.pass(40, GOOD);
    expect([stateOf(rig), greenShare(rig) < 1]).toEqual(['running', true]);
    expect(rig.rollouts.nowOf('r1').why).toBe('the proxy p2 does not report');
    proxies.silent = [];
    done(await rig.steering.dial('example.com/blue', { percent: 50, reason: 'test' }, { by: 'bob' }));
    await proxies.pass(40, GOOD);
    expect(rig.rollouts.nowOf('r1').why).toBe('dial of example.com/blue by bob: test');
    done(await rig.steering.remove('dials', 'example.com/blue', ANN));
    done(await rig.steering.force(`example.com/green/${GREEN}`, { state: 'up' }, { by: 'bob' }));
    await proxies.pass(5, GOOD);
    expect(rig.rollouts.nowOf('r1').why).toBe(`force of example.com/green/${GREEN} by bob`);
    done(await rig.steering.remove('forces', `example.com/green/${GREEN}`, ANN));
    await proxies.pass(3, GOOD);
    expect(greenShare(rig)).toBe(1);
  });

  it('leaves everything to the old pool where the new one is down', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start({ ...ORDER, on_failure: 'pause' }, ANN);
    rig.down.add(GREEN).add(GREEN2);
    await proxies.pass(6, GOOD);
    expect([stateOf(rig), rig.rollouts.get('r1')!.step, greenShare(rig)]).toEqual(['paused', 0, 0]);
  });

  it('ends when its new pool goes out of the zone file, and goes on to be shown', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    const without = ZONE.replace(/ {2}green:\n.*\n.*\n/, '').replace('both: { pools: [blue, green] }', '');
    await rig.load({ 'example.com.yaml': without });
    proxies.silent = ['p1', 'p2'];
    await proxies.pass(2, {});
    expect(stateOf(rig)).toBe('rolled_back');
    expect(rig.rollouts.get('r1')!.history.at(-1)!.why).toBe('the new pool is gone');
    expect(rig.answer(WWW)).toEqual([BLUE]);
  });

  it('keeps its share in each new snapshot', async () => {
    const { rig } = await started();
    await rig.rollouts.start({ ...ORDER, steps: [{ percent: 100, hold: '1h' }] }, ANN);
    const more = ZONE.replace('  plain:', '  other: { endpoints: [{ A: 203.0.113.9 }] }\n  plain:');
    await rig.load({
      'aaa.example.yaml': zoneText('aaa.example', 'records: { x: { type: A, values: [1.1.1.1] } }\n'),
      'example.com.yaml': more,
    });
    expect(greenShare(rig)).toBe(1);
  });
});

describe('orders', () => {
  it('pause, resume, promote and abort', async () => {
    const { rig, proxies } = await started();
    await rig.rollouts.start(ORDER, ANN);
    done(await rig.rollouts.command('r1', 'pause', 'lunch', ANN));
    await proxies.pass(30, GOOD);
    expect([stateOf(rig), rig.rollouts.get('r1')!.step]).toEqual(['paused', 0]);
    done(await rig.rollouts.command('r1', 'resume', undefined, ANN));
    done(await rig.rollouts.command('r1', 'promote', undefined, ANN));
    expect(greenShare(rig)).toBe(1);
    expect(detail(await rig.rollouts.command('r1', 'resume', undefined, ANN))).toBe(
      'rollout_refused: rollout r1: it is promoted, not paused',
    );
    done(await rig.rollouts.command('r1', 'abort', undefined, ANN));
    expect(greenShare(rig)).toBe(0);
    done(await rig.rollouts.remove('r1', ANN));
    expect(detail(await rig.rollouts.remove('r1', ANN))).toBe('not_steered: there is no rollout r1');
  });

  it.each<[string, Partial<RolloutOrder>, string]>([
    [
      'a pool that is not there',
      { to: 'grene' },
      'no_such_target: no pool with endpoints of its own is example.com/grene now; did you mean example.com/green?',
    ],
    [
      'a pool of pools',
      { to: 'both' },
      'no_such_target: no pool with endpoints of its own is example.com/both now',
    ],
    ['another zone', { zone: 'example.org' }, 'no_such_target: '],
    ['a pool and itself', { to: 'blue' }, 'want another pool'],
    [
      'steps that fall',
      {
        steps: [
          { percent: 50, hold: '1s' },
          { percent: 10, hold: 1 },
        ],
      },
      'want percentages that rise',
    ],
    ['volume of what nobody reports', { to: 'plain', analysis: { min_requests: 10 } }, 'has a proxy'],
  ])('about %s are refused', async (_, part, text) => {
    const { rig } = await started();
    expect(detail(await rig.rollouts.start({ ...ORDER, ...part }, ANN))).toContain(text);
    expect(rig.rollouts.list()).toEqual([]);
  });

  it('can not be given twice for a pool, nor in a chain', async () => {
    const { rig } = await started();
    await rig.rollouts.start(ORDER, ANN);
    expect(detail(await rig.rollouts.start({ ...ORDER, to: 'plain' }, ANN))).toContain(
      'has the pool blue already',
    );
    expect(detail(await rig.rollouts.start({ ...ORDER, from: 'green', to: 'plain' }, ANN))).toContain(
      'end it first',
    );
    expect(detail(await rig.rollouts.start({ ...ORDER, from: 'plain', to: 'blue' }, ANN))).toContain(
      'end it first',
    );
  });

  it('do not begin with a pool that is down or steered', async () => {
    const { rig, proxies } = await started();
    done(await rig.steering.force('example.com/green', { state: 'drain' }, ANN));
    expect(detail(await rig.rollouts.start(ORDER, ANN))).toBe(
      'rollout_refused: force of example.com/green by ann: take that back first',
    );
    done(await rig.steering.remove('forces', 'example.com/green', ANN));
    rig.down.add(GREEN);
    await proxies.pass(5, GOOD);
    expect(detail(await rig.rollouts.start(ORDER, ANN))).toContain('50 % of the new pool is up');
  });
});

describe('a node that starts again', () => {
  it('goes on with the step that it was in, and needs new evidence', async () => {
    const entries = new MemoryEntries();
    const book = memoryRevisions({ now: () => 0 }, REVISION_LIMITS, entries);
    const { rig, proxies } = await started(book);
    await rig.rollouts.start(ORDER, ANN);
    await proxies.pass(5, GOOD);
    rig.close();
    const again = await started(book);
    expect(again.rig.rollouts.get('r1')).toEqual(rig.rollouts.get('r1'));
    expect(greenShare(again.rig)).toBeCloseTo(0.5, 0);
    await again.proxies.pass(30, {});
    expect(stateOf(again.rig)).toBe('waiting_for_volume');
  });
});

describe('a disk that fails', () => {
  it('does not keep a bad pool from being taken back', async () => {
    const entries = new MemoryEntries();
    const { rig, proxies } = await started(memoryRevisions({ now: () => 0 }, REVISION_LIMITS, entries));
    await rig.rollouts.start(ORDER, ANN);
    entries.failure = { code: 'storage_full', detail: 'no space is left' };
    await proxies.pass(4, { ...GOOD, 'p1/green': [50, 50] });
    expect(greenShare(rig)).toBe(0);
    await proxies.pass(60, GOOD);
    expect(greenShare(rig)).toBe(0);
    entries.failure = undefined;
    await proxies.pass(3, GOOD);
    expect([stateOf(rig), greenShare(rig)]).toEqual(['rolled_back', 0]);
  });
});
