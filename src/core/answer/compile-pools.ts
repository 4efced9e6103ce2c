import { SLOT_ALWAYS_DOWN, SLOT_ALWAYS_UP } from '../health/word.js';
import type { Endpoint, Family, Pool, Zone } from '../zone/model.js';
import { healthTarget, shedTarget } from '../zone/targets.js';
import { aliasTarget } from './alias-target.js';
import type { Build } from './build.js';
import { hashOf } from './name-table.js';
import { CHASE, ENDPOINT, FAMILIES, PICK } from './snapshot.js';
import type { ZoneTree } from './zone-tree.js';

/** Gives every pool of a zone its number. */
export function numberPools(build: Build, zone: Zone, zoneNumber: number): void {
  const numbers = new Map<string, number>();
  for (const pool of zone.pools.values()) {
    numbers.set(pool.name, build.index.pools.length);
    build.index.pools.push({ zone: zoneNumber, pool });
  }
  build.poolNumbers.push(numbers);
}

/** Writes the pools of a zone and their endpoints, family by family. */
export function compilePools(build: Build, tree: ZoneTree, zone: number): void {
  for (const pool of tree.zone.pools.values()) {
    const number = build.poolNumbers[zone]!.get(pool.name)!;
    const fields: number[] = [PICKS[pool.pick]];
    for (const family of FAMILIES) {
      const endpoints = pool.endpoints.filter((endpoint) => endpoint.rdata[family]);
      const first = build.endpoints.length / ENDPOINT.STRIDE;
      for (const endpoint of endpoints) compileEndpoint(build, tree, pool, number, endpoint, family);
      const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
      fields.push(
        first,
        endpoints.length,
        total,
        neededOf(pool, total, endpoints.filter(({ weight }) => weight > 0).length),
      );
    }
    const shed = shedTarget(tree.zone, pool);
    fields.push(shed ? build.input.slotOf(shed.key) : SLOT_ALWAYS_UP);
    build.pools.push(...fields);
  }
}

/** See POOL.NEEDED. A family that has fewer endpoints than the pool needs has to have all of them up. */
function neededOf({ minUp, minUpCount }: Pool, total: number, weighty: number): number {
  if (minUpCount === undefined) return neededWeight(minUp, total);
  return -Math.min(minUpCount, weighty);
}

/** 0.55 × 100 is 55.00000000000001 in binary: what is within rounding of a whole number is that number. */
function neededWeight(minUp: number, total: number): number {
  return Math.ceil(minUp * total - 1e-6);
}

const PICKS: Readonly<Record<Pool['pick'], number>> = {
  weighted: PICK.WEIGHTED,
  all: PICK.ALL,
  first: PICK.FIRST,
  hash: PICK.HASH,
};

function compileEndpoint(
  build: Build,
  tree: ZoneTree,
  pool: Pool,
  poolNumber: number,
  endpoint: Endpoint,
  family: Family,
): void {
  const rdata = endpoint.rdata[family]!;
  build.index.endpoints.push({ pool: poolNumber, family, endpoint });
  build.endpoints.push(
    slotOf(build, tree.zone, pool, endpoint, family),
    endpoint.weight,
    family === 'A' ? new DataView(rdata.buffer, rdata.byteOffset).getInt32(0) : build.blobs.push(rdata),
    rdata.length,
    family === 'CNAME' ? aliasTarget(build, tree, rdata) : CHASE.OUTSIDE,
    hashOf(rdata),
  );
}

function slotOf(build: Build, zone: Zone, pool: Pool, endpoint: Endpoint, family: Family): number {
  if (endpoint.status === 'down') return SLOT_ALWAYS_DOWN;
  const target = healthTarget(zone, pool, endpoint, family);
  return target ? build.input.slotOf(target.key) : SLOT_ALWAYS_UP;
}
