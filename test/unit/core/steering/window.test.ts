import { describe, expect, it } from 'vitest';
import type { Day, WeeklyWindow } from '../../../../src/core/steering/document.js';
import { isTimezone, windowAt } from '../../../../src/core/steering/window.js';

const at = (text: string) => Date.parse(text);
const weekly = (
  days: readonly Day[],
  time: string,
  hours: number,
  timezone = 'Europe/Berlin',
): WeeklyWindow => ({
  days,
  time,
  seconds: hours * 3600,
  timezone,
});

describe('a window that comes once', () => {
  const window = { start: '2026-05-01T02:00:00Z', end: '2026-05-01T04:00:00Z' };

  it.each([
    ['2026-05-01T01:59:59.999Z', false, '2026-05-01T02:00:00Z'],
    ['2026-05-01T02:00:00Z', true, '2026-05-01T04:00:00Z'],
    ['2026-05-01T03:59:59.999Z', true, '2026-05-01T04:00:00Z'],
    ['2026-05-01T04:00:00Z', false, undefined],
  ])('at %s: open %s', (now, open, next) => {
    const nextMs = next === undefined ? Number.POSITIVE_INFINITY : at(next);
    expect(windowAt(window, at(now))).toEqual({ open, nextMs });
  });
});

describe('a window of every week', () => {
  it.each<[string, WeeklyWindow, string, boolean, string]>([
    [
      'opens by local time',
      weekly(['mon'], '03:00', 2),
      '2026-06-01T00:59:59Z',
      false,
      '2026-06-01T01:00:00Z',
    ],
    ['is open', weekly(['mon'], '03:00', 2), '2026-06-01T01:00:00Z', true, '2026-06-01T03:00:00Z'],
    [
      'is closed at its end',
      weekly(['mon'], '03:00', 2),
      '2026-06-01T03:00:00Z',
      false,
      '2026-06-08T01:00:00Z',
    ],
    [
      'moves with summer time',
      weekly(['mon'], '03:00', 2),
      '2026-12-06T20:00:00Z',
      false,
      '2026-12-07T02:00:00Z',
    ],
    ['goes over midnight', weekly(['sun'], '23:30', 2), '2026-05-31T22:30:00Z', true, '2026-05-31T23:30:00Z'],
    [
      'goes over midnight of UTC',
      weekly(['mon'], '00:30', 1),
      '2026-05-31T22:45:00Z',
      true,
      '2026-05-31T23:30:00Z',
    ],
    [
      'is far away',
      weekly(['wed'], '12:00', 1, 'Pacific/Auckland'),
      '2026-06-02T23:59:00Z',
      false,
      '2026-06-03T00:00:00Z',
    ],
    [
      'joins the next day where they touch',
      weekly(['mon', 'tue'], '00:00', 24, 'UTC'),
      '2026-06-01T10:00:00Z',
      true,
      '2026-06-03T00:00:00Z',
    ],
    // Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
    [
      'opens after a time that is skipped',
      weekly(['sun'], '02:30', 1),
      '2026-03-29T00:59:00Z',
      false,
      '2026-03-29T01:30:00Z',
    ],
    [
      'lasts as long as it says when clocks go forward',
      weekly(['sun'], '01:30', 2),
      '2026-03-29T02:29:00Z',
      true,
      '2026-03-29T02:30:00Z',
    ],
    [
      'opens at the first of two equal times',
      weekly(['sun'], '02:30', 1),
      '2026-10-25T00:00:00Z',
      false,
      '2026-10-25T00:30:00Z',
    ],
    [
      'does not open at the second',
      weekly(['sun'], '02:30', 1),
      '2026-10-25T01:30:00Z',
      false,
      '2026-11-01T01:30:00Z',
    ],
  ])('%s', (_, window, now, open, next) => {
    const { open: found, nextMs } = windowAt(window, at(now));
    expect({ open: found, next: new Date(nextMs).toISOString() }).toEqual({
      open,
      next: next.replace('Z', '.000Z'),
    });
  });
});

describe('isTimezone()', () => {
  it.each([
    ['Europe/Berlin', true],
    ['UTC', true],
    ['Europe/Atlantis', false],
    ['', false],
  ])('%s: %s', (name, known) => {
    expect(isTimezone(name)).toBe(known);
  });
});
