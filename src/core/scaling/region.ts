/** What the proxies of a region want together, by their reports. */

import type { ScalingFacts } from '../health/report-facts.js';

/** The proxy itself, as `ScalingFacts` calls it: no pool can be called like that. */
export const PROXY_SUBJECT = '(proxy)';

export interface ReportedScaling {
  readonly region: string;
  /** Its report is believed. */
  readonly fresh: boolean;
  readonly subjects: readonly ScalingFacts[];
}

export interface RegionSubject {
  readonly action: 'up' | 'hold' | 'down';
  /** Proxies that report; of a pool: endpoints that are up for the proxy that sees most. */
  readonly current: number;
  /** Whole. */
  readonly desired: number;
  readonly ratio: number;
  /** `missing`: nothing is taken away while not all proxies are heard of. */
  readonly reason: string;
  readonly limiting?: string;
  readonly usage?: number;
  readonly forecast?: number;
  readonly forecastError?: number;
}

export interface RegionScaling {
  /** Proxies whose reports are too old. */
  readonly missing: number;
  /** Undefined while none reports. */
  readonly proxies?: RegionSubject;
  readonly pools: ReadonlyMap<string, RegionSubject>;
}

/**
 * By region. Proxies divide the load of a region: what they want of themselves adds up. They share the endpoints of a pool, and each
 * sees all of them: the one that wants most decides.
 */
export function regionScaling(proxies: readonly ReportedScaling[]): ReadonlyMap<string, RegionScaling> {
  const regions = new Map<string, ReportedScaling[]>();
  for (const proxy of proxies) {
    const known = regions.get(proxy.region);
    if (known === undefined) regions.set(proxy.region, [proxy]);
    else known.push(proxy);
  }
  return new Map([...regions].map(([region, members]) => [region, ofRegion(members)]));
}

function ofRegion(members: readonly ReportedScaling[]): RegionScaling {
  const missing = members.filter(({ fresh }) => !fresh).length;
  const facts = members.filter(({ fresh }) => fresh).flatMap(({ subjects }) => subjects);
  const own = facts.filter(({ subject }) => subject === PROXY_SUBJECT);
  const pools = new Map<string, RegionSubject>();
  for (const fact of facts) {
    if (fact.subject === PROXY_SUBJECT) continue;
    const same = pools.get(fact.subject);
    if (same === undefined || fact.desired > same.desired) pools.set(fact.subject, poolOf(fact));
  }
  return {
    missing,
    ...(own.length > 0 && { proxies: held(proxiesOf(own), missing) }),
    pools: new Map([...pools].map(([name, pool]) => [name, held(pool, missing)])),
  };
}

function proxiesOf(own: readonly ScalingFacts[]): RegionSubject {
  const most = own.reduce((a, b) => ((b.usage ?? -1) > (a.usage ?? -1) ? b : a));
  const sum = (of: (fact: ScalingFacts) => number): number => own.reduce((all, fact) => all + of(fact), 0);
  const errors = own.flatMap(({ forecastError }) => forecastError ?? []);
  const forecasts = own.every(({ forecast }) => forecast !== undefined);
  return {
    ...changeOf(own.length, Math.max(whole(sum(({ desired }) => desired)), 1)),
    reason: most.reason,
    ...(most.limiting !== undefined && { limiting: most.limiting }),
    ...(most.usage !== undefined && { usage: most.usage }),
    ...(forecasts && { forecast: Math.max(whole(sum(({ forecast }) => forecast ?? 0)), 1) }),
    ...(forecasts && errors.length > 0 && { forecastError: Math.max(...errors) }),
  };
}

function poolOf(fact: ScalingFacts): RegionSubject {
  const { current, desired, reason, limiting, usage, forecast, forecastError } = fact;
  return {
    ...changeOf(current, whole(desired)),
    reason,
    ...(limiting !== undefined && { limiting }),
    ...(usage !== undefined && { usage }),
    ...(forecast !== undefined && { forecast }),
    ...(forecastError !== undefined && { forecastError }),
  };
}

function held(subject: RegionSubject, missing: number): RegionSubject {
  if (missing === 0 || subject.action !== 'down') return subject;
  return { ...subject, ...changeOf(subject.current, subject.current), reason: 'missing' };
}

function changeOf(current: number, desired: number) {
  const action = desired > current ? 'up' : desired < current ? 'down' : ('hold' as const);
  return { action, current, desired, ratio: current > 0 ? desired / current : 1 } as const;
}

/** Reports are rounded to thousandths. */
function whole(value: number): number {
  return Math.ceil(value - 0.001);
}
