import { describe, expect, it } from 'vitest';
import { sipHash } from '../../../../src/core/dns/siphash.js';

/** 00 01 02 … */
const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const KEY = new Int32Array(counting(16).buffer);

describe('sipHash()', () => {
  // vectors.h of the reference implementation: key 00 … 0f, message 00 01 02 …, of each length.
  it.each([
    [0, '310e0edd47db6f72'],
    [1, 'fd67dc93c539f874'],
    [7, '37d1018bf50002ab'],
    [8, '6224939a79f5f593'],
    [15, 'e545be4961ca29a1'],
    [16, 'db9bc2577fcc2a3f'],
    [63, '724506eb4c328a95'],
  ])('of %i bytes is the reference value', (length, expected) => {
    const out = new Uint8Array(10);
    sipHash(KEY, 0, counting(80), length, out, 1);
    expect(Buffer.from(out.subarray(1, 9)).toString('hex')).toBe(expected);
    expect([out[0], out[9]]).toEqual([0, 0]);
  });
});
