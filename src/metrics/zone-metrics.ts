import { OUTCOME, OUTCOMES, POLICIES } from '../core/answer/snapshot.js';
import { ANSWER_KINDS } from '../core/limit/answer-kind.js';
import {
  COUNTED_RCODES,
  COUNTED_TYPES,
  LIMIT_ACTIONS,
  limitedCell,
  POOL_CELLS,
  SIZE_BOUNDS,
  TRANSPORTS,
  ZONE_CELL,
} from '../core/tally/cells.js';

/** What the workers counted by zone and pool (`core/tally/cells.ts`), with the names of the slots. */
export interface ZoneTallies {
  readonly memory: readonly { readonly zones: Float64Array; readonly pools: Float64Array }[];
  readonly zones: readonly (readonly [slot: number, name: string])[];
  readonly pools: readonly (readonly [
    slot: number,
    name: { readonly zone: string; readonly pool: string; readonly region: string },
  ])[];
}

type Rows = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
type Add = (name: string, help: string, labels: string[], rows: () => Rows) => void;

/** Adds the counters by zone and pool; what is 0 has no row, so that there are only as many as are used. */
export function zoneMetrics(add: Add, tallies: () => ZoneTallies): void {
  add('dns_zone_requests_total', 'Queries answered, by zone.', ['zone', 'type', 'transport', 'family'], () =>
    zoneRows(tallies(), ZONE_CELL.REQUESTS, 8 * COUNTED_TYPES.length, requestLabels),
  );
  add('dns_zone_responses_total', 'Answers by zone and response code.', ['zone', 'rcode'], () =>
    summed(zoneRows(tallies(), ZONE_CELL.RESPONSES, 64, (cell) => ({ rcode: COUNTED_RCODES[cell >> 3]! }))),
  );
  add('dns_response_size_total', 'Answers of at most so many bytes.', ['le'], () => sizeRows(tallies()));
  add('dns_rate_limited_total', 'Answers beyond the rate limit.', ['zone', 'kind', 'action'], () =>
    limitedRows(tallies()),
  );
  add(
    'dns_decisions_total',
    'Dynamic answers by how they were chosen.',
    ['zone', 'pool', 'region', 'policy', 'outcome'],
    () => decisionRows(tallies()),
  );
}

function requestLabels(cell: number): Readonly<Record<string, string>> {
  return {
    type: COUNTED_TYPES[cell >> 3]!,
    transport: TRANSPORTS[(cell >> 1) & 3]!,
    family: (cell & 1) === 0 ? '4' : '6',
  };
}

function zoneRows(
  { memory, zones }: ZoneTallies,
  from: number,
  count: number,
  labels: (cell: number) => Readonly<Record<string, string>>,
): Rows {
  return zones.flatMap(([slot, zone]) =>
    Array.from({ length: count }, (_, cell) => {
      const at = slot * ZONE_CELL.STRIDE + from + cell;
      return [{ zone, ...labels(cell) }, sum(memory, (each) => each.zones[at]!)] as const;
    }).filter(([, value]) => value > 0),
  );
}

/** Rows with the same labels become one. */
function summed(rows: Rows): Rows {
  const sums = new Map<string, readonly [Readonly<Record<string, string>>, number]>();
  for (const [labels, value] of rows) {
    const key = JSON.stringify(labels);
    sums.set(key, [labels, value + (sums.get(key)?.[1] ?? 0)]);
  }
  return [...sums.values()];
}

/** Cumulative, as the buckets of a histogram. */
function sizeRows(tallies: ZoneTallies): Rows {
  const counts = new Array<number>(SIZE_BOUNDS.length).fill(0);
  for (const [{ size }, value] of zoneRows(tallies, ZONE_CELL.RESPONSES, 64, (cell) => ({
    size: String(cell & 7),
  }))) {
    counts[Number(size)]! += value;
  }
  let total = 0;
  return SIZE_BOUNDS.map((bound, i) => {
    total += counts[i]!;
    return [{ le: Number.isFinite(bound) ? String(bound) : '+Inf' }, total] as const;
  });
}

function limitedRows({ memory, zones }: ZoneTallies): Rows {
  return zones.flatMap(([slot, zone]) =>
    ANSWER_KINDS.flatMap((kind, k) =>
      LIMIT_ACTIONS.map((action, a) => {
        const at = slot * ZONE_CELL.STRIDE + ZONE_CELL.LIMITED + limitedCell(k, a);
        return [{ zone, kind, action }, sum(memory, (each) => each.zones[at]!)] as const;
      }),
    ).filter(([, value]) => value > 0),
  );
}

/** By pool, and for answers without one by zone. */
function decisionRows(tallies: ZoneTallies): Rows {
  const { memory, pools } = tallies;
  const chosen = pools.flatMap(([slot, { zone, pool, region }]) =>
    Array.from({ length: POOL_CELLS }, (_, cell) => {
      const at = slot * POOL_CELLS + cell;
      const labels = { zone, pool, region, policy: POLICIES[cell >> 2]!, outcome: OUTCOMES[cell & 3]! };
      return [labels, sum(memory, (each) => each.pools[at]!)] as const;
    }).filter(([, value]) => value > 0),
  );
  const outcome = OUTCOMES[OUTCOME.FAILED_CLOSED];
  const closed = zoneRows(tallies, ZONE_CELL.FAILED_CLOSED, POLICIES.length, (cell) => ({
    pool: '',
    region: '',
    policy: POLICIES[cell]!,
    outcome,
  }));
  return [...chosen, ...closed];
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
