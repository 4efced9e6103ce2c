import { afterEach, describe, expect, it } from 'vitest';
import type { OrderDone, OrderRefusal } from '../../../src/control/order-outcome.js';
import { memoryRevisions, type RevisionBook } from '../../../src/control/revisions.js';
import { describeSteering } from '../../../src/control/steering-view.js';
import { EMPTY_STEERING } from '../../../src/core/steering/document.js';
import { heldAt } from '../../../src/core/steering/held.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';
import { ControlRig } from '../../support/control-plane-rig.js';
import { zoneText } from '../../support/query-rig.js';

const EU = '192.0.2.1';
const US = '198.51.100.1';
const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
regions: { eu: {}, us: {} }
pools:
  eu: { region: eu, monitor: m, endpoints: [{ A: ${EU} }], fallback: us }
  us: { region: us, monitor: m, endpoints: [{ A: ${US} }] }
  world: { pools: [eu, us] }
records: { www: { type: A, dynamic: { rules: [{ pool: eu }] } } }
`,
);
const WWW = 'www.example.com.';
const ANN = { by: 'ann' };

const rigs: ControlRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.close();
});

async function started(book?: RevisionBook, text = ZONE): Promise<ControlRig> {
  const rig = new ControlRig(book);
  rigs.push(rig);
  await rig.load({ 'example.com.yaml': text });
  return rig;
}

/** The revision of what was done. */
function done(result: OrderDone | OrderRefusal): number {
  if (result.code !== 'done') throw new Error(JSON.stringify(result));
  return result.revision;
}

describe('an order', () => {
  it('holds at once, in what is published, without a rebuild', async () => {
    const rig = await started();
    const snapshots = rig.published.length;
    done(await rig.steering.force('example.com/eu', { state: 'drain' }, ANN));
    expect([rig.answer(WWW), rig.published.length]).toEqual([[US], snapshots]);
    done(await rig.steering.remove('forces', 'Example.com./eu', ANN));
    expect(rig.answer(WWW)).toEqual([EU]);
  });

  it('is a revision, with who gave it and why', async () => {
    const rig = await started();
    done(await rig.steering.force('region:eu', { state: 'down', reason: 'fire' }, ANN));
    const [revision] = rig.book.list({ kind: 'steering' }).revisions;
    expect(revision).toMatchObject({ author: 'ann', message: 'force region:eu down: fire', source: 'api' });
    expect(rig.book.steeringAt(rig.book.head)).toMatchObject({
      forces: { 'region:eu': { state: 'down', by: 'ann', reason: 'fire' } },
    });
  });

  it('holds in snapshots that come later, before they are published', async () => {
    const rig = await started();
    done(
      await rig.steering.force('example.com/eu/192.0.2.9', { state: 'down' }, ANN).then(async (refusal) => {
        expect(refusal).toMatchObject({ code: 'no_such_target' });
        return rig.steering.force('example.com/eu', { state: 'down' }, ANN);
      }),
    );
    let atPublish: readonly string[] = [];
    rig.onPublish = async () => {
      atPublish = rig.answer(WWW);
    };
    await rig.load({ 'example.com.yaml': ZONE.replace(EU, '192.0.2.77') });
    expect([atPublish, rig.answer(WWW)]).toEqual([[US], [US]]);
    done(await rig.steering.remove('forces', 'example.com/eu', ANN));
    expect(rig.answer(WWW)).toEqual(['192.0.2.77']);
  });

  it('changes what workers still answer from while they take a new snapshot', async () => {
    const rig = await started();
    const old = rig.control.snapshot;
    const word = () => old.endpoints[0];
    const before = word();
    const forces = { 'example.com/eu': { state: 'down', by: 'ann', at: '1970-01-01T00:00:00Z' } } as const;
    rig.onPublish = async () => {
      rig.steering.marks.hold(heldAt({ ...EMPTY_STEERING, forces }, 0));
    };
    await rig.load({
      'example.com.yaml': ZONE.replace('records:', 'ttl: 200\nrecords:').replace('ttl: 300\n', ''),
    });
    expect(word()).not.toBe(before);
    expect(rig.answer(WWW)).toEqual([US]);
  });

  it('outlives a restart, and holds before the first answer', async () => {
    const book = memoryRevisions({ now: () => 0 });
    const before = await started(book);
    done(await before.steering.force('example.com/eu', { state: 'down' }, ANN));
    done(await before.steering.dial('region:us', { percent: 50 }, ANN));
    before.close();
    const after = new ControlRig(book);
    rigs.push(after);
    const answers: (readonly string[])[] = [];
    after.onPublish = async () => void answers.push(after.answer(WWW));
    await after.load({ 'example.com.yaml': ZONE });
    expect(answers).toEqual([[US]]);
    expect(after.steering.revision).toBe(before.steering.revision);
  });

  it('that can not be kept has no effect', async () => {
    const store = new MemoryEntries();
    const book = memoryRevisions({ now: () => 0 }, undefined, store);
    const rig = await started(book);
    store.failure = { code: 'storage_full', detail: 'no space is left' };
    const refusal = await rig.steering.force('example.com/eu', { state: 'down' }, ANN);
    expect(refusal).toMatchObject({ code: 'storage', reason: 'storage_full' });
    expect([rig.answer(WWW), rig.steering.revision, rig.steering.document.forces]).toEqual([[EU], 0, {}]);
  });

  it('on an older document is refused with both versions; on the newest it is carried out', async () => {
    const rig = await started();
    const first = done(
      await rig.steering.force('example.com/eu', { state: 'down' }, { ...ANN, expected: [0] }),
    );
    const late = await rig.steering.force('example.com/us', { state: 'down' }, { by: 'bob', expected: [0] });
    expect(late).toEqual({ code: 'conflict', expected: [0], revision: first });
    done(await rig.steering.force('example.com/us', { state: 'down' }, { by: 'bob', expected: [7, first] }));
  });

  it.each<[string, 'force' | 'dial', string | undefined]>([
    ['example.com/ue', 'force', 'example.com/eu'],
    ['example.com/eu/192.0.2.2', 'force', undefined],
    ['example.org/eu', 'force', undefined],
    ['region:asia', 'dial', undefined],
    ['example.com/world', 'dial', 'pool of pools'],
  ])('about %s, which is not there, is refused', async (target, kind, hint) => {
    const rig = await started();
    const result =
      kind === 'force'
        ? await rig.steering.force(target, { state: 'down' }, ANN)
        : await rig.steering.dial(target, { percent: 5 }, ANN);
    expect(result).toMatchObject({ code: 'no_such_target', detail: expect.stringContaining(hint ?? target) });
  });

  it.each<[string, (rig: ControlRig) => Promise<OrderDone | OrderRefusal>, string]>([
    ['a target that is none', (rig) => rig.steering.force('eu', { state: 'up' }, ANN), 'target'],
    [
      'a dial of an endpoint',
      (rig) => rig.steering.dial(`example.com/eu/${EU}`, { percent: 5 }, ANN),
      'target',
    ],
    [
      'a time that is over',
      (rig) => rig.steering.force('region:eu', { state: 'up', until: '1969-01-01T00:00:00Z' }, ANN),
      'until',
    ],
    [
      'a day that no calendar has',
      (rig) => rig.steering.force('region:eu', { state: 'up', until: '2026-13-41T00:00:00Z' }, ANN),
      'until',
    ],
    [
      'both times',
      (rig) =>
        rig.steering.force('region:eu', { state: 'up', until: '2026-01-01T00:00:00Z', for: '1h' }, ANN),
      'until',
    ],
    ['no time at all', (rig) => rig.steering.force('region:eu', { state: 'up', for: 0 }, ANN), 'for'],
    ['too long a time', (rig) => rig.steering.force('region:eu', { state: 'up', for: '400d' }, ANN), 'for'],
    [
      'a ramp that is longer than the dial',
      (rig) => rig.steering.dial('region:eu', { percent: 5, over: '2h', for: '1h' }, ANN),
      'over',
    ],
    ['too long a ramp', (rig) => rig.steering.dial('region:eu', { percent: 5, over: '8d' }, ANN), 'over'],
    [
      'a window without an end',
      (rig) => rig.steering.maintain(undefined, { target: 'region:eu' }, ANN),
      'end',
    ],
    [
      'a window without a time',
      (rig) => rig.steering.maintain(undefined, { target: 'region:eu', days: ['mon'], duration: '1h' }, ANN),
      'time',
    ],
    [
      'a time zone that is none',
      (rig) =>
        rig.steering.maintain(
          undefined,
          { target: 'region:eu', days: ['mon'], time: '10:00', duration: '1h', timezone: 'Mars/Base' },
          ANN,
        ),
      'timezone',
    ],
    [
      'a window that ends first',
      (rig) =>
        rig.steering.maintain(
          undefined,
          { target: 'region:eu', start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z' },
          ANN,
        ),
      'end',
    ],
    [
      'a name that is none',
      (rig) => rig.steering.maintain('a b', { target: 'region:eu', duration: '1h' }, ANN),
      'id',
    ],
  ])('with %s is refused', async (_, order, path) => {
    const rig = await started();
    expect(await order(rig)).toMatchObject({ code: 'invalid_request', mistakes: [{ path }] });
    expect(rig.steering.revision).toBe(0);
  });
});

describe('what ends by itself', () => {
  it('ends to the millisecond, and is a revision then', async () => {
    const rig = await started();
    await rig.steering.force('example.com/eu', { state: 'down', for: '1h' }, ANN);
    await rig.time.advance(3_600_000 - 1 - 100);
    expect(rig.answer(WWW)).toEqual([US]);
    await rig.time.advance(101);
    expect(rig.answer(WWW)).toEqual([EU]);
    await rig.steering.settled();
    expect(rig.steering.document.forces).toEqual({});
    const [revision] = rig.book.list({ kind: 'steering' }).revisions;
    expect(revision).toMatchObject({ source: 'schedule', message: 'ended: example.com/eu' });
  });

  it('ends even where that can not be recorded', async () => {
    const store = new MemoryEntries();
    const rig = await started(memoryRevisions({ now: () => 0 }, undefined, store));
    await rig.steering.force('example.com/eu', { state: 'down', for: '1m' }, ANN);
    store.failure = { code: 'storage_full', detail: 'no space is left' };
    await rig.time.advance(61_000);
    await rig.steering.settled();
    expect(rig.answer(WWW)).toEqual([EU]);
    expect(rig.logged.some((line) => line.includes('could not be recorded'))).toBe(true);
  });

  it('ended while nothing ran', async () => {
    const book = memoryRevisions({ now: () => 0 });
    const before = await started(book);
    await before.steering.force('example.com/eu', { state: 'down', for: '1s' }, ANN);
    before.close();
    const after = new ControlRig(book);
    rigs.push(after);
    await after.time.advance(2_000);
    await after.load({ 'example.com.yaml': ZONE });
    expect(after.answer(WWW)).toEqual([EU]);
  });

  it('needs no timer where nothing is to end', async () => {
    const rig = await started();
    const before = rig.time.pending;
    done(await rig.steering.force('example.com/eu', { state: 'down' }, ANN));
    expect(rig.time.pending).toBe(before);
  });
});

describe('a dial', () => {
  it('goes its way in steps, with one revision', async () => {
    const rig = await started();
    await rig.steering.dial('example.com/eu', { percent: 0, over: '100s' }, ANN);
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      seen.push(Math.round(rig.steering.marks.pools(10)[0]?.percent ?? 100));
      await rig.time.advance(25_000);
    }
    expect(seen.map((percent) => Math.round(percent / 5) * 5)).toEqual([100, 75, 50, 25, 0]);
    expect(rig.answer(WWW)).toEqual([US]);
    expect(rig.book.list({ kind: 'steering' }).revisions).toHaveLength(1);
  });

  it('turns round where it is', async () => {
    const rig = await started();
    await rig.steering.dial('example.com/eu', { percent: 0, over: '100s' }, ANN);
    await rig.time.advance(50_000);
    await rig.steering.dial('example.com/eu', { percent: 100, over: '10s' }, ANN);
    expect(rig.steering.document.dials['example.com/eu']?.ramp?.from).toBeCloseTo(50, 0);
    await rig.time.advance(12_000);
    await rig.steering.settled();
    expect(rig.steering.document.dials).toEqual({});
  });

  it('is told with the answer that it gives away', async () => {
    const rig = await started();
    done(await rig.steering.dial('example.com/eu', { percent: 0.01, reason: 'slow disk' }, ANN));
    const { steps } = rig.control.explain({
      name: new Uint8Array([3, 119, 119, 119, 7, 101, 120, 97, 109, 112, 108, 101, 3, 99, 111, 109, 0]),
      type: 1,
      source: new Uint8Array([192, 0, 2, 200]),
      seed: 1,
    });
    const step = steps.find((one) => one.step === 'dial');
    expect(step).toMatchObject({ pool: 'eu', serves: false, steering: [{ by: 'ann', reason: 'slow disk' }] });
  });
});

describe('maintenance', () => {
  it('opens and closes by itself, and gets a name of its own', async () => {
    const rig = await started();
    const order = { target: 'region:eu', start: '1970-01-01T01:00:00Z', duration: '30m', reason: 'kernel' };
    const [one, two] = await Promise.all([
      rig.steering.maintain(undefined, order, ANN),
      rig.steering.maintain(undefined, order, ANN),
    ]);
    expect([one, two]).toMatchObject([{ id: 'm1' }, { id: 'm2' }]);
    expect(rig.answer(WWW)).toEqual([EU]);
    await rig.time.advance(3_600_000);
    expect(rig.answer(WWW)).toEqual([US]);
    expect(describeSteering(rig.steering)).toMatchObject({
      maintenance: [{ id: 'm1', open: true, closes: '1970-01-01T01:30:00.000Z' }, { id: 'm2' }],
      endpoints: [{ endpoint: EU, state: 'drain', real: 'up' }],
    });
    await rig.time.advance(1_800_000);
    expect(rig.answer(WWW)).toEqual([EU]);
    await rig.steering.settled();
    expect(rig.steering.document.maintenance).toEqual({});
  });

  it('of every week opens too', async () => {
    const rig = await started();
    // The test clock begins on a Thursday.
    const order = { target: 'example.com/eu', days: ['thu' as const], time: '00:10', duration: '10m' };
    await rig.steering.maintain('weekly', order, ANN);
    const open: boolean[] = [];
    for (let i = 0; i < 3; i++) {
      open.push(rig.answer(WWW)[0] === US);
      await rig.time.advance(600_000);
    }
    expect([...open, rig.answer(WWW)[0] === US]).toEqual([false, true, false, false]);
    expect(Object.keys(rig.steering.document.maintenance)).toEqual(['weekly']);
  });
});

describe('replace()', () => {
  it('signs what is new, leaves who set the rest, and leaves rollouts', async () => {
    const rig = await started();
    done(await rig.steering.force('example.com/eu', { state: 'drain', reason: 'x' }, ANN));
    const { forces } = rig.steering.document;
    await rig.time.advance(5_000);
    const sent = {
      forces: {
        ...forces,
        'region:us': { state: 'up' as const, by: 'somebody else', at: '2000-01-01T00:00:00Z' },
      },
      dials: {},
      maintenance: {},
      rollouts: { evil: true },
    };
    done(await rig.steering.replace(sent, 'all', { by: 'bob' }));
    expect(rig.steering.document).toEqual({
      forces: {
        ...forces,
        'region:us': { state: 'up', by: 'bob', at: new Date(rig.time.clock()).toISOString() },
      },
      dials: {},
      maintenance: {},
      rollouts: {},
    });
  });

  it('refuses keys that are no targets, or are not written as targets are', async () => {
    const rig = await started();
    const force = { state: 'up' as const };
    const result = await rig.steering.replace(
      {
        forces: { eu: force, 'Example.COM/eu': force },
        dials: {},
        maintenance: {
          __proto__x: {
            target: 'a',
            action: 'drain',
            window: { start: '2026-01-01T00:00:00Z', end: '2025-01-01T00:00:00Z' },
          },
        },
        rollouts: {},
      },
      'all',
      ANN,
    );
    expect(result).toMatchObject({
      code: 'invalid_request',
      mistakes: [
        { path: 'forces.eu' },
        { path: 'forces.Example.COM/eu', message: 'write it example.com/eu' },
        { path: 'maintenance.__proto__x.target' },
        { path: 'maintenance.__proto__x.window' },
      ],
    });
  });
});

describe('the book', () => {
  it('is listened to: a roll back holds at once', async () => {
    const rig = await started();
    done(await rig.steering.force('example.com/eu', { state: 'down' }, ANN));
    const { at: _, ...empty } = { forces: {}, dials: {}, maintenance: {}, rollouts: {}, at: 0 };
    await rig.book.append({
      kind: 'steering',
      source: 'rollback',
      author: 'bob',
      message: 'back',
      steering: empty,
    });
    expect(rig.answer(WWW)).toEqual([EU]);
    expect(rig.steering.revision).toBe(rig.book.headOf('steering'));
  });

  it('with a document that is none changes nothing', async () => {
    const rig = await started();
    done(await rig.steering.force('example.com/eu', { state: 'down' }, ANN));
    await rig.book.append({
      kind: 'steering',
      source: 'rollback',
      author: 'bob',
      message: 'x',
      steering: { forces: 7 },
    });
    expect(rig.answer(WWW)).toEqual([US]);
    expect(rig.logged.some((line) => line.includes('the steering document is wrong'))).toBe(true);
    done(await rig.steering.remove('forces', 'example.com/eu', ANN));
    expect(rig.answer(WWW)).toEqual([EU]);
  });
});
