import { decodeLatency } from '../tally/latency.js';
import type { ServiceReport } from './report.js';

/** What is wrong with services whose form was checked, as one sentence that names the service; undefined if nothing. */
export function servicesMistake(services: readonly ServiceReport[]): string | undefined {
  const names = new Set<string>();
  for (const service of services) {
    const mistake = names.has(service.service) ? 'is there twice' : mistakeOf(service);
    if (mistake !== undefined) return `services: ${service.service} ${mistake}`;
    names.add(service.service);
  }
  return undefined;
}

function mistakeOf({ endpoints, healthy, pool }: ServiceReport): string | undefined {
  if (healthy > endpoints) return 'has more healthy endpoints than endpoints';
  if (!pool) return undefined;
  if (pool.ejected > endpoints) return 'has more ejected endpoints than endpoints';
  if (pool.draining > endpoints) return 'has more draining endpoints than endpoints';
  if (pool.healthyWeight > pool.weight) return 'has more healthy weight than weight';
  if (pool.latency && !decodeLatency(pool.latency)) {
    return 'has no valid latency: pairs of a rising bucket and a count above 0';
  }
  return undefined;
}
