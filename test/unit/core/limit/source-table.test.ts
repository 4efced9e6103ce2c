import { describe, expect, it } from 'vitest';
import { mix } from '../../../../src/core/balance/hash.js';
import {
  SOURCE_FULL,
  SOURCE_UNCOUNTED,
  SourceTable,
  sourceShareBytes,
  sourceTableBytes,
} from '../../../../src/core/limit/source-table.js';

function threads(count: number): readonly SourceTable[] {
  const memory = new SharedArrayBuffer(sourceTableBytes());
  return Array.from(
    { length: count },
    () => new SourceTable(memory, new SharedArrayBuffer(sourceShareBytes())),
  );
}

describe('SourceTable', () => {
  it('counts over all threads, and lets in again who leaves', () => {
    const [a, b] = threads(2);
    const place = a!.enter(1, 2, 2);
    expect(place).toBeGreaterThanOrEqual(0);
    expect(b!.enter(1, 2, 2)).toBe(place);
    expect([a!.enter(1, 2, 2), b!.enter(1, 2, 2)]).toEqual([SOURCE_FULL, SOURCE_FULL]);
    expect(b!.enter(1, 3, 2)).not.toBe(place);
    a!.leave(place);
    expect(b!.enter(1, 2, 2)).toBe(place);
    expect(a!.enter(1, 2, 2)).toBe(SOURCE_FULL);
  });

  it('forgets the connections of a thread that died, and no others', () => {
    const [a, b] = threads(2);
    for (let i = 0; i < 3; i++) a!.enter(1, 2, 5);
    for (let i = 0; i < 2; i++) b!.enter(1, 2, 5);
    expect(b!.enter(1, 2, 5)).toBe(SOURCE_FULL);
    a!.forgetOwn();
    for (let i = 0; i < 3; i++) expect(b!.enter(1, 2, 5)).toBeGreaterThanOrEqual(0);
    expect(b!.enter(1, 2, 5)).toBe(SOURCE_FULL);
  });

  it('does not count who finds no place, and gives places of those who left to others', () => {
    const [table] = threads(1);
    const places = Array.from({ length: 8 }, (_, i) => table!.enter(5, mix(i + 1), 1));
    expect(new Set(places).size).toBe(8);
    expect(table!.enter(5, 99, 1)).toBe(SOURCE_UNCOUNTED);
    table!.leave(places[3]!);
    expect(table!.enter(5, 99, 1)).toBe(places[3]);
    expect(table!.enter(5, 99, 1)).toBe(SOURCE_FULL);
  });
});
