import { describe, expect, it } from 'vitest';
import {
  boundTtl,
  createHealthTable,
  type HealthWord,
  healthTableBytes,
  isDown,
  packHealth,
  SLOT_ALWAYS_DOWN,
  SLOT_ALWAYS_UP,
  SLOT_FIRST_FREE,
  unpackHealth,
} from '../../../../src/core/health/word.js';

const NO_BOUND = Number.POSITIVE_INFINITY;
const UP: HealthWord = { down: false, forced: false, unknown: false, ttlSeconds: 0 };

describe('packHealth()', () => {
  it.each<[HealthWord, number]>([
    [UP, 0],
    [{ ...UP, ttlSeconds: 15 }, 15],
    [{ ...UP, ttlSeconds: NO_BOUND }, 0x0fffffff],
    [{ ...UP, down: true, ttlSeconds: 5 }, 0x80000005],
    [{ ...UP, forced: true }, 0x40000000],
    [{ ...UP, unknown: true, ttlSeconds: NO_BOUND }, 0x2fffffff],
    [{ down: true, forced: true, unknown: true, ttlSeconds: 0x0ffffffe }, 0xeffffffe],
  ])('puts %o into its bits and back', (word, bits) => {
    expect(packHealth(word) >>> 0).toBe(bits);
    expect(unpackHealth(packHealth(word))).toEqual(word);
    expect(isDown(packHealth(word))).toBe(word.down);
  });

  it.each<[number, number]>([
    [0.2, 1],
    [-3, 0],
    [2 ** 40, 0x0ffffffe],
    [Number.NaN, NO_BOUND],
  ])('keeps a TTL of %d s within the field', (given, kept) => {
    expect(unpackHealth(packHealth({ ...UP, ttlSeconds: given })).ttlSeconds).toBe(kept);
  });
});

describe('boundTtl()', () => {
  it('lowers a TTL to the bound and never raises it', () => {
    expect(boundTtl(packHealth({ ...UP, down: true, ttlSeconds: 10 }), 30)).toBe(10);
    expect(boundTtl(packHealth({ ...UP, ttlSeconds: 60 }), 30)).toBe(30);
    expect(boundTtl(packHealth({ ...UP, ttlSeconds: NO_BOUND }), 604_800)).toBe(604_800);
  });
});

describe('createHealthTable()', () => {
  it('reserves a slot that is up and one that is down, and starts the others as unknown and up', () => {
    const table = createHealthTable(new SharedArrayBuffer(healthTableBytes(2)), 2);
    expect(table).toHaveLength(4);
    expect(unpackHealth(table[SLOT_ALWAYS_UP]!)).toEqual({ ...UP, ttlSeconds: NO_BOUND });
    expect(unpackHealth(table[SLOT_ALWAYS_DOWN]!)).toEqual({ ...UP, down: true, ttlSeconds: NO_BOUND });
    expect(unpackHealth(table[SLOT_FIRST_FREE]!)).toEqual({ ...UP, unknown: true, ttlSeconds: NO_BOUND });
  });
});
