import { describe, expect, it } from 'vitest';
import { type PoolName, type SnapshotNames, SnapshotSlots } from '../../../src/control/snapshot-slots.js';
import { POOL, type Snapshot, ZONE } from '../../../src/core/answer/snapshot.js';
import { POOL_SLOT_OTHER, ZONE_SLOT_OTHER, ZONE_SLOTS } from '../../../src/core/tally/cells.js';
import { StableSlots } from '../../../src/core/tally/stable-slots.js';

function slotsOf(end: number) {
  const cleared: number[] = [];
  const slots = new StableSlots(2, end, (slot) => cleared.push(slot));
  return { slots, cleared };
}

describe('StableSlots', () => {
  it('gives a name the same slot for ever, while there is room', () => {
    const { slots, cleared } = slotsOf(10);
    expect([slots.take('a'), slots.take('b'), slots.take('a')]).toEqual([2, 3, 2]);
    slots.retain(new Set(['b']));
    expect([slots.take('c'), slots.take('a')]).toEqual([4, 2]);
    expect(cleared).toEqual([]);
    expect(slots.entries()).toEqual([
      [2, 'a'],
      [3, 'b'],
      [4, 'c'],
    ]);
  });

  it('gives a full table away from what went first, cleared, and then nothing', () => {
    const { slots, cleared } = slotsOf(5);
    for (const name of ['a', 'b', 'c']) slots.take(name);
    expect(slots.take('d')).toBeUndefined();
    slots.retain(new Set(['a', 'c']));
    slots.retain(new Set(['a']));
    expect([slots.take('d'), slots.nameOf(3), cleared]).toEqual([3, 'd', [3]]);
    expect([slots.take('b'), cleared]).toEqual([4, [3, 4]]);
    expect(slots.take('e')).toBeUndefined();
    expect(slots.take('a')).toBe(2);
  });

  it('does not give away what came back', () => {
    const { slots } = slotsOf(3);
    slots.take('a');
    slots.retain(new Set());
    slots.take('a');
    expect(slots.take('b')).toBeUndefined();
  });
});

describe('SnapshotSlots', () => {
  const snapshotOf = (zones: number, pools: number) =>
    ({
      zones: new Int32Array(zones * ZONE.STRIDE),
      pools: new Int32Array(pools * POOL.STRIDE),
    }) as unknown as Snapshot;
  const zoneSlots = ({ zones }: Snapshot) => zones.filter((_, i) => i % ZONE.STRIDE === ZONE.SLOT);
  const namesOf = (origins: readonly string[], pools: readonly PoolName[]): SnapshotNames => ({
    zones: origins.map((origin, i) => [i, origin]),
    pools: pools.map((pool, i) => [i, pool]),
  });
  const nothing = { clearZone() {}, clearPool() {} };

  it('writes the same slots into later snapshots, whatever their order', () => {
    const slots = new SnapshotSlots(nothing);
    const first = snapshotOf(2, 2);
    const eu = { zone: 'a.', pool: 'eu', region: 'west' };
    const us = { zone: 'b.', pool: 'us', region: '' };
    slots.number(first, namesOf(['a.', 'b.'], [eu, us]));
    slots.published();
    const second = snapshotOf(2, 1);
    slots.number(second, namesOf(['c.', 'b.'], [us]));
    slots.published();
    expect([[...zoneSlots(first)], [...zoneSlots(second)]]).toEqual([
      [2, 3],
      [4, 3],
    ]);
    expect(second.pools[POOL.SLOT]).toBe(first.pools[POOL.STRIDE + POOL.SLOT]);
    expect(slots.zones()).toEqual([
      [0, ''],
      [1, 'other'],
      [2, 'a.'],
      [3, 'b.'],
      [4, 'c.'],
    ]);
    expect(slots.poolName(first.pools[POOL.SLOT]!)).toEqual(eu);
  });

  it('counts zones beyond the table together', () => {
    const slots = new SnapshotSlots(nothing);
    const origins = Array.from({ length: ZONE_SLOTS }, (_, i) => `z${i}.`);
    const snapshot = snapshotOf(ZONE_SLOTS, 0);
    slots.number(snapshot, namesOf(origins, []));
    expect([...zoneSlots(snapshot)].filter((slot) => slot === ZONE_SLOT_OTHER)).toHaveLength(2);
    expect([slots.zoneName(ZONE_SLOT_OTHER), slots.zoneName(0)]).toEqual(['other', '']);
    expect(slots.poolName(POOL_SLOT_OTHER).pool).toBe('other');
  });

  it('writes only what came, and gives a slot that got free to whoever has had none', () => {
    const slots = new SnapshotSlots(nothing);
    const origins = Array.from({ length: ZONE_SLOTS }, (_, i) => `z${i}.`);
    const first = snapshotOf(origins.length + 1, 0);
    slots.number(first, namesOf(origins, []));
    slots.published();
    expect(zoneSlots(first).slice(-3, -1).includes(ZONE_SLOT_OTHER)).toBe(true);
    // One zone gives way to another at a place of its own.
    const second = snapshotOf(origins.length + 1, 0);
    const before = { zones: [[0, 'z0.']] as [number, string][], pools: [] };
    const put = { zones: [[origins.length, 'new.']] as [number, string][], pools: [] };
    const all = () => ({
      zones: [...origins.slice(1).map((origin, i): [number, string] => [i + 1, origin]), ...put.zones],
      pools: [],
    });
    slots.number(second, { ...put, since: { gone: before, all } });
    expect([...zoneSlots(second)].filter((slot) => slot > 0)).toEqual([ZONE_SLOT_OTHER]);
    slots.published();
    const third = snapshotOf(origins.length + 1, 0);
    slots.number(third, { zones: [], pools: [], since: { gone: { zones: [], pools: [] }, all } });
    // The first of the two that had none.
    expect(zoneSlots(third)[origins.length - 2]).toBeGreaterThan(ZONE_SLOT_OTHER);
    expect(slots.zones().some(([, name]) => name === 'z0.')).toBe(false);
  });
});
