import { type RegionScaling, regionScaling } from '../core/scaling/region.js';
import type { ProxyReport } from './report-book.js';

/** What the proxies of each region want together, by region; `region`: of that one only. */
export function scalingByRegion(
  reports: readonly ProxyReport[],
  region?: string,
): ReadonlyMap<string, RegionScaling> {
  return regionScaling(
    reports.flatMap(({ report, fresh }) =>
      report?.scaling?.subjects === undefined || (region !== undefined && report.region !== region)
        ? []
        : [{ region: report.region, fresh, subjects: report.scaling.subjects }],
    ),
  );
}
