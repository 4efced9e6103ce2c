import { describe, expect, it } from 'vitest';
import { ReportWindow } from '../../../src/control/report-window.js';
import type { Report } from '../../../src/core/health/report.js';

function reportAt(sent: number, epoch = 0): Report {
  return {
    ...{ schema: 1, node: 'p', region: 'r', epoch, sequence: 1, sent, intervalMs: 1000, state: 'up' },
    services: [],
  };
}

/** The ages of the base after each of the reports. */
function agesOf(reports: readonly Report[]): (number | undefined)[] {
  const window = new ReportWindow();
  return reports.map((report, i) => {
    window.take(report, reports[i - 1]);
    return window.base && report.sent - window.base.sent;
  });
}

describe('ReportWindow', () => {
  it('looks 5 to 10 intervals back, as soon as there are so many', () => {
    const ages = agesOf(Array.from({ length: 60 }, (_, i) => reportAt(i * 1000)));
    expect(ages.slice(0, 4)).toEqual([undefined, 1000, 2000, 3000]);
    expect(Math.min(...ages.slice(12).map(Number))).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...ages.slice(12).map(Number))).toBeLessThanOrEqual(12_000);
  });

  it('starts anew with a restart', () => {
    expect(agesOf([reportAt(0), reportAt(1000), reportAt(2000, 1500), reportAt(3000, 1500)])).toEqual([
      undefined,
      1000,
      undefined,
      1000,
    ]);
  });
});
