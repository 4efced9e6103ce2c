/** Regions, monitors and pools of a zone file: defaults filled in, texts turned into numbers and bytes. */

import { TYPE } from '../core/dns/iana.js';
import { isRdataError } from '../core/dns/rdata/codec.js';
import { rdataCodec } from '../core/dns/rdata/table.js';
import { JUDGEMENT_DEFAULTS } from '../core/health/judgement.js';
import type { Endpoint, Family, Monitor, Pool } from '../core/zone/model.js';
import { parseDuration } from './duration.js';
import type { Path } from './schema-problems.js';
import { readCheck } from './zone-checks.js';
import { type Draft, report } from './zone-draft.js';
import { readJudgement } from './zone-judgement.js';
import type { FileMonitor, FilePool, ZoneFile } from './zone-schema.js';

export const MONITOR_DEFAULTS = {
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 1,
  quorum: 'majority',
  judgement: JUDGEMENT_DEFAULTS,
} as const;

export const POOL_DEFAULTS = { pick: 'weighted', minUp: 0.5, weight: 1 } as const;

const FAMILIES: readonly Family[] = ['A', 'AAAA', 'CNAME'];

export function readRegions(draft: Draft, regions: NonNullable<ZoneFile['regions']>): void {
  for (const [name, { location }] of Object.entries(regions)) {
    if (!location) {
      draft.regions.set(name, { name });
      continue;
    }
    const [latitude = 0, longitude = 0] = location;
    const at = ['regions', name, 'location'];
    if (Math.abs(latitude) > 90) report(draft, [...at, 0], 'must be a latitude from -90 to 90');
    if (Math.abs(longitude) > 180) report(draft, [...at, 1], 'must be a longitude from -180 to 180');
    draft.regions.set(name, { name, location: { latitude, longitude } });
  }
}

export function readMonitors(draft: Draft, monitors: NonNullable<ZoneFile['monitors']>): void {
  for (const [name, monitor] of Object.entries(monitors)) {
    draft.monitors.set(name, readMonitor(draft, name, monitor, ['monitors', name]));
  }
}

export function readMonitor(draft: Draft, name: string, monitor: FileMonitor, at: Path): Monitor {
  const { retry_interval: retry } = monitor;
  return {
    ...readCheck(draft, monitor, at),
    name,
    intervalMs: milliseconds(monitor.interval, MONITOR_DEFAULTS.intervalMs),
    timeoutMs: milliseconds(monitor.timeout, MONITOR_DEFAULTS.timeoutMs),
    ...(retry !== undefined && { retryMs: milliseconds(retry, 0) }),
    fall: monitor.fall ?? MONITOR_DEFAULTS.fall,
    rise: monitor.rise ?? MONITOR_DEFAULTS.rise,
    quorum: monitor.quorum ?? MONITOR_DEFAULTS.quorum,
    ...(monitor.ok_reset !== undefined && { okReset: monitor.ok_reset }),
    judgement: readJudgement(monitor),
  };
}

export function readPools(draft: Draft, pools: NonNullable<ZoneFile['pools']>): void {
  for (const [name, pool] of Object.entries(pools)) draft.pools.set(name, readPool(draft, name, pool));
}

/** The bytes of an endpoint; a placeholder, after a report, where there are none. */
export function readRdata(draft: Draft, family: Family, text: unknown, at: Path, index: number): Uint8Array {
  const wire = rdataCodec(TYPE[family]).parse(text);
  if (!isRdataError(wire)) return wire;
  report(draft, at, wire.message);
  // Differs from all others, so that nothing is said about it twice.
  return Uint8Array.of(0, 0, index >> 8, index & 0xff);
}

function readPool(draft: Draft, name: string, pool: FilePool): Pool {
  const { region, monitor, fallback } = pool;
  checkPoolKeys(draft, pool, ['pools', name]);
  return {
    name,
    ...(region === undefined ? {} : { region }),
    ...(monitor === undefined ? {} : { monitor }),
    pick: pool.pick ?? POOL_DEFAULTS.pick,
    ...(pool.answers === undefined ? {} : { answers: pool.answers }),
    ...(pool.shuffle === undefined ? {} : { shuffle: pool.shuffle }),
    minUp: typeof pool.min_up === 'number' ? pool.min_up : POOL_DEFAULTS.minUp,
    ...(typeof pool.min_up === 'object' && { minUpCount: pool.min_up.endpoints }),
    ...(pool.pools && { members: pool.pools }),
    endpoints: (pool.endpoints ?? []).map((endpoint, index) =>
      readEndpoint(draft, endpoint, ['pools', name, 'endpoints', index], index),
    ),
    ...(fallback === undefined ? {} : { fallback }),
    ...(pool.shed && { shed: pool.shed }),
  };
}

/** A pool has endpoints, or pools and then nothing that is about endpoints. */
function checkPoolKeys(draft: Draft, pool: FilePool, at: Path): void {
  if (!pool.pools) {
    if (!pool.endpoints) report(draft, at, 'needs the key "endpoints", or "pools" for a pool of pools');
    return;
  }
  for (const key of ['endpoints', 'monitor', 'pick', 'min_up', 'shed'] as const) {
    if (pool[key] !== undefined) report(draft, [...at, key], 'is not for a pool of pools', 'key');
  }
}

function readEndpoint(
  draft: Draft,
  endpoint: NonNullable<FilePool['endpoints']>[number],
  at: Path,
  index: number,
): Endpoint {
  const { proxy, service } = endpoint;
  const rdata: Partial<Record<Family, Uint8Array>> = {};
  for (const family of FAMILIES) {
    const text = endpoint[family];
    if (text !== undefined) rdata[family] = readRdata(draft, family, text, [...at, family], index);
  }
  return {
    rdata,
    weight: endpoint.weight ?? POOL_DEFAULTS.weight,
    status: endpoint.status ?? 'obey',
    ...(endpoint.priority === undefined ? {} : { priority: endpoint.priority }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(service === undefined ? {} : { service }),
  };
}

function milliseconds(value: number | string | undefined, otherwise: number): number {
  return value === undefined ? otherwise : (parseDuration(value) ?? otherwise);
}
