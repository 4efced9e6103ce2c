import { MONITOR } from './sim-zone.js';

const FLAP_WINDOW_MS = 600_000;
const FALLS_FREE = 3;
const HOLD_FIRST_MS = 10_000;
/** Ramps climb twice a second. */
const STEP_MS = 600;

/**
 * What became of the targets of one node, and what follows from that for flap damping and ramps, by rules that are written
 * down once more.
 */
export class VerdictHistory {
  readonly #falls = new Map<string, number[]>();
  readonly #returns = new Map<string, number>();

  /** A verdict changed. Returns what is wrong with that; undefined if nothing is. */
  note(key: string, state: 'up' | 'down', nowMs: number): string | undefined {
    const falls = this.#falls.get(key) ?? [];
    if (state === 'down') {
      this.#returns.delete(key);
      this.#falls.set(key, [...falls.filter((atMs) => nowMs - atMs < FLAP_WINDOW_MS), nowMs]);
      return undefined;
    }
    this.#returns.set(key, nowMs);
    const leftMs = this.heldUntilMs(key) - nowMs;
    return leftMs > 0
      ? `came back ${Math.round(leftMs)} ms too early after ${falls.length} falls`
      : undefined;
  }

  /** Until when flap damping keeps a target down. */
  heldUntilMs(key: string): number {
    const falls = this.#falls.get(key) ?? [];
    const beyond = falls.length - FALLS_FREE;
    const last = falls.at(-1) ?? Number.NEGATIVE_INFINITY;
    return beyond <= 0 ? last : last + Math.min(HOLD_FIRST_MS * 2 ** (beyond - 1), MONITOR.holdDownMs);
  }

  /** What is wrong with the share (0 to 1) that a target takes which is up. */
  shareProblem(key: string, share: number, nowMs: number): string | undefined {
    const returnedMs = this.#returns.get(key);
    const climbedMs = returnedMs === undefined ? Number.POSITIVE_INFINITY : nowMs - returnedMs;
    if (climbedMs > MONITOR.rampMs + STEP_MS && share < 1)
      return 'does not take its whole weight after its ramp';
    const most = Math.min((climbedMs + STEP_MS) / MONITOR.rampMs, 1);
    const least = Math.min((climbedMs - STEP_MS) / MONITOR.rampMs, 1);
    if (share <= most + 1 / 256 && share >= least - 1 / 256) return undefined;
    return `takes ${share} of its weight ${Math.round(climbedMs)} ms after it came back`;
  }
}
