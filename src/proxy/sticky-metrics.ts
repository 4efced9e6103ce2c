import { Counter, Gauge, type Registry } from 'prom-client';
import { ENDPOINT_CELL, POOL_CELL } from './cells.js';
import type { ProxyControl, ProxyCounts } from './control.js';
import { StickyImbalance } from './sticky-imbalance.js';
import { STICKY_RESULTS } from './sticky-tally.js';

const FALLBACKS = [
  ['pool', POOL_CELL.TO_POOL],
  ['page', POOL_CELL.TO_PAGE],
  ['stale', POOL_CELL.TO_STALE],
] as const;

/** Metrics of sticky sessions and of fallbacks. Rows are there once something happened. */
export function stickyMetrics(
  registry: Registry,
  { counts, control }: { readonly counts: ProxyCounts; readonly control: Pick<ProxyControl, 'status'> },
  nowMs: () => number = () => performance.now(),
): void {
  const registers = [registry];
  const imbalance = new StickyImbalance();
  new Counter({
    name: 'meridian_proxy_sticky_requests_total',
    help: 'Requests of pools with sticky sessions, by what became of the session',
    labelNames: ['pool', 'result'],
    registers,
    collect() {
      this.reset();
      for (const { pool, cells } of counts.pools()) {
        STICKY_RESULTS.forEach((result, i) => {
          const count = cells[POOL_CELL.STICKY + i]!;
          if (count > 0) this.inc({ pool, result }, count);
        });
      }
    },
  });
  new Counter({
    name: 'meridian_proxy_endpoint_sticky_requests_total',
    help: 'Requests that came to the endpoint because of their session',
    labelNames: ['pool', 'endpoint'],
    registers,
    collect() {
      this.reset();
      for (const { pool, endpoint, cells } of counts.endpoints()) {
        const count = cells[ENDPOINT_CELL.STICKY]!;
        if (count > 0) this.inc({ pool, endpoint }, count);
      }
    },
  });
  new Gauge({
    name: 'meridian_proxy_sticky_imbalance_ratio',
    help: 'The most that an endpoint gets of the requests with a session, divided by its share of the weight',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset();
      const sums = new Map(
        counts.endpoints().map(({ pool, endpoint, cells }) => {
          return [`${pool}\n${endpoint}`, cells[ENDPOINT_CELL.STICKY]!] as const;
        }),
      );
      const pools = control.status().pools.map(({ pool, endpoints }) => ({
        pool,
        endpoints: endpoints.map(({ endpoint, state, weight }) => ({
          endpoint,
          count: sums.get(`${pool}\n${endpoint}`) ?? 0,
          weight: state === 'up' ? weight : 0,
        })),
      }));
      for (const [pool, ratio] of imbalance.measure(pools, nowMs())) this.set({ pool }, ratio);
    },
  });
  new Counter({
    name: 'meridian_proxy_pool_fallbacks_total',
    help: 'Requests that the pool could not serve, by what they got instead',
    labelNames: ['pool', 'to'],
    registers,
    collect() {
      this.reset();
      for (const { pool, cells } of counts.pools()) {
        for (const [to, cell] of FALLBACKS) if (cells[cell]! > 0) this.inc({ pool, to }, cells[cell]!);
      }
    },
  });
}
