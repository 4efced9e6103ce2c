import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  ALIAS_SLOT,
  createAliasTable,
  KNOWN_V4,
  KNOWN_V6,
  readAliasSlot,
  writeAliasSlot,
} from '../../../../src/core/answer/alias-slot.js';

const v4 = (last: number) => Uint8Array.of(192, 0, 2, last);

describe('alias slots', () => {
  it('hold what was written, and not what their neighbours hold', () => {
    const table = createAliasTable(3);
    writeAliasSlot(table, 1, {
      v4: [v4(200)],
      v6: [Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i)],
      expires: 77,
    });
    const into = new Int32Array(ALIAS_SLOT.STRIDE);
    expect(readAliasSlot(table, 1, into)).toBe(true);
    expect([...into.subarray(1, 5)]).toEqual([KNOWN_V4 | KNOWN_V6, 1, 1, 77]);
    expect(into[ALIAS_SLOT.V4]! >>> 0).toBe(0xc00002c8);
    expect(into[ALIAS_SLOT.V6 + 3]! >>> 0).toBe(0xfcfdfeff);
    for (const slot of [0, 2]) {
      expect(readAliasSlot(table, slot, into)).toBe(true);
      expect([...into.subarray(1)]).toEqual(Array(ALIAS_SLOT.STRIDE - 1).fill(0));
    }
  });

  it('tell an unknown family from one without addresses, and hold eight of each', () => {
    const table = createAliasTable(1);
    const into = new Int32Array(ALIAS_SLOT.STRIDE);
    writeAliasSlot(table, 0, { v6: [], expires: 1 });
    readAliasSlot(table, 0, into);
    expect([into[ALIAS_SLOT.STATE], into[ALIAS_SLOT.V6_COUNT]]).toEqual([KNOWN_V6, 0]);
    writeAliasSlot(table, 0, { v4: Array.from({ length: 20 }, (_, i) => v4(i)), expires: 1 });
    readAliasSlot(table, 0, into);
    expect([into[ALIAS_SLOT.V4_COUNT], into[ALIAS_SLOT.V6]]).toEqual([8, 0]);
  });

  it('are not read while they are being written', () => {
    const table = createAliasTable(1);
    Atomics.store(table, ALIAS_SLOT.SEQUENCE, 1);
    expect(readAliasSlot(table, 0, new Int32Array(ALIAS_SLOT.STRIDE))).toBe(false);
  });

  it('are never torn: a reader sees all of one version, and at last the last', {
    timeout: 20_000,
  }, async () => {
    const table = createAliasTable(1);
    const versions = 20_000;
    // The writer's steps, as writeAliasSlot takes them: every word of a version holds its number.
    const writer = new Worker(
      `const { table, stride, versions } = require('node:worker_threads').workerData;
       for (let n = 1; n <= versions; n++) {
         Atomics.store(table, 0, 2 * n - 1);
         for (let i = 1; i < stride; i++) Atomics.store(table, i, n);
         Atomics.store(table, 0, 2 * n);
         for (let i = 0; i < 300; i++) Atomics.load(table, 0);
       }`,
      { eval: true, workerData: { table, stride: ALIAS_SLOT.STRIDE, versions } },
    );
    const ended = once(writer, 'exit');
    const into = new Int32Array(ALIAS_SLOT.STRIDE);
    do {
      if (!readAliasSlot(table, 0, into)) continue;
      for (let i = 2; i < ALIAS_SLOT.STRIDE; i++) {
        if (into[i] !== into[1]) throw new Error(`word ${i} is of version ${into[i]}, word 1 of ${into[1]}`);
      }
    } while (into[1] !== versions);
    await ended;
  });
});
