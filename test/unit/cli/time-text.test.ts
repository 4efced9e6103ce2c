import { describe, expect, it } from 'vitest';
import { lengthText, timeFromNow, timeText } from '../../../src/cli/time-text.js';

describe('times in tables', () => {
  it.each([
    ['2026-05-01T03:00:00Z', '2026-05-01 03:00:00Z'],
    ['2026-05-01T03:00:00.123Z', '2026-05-01 03:00:00Z'],
    ['never', 'never'],
  ])('%s is written %s', (iso, text) => expect(timeText(iso)).toBe(text));

  it.each([
    [59, 'in 59 s'],
    [60, 'in 1 min'],
    [3600, 'in 1 h'],
    [19_260, 'in 5 h 21 min'],
    [86_400, 'in 1 d'],
    [100_000, 'in 1 d 3 h'],
    [-7200, '2 h ago'],
  ])('%d seconds from now is %s', (seconds, text) => {
    const now = Date.UTC(2026, 4, 1);
    const iso = new Date(now + seconds * 1000).toISOString();
    expect(timeFromNow(iso, now)).toBe(`${timeText(iso)} (${text})`);
  });

  it('does not round up', () => expect(lengthText(59.9)).toBe('59 s'));
});
