import { describe, expect, it } from 'vitest';
import { RefusalLog } from '../../../src/control/refusal-log.js';

describe('RefusalLog', () => {
  it('tells of each node and reason once a minute', () => {
    const log = new RefusalLog();
    expect(log.tells('a', 'old_epoch', 0)).toBe(true);
    expect(log.tells('a', 'old_epoch', 59_999)).toBe(false);
    expect(log.tells('a', 'from_future', 1)).toBe(true);
    expect(log.tells('b', 'old_epoch', 1)).toBe(true);
    expect(log.tells('a', 'old_epoch', 60_000)).toBe(true);
  });

  it('tells of a hundred names in a minute, whoever makes them up', () => {
    const log = new RefusalLog();
    const told = Array.from({ length: 1000 }, (_, i) => log.tells(`n${i}`, 'unknown_node', i));
    expect(told.filter(Boolean)).toHaveLength(100);
    expect(log.tells('later', 'unknown_node', 61_000)).toBe(true);
  });
});
