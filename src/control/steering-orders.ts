/** What orders make of the steering document. Nothing here has an effect: a mistake leaves everything as it was. */
import { stepsMistake } from '../core/rollout/plan.js';
import {
  type Dial,
  type ForcedState,
  type Maintenance,
  percentAt,
  RAMP_SECONDS_MAX,
  type Rollout,
  rampEndMs,
  type SteeringDocument,
  type SteeringNote,
  UNTIL_SECONDS_MAX,
  WEEKLY_SECONDS_MAX,
} from '../core/steering/document.js';
import { formatTarget, parseTarget, type SteeringTarget } from '../core/steering/target.js';
import { isTimezone } from '../core/steering/window.js';
import { parseDuration } from '../sources/duration.js';
import { schemaProblems } from '../sources/schema-problems.js';
import {
  type DialOrder,
  type ForceOrder,
  type MaintenanceOrder,
  type SentDocument,
  SteeringDocumentSchema,
} from './steering-schema.js';

/** One thing that is wrong with an order: where in it, and what. */
export interface OrderMistake {
  readonly path: string;
  readonly message: string;
}

/** Who gives the order, and when. */
export interface Ordering {
  readonly by: string;
  readonly nowMs: number;
}

export function withForce(
  document: SteeringDocument,
  target: string,
  order: ForceOrder,
  ordering: Ordering,
): SteeringDocument | OrderMistake {
  const note = noteOf(order, ordering);
  if ('message' in note) return note;
  return { ...document, forces: { ...document.forces, [target]: { state: order.state, ...note } } };
}

/** The ramp goes on from where the dial of this target is now. */
export function withDial(
  document: SteeringDocument,
  target: string,
  order: DialOrder,
  ordering: Ordering,
): SteeringDocument | OrderMistake {
  const note = noteOf(order, ordering);
  if ('message' in note) return note;
  const { nowMs } = ordering;
  const overMs = order.over === undefined ? 0 : parseDuration(order.over);
  if (overMs === undefined || overMs > RAMP_SECONDS_MAX * 1000) {
    return { path: 'over', message: `want a duration of at most ${RAMP_SECONDS_MAX / 86_400} days` };
  }
  if (note.until !== undefined && Date.parse(note.until) < nowMs + overMs) {
    return { path: 'over', message: 'the ramp would take longer than the dial counts' };
  }
  const before = document.dials[target];
  const from = before ? round(percentAt(before, nowMs)) : 100;
  const { percent } = order;
  const ramp = overMs > 0 &&
    from !== percent && { ramp: { from, start: iso(nowMs), seconds: overMs / 1000 } };
  // All of its answers, at once: that is to say nothing.
  if (percent >= 100 && !ramp) return without(document, 'dials', target) ?? document;
  return { ...document, dials: { ...document.dials, [target]: { percent, ...ramp, ...note } } };
}

export function withMaintenance(
  document: SteeringDocument,
  id: string,
  order: MaintenanceOrder,
  ordering: Ordering,
): SteeringDocument | OrderMistake {
  const target = readTarget(order.target);
  if ('message' in target) return target;
  const window = windowOf(order, ordering.nowMs);
  if ('message' in window) return window;
  const weekly = 'days' in window;
  if (!weekly && order.until !== undefined) {
    return { path: 'until', message: 'only for windows of every week: this one has an end' };
  }
  const note = noteOf(
    { ...(order.until !== undefined && { until: order.until }), ...reasonOf(order) },
    ordering,
  );
  if ('message' in note) return note;
  const entry = { target: formatTarget(target.target), action: order.action ?? 'drain', window, ...note };
  return { ...document, maintenance: { ...document.maintenance, [id]: entry } };
}

/** Without an entry; undefined where there is none. */
export function without(
  document: SteeringDocument,
  kind: 'forces' | 'dials' | 'maintenance',
  id: string,
): SteeringDocument | undefined {
  if (!Object.hasOwn(document[kind], id)) return undefined;
  const { [id]: _, ...rest } = document[kind] as Readonly<Record<string, unknown>>;
  return { ...document, [kind]: rest } as SteeringDocument;
}

/** A document that was sent, with who set what is new in it. */
export function signed(
  sent: SentDocument,
  before: SteeringDocument,
  { by, nowMs }: Ordering,
): SteeringDocument {
  const sign = <T extends object>(
    entries: Readonly<Record<string, T>>,
    known: Readonly<Record<string, SteeringNote>>,
  ) =>
    Object.fromEntries(
      Object.entries(entries).map(([key, entry]) => {
        const old = Object.hasOwn(known, key) ? known[key] : undefined;
        const same = old && isSame(old, { ...entry, by: old.by, at: old.at });
        return [key, { ...entry, by: same ? old.by : by, at: same ? old.at : iso(nowMs) }];
      }),
    );
  return {
    forces: sign(sent.forces, before.forces),
    dials: sign(sent.dials, before.dials),
    maintenance: sign(sent.maintenance, before.maintenance),
    rollouts: before.rollouts,
  };
}

/** Whatever the order of their keys. */
function isSame(a: object, b: object): boolean {
  return text(a) === text(b);

  function text(value: unknown): string {
    return JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).toSorted(([x], [y]) => (x < y ? -1 : 1)))
        : part,
    );
  }
}

/** Reads a target for a force or window (`endpoint` allowed), or for a dial. */
export function readTarget(
  text: string,
  kind: 'force' | 'dial' = 'force',
): { readonly target: SteeringTarget } | OrderMistake {
  const target = parseTarget(text);
  if (typeof target === 'string') return { path: 'target', message: target };
  if (kind === 'dial' && target.address !== undefined) {
    return { path: 'target', message: 'pools and regions have dials; an endpoint is forced or drained' };
  }
  return { target };
}

/** Every mistake of a whole document; with none it may be used. */
export function documentMistakes(value: unknown): readonly OrderMistake[] {
  const problems = schemaProblems(SteeringDocumentSchema, value);
  if (problems.length > 0) {
    return problems.map(({ path, message }) => ({ path: path.join('.'), message }));
  }
  const { forces, dials, maintenance, rollouts } = value as SteeringDocument;
  return [
    ...Object.entries(forces).flatMap(([key, force]) => [
      ...keyMistakes('forces', key, 'force'),
      ...noteMistakes(`forces.${key}`, force),
    ]),
    ...Object.entries(dials).flatMap(([key, dial]) => dialMistakes(key, dial)),
    ...Object.entries(maintenance).flatMap(([id, entry]) => maintenanceMistakes(id, entry)),
    ...Object.entries(rollouts).flatMap(([id, rollout]) => rolloutMistakes(id, rollout)),
  ];
}

function rolloutMistakes(id: string, { steps, step, step_at: at }: Rollout): readonly OrderMistake[] {
  const path = `rollouts.${id}`;
  const mistake = stepsMistake(steps);
  return [
    ...(mistake === undefined ? [] : [{ path: `${path}.steps`, message: mistake }]),
    ...(step < steps.length ? [] : [{ path: `${path}.step`, message: 'there is no such step' }]),
    ...(Number.isNaN(Date.parse(at))
      ? [{ path: `${path}.step_at`, message: 'no date of the calendar' }]
      : []),
  ];
}

/** What changed, for the history: `drain example.com/eu`. */
export function orderText(state: ForcedState, target: string): string {
  return state === 'drain' ? `drain ${target}` : `force ${target} ${state}`;
}

function keyMistakes(kind: string, key: string, of: 'force' | 'dial'): readonly OrderMistake[] {
  const read = readTarget(key, of);
  if ('message' in read) return [{ path: `${kind}.${key}`, message: read.message }];
  const text = formatTarget(read.target);
  return text === key ? [] : [{ path: `${kind}.${key}`, message: `write it ${text}` }];
}

function dialMistakes(key: string, dial: Dial): readonly OrderMistake[] {
  const path = `dials.${key}`;
  const mistakes = [...keyMistakes('dials', key, 'dial'), ...noteMistakes(path, dial)];
  if (dial.ramp && Number.isNaN(rampEndMs(dial))) {
    mistakes.push({ path: `${path}.ramp.start`, message: 'no date of the calendar' });
  }
  return mistakes;
}

function maintenanceMistakes(id: string, { target, window, ...note }: Maintenance): readonly OrderMistake[] {
  const path = `maintenance.${id}`;
  const read = readTarget(target);
  const mistakes = [...noteMistakes(path, note)];
  if (!NAME.test(id)) mistakes.push({ path, message: 'want letters, digits, _, - and . in its name' });
  if ('message' in read) mistakes.push({ path: `${path}.target`, message: read.message });
  else if (formatTarget(read.target) !== target) {
    mistakes.push({ path: `${path}.target`, message: `write it ${formatTarget(read.target)}` });
  }
  if ('end' in window) {
    if (!(Date.parse(window.end) > Date.parse(window.start))) {
      mistakes.push({ path: `${path}.window`, message: 'it ends before it starts' });
    }
  } else if (!isTimezone(window.timezone)) {
    mistakes.push({ path: `${path}.window.timezone`, message: unknownZone(window.timezone) });
  }
  return mistakes;
}

export const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;

function noteMistakes(path: string, { at, until }: SteeringNote): readonly OrderMistake[] {
  const mistakes: OrderMistake[] = [];
  if (Number.isNaN(Date.parse(at))) mistakes.push({ path: `${path}.at`, message: 'no date of the calendar' });
  if (until !== undefined && Number.isNaN(Date.parse(until))) {
    mistakes.push({ path: `${path}.until`, message: 'no date of the calendar' });
  }
  return mistakes;
}

interface Limits {
  readonly for?: string | number;
  readonly until?: string;
  readonly reason?: string;
}

function noteOf(order: Limits, { by, nowMs }: Ordering): SteeringNote | OrderMistake {
  const until = untilOf(order, nowMs);
  if (until && 'message' in until) return until;
  return { by, at: iso(nowMs), ...reasonOf(order), ...until };
}

function reasonOf({ reason }: { readonly reason?: string }): { readonly reason?: string } {
  return reason === undefined || reason === '' ? {} : { reason };
}

function untilOf(
  { for: lasting, until }: Limits,
  nowMs: number,
): { readonly until: string } | OrderMistake | undefined {
  if (lasting !== undefined && until !== undefined) {
    return { path: 'until', message: 'give `for` or `until`, not both' };
  }
  if (lasting === undefined && until === undefined) return undefined;
  const path = lasting === undefined ? 'until' : 'for';
  const endMs = lasting === undefined ? Date.parse(until!) : nowMs + (parseDuration(lasting) ?? Number.NaN);
  if (Number.isNaN(endMs)) return { path, message: 'no date of the calendar' };
  if (endMs <= nowMs) return { path, message: 'that is over already' };
  if (endMs > nowMs + UNTIL_SECONDS_MAX * 1000) return { path, message: 'want at most 366 days' };
  return { until: iso(endMs) };
}

function windowOf(order: MaintenanceOrder, nowMs: number): Maintenance['window'] | OrderMistake {
  const { days, time, timezone = 'UTC', start, end, duration } = order;
  const durationMs = duration === undefined ? undefined : parseDuration(duration);
  if (duration !== undefined && !durationMs) return { path: 'duration', message: 'want more than nothing' };
  if (days === undefined && time === undefined) {
    if (order.timezone !== undefined) return { path: 'timezone', message: 'only for windows of every week' };
    return oneWindow({ start, end, durationMs }, nowMs);
  }
  if (days === undefined) return { path: 'days', message: 'missing: `time` is for windows of every week' };
  if (time === undefined) return { path: 'time', message: 'missing: when does the window open?' };
  if (start !== undefined || end !== undefined) {
    return { path: start === undefined ? 'end' : 'start', message: 'only for a window that comes once' };
  }
  if (durationMs === undefined) return { path: 'duration', message: 'missing: how long is the window open?' };
  if (durationMs > WEEKLY_SECONDS_MAX * 1000) return { path: 'duration', message: 'want at most 24h' };
  if (!isTimezone(timezone)) return { path: 'timezone', message: unknownZone(timezone) };
  return { days, time, seconds: durationMs / 1000, timezone };
}

function oneWindow(
  given: {
    readonly start: string | undefined;
    readonly end: string | undefined;
    readonly durationMs: number | undefined;
  },
  nowMs: number,
): Maintenance['window'] | OrderMistake {
  const { start, end, durationMs } = given;
  const startMs = start === undefined ? nowMs : Date.parse(start);
  if (Number.isNaN(startMs)) return { path: 'start', message: 'no date of the calendar' };
  if ((end === undefined) === (durationMs === undefined)) {
    return { path: 'end', message: 'give `end` or `duration`, one of them' };
  }
  const endMs = end === undefined ? startMs + durationMs! : Date.parse(end);
  if (Number.isNaN(endMs)) return { path: 'end', message: 'no date of the calendar' };
  if (endMs <= startMs) return { path: 'end', message: 'it ends before it starts' };
  if (endMs <= nowMs) return { path: 'end', message: 'that is over already' };
  if (endMs > nowMs + UNTIL_SECONDS_MAX * 1000) {
    return { path: end === undefined ? 'duration' : 'end', message: 'want at most 366 days from now' };
  }
  return { start: iso(startMs), end: iso(endMs) };
}

function unknownZone(name: string): string {
  return `there is no time zone ${name}: want one such as Europe/Berlin`;
}

function round(percent: number): number {
  return Math.round(percent * 1000) / 1000;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
