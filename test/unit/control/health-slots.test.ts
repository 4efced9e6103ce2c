import { describe, expect, it } from 'vitest';
import { HealthSlots } from '../../../src/control/health-slots.js';
import { SLOT_FIRST_FREE } from '../../../src/core/health/word.js';

describe('HealthSlots', () => {
  it('gives each key one slot, behind the reserved ones', () => {
    const slots = new HealthSlots(10);
    expect([slots.take('a'), slots.take('b'), slots.take('a')]).toEqual([
      SLOT_FIRST_FREE,
      SLOT_FIRST_FREE + 1,
      SLOT_FIRST_FREE,
    ]);
    expect([slots.slotOf('b'), slots.slotOf('c'), slots.size]).toEqual([SLOT_FIRST_FREE + 1, undefined, 2]);
  });

  it('gives none when all are taken, and keeps those that it gave', () => {
    const slots = new HealthSlots(2);
    expect([slots.take('a'), slots.take('b'), slots.take('c')]).toEqual([
      SLOT_FIRST_FREE,
      SLOT_FIRST_FREE + 1,
      undefined,
    ]);
    expect([slots.take('a'), slots.slotOf('c'), slots.size]).toEqual([SLOT_FIRST_FREE, undefined, 2]);
  });

  it('takes slots back only when told to, and then gives them again', () => {
    const slots = new HealthSlots(3);
    for (const key of ['a', 'b', 'c']) slots.take(key);
    slots.retain(new Set(['b', 'x']));
    expect([slots.slotOf('a'), slots.slotOf('b'), slots.slotOf('x'), slots.size]).toEqual([
      undefined,
      SLOT_FIRST_FREE + 1,
      undefined,
      1,
    ]);
    const given = [slots.take('d'), slots.take('e')];
    expect(new Set(given)).toEqual(new Set([SLOT_FIRST_FREE, SLOT_FIRST_FREE + 2]));
    expect(slots.take('f')).toBeUndefined();
  });
});
