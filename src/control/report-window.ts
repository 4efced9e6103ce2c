import type { Report } from '../core/health/report.js';

/** What is counted between two reports is counted over 5 to 10 intervals: over fewer it would be mostly noise. */
const HALF_INTERVALS = 5;

/** An earlier report of the same start of a reporter, to subtract from its last one. */
export class ReportWindow {
  #base: Report | undefined;
  #next: Report | undefined;

  /** The report to subtract; undefined before the second one since a start. */
  get base(): Report | undefined {
    return this.#base;
  }

  /** `last` is the report that `report` replaces. */
  take(report: Report, last: Report | undefined): void {
    if (!last || last.epoch !== report.epoch) {
      this.#base = undefined;
      this.#next = undefined;
      return;
    }
    this.#base ??= last;
    this.#next ??= last;
    if (last.sent - this.#next.sent < HALF_INTERVALS * report.intervalMs) return;
    this.#base = this.#next;
    this.#next = last;
  }
}
