import fc from 'fast-check';
import { expect, it } from 'vitest';
import { halfSipHash } from '../../../../src/core/limit/half-siphash.js';

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));

/** As the reference implementation writes it, in a loop; c = 1, d = 3. */
function reference(key: readonly [number, number], words: readonly number[]): readonly [number, number] {
  const v = Int32Array.of(key[0], key[1], 0x6c796765 ^ key[0], 0x74656462 ^ key[1]);
  const round = () => {
    v[0]! += v[1]!;
    v[1] = rotate(v[1]!, 5) ^ v[0]!;
    v[0] = rotate(v[0]!, 16);
    v[2]! += v[3]!;
    v[3] = rotate(v[3]!, 8) ^ v[2]!;
    v[0]! += v[3]!;
    v[3] = rotate(v[3]!, 7) ^ v[0]!;
    v[2]! += v[1]!;
    v[1] = rotate(v[1]!, 13) ^ v[2]!;
    v[2] = rotate(v[2]!, 16);
  };
  for (const word of words) {
    v[3]! ^= word;
    round();
    v[0]! ^= word;
  }
  v[2]! ^= 0xff;
  for (let i = 0; i < 3; i++) round();
  return [v[1]! ^ v[3]!, v[0]! ^ v[2]!];
}

it('halfSipHash() has the rounds of HalfSipHash-1-3', () => {
  const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
  fc.assert(
    fc.property(word, word, word, word, word, word, (k0, k1, a, b, c, d) => {
      const out = new Int32Array(2);
      halfSipHash(k0, k1, a, b, c, d, out);
      expect([...out]).toEqual(reference([k0, k1], [a, b, c, d]));
    }),
  );
});
