/** Monitors whose verdict is made from those of others. */

export type Calculation = Counting | RecordCalculation;

/** The endpoint is up if `all`, `any`, or `at_least` so many of the others say so, or one does not. */
export interface Counting {
  readonly kind: 'all' | 'any' | 'at_least' | 'not';
  /** How many, for `at_least`. */
  readonly count?: number;
}

/** Up while any pool of a record would serve. */
export interface RecordCalculation {
  readonly kind: 'record';
  /** Of all address families of the record; a pool has one for each of its priorities. */
  readonly pools: readonly RecordPool[];
}

/** One pool as the query path judges it. */
export interface RecordPool {
  readonly name: string;
  /** The weight that must be up; below 0: so many endpoints with a weight. */
  readonly needed: number;
  /** Without those that the operator set down. `part`: whose verdict counts; an endpoint without one is always up. */
  readonly members: readonly { readonly weight: number; readonly part?: number }[];
}

/** What comes out, and how many of what was counted (parts, or pools of a record) are up. */
export interface Calculated {
  readonly state: 'up' | 'down';
  readonly up: number;
  readonly known: number;
}

type State = 'up' | 'down';

/** What comes out of the states of the parts. */
export function calculate(calculation: Calculation, states: readonly State[]): Calculated {
  if (calculation.kind === 'record') {
    const { pools } = calculation;
    const up = pools.filter((pool) => poolServes(pool, states)).length;
    return { state: up > 0 ? 'up' : 'down', up, known: pools.length };
  }
  const up = states.filter((state) => state === 'up').length;
  return { state: isUp(calculation, up, states.length) ? 'up' : 'down', up, known: states.length };
}

function isUp({ kind, count = 1 }: Counting, up: number, known: number): boolean {
  switch (kind) {
    case 'all':
      return up === known;
    case 'any':
      return up > 0;
    case 'at_least':
      return up >= count;
    case 'not':
      return up === 0;
    default:
      kind satisfies never;
      throw new Error(`unknown calculation ${String(kind)}`);
  }
}

/** As `poolState` of the query path: enough weight is up, or only a spare of weight 0. */
export function poolServes({ needed, members }: RecordPool, states: readonly State[]): boolean {
  const up = members.filter(({ part }) => part === undefined || states[part] === 'up');
  const weighty = up.filter(({ weight }) => weight > 0);
  if (weighty.length === 0) return up.length > 0;
  return needed < 0 ? weighty.length >= -needed : weightOf(weighty) >= needed;
}

/** How much weight of a pool is up. */
export function weightUp({ members }: RecordPool, states: readonly State[]): number {
  return weightOf(members.filter(({ part }) => part === undefined || states[part] === 'up'));
}

function weightOf(members: RecordPool['members']): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}
