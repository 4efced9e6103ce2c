import { zoneText } from '../support/query-rig.js';

export const REGIONS = ['eu', 'us', 'ap'] as const;
export const MONITOR = {
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 2,
  rampMs: 20_000,
  holdDownMs: 60_000,
} as const;
/** What must be up of the weight of a pool; of one endpoint, it. */
export const MIN_UP = 0.5;
export const WEIGHTS = [3, 1] as const;

/** Endpoints that are probed, and others behind proxies, in three regions; all steering fails open. */
export function zoneOf(minObservers: number): string {
  const seconds = (ms: number) => `${ms / 1000}s`;
  const { intervalMs, timeoutMs, fall, rise, rampMs, holdDownMs } = MONITOR;
  const direct = REGIONS.map((region, r) => {
    const endpoints = WEIGHTS.map((weight, i) => `{ A: 10.0.${r}.${i + 1}, weight: ${weight} }`);
    return `  ${region}: { monitor: m, min_up: ${MIN_UP}, endpoints: [${endpoints.join(', ')}] }\n`;
  });
  const proxied = REGIONS.map(
    (region, r) =>
      `  p-${region}: { monitor: m, endpoints: [{ A: 10.1.${r}.1, proxy: proxy-${region}, service: web }] }\n`,
  );
  return zoneText(
    'sim.test',
    `monitors:
  m:
    { type: tcp, port: 80, interval: ${seconds(intervalMs)}, timeout: ${seconds(timeoutMs)}, fall: ${fall},
      rise: ${rise}, min_observers: ${minObservers}, ramp: ${seconds(rampMs)}, hold_down: ${seconds(holdDownMs)} }
pools:
${[...direct, ...proxied].join('')}
records:
  www: { type: A, ttl: 30, fail: open, dynamic: { steering: failover, pools: [eu, us, ap] } }
  all: { type: A, ttl: 30, fail: open, dynamic: { steering: weighted, pools: { eu: 50, us: 30, ap: 20 } } }
  proxied: { type: A, ttl: 30, fail: open, dynamic: { steering: failover, pools: [p-eu, p-us, p-ap] } }
`,
  );
}

/** The first `crowd` nodes stand in the first region, the others in all of them by turns. */
export function regionOf(i: number, crowd: number): string {
  if (crowd === 0) return REGIONS[i % REGIONS.length]!;
  return i < crowd ? REGIONS[0] : REGIONS[1 + ((i - crowd) % (REGIONS.length - 1))]!;
}
