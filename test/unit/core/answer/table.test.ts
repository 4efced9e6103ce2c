import { describe, expect, it } from 'vitest';
import { ByteTable, IntTable } from '../../../../src/core/answer/table.js';

/** More than a chunk, and not a multiple of one. */
const LENGTH = 3 * 65_536 + 5;

describe('IntTable', () => {
  it('keeps values over the edges of its chunks, and moves them to shared memory', () => {
    const table = new IntTable();
    for (let i = 0; i < LENGTH; i++) expect(table.push(i)).toBe(i);
    table.set(65_536, -7);
    expect([table.get(65_535), table.get(65_536), table.length]).toEqual([65_535, -7, LENGTH]);
    const shared = table.share();
    expect(shared.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(shared.length).toBe(LENGTH);
    expect(shared.every((value, i) => value === (i === 65_536 ? -7 : i))).toBe(true);
    expect(table.length).toBe(0);
  });

  it('reserves zeros, also many at once, and goes on behind them', () => {
    const table = new IntTable();
    table.push(1, 2, 3);
    expect(table.reserve(200_000)).toBe(3);
    expect(table.push(9)).toBe(200_003);
    const shared = table.share();
    expect([shared[2], shared[3], shared[200_002], shared[200_003]]).toEqual([3, 0, 0, 9]);
  });

  it('is empty where nothing was put in', () => {
    expect(new IntTable().share()).toHaveLength(0);
  });
});

describe('ByteTable', () => {
  it('keeps bytes over the edges of its chunks', () => {
    const table = new ByteTable();
    const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);
    expect([table.push(bytes), table.push(bytes), table.push(bytes)]).toEqual([0, 40_000, 80_000]);
    const shared = table.share();
    expect(shared.length).toBe(120_000);
    expect(shared.every((byte, i) => byte === (i % 40_000) % 251)).toBe(true);
  });
});
