import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ORIGIN, ORIGIN_BYTES } from '../../../../src/io/datagram-network.js';
import { FlowTable } from '../../../../src/proxy/l4/flow-table.js';

/** An origin by a small number, of either family. */
function origin(number: number): Uint8Array {
  const bytes = new Uint8Array(ORIGIN_BYTES);
  bytes[ORIGIN.FAMILY] = number % 2 === 0 ? 4 : 6;
  bytes[ORIGIN.PORT] = number >> 4;
  bytes[ORIGIN.SOURCE + (number % 2 === 0 ? 3 : 9)] = number & 0x0f;
  return bytes;
}

const number = fc.nat(40);
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), number }),
  fc.record({ do: fc.constant('remove' as const), number }),
  fc.record({ do: fc.constant('touch' as const), number }),
  fc.record({ do: fc.constant('assure' as const), number }),
);

describe('FlowTable', () => {
  it('finds, forgets and orders flows as a plain model does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const table = new FlowTable(12, [1, 2]);
        // Numbers in the order of last use.
        let tentative: number[] = [];
        let assured: number[] = [];
        let now = 0;
        for (const { do: action, number: which } of steps) {
          now++;
          const slot = table.find(origin(which), 0);
          const known = tentative.includes(which) || assured.includes(which);
          expect(slot >= 0).toBe(known);
          const without = (list: readonly number[]) => list.filter((other) => other !== which);
          if (action === 'add' && !known) {
            const added = table.add(origin(which), 0, now);
            expect(added >= 0).toBe(tentative.length + assured.length < 12);
            if (added >= 0) tentative.push(which);
          } else if (action === 'remove' && known) {
            table.remove(slot);
            tentative = without(tentative);
            assured = without(assured);
          } else if (action === 'touch' && known) {
            table.touch(slot, now);
            expect(table.usedMs(slot)).toBe(now);
            if (assured.includes(which)) assured = [...without(assured), which];
            else tentative = [...without(tentative), which];
          } else if (action === 'assure' && tentative.includes(which)) {
            table.assure(slot);
            tentative = without(tentative);
            assured.push(which);
          }
          expect(table.size).toBe(tentative.length + assured.length);
          expect(table.oldest('tentative')).toBe(
            tentative.length === 0 ? -1 : table.find(origin(tentative[0]!), 0),
          );
          expect(table.oldest('assured')).toBe(
            assured.length === 0 ? -1 : table.find(origin(assured[0]!), 0),
          );
        }
      }),
    );
  });

  it('tells origins apart that differ in one byte, and reads them anywhere', () => {
    const table = new FlowTable(100, [3, 4]);
    const bytes = new Uint8Array(ORIGIN_BYTES * 2);
    for (let i = 0; i < ORIGIN_BYTES; i++) {
      bytes.fill(0);
      bytes[7] = 6;
      bytes[7 + i] = 9;
      expect(table.find(bytes, 7)).toBe(-1);
      const slot = table.add(bytes, 7, 0);
      expect(table.find(bytes, 7)).toBe(slot);
      expect(table.origins.slice(slot * ORIGIN_BYTES, (slot + 1) * ORIGIN_BYTES)).toEqual(
        bytes.slice(7, 7 + ORIGIN_BYTES),
      );
    }
  });
});
