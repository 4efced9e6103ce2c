import type { ServiceLoad } from '../core/health/report.js';

interface Loaded {
  readonly healthy: number;
  /** `active`: work in progress. */
  readonly endpoints: readonly { readonly up: boolean; readonly active: number }[];
}

/**
 * How busy a pool is: by the work in progress at its endpoints that are up, `room` for each, or by what it shares with
 * the other pools, whichever is nearer to its end. `shared` holds utilisations, 1 is full.
 */
export function serviceLoad(
  pool: Loaded,
  room: number,
  shared: Readonly<Record<string, number>>,
): ServiceLoad {
  const capacity = Math.max(pool.healthy, 1) * room;
  const active = pool.endpoints.reduce((sum, { up, active: own }) => sum + (up ? own : 0), 0);
  let limiting = 'upstream_connections';
  let utilisation = active / capacity;
  for (const [name, part] of Object.entries(shared)) {
    if (part <= utilisation) continue;
    limiting = name;
    utilisation = part;
  }
  return { capacity, utilisation: Math.round(utilisation * 1000) / 1000, limiting };
}
