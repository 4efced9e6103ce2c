import type { Report, ServiceReport } from '../core/health/report.js';
import { FigureWindow, type RolloutDelta } from '../core/rollout/figures.js';
import type { RolloutFigures } from '../core/rollout/plan.js';
import { addLatency, decodeLatency, LATENCY_CELLS, latencySince } from '../core/tally/latency.js';
import type { ProxyReport } from './report-book.js';
import type { ReportSource } from './rollout-pools.js';

/** What the proxies of one pool report, summed over a window. */
export class PoolFigures {
  readonly #window: FigureWindow;
  /** The last report of each proxy. */
  readonly #last = new Map<string, Report>();

  constructor(windowMs: number) {
    this.#window = new FigureWindow(windowMs);
  }

  /** Takes what is new; returns a proxy whose report is too old to go by, undefined for none. */
  take(
    nowMs: number,
    sources: readonly ReportSource[],
    reports: ReadonlyMap<string, ProxyReport>,
  ): string | undefined {
    let stale: string | undefined;
    const seen = new Set<string>();
    for (const { proxy } of sources) {
      const found = reports.get(proxy);
      if (!found?.fresh || !found.report) stale ??= proxy;
      if (!found?.report || seen.has(proxy)) continue;
      seen.add(proxy);
      const { report } = found;
      const last = this.#last.get(proxy);
      if (last?.epoch === report.epoch && last.sequence === report.sequence) continue;
      this.#last.set(proxy, report);
      const before = last ?? found.base;
      // A proxy that started anew counts from 0: what it did before its first report here is little, and is left out.
      if (before?.epoch !== report.epoch) continue;
      // What was counted before it was looked at belongs to no step.
      if (!last) continue;
      for (const source of sources) {
        if (source.proxy === proxy) this.#window.add(nowMs, deltaOf(report, before, source.service));
      }
    }
    return stale;
  }

  sum(nowMs: number, how: { readonly cautious?: boolean } = {}): RolloutFigures {
    return this.#window.sum(nowMs, how);
  }

  /** As `FigureWindow.lately`. */
  lately(nowMs: number, stepMs: number): RolloutFigures {
    return this.#window.lately(nowMs, stepMs);
  }

  clear(): void {
    this.#window.clear();
  }
}

/** What proxies reported of the last seconds before now: 5 to 10 of their intervals. */
export function recentFigures(
  sources: readonly ReportSource[],
  reports: ReadonlyMap<string, ProxyReport>,
): RolloutFigures {
  const window = new FigureWindow(1000);
  for (const { proxy, service } of sources) {
    const found = reports.get(proxy);
    if (found?.report && found.base && found.fresh) window.add(0, deltaOf(found.report, found.base, service));
  }
  return window.sum(0);
}

function deltaOf(now: Report, before: Report, service: string | undefined): RolloutDelta {
  const old = new Map(before.services.map((one) => [one.service, one]));
  let requests = 0;
  let errors = 0;
  let latency: Float64Array | undefined;
  for (const one of now.services) {
    if (service !== undefined && one.service !== service) continue;
    const since = serviceDelta(one, old.get(one.service));
    requests += since.requests;
    errors += since.errors;
    if (!since.latency) continue;
    latency ??= new Float64Array(LATENCY_CELLS);
    addLatency(latency, since.latency);
  }
  return { requests, errors, ...(latency && { latency }) };
}

function serviceDelta(now: ServiceReport, before: ServiceReport | undefined): RolloutDelta {
  if (!now.pool || !before?.pool) return { requests: 0, errors: 0 };
  const [a, b] = [now.pool.counters, before.pool.counters];
  const requests = Math.max(a.issued - b.issued, 0);
  const failed = a.errors + a.connectFailures + a.timeouts - (b.errors + b.connectFailures + b.timeouts);
  // What was tried again may have failed more often than it was asked for.
  const errors = Math.min(Math.max(failed, 0), requests);
  const [x, y] = [now.pool.latency, before.pool.latency].map((pairs) =>
    pairs ? decodeLatency(pairs) : undefined,
  );
  const latency = x && (y ? latencySince(x, y) : x);
  return { requests, errors, ...(latency && { latency }) };
}
