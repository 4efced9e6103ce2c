import type { PoolModel } from './model.js';

/** The names, and those of all pools that requests to these may fall back to, each once. */
export function withFallbacks(names: readonly string[], pools: readonly PoolModel[]): readonly string[] {
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  const all = new Set(names);
  // A set hands out what is added while it is walked.
  for (const name of all) {
    const fallback = byName.get(name)?.fallback;
    if (fallback !== undefined && 'pool' in fallback) all.add(fallback.pool);
  }
  return [...all];
}
