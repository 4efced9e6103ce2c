/** Maintenance windows: whether one is open, and when that changes. Time zones come from the runtime's IANA data. */
import { DAYS, type OneWindow, type WeeklyWindow } from './document.js';

export interface WindowState {
  readonly open: boolean;
  /** When that changes next, milliseconds since 1970; Infinity for never. */
  readonly nextMs: number;
}

export function windowAt(window: OneWindow | WeeklyWindow, nowMs: number): WindowState {
  if ('end' in window) return stateOf([[Date.parse(window.start), Date.parse(window.end)]], nowMs);
  const known = weekly.get(window);
  if (known && nowMs >= known.sinceMs && nowMs < known.state.nextMs) return known.state;
  const state = stateOf(occurrences(window, nowMs), nowMs);
  weekly.set(window, { sinceMs: nowMs, state });
  return state;
}

/** What was found of a window holds until it changes: time zones take long to ask. */
const weekly = new WeakMap<WeeklyWindow, { readonly sinceMs: number; readonly state: WindowState }>();

/** Whether the runtime knows a time zone. */
export function isTimezone(name: string): boolean {
  return formatterOf(name) !== undefined;
}

/** Windows that touch are one. */
function stateOf(spans: readonly (readonly [fromMs: number, toMs: number])[], nowMs: number): WindowState {
  let endMs = nowMs;
  for (const [fromMs, toMs] of spans) if (fromMs <= endMs && endMs < toMs) endMs = toMs;
  if (endMs > nowMs) return { open: true, nextMs: endMs };
  const starts = spans.flatMap(([fromMs, toMs]) => (fromMs > nowMs && toMs > fromMs ? [fromMs] : []));
  return { open: false, nextMs: Math.min(Number.POSITIVE_INFINITY, ...starts) };
}

const DAY_MS = 86_400_000;

/** From two days ago on, in order, so that one that is open and the next one are among them. */
function occurrences(
  { days, time, seconds, timezone }: WeeklyWindow,
  nowMs: number,
): readonly (readonly [number, number])[] {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  const today = Math.floor((nowMs + offsetMs(timezone, nowMs)) / DAY_MS);
  const spans: (readonly [number, number])[] = [];
  for (let day = today - 2; day <= today + 8; day++) {
    // 1970 began on a Thursday.
    if (!days.includes(DAYS[(day + 4) % 7]!)) continue;
    const fromMs = utcOf(day * DAY_MS + hours * 3_600_000 + minutes * 60_000, timezone);
    spans.push([fromMs, fromMs + seconds * 1000]);
  }
  return spans;
}

/**
 * The moment at which clocks of a time zone show a time, given as if it were UTC. A time that is skipped is as much after
 * the change as it would have been; of one that comes twice, the first counts.
 */
function utcOf(localMs: number, timezone: string): number {
  const before = localMs - offsetMs(timezone, localMs - DAY_MS);
  const after = localMs - offsetMs(timezone, localMs + DAY_MS);
  return offsetMs(timezone, before) === localMs - before ? before : isShown(after) ? after : before;

  function isShown(ms: number): boolean {
    return offsetMs(timezone, ms) === localMs - ms;
  }
}

/** How far the clocks of a time zone are ahead of UTC; 0 for one that the runtime does not know. */
function offsetMs(timezone: string, ms: number): number {
  const formatter = formatterOf(timezone);
  if (!formatter) return 0;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(ms)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

/** They take long to make. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat | undefined {
  const known = formatters.get(timeZone);
  if (known) return known;
  try {
    const made = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    if (formatters.size >= FORMATTERS_MAX) formatters.clear();
    formatters.set(timeZone, made);
    return made;
  } catch {
    return undefined;
  }
}

const FORMATTERS_MAX = 64;
