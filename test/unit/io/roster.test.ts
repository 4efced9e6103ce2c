import { describe, expect, it } from 'vitest';
import { NO_SLOT, Roster } from '../../../src/io/roster.js';

describe('Roster', () => {
  it('gives free slots again, and keeps those of others', () => {
    const roster = new Roster<{ readonly name: string }>();
    const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
    const slots = [roster.add(a), roster.add(b)];
    expect(roster.remove(slots[0]!, a)).toBe(true);
    expect(roster.add(c)).toBe(slots[0]);
    expect(roster.remove(slots[1]!, b)).toBe(true);
    expect([...roster]).toEqual([c]);
    expect(roster.size).toBe(1);
  });

  it('removes nobody but who is there', () => {
    const roster = new Roster<object>();
    const [a, b] = [{}, {}];
    const slot = roster.add(a);
    for (const wrong of [NO_SLOT, slot + 1]) expect(roster.remove(wrong, a)).toBe(false);
    expect(roster.remove(slot, b)).toBe(false);
    expect(roster.remove(slot, a)).toBe(true);
    expect(roster.remove(slot, a)).toBe(false);
    expect(roster.size).toBe(0);
  });

  it('may change while it is gone through', () => {
    const roster = new Roster<{ slot: number }>();
    const members = Array.from({ length: 10 }, () => ({ slot: NO_SLOT }));
    for (const member of members) member.slot = roster.add(member);
    const seen: object[] = [];
    for (const member of roster) {
      seen.push(member);
      roster.remove(member.slot, member);
      const next = members[members.indexOf(member) + 1];
      // Every second one is gone before its turn.
      if (next !== undefined) roster.remove(next.slot, next);
    }
    expect(seen).toEqual(members.filter((_, i) => i % 2 === 0));
    expect(roster.size).toBe(0);
  });

  it('does not grow by those that come and go', () => {
    const roster = new Roster<object>();
    const slots = new Set<number>();
    const here: (readonly [number, object])[] = [];
    for (let i = 0; i < 10_000; i++) {
      const member = {};
      const slot = roster.add(member);
      slots.add(slot);
      here.push([slot, member]);
      if (here.length > 50) roster.remove(...here.splice(i % 50, 1)[0]!);
    }
    expect(slots.size).toBeLessThanOrEqual(51);
    roster.clear();
    expect([...roster]).toEqual([]);
  });
});
