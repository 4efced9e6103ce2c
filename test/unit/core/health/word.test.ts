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
  shareOf,
  unpackHealth,
} from '../../../../src/core/health/word.js';

const NO_BOUND = Number.POSITIVE_INFINITY;
const UP: HealthWord = { down: false, forced: false, unknown: false, ttlSeconds: 0 };

describe('packHealth()', () => {
  it.each<[HealthWord, number]>([
    [UP, 0],
    [{ ...UP, ttlSeconds: 15 }, 15],
    [{ ...UP, ttlSeconds: NO_BOUND }, 0x000fffff],
    [{ ...UP, down: true, ttlSeconds: 5 }, 0x80000005],
    [{ ...UP, forced: true }, 0x40000000],
    [{ ...UP, unknown: true, ttlSeconds: NO_BOUND }, 0x200fffff],
    [{ down: true, forced: true, unknown: true, ttlSeconds: 0xffffe }, 0xe00ffffe],
    [{ ...UP, ttlSeconds: 5, share: 1 }, 0x10100005],
    [{ ...UP, ttlSeconds: NO_BOUND, share: 255 }, 0x1fffffff],
    [{ ...UP, down: true, ttlSeconds: 5, share: 128 }, 0x98000005],
  ])('puts %o into its bits and back', (word, bits) => {
    expect(packHealth(word) >>> 0).toBe(bits);
    expect(unpackHealth(packHealth(word))).toEqual(word);
    expect(isDown(packHealth(word))).toBe(word.down);
  });

  it.each<[number, number]>([
    [0.2, 1],
    [-3, 0],
    [2 ** 40, 0xffffe],
    [Number.NaN, NO_BOUND],
  ])('keeps a TTL of %d s within the field', (given, kept) => {
    expect(unpackHealth(packHealth({ ...UP, ttlSeconds: given })).ttlSeconds).toBe(kept);
  });
});

describe('the share of a word', () => {
  it.each<[number | undefined, number]>([
    [undefined, 256],
    [256, 256],
    [300, 256],
    [255.6, 256],
    [127.5, 128],
    [0.2, 1],
    [0, 1],
    [-5, 1],
  ])('%s of 256 is packed as %d', (given, kept) => {
    const word = packHealth({ ...UP, ...(given !== undefined && { share: given }) });
    expect(shareOf(word)).toBe(kept);
    expect(unpackHealth(word).share).toBe(kept === 256 ? undefined : kept);
    expect(isDown(word)).toBe(false);
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
    expect(table).toHaveLength(SLOT_FIRST_FREE + 2);
    expect(unpackHealth(table[SLOT_ALWAYS_UP]!)).toEqual({ ...UP, ttlSeconds: NO_BOUND });
    expect(unpackHealth(table[SLOT_ALWAYS_DOWN]!)).toEqual({ ...UP, down: true, ttlSeconds: NO_BOUND });
    expect(unpackHealth(table[SLOT_FIRST_FREE]!)).toEqual({ ...UP, unknown: true, ttlSeconds: NO_BOUND });
  });
});
