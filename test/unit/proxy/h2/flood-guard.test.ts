import { describe, expect, it } from 'vitest';
import { FloodGuard } from '../../../../src/proxy/h2/flood-guard.js';

describe('FloodGuard', () => {
  it('allows a burst of resets, then some each second', () => {
    const guard = new FloodGuard(0);
    for (let i = 0; i < 200; i++) expect(guard.reset(0)).toBeNull();
    expect(guard.reset(0)).toBe('resets');
    const later = new FloodGuard(0);
    for (let i = 0; i < 200; i++) later.reset(0);
    for (let i = 0; i < 20; i++) expect(later.reset(1_010)).toBeNull();
    expect(later.reset(1_010)).toBe('resets');
  });

  it('allows a burst of SETTINGS', () => {
    const guard = new FloodGuard(0);
    for (let i = 0; i < 20; i++) expect(guard.settings(0)).toBeNull();
    expect(guard.settings(0)).toBe('settings');
  });

  it('lets bodies and heads pass, however many', () => {
    const guard = new FloodGuard(0);
    let read = 0;
    for (let second = 1; second <= 100; second++) {
      for (let i = 0; i < 1000; i++) {
        guard.headIn(300);
        guard.dataIn(16_000);
        read += 300 + 9 + 16_000 + 9 + 29;
      }
      expect(guard.look(second * 1000, read)).toBeNull();
    }
  });

  it('lets WINDOW_UPDATE pass where much is sent', () => {
    const guard = new FloodGuard(0);
    let read = 0;
    for (let second = 1; second <= 100; second++) {
      guard.dataOut(1_000_000_000);
      read += (1_000_000_000 / 8192) * 13;
      expect(guard.look(second * 1000, read)).toBeNull();
    }
  });

  it('ends a flood of frames that say nothing', () => {
    const guard = new FloodGuard(0);
    expect(guard.look(0, 1024 * 1024)).toBeNull();
    expect(guard.look(0, 1024 * 1024 + 1)).toBe('overhead');
    const slow = new FloodGuard(0);
    let read = 0;
    let ended = 0;
    for (let second = 1; second <= 30 && ended === 0; second++) {
      read += 128 * 1024;
      if (slow.look(second * 1000, read) !== null) ended = second;
    }
    expect(ended).toBeGreaterThan(5);
  });
});
