/**
 * Seeds of a simulation: as many as a test takes, or MERIDIAN_SIM_SEEDS of them, from MERIDIAN_SIM_SEED (1) on.
 * `npm run sim:traffic` sets both.
 */
export function simSeeds(usual: number): readonly number[] {
  const count = Number(process.env['MERIDIAN_SIM_SEEDS'] ?? usual);
  const first = Number(process.env['MERIDIAN_SIM_SEED'] ?? 1);
  return Array.from({ length: count }, (_, i) => first + i);
}

/** How many of a hundred seeds may end otherwise where a draw decides: none of those that the usual run takes. */
export function strays(seeds: readonly number[], ofHundred = 4): number {
  return Math.floor((seeds.length * ofHundred) / 100);
}
