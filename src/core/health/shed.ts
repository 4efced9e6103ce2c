/**
 * Load shedding: a pool whose proxies are nearly full hands a growing share of its answers to the next pool.
 *
 * NS1's rule says which share: (load − from) / (to − from), where `load` is what is measured. Taken as it stands it
 * swings: clients keep an answer for its TTL, so the load answers to a share only much later, and between `from` and
 * `to` a small change of load is a large change of share. So three things are added:
 *
 *  - The *demand* is estimated, the load that there would be if nothing were shed: load / (1 − share felt by the
 *    clients by now). The share that fits the demand is where NS1's rule comes to rest,
 *
 *        share = (demand − from) / (to − from + demand)
 *
 *    and aiming there at once leaves nothing to correct when the clients follow.
 *  - The share moves towards that with a time constant of the lag, and ends only when the demand is well below `from`.
 *  - `from` is never less than the load of the other pools of the group: where all are full nothing is gained by
 *    moving work around, and each keeps its own.
 *
 * No more than half of the regions of a group shed more than half of their answers at once.
 */

export interface ShedRules {
  /** Shedding begins above this load, 0 to 1. */
  readonly from: number;
  /** All would be shed at this load. More than `from`. */
  readonly to: number;
}

/** Plain data of one pool. */
export interface ShedState {
  readonly shedding: boolean;
  /** Part of the answers that goes elsewhere, 0 to 1. */
  readonly share: number;
  /** What of it the clients have followed by now. */
  readonly felt: number;
}

export interface ShedPool {
  readonly region: string;
  readonly rules: ShedRules;
  readonly state: ShedState;
  /** Absent where no proxy has a fresh report. */
  readonly load?: PoolLoad;
}

export interface PoolLoad {
  readonly utilisation: number;
  readonly capacity: number;
}

export const SHEDDING_NOTHING: ShedState = { shedding: false, share: 0, felt: 0 };

/** Shedding ends when the demand is so far below `from`. */
export const SHED_HYSTERESIS = 0.05;
/** The least that is shed while shedding; less is not begun with. */
export const SHED_LEAST = 0.02;
/** What all but half of the regions keep under all circumstances. */
export const SHED_HALF = 0.5;
/** A pool that sheds nearly everything tells nothing of its demand: nothing is divided by less. */
const KEPT_LEAST = 0.05;

/**
 * The next states of a group of pools that hand over to one another, in their order.
 *
 * @param elapsedMs since the last step.
 * @param lagMs how long clients take to follow: the TTL of the answers, and the interval of the reports.
 */
export function afterLoads(
  pools: readonly ShedPool[],
  elapsedMs: number,
  lagMs: number,
): readonly ShedState[] {
  const step = 1 - Math.exp(-Math.max(elapsedMs, 0) / Math.max(lagMs, 1));
  const wanted = pools.map((pool) => wantedOf(pool, loadOf(pools, pool), step));
  const shares = limited(pools, wanted);
  return pools.map(({ state }, i) => {
    const share = shares[i]!;
    const felt = state.felt + (share - state.felt) * step;
    return { shedding: share > 0, share, felt };
  });
}

/** The share that a pool would take next by itself. */
function wantedOf({ state, rules, load }: ShedPool, others: number, step: number): number {
  const { shedding, share, felt } = state;
  if (!load) return share * (1 - step) < SHED_LEAST ? 0 : share * (1 - step);
  const demand = load.utilisation / Math.max(1 - felt, KEPT_LEAST);
  const low = Math.max(rules.from, others);
  const goal = clamp((demand - low) / (rules.to - rules.from + demand));
  if (!shedding && goal < SHED_LEAST) return 0;
  if (shedding && demand < rules.from - SHED_HYSTERESIS && share <= SHED_LEAST) return 0;
  return Math.max(share + (goal - share) * step, SHED_LEAST);
}

/** The load of all pools of the group but one, together; 0 where nothing is known. */
function loadOf(pools: readonly ShedPool[], without: ShedPool): number {
  let used = 0;
  let capacity = 0;
  for (const pool of pools) {
    if (pool === without || !pool.load) continue;
    used += pool.load.utilisation * pool.load.capacity;
    capacity += pool.load.capacity;
  }
  return capacity === 0 ? 0 : used / capacity;
}

/** Only the half of the regions that want it most may shed more than SHED_HALF. */
function limited(pools: readonly ShedPool[], wanted: readonly number[]): readonly number[] {
  const most = new Map<string, number>();
  for (const [i, { region }] of pools.entries()) {
    most.set(region, Math.max(most.get(region) ?? 0, wanted[i]!));
  }
  const allowed = [...most]
    .sort(([, a], [, b]) => b - a)
    .slice(0, Math.floor(most.size / 2))
    .map(([region]) => region);
  return pools.map(({ region }, i) =>
    allowed.includes(region) ? wanted[i]! : Math.min(wanted[i]!, SHED_HALF),
  );
}

function clamp(part: number): number {
  return Math.min(Math.max(part, 0), 1);
}
