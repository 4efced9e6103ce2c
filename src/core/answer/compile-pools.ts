import { SLOT_ALWAYS_DOWN, SLOT_ALWAYS_UP } from '../health/word.js';
import { POOL_SLOT_OTHER } from '../tally/cells.js';
import type { Endpoint, Family, Pool, Zone } from '../zone/model.js';
import { leafPools, PRIORITY_DEFAULT, priorityGroups } from '../zone/pool-groups.js';
import { healthTarget, shedTarget } from '../zone/targets.js';
import { aliasTarget } from './alias-target.js';
import type { Build } from './build.js';
import { hashOf } from './name-table.js';
import { ANSWERS_MAX, CHASE, ENDPOINT, FAMILIES, PICK } from './snapshot.js';
import type { ZoneTree } from './zone-tree.js';

/** Gives every priority group of every pool of a zone its number; a pool of pools has those of its members. */
export function numberPools(build: Build, zone: Zone, zoneNumber: number): void {
  const numbers = new Map<string, readonly number[]>();
  for (const pool of zone.pools.values()) {
    if (pool.members) continue;
    const groups = groupsOf(pool);
    const first = build.index.pools.length;
    numbers.set(
      pool.name,
      groups.map((_, i) => first + i),
    );
    for (const group of groups) build.index.pools.push({ zone: zoneNumber, pool: group });
  }
  for (const { name, members } of zone.pools.values()) {
    if (members) {
      numbers.set(
        name,
        leafPools(zone, name).flatMap((leaf) => numbers.get(leaf.name)!),
      );
    }
  }
  build.poolNumbers.push(numbers);
}

/** A pool for each priority, which differs from the whole by its name and its endpoints. */
function groupsOf(pool: Pool): readonly Pool[] {
  const groups = priorityGroups(pool);
  if (groups.length <= 1) return [pool];
  return groups.map((endpoints) => {
    const priority = endpoints[0]!.priority ?? PRIORITY_DEFAULT;
    return { ...pool, name: `${pool.name} (priority ${priority})`, endpoints };
  });
}

/** Writes the pools of a zone and their endpoints, family by family. */
export function compilePools(build: Build, tree: ZoneTree, zone: number): void {
  for (const pool of tree.zone.pools.values()) {
    if (pool.members) continue;
    const shed = shedTarget(tree.zone, pool);
    const shedSlot = shed ? build.input.slotOf(shed.key) : SLOT_ALWAYS_UP;
    for (const number of build.poolNumbers[zone]!.get(pool.name)!) {
      build.pools.push(...poolFields(build, tree, number), POOL_SLOT_OTHER, shedSlot);
    }
  }
}

function poolFields(build: Build, tree: ZoneTree, number: number): readonly number[] {
  const { pool } = build.index.pools[number]!;
  const fields: number[] = [pickField(pool)];
  for (const family of FAMILIES) {
    const endpoints = pool.endpoints.filter((endpoint) => endpoint.rdata[family]);
    const first = build.endpoints.length / ENDPOINT.STRIDE;
    for (const endpoint of endpoints) compileEndpoint(build, tree, pool, number, endpoint, family);
    const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
    const weighty = endpoints.filter(({ weight }) => weight > 0).length;
    fields.push(first, endpoints.length, total, neededOf(pool, total, weighty));
  }
  return fields;
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

/** `all` means as many as an answer holds. */
function pickField({ pick, answers = pick === 'all' ? ANSWERS_MAX : 1, shuffle = true }: Pool): number {
  return PICKS[pick] | (shuffle ? PICK.SHUFFLED : 0) | (answers << PICK.ANSWERS_SHIFT);
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
