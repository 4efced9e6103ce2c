import { describe, expect, it } from 'vitest';
import { Recovery } from '../../../../src/core/limit/recovery.js';

describe('Recovery', () => {
  it('takes everything where nothing collapsed', () => {
    expect(new Recovery(60_000).admitted(0.1, 0)).toBe(1);
  });

  it.each([
    [0, 0, 0],
    [0.25, 0, 0.25],
    [0.25, 30_000, 0.5],
    [0, 119_000, 0.992],
    [1.4, 0, 1],
    [0, 120_000, 1],
  ])(
    'after a collapse takes what endpoints in use can carry (%d), more with time (%i ms)',
    (able, afterMs, part) => {
      const recovery = new Recovery(60_000);
      recovery.collapse(1_000);
      expect(recovery.admitted(able, 1_000 + afterMs)).toBeCloseTo(part, 3);
    },
  );

  it('is over once it took everything', () => {
    const recovery = new Recovery(60_000);
    recovery.collapse(0);
    expect(recovery.admitted(1, 10)).toBe(1);
    expect(recovery.admitted(0.1, 20)).toBe(1);
  });

  it('begins anew with the next collapse', () => {
    const recovery = new Recovery(60_000);
    recovery.collapse(0);
    recovery.collapse(100_000);
    expect(recovery.admitted(0, 100_000)).toBe(0);
  });
});
