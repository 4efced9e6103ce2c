/**
 * The state machine of a rollout. Time and what is seen are parameters; what comes out is the next progress, with an entry
 * in its history, or nothing where everything stays.
 *
 *                  pause ┌────────┐ resume (its step begins anew)
 *               ┌───────▶│ paused │───────┐
 *               │        └────────┘       ▼
 *     start ─▶ running ── step held, good ──▶ running, next step … ── last one ──▶ promoted
 *               │ │                                                                  │ abort
 *           bad │ └─ abort ─▶ aborted ◀──────────────────────────────────────────────┘
 *               ▼
 *           rolled_back (or paused, by `on_failure`)
 */
import { isoTime } from '../query-log/line.js';
import { baselineOf, judge, type RolloutObservation, type RolloutVerdict } from './judge.js';
import {
  HISTORY_MAX,
  isLive,
  percentOf,
  type RolloutEntry,
  type RolloutEvent,
  type RolloutEvidence,
  type RolloutPlan,
  type RolloutProgress,
  type RolloutState,
} from './plan.js';

/** Who moves a rollout on that nobody moves. */
export const BY_ITSELF = 'rollout';

export type RolloutCommand = 'promote' | 'pause' | 'resume' | 'abort';

type Running = RolloutPlan & RolloutProgress;

/** The first step, from `nowMs` on. */
export function startRollout(
  nowMs: number,
  { steps }: RolloutPlan,
  by: string,
  baseline?: RolloutProgress['baseline'],
): RolloutProgress {
  const at = isoTime(nowMs);
  const started: RolloutEntry = { at, event: 'started', percent: steps[0]!.percent, by };
  return { state: 'running', step: 0, step_at: at, ...(baseline && { baseline }), history: [started] };
}

/** What is to be thought of it now; undefined where nobody has to judge: it is paused, or has ended. */
export function verdictOf(rollout: Running, seen: RolloutObservation): RolloutVerdict | undefined {
  return rollout.state === 'running' ? judge(rollout.analysis, rollout.baseline, seen) : undefined;
}

/** What happens by itself at a moment; undefined for nothing. */
export function afterLook(
  rollout: Running,
  seen: RolloutObservation,
  nowMs: number,
): RolloutProgress | undefined {
  if (!isLive(rollout)) return undefined;
  if (seen.gone === 'new') return end(rollout, 'rolled_back', 'the new pool is gone');
  if (seen.gone === 'old') return end(rollout, 'aborted', 'the old pool is gone');
  const verdict = verdictOf(rollout, seen);
  switch (verdict?.verdict) {
    case 'bad':
      return end(rollout, rollout.on_failure === 'pause' ? 'paused' : 'rolled_back', verdict.why);
    case 'good':
      return isHeld(rollout, nowMs) ? next(rollout) : undefined;
    default:
      return undefined;
  }

  function next({ steps, step }: Running): RolloutProgress {
    const facts = { nowMs, by: BY_ITSELF, seen };
    return step + 1 < steps.length
      ? moved(rollout, 'running', 'advanced', { ...facts, step: step + 1 })
      : moved(rollout, 'promoted', 'promoted', facts);
  }

  function end(from: Running, state: 'paused' | 'rolled_back' | 'aborted', why: string): RolloutProgress {
    return moved(from, state, state, { nowMs, by: BY_ITSELF, why, seen });
  }
}

/** What an order makes of it; a string says why it can't be carried out. */
export function afterCommand(
  rollout: Running,
  command: RolloutCommand,
  order: {
    readonly nowMs: number;
    readonly by: string;
    readonly why?: string;
    readonly seen?: RolloutObservation;
  },
): RolloutProgress | string {
  const { state } = rollout;
  switch (command) {
    case 'pause':
      return state === 'running' ? moved(rollout, 'paused', 'paused', order) : `it is ${state}, not running`;
    case 'resume':
      if (state !== 'paused') return `it is ${state}, not paused`;
      return moved(rollout, 'running', 'resumed', { ...order, step: rollout.step });
    case 'promote':
      return isLive(rollout) ? moved(rollout, 'promoted', 'promoted', order) : `it is ${state} already`;
    case 'abort':
      if (!isLive(rollout) && state !== 'promoted') return `it is ${state} already`;
      return moved(rollout, 'aborted', 'aborted', order);
    default:
      throw new Error(`unexpected ${command satisfies never}`);
  }
}

/** When its step may end, milliseconds since 1970. */
export function heldUntilMs({ steps, step, step_at: at }: Running): number {
  return Date.parse(at) + (steps[step]?.seconds ?? 0) * 1000;
}

function isHeld(rollout: Running, nowMs: number): boolean {
  return nowMs >= heldUntilMs(rollout);
}

interface Move {
  readonly nowMs: number;
  readonly by: string;
  readonly why?: string;
  readonly seen?: RolloutObservation;
  /** Begins anew with this step. */
  readonly step?: number;
}

function moved(
  rollout: Running,
  state: RolloutState,
  event: RolloutEvent,
  { nowMs, by, why, seen, step }: Move,
): RolloutProgress {
  const at = isoTime(nowMs);
  const base = baselineOf(rollout.analysis, seen?.old) ?? rollout.baseline;
  const position =
    step === undefined ? { step: rollout.step, step_at: rollout.step_at } : { step, step_at: at };
  const next = { state, ...position, ...(base && { baseline: base }) };
  const entry: RolloutEntry = {
    at,
    event,
    percent: percentOf({ ...next, steps: rollout.steps, history: [] }),
    by,
    ...(why !== undefined && { why }),
    ...(seen && { evidence: evidenceOf(seen) }),
  };
  return { ...next, history: withEntry(rollout.history, entry) };
}

/** The first entry stays: it says who began it. */
function withEntry(history: readonly RolloutEntry[], entry: RolloutEntry): readonly RolloutEntry[] {
  if (history.length < HISTORY_MAX) return [...history, entry];
  return [history[0]!, ...history.slice(history.length - HISTORY_MAX + 2), entry];
}

function evidenceOf({ old, new: young, healthy }: RolloutObservation): RolloutEvidence {
  return { ...(old && { old }), ...(young && { new: young }), ...(healthy !== undefined && { healthy }) };
}
