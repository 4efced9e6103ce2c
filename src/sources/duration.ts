/** Durations in files: `500ms`, `5s`, `1m`, `2h`, `7d`, or a number of seconds. */
import { Type } from 'typebox';

const PATTERN = '^\\d{1,9}(\\.\\d{1,3})?(ms|s|m|h|d)?$';

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

export const DURATION_TITLE = 'a duration such as 500ms, 5s, 1m or 2h, or a number of seconds';

/** The schema of a duration; `parseDuration` gives its value. */
export const Duration = Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: PATTERN })], {
  title: DURATION_TITLE,
});

/** Milliseconds; undefined for text that is not a duration. A bare number counts seconds. */
export function parseDuration(value: number | string): number | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? Math.round(value * 1000) : undefined;
  }
  if (!new RegExp(PATTERN).test(value)) return undefined;
  const unit = /[a-z]+$/.exec(value)?.[0] ?? '';
  const amount = Number(value.slice(0, value.length - unit.length));
  return Math.round(amount * MILLISECONDS[unit === '' ? 's' : unit]!);
}

/** `500ms`, `5s`, `1m30s`: the shortest way to write it. */
export function formatDuration(ms: number): string {
  if (ms < 1000 || ms % 1000 !== 0) return `${ms}ms`;
  const parts = (['d', 'h', 'm', 's'] as const).reduce<{ text: string; rest: number }>(
    ({ text, rest }, unit) => {
      const n = Math.floor(rest / MILLISECONDS[unit]!);
      return { text: n > 0 ? `${text}${n}${unit}` : text, rest: rest - n * MILLISECONDS[unit]! };
    },
    { text: '', rest: ms },
  );
  return parts.text;
}
