import { describe, expect, it } from 'vitest';
import { Arena } from '../../../../src/core/answer/arena.js';
import { BucketBook } from '../../../../src/core/answer/bucket-book.js';
import { createBuckets, insertNode, removeNode } from '../../../../src/core/answer/name-table.js';
import { sharedInts } from '../../../../src/core/answer/table.js';

const newArena = () => new Arena(sharedInts(100), 0, sharedInts);

describe('Arena', () => {
  it('gives a place out again only after what was read there is reclaimed', () => {
    const arena = newArena();
    const [a, b] = [arena.take(10), arena.take(10)];
    expect([a.at, b.at]).toEqual([0, 10]);
    arena.retire(a);
    expect(arena.take(10).at).toBe(20);
    expect([arena.used, arena.waste]).toEqual([20, 10]);
    arena.reclaim();
    expect([arena.take(4).at, arena.take(6).at, arena.take(1).at]).toEqual([0, 4, 30]);
    expect(arena.waste).toBe(0);
  });

  it.each([[[0, 1, 2]], [[2, 1, 0]], [[0, 2, 1]], [[1, 0, 2]]])(
    'joins neighbours that are given back in the order %j',
    (order) => {
      const arena = newArena();
      const places = [arena.take(10), arena.take(10), arena.take(10)];
      arena.take(1);
      for (const i of order) arena.retire(places[i]!);
      arena.reclaim();
      expect(arena.take(30).at).toBe(0);
    },
  );

  it('moves to larger memory with all that is in it, and leaves the old one alone', () => {
    const arena = newArena();
    const before = arena.array;
    before[arena.take(90).at] = 7;
    const place = arena.take(90);
    arena.array[place.at] = 8;
    expect([arena.array[0], arena.array[90], before[90], arena.copies]).toEqual([7, 8, 0, 1]);
  });
});

describe('the hash table of names', () => {
  /** Many names with few hashes, so that they push each other aside. */
  const hashes = Array.from({ length: 200 }, (_, i) => (i % 5) - 2);

  it('finds what is left after others were taken out, whatever the order', () => {
    const table = createBuckets(hashes.length, sharedInts);
    hashes.forEach((hash, node) => {
      insertNode(table, hash, node);
    });
    for (let step = 0; step < hashes.length; step++) {
      const node = (step * 77) % hashes.length;
      expect(removeNode(table, hashes[node]!, node)).toBe(true);
      expect(removeNode(table, hashes[node]!, node)).toBe(false);
    }
    expect(table.every((word) => word === -1)).toBe(true);
  });

  it('is changed beside the one that is read, over any number of changes', () => {
    const book = new BucketBook(createBuckets(4, sharedInts), 0);
    const wanted = new Set<number>();
    for (let change = 0; change < 40; change++) {
      const read = book.table;
      const before = Uint32Array.from(read);
      book.begin(change % 3 !== 0);
      for (let i = 0; i < 5; i++) {
        const node = (change * 5 + i) * 3;
        book.insert(node % 11, node);
        wanted.add(node);
      }
      const gone = [...wanted][change % wanted.size]!;
      book.remove(gone % 11, gone);
      book.remove(gone % 11, gone);
      wanted.delete(gone);
      book.commit();
      expect(Uint32Array.from(read)).toEqual(before);
      const nodes = [...book.table].filter((word, at) => at % 2 === 1 && word >= 0);
      expect(nodes.sort((a, b) => a - b)).toEqual([...wanted].sort((a, b) => a - b));
    }
  });
});
