/** Limits of a proxy, its peers, and orders of maintenance, as `meridian proxy status` shows them. */
import { formatTable } from './table.js';
import { timeText } from './time-text.js';

/** Parts of what `GET /v1/status` answers. An older proxy leaves some out. */
export interface LimitFacts {
  readonly rate_limits?: readonly {
    readonly name: string;
    readonly dry_run: boolean;
    readonly passed: number;
    readonly refused: number;
    readonly would_refuse: number;
  }[];
  readonly peers?: readonly { readonly name: string; readonly state: string }[];
  readonly pools: readonly {
    readonly name: string;
    readonly maintenance_order?: { readonly by: string; readonly since: string; readonly why?: string };
  }[];
}

/** Each a text of its own; none where there is nothing to tell. */
export function limitTables({ rate_limits: limits = [], peers = [], pools }: LimitFacts): readonly string[] {
  const ordered = pools.flatMap(({ name, maintenance_order: order }) =>
    order ? [[name, order.by, timeText(order.since), order.why ?? '']] : [],
  );
  const limited = limits.map(({ name, dry_run: isDry, passed, refused, would_refuse: would }) => {
    return [name, String(passed), isDry ? `${would} (dry run)` : String(refused)];
  });
  return [
    ...(ordered.length > 0 ? [formatTable(['MAINTENANCE ORDER', 'BY', 'SINCE', 'WHY'], ordered)] : []),
    ...(limited.length > 0 ? [formatTable(['LIMIT', 'PASSED', 'REFUSED'], limited)] : []),
    ...(peers.length > 0
      ? [
          formatTable(
            ['PEER', 'STATE'],
            peers.map(({ name, state }) => [name, state]),
          ),
        ]
      : []),
  ];
}
