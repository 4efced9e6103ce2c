import { describe, expect, it } from 'vitest';
import { FRAMES, type RingPlace } from '../../../../src/io/xdp/queue.js';
import { Ring } from '../../../../src/io/xdp/ring.js';

/** A ring, and its memory: producer, consumer, flags, entries of `words` words. */
function ringOf(kind: 'descriptors' | 'addresses', start = 0) {
  const words = kind === 'descriptors' ? 4 : 2;
  const memory = new ArrayBuffer(12 + FRAMES * words * 4);
  const indexes = new Int32Array(memory, 0, 3);
  indexes.fill(start, 0, 2);
  const place: RingPlace = {
    address: 1,
    bytes: memory.byteLength,
    producer: 0,
    consumer: 4,
    flags: 8,
    entries: 12,
  };
  const ring = new Ring({ view: () => memory }, place, kind);
  return { ring, indexes, entries: new Uint32Array(memory, 12) };
}

describe('Ring', () => {
  it('writes address and length of a descriptor as the kernel reads them', () => {
    const { ring, entries } = ringOf('descriptors');
    entries.fill(0xffffffff);
    ring.put(1, 4096 + 256, 91);
    expect([...entries.subarray(4, 8)]).toEqual([4352, 0, 91, 0]);
    expect([ring.frameAt(1), ring.lengthAt(1)]).toEqual([4352, 91]);
    expect([entries[3], entries[8]]).toEqual([0xffffffff, 0xffffffff]);
  });

  it('writes nothing but the address where entries have only that', () => {
    const { ring, entries } = ringOf('addresses');
    entries.fill(0xffffffff);
    ring.put(1, 4096);
    expect([...entries.subarray(1, 5)]).toEqual([0xffffffff, 4096, 0, 0xffffffff]);
    expect(ring.frameAt(1)).toBe(4096);
  });

  it('says whether the kernel waits for a call', () => {
    const { ring, indexes } = ringOf('addresses');
    expect(ring.needsWakeup).toBe(false);
    indexes[2] = 1;
    expect(ring.needsWakeup).toBe(true);
    indexes[2] = 2;
    expect(ring.needsWakeup).toBe(false);
  });

  it.each([
    ['0', 0],
    ['2^31', 2 ** 31 - 3],
    ['2^32', 2 ** 32 - 3],
  ])('goes on where its indexes pass %s', (_, start) => {
    const { ring, indexes } = ringOf('descriptors', start);
    let put = ring.produced;
    for (let i = 0; i < FRAMES; i++) ring.put(put++, i * 2, i);
    ring.produce(put);
    expect(ring.waiting).toBe(FRAMES);
    expect(indexes[0]! >>> 0).toBe((start + FRAMES) % 2 ** 32);
    let taken = ring.consumed;
    for (let i = 0; i < FRAMES; i++, taken++) {
      expect([ring.frameAt(taken), ring.lengthAt(taken)]).toEqual([i * 2, i]);
      if (i % 2 === 1) ring.consume(taken + 1);
    }
    expect(ring.waiting).toBe(0);
    expect(ring.consumed).toBe(ring.produced);
    expect(indexes[1]! >>> 0).toBe((start + FRAMES) % 2 ** 32);
  });
});
