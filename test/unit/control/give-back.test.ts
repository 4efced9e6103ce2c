import { describe, expect, it } from 'vitest';
import { giveBack } from '../../../src/control/give-back.js';

const OBJECTS = 300_000;

describe('giveBack', () => {
  it('collects old objects too', () => {
    let held: object[] = Array.from({ length: OBJECTS }, (_, i) => ({ i }));
    // They are old then.
    giveBack();
    const before = process.memoryUsage().heapUsed;
    expect(held).toHaveLength(OBJECTS);
    held = [];
    giveBack();
    expect(before - process.memoryUsage().heapUsed).toBeGreaterThan(OBJECTS * 16);
  });
});
