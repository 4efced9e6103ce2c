import type { ReportOutcome } from '../../src/control/report-book.js';
import type { Report } from '../../src/core/health/report.js';

/** Three intervals of 2 s: so long a report is believed, and shuts out what was sent before a restart. */
const FRESH_MS = 6_000;
/** A clock may be so far ahead. */
const SKEW_MS = 300_000;

interface Times {
  /** By the clock of the node that receives. */
  readonly clockMs: number;
  /** When it was sent and when it is there, virtual milliseconds. */
  readonly sentMs: number;
  readonly nowMs: number;
}

/**
 * What one node took of the reports that reached it, by rules of its own: written down once more, so that the production
 * code is not its own judge.
 */
export class ReportRules {
  readonly #taken = new Map<
    string,
    { readonly report: Report; readonly sentMs: number; readonly atMs: number }
  >();

  /** What is wrong with an outcome; undefined if nothing is. */
  check(report: Report, { outcome }: ReportOutcome, { clockMs, sentMs, nowMs }: Times): string | undefined {
    const { node, epoch, sequence, sent } = report;
    const last = this.#taken.get(node);
    const isNews =
      !last || epoch > last.report.epoch || (epoch === last.report.epoch && sequence > last.report.sequence);
    const isFuture = Math.max(sent, epoch) > clockMs + SKEW_MS;
    const isBeforeRestart = last !== undefined && epoch < last.report.epoch;
    const isLate = isBeforeRestart && nowMs - last.sentMs >= FRESH_MS;
    const what = `the report ${epoch}/${sequence} of ${node}`;
    if (outcome === 'ignored') return isNews && !isFuture ? `${what} is news, but ignored` : undefined;
    if (isFuture) return `${what} comes from the future, but is taken`;
    // Of a reporter whose clock was set back before it restarted.
    if (!isNews && !isLate)
      return `${what} is older than ${last?.report.epoch}/${last?.report.sequence}, but is taken`;
    this.#taken.set(node, { report, sentMs, atMs: nowMs });
    return undefined;
  }

  /** How many of these were heard lately enough to have a view. */
  heardOf(nodes: readonly string[], nowMs: number, withinMs: number): number {
    return nodes.filter(
      (node) => nowMs - (this.#taken.get(node)?.atMs ?? Number.NEGATIVE_INFINITY) <= withinMs,
    ).length;
  }
}

/** So long after the last report of an observer a node may count it: it is fresh for so long, and is looked at twice a second. */
export const HEARD_MS = FRESH_MS + 600;
