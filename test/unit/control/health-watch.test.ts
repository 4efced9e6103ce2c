import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transition } from '../../../src/control/transitions.js';
import type { Report } from '../../../src/core/health/report.js';
import { unpackHealth } from '../../../src/core/health/word.js';
import { ControlRig } from '../../support/control-plane-rig.js';
import { zoneText } from '../../support/query-rig.js';

const [A, B] = ['192.0.2.1', '192.0.2.2'];

let rig: ControlRig;
beforeEach(() => {
  rig = new ControlRig();
});
afterEach(() => rig.close());

async function load(monitor: string, pool = ''): Promise<void> {
  const zone = zoneText(
    'example.com',
    `monitors: { m: { type: tcp, port: 80, interval: 1s, timeout: 500ms, fall: 2, rise: 1, ${monitor} } }
pools:
  a: { monitor: m, ${pool} endpoints: [{ A: ${A}, proxy: eu, service: web }] }
  b: { endpoints: [{ A: ${B} }] }
records: { www: { type: A, ttl: 10, dynamic: { steering: failover, pools: [a, b] } } }
`,
  );
  await rig.load({ 'a.yaml': zone });
}

function keyOf(host: string): string {
  return [...rig.health.targets.values()].find((target) => target.host === host)!.key;
}

function word(host: string) {
  return unpackHealth(rig.health.table[rig.health.slotOf(keyOf(host))]!);
}

let sequence = 0;
function report(utilisation: number, healthy = 1): Report {
  const load = { capacity: 100, utilisation, limiting: 'cpu' };
  return {
    schema: 1,
    node: 'eu',
    region: 'eu',
    epoch: 0,
    sequence: ++sequence,
    sent: rig.time.clock(),
    intervalMs: 2000,
    state: 'up',
    services: [{ service: 'web', endpoints: 1, healthy, load }],
  };
}

describe('HealthWatch', () => {
  it('writes how long a verdict will last at least', async () => {
    await load('quorum: any');
    expect(word(A)).toEqual({ down: false, forced: false, unknown: false, ttlSeconds: 2 });
    rig.down.add(A);
    await rig.time.advance(1000);
    expect(word(A)).toMatchObject({ down: false, ttlSeconds: 1 });
    await rig.time.advance(1000);
    expect(word(A)).toMatchObject({ down: true, ttlSeconds: 1 });
  });

  it('lets the weight of a target that comes back climb', async () => {
    await load('ramp: 10s');
    expect(word(A).share).toBeUndefined();
    rig.down.add(A);
    await rig.time.advance(3000);
    expect(word(A).down).toBe(true);
    rig.down.delete(A);
    await rig.time.advance(1000);
    const start = word(A).share!;
    expect(start).toBeLessThan(30);
    await rig.time.advance(5000);
    expect(word(A).share! - start).toBeCloseTo(128, -1);
    await rig.time.advance(5000);
    expect(word(A).share).toBeUndefined();
    expect(rig.answer('www.example.com')).toEqual([A]);
  });

  it('keeps a target down that flaps, and says until when', async () => {
    await load('hold_down: 20s');
    for (let i = 0; i < 4; i++) {
      rig.down.add(A);
      await rig.time.advance(2500);
      rig.down.delete(A);
      await rig.time.advance(1500);
    }
    const seen = rig.health.describe(keyOf(A))!;
    expect(seen.verdict).toMatchObject({ state: 'down', basis: 'damped', up: 1 });
    expect(seen.heldDownUntilMs! - seen.sinceMs).toBe(10_000);
    expect(rig.health.counts).toMatchObject({ damped: 1, down: 0 });
    await rig.time.advance(10_000);
    expect(rig.health.describe(keyOf(A))!.verdict).toMatchObject({ state: 'up', basis: 'observers' });
  });

  it('tells listeners of transitions, until they have heard enough', async () => {
    await load('');
    const heard: Transition[] = [];
    const stop = rig.health.onTransition((transition) => heard.push(transition));
    rig.health.report(report(0.1, 0));
    expect(heard).toMatchObject([{ target: { host: A }, state: 'down', basis: 'observers' }]);
    stop();
    rig.health.report(report(0.1, 1));
    expect(heard).toHaveLength(1);
  });

  it('hands on part of the answers of a pool whose proxy is full, and takes them back', async () => {
    await load('', 'shed: { from: 0.7, to: 0.95 },');
    const pool = 'pool a of example.com.';
    const run = async (utilisation: number, seconds: number) => {
      for (let second = 0; second < seconds; second += 2) {
        rig.health.report(report(utilisation));
        await rig.time.advance(2000);
      }
    };
    await run(0.5, 20);
    expect(word(pool).share).toBeUndefined();
    await run(0.9, 60);
    // One region alone: not more than half.
    expect(word(pool).share).toBeGreaterThanOrEqual(128);
    expect(rig.health.shedding).toMatchObject([{ pool, shedding: true, utilisation: 0.9, limiting: 'cpu' }]);
    await run(0.2, 300);
    expect(word(pool).share).toBeUndefined();
    expect(rig.health.shedding).toMatchObject([{ shedding: false, share: 0 }]);
  });

  it('names a refused report in the log once, and counts all', async () => {
    await load('');
    const again = report(0.1);
    rig.health.report(again);
    for (let i = 0; i < 5; i++) rig.health.report(again);
    expect(rig.health.reportCounters).toMatchObject({ accepted: 1, old_sequence: 5 });
    const lines = rig.logged.filter((line) => line.startsWith('a report is ignored'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"code":"old_sequence"');
  });

  it.each([
    ['min_observers: 3', 'wanted":3', 1],
    ['quorum: 5', 'wanted":5', 1],
    ['min_observers: 2', 'wanted":2,"observers":1', 1],
    ['quorum: 3', 'wanted":3,"observers":2', 1],
    ['quorum: 2', '', 0],
  ])('warns of %s where a probe and a proxy are all the observers', async (monitor, facts, warnings) => {
    await load(monitor);
    await load(`${monitor}, ok_reset: 2`);
    const lines = rig.logged.filter((line) => line.startsWith('a monitor asks for more observers'));
    expect(lines).toHaveLength(warnings);
    expect(lines.join()).toContain(facts);
  });

  it('knows what the word in a slot rests on', async () => {
    await load('');
    expect(rig.health.describeSlot(rig.health.slotOf(keyOf(A)))?.key).toBe(keyOf(A));
    expect(rig.health.describeSlot(0)).toBeUndefined();
    expect(rig.health.describeSlot(99_999)).toBeUndefined();
  });

  it('tells what the probes see, and at once when they change', async () => {
    await load('');
    let told = 0;
    rig.health.onProbeChange(() => told++);
    expect(rig.health.probeViews()).toEqual({ up: [expect.stringMatching(/^[\w-]{11}$/)], down: [] });
    rig.down.add(A);
    await rig.time.advance(3000);
    expect(told).toBe(1);
    expect(rig.health.probeViews()).toMatchObject({ up: [], down: [expect.any(String)] });
  });
});
