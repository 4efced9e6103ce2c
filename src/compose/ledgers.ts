import { randomBytes } from 'node:crypto';
import { startQueryLog } from '../control/query-log.js';
import { SnapshotSlots } from '../control/snapshot-slots.js';
import type { LogRecord } from '../core/query-log/ring.js';
import { POOL_CELLS, ZONE_CELL } from '../core/tally/cells.js';
import type { LineLog } from '../core/tally/line-log.js';
import type { PoolModules, WorkerPool } from '../dataplane/pool.js';
import { LogFile, STDERR_SINK } from '../sources/log-file.js';
import type { ServerConfig } from '../sources/server-config.js';
import type { Log } from './log.js';

/** What of limits, counters by zone and the query log a node has on its main thread. */
export interface Ledgers {
  readonly slots: SnapshotSlots;
  /** For the workers. */
  readonly ledger: NonNullable<PoolModules['ledger']>;
  /** From here on the pool's workers are read; absent where nothing is logged. */
  openLog(pool: WorkerPool): LineLog<LogRecord> | undefined;
}

/** `pool` is asked for when a slot gets another name. */
export function createLedgers(config: ServerConfig, pool: () => WorkerPool, log: Log): Ledgers {
  const { queries } = config.log;
  const { rateLimit } = config.dns;
  const slots = new SnapshotSlots({
    clearZone: (slot) => {
      for (const { zones } of pool().ledgers) clear(zones, slot, ZONE_CELL.STRIDE);
    },
    clearPool: (slot) => {
      for (const { pools } of pool().ledgers) clear(pools, slot, POOL_CELLS);
    },
  });
  return {
    slots,
    ledger: {
      options: { ...(rateLimit && { limit: rateLimit }), ...(queries && { queryLog: queries }) },
      secret: () => randomBytes(4).readInt32LE(0),
      onLimit: ({ limited, prefix, kind, zone }) => {
        const facts = { prefix, kind, zone: slots.zoneName(zone) };
        if (limited) log.warn(facts, 'answers to this prefix are limited');
        else log.info(facts, 'answers to this prefix are no longer limited');
      },
    },
    openLog(workers) {
      if (!queries) return undefined;
      const sink = queries.file === null ? STDERR_SINK : new LogFile(queries.file, queries.maxBytes);
      const rings = () => workers.ledgers.flatMap(({ ring }) => (ring ? [ring] : []));
      const timers = { set: setTimeout, clear: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout) };
      return startQueryLog(
        { sink, rings, timers, log },
        {
          zone: (slot) => slots.zoneName(slot),
          pool: (slot) => {
            const { pool: name, region } = slots.poolName(slot);
            return { pool: name, region };
          },
          client: queries.client,
        },
      );
    },
  };
}

function clear(cells: Float64Array, slot: number, count: number): void {
  cells.fill(0, slot * count, (slot + 1) * count);
}
