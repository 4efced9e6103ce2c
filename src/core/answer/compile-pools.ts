import { SLOT_ALWAYS_DOWN, SLOT_ALWAYS_UP } from '../health/word.js';
import { POOL_SLOT_OTHER } from '../tally/cells.js';
import type { Endpoint, Family, Pool, Zone } from '../zone/model.js';
import { groupName, leafPools, neededOf, PRIORITY_DEFAULT, priorityGroups } from '../zone/pool-groups.js';
import { healthTarget, shedTarget } from '../zone/targets.js';
import { aliasTarget } from './alias-target.js';
import type { Build } from './build.js';
import { addLink } from './links.js';
import { hashOf } from './name-table.js';
import { ANSWERS_MAX, CHASE, DIAL_FULL, ENDPOINT, FAMILIES, PICK, POOL } from './snapshot.js';

/** Gives every priority group of every pool of the zone its number; a pool of pools has those of its members. */
export function numberPools(build: Build): void {
  const { zone } = build.tree;
  const numbers = build.poolNumbers;
  const before = build.pools.length / POOL.STRIDE;
  for (const pool of zone.pools.values()) {
    if (pool.members) continue;
    const groups = groupsOf(pool);
    const first = before + build.index.pools.length;
    numbers.set(
      pool.name,
      groups.map((_, i) => first + i),
    );
    for (const group of groups) build.index.pools.push({ pool: group });
  }
  for (const { name, members } of zone.pools.values()) {
    if (members) {
      const behind = leafPools(zone, name).flatMap((leaf) => numbers.get(leaf.name)!);
      numbers.set(name, behind);
      for (const number of behind) {
        const entry = build.index.pools[number - before]!;
        entry.groups = [...(entry.groups ?? []), name];
      }
    }
  }
}

/** A pool for each priority, which differs from the whole by its name and its endpoints. */
function groupsOf(pool: Pool): readonly Pool[] {
  const groups = priorityGroups(pool);
  if (groups.length <= 1) return [pool];
  return groups.map((endpoints) => {
    const priority = endpoints[0]!.priority ?? PRIORITY_DEFAULT;
    return { ...pool, name: groupName(pool.name, priority), endpoints };
  });
}

/** Writes the pools of the zone and their endpoints, family by family. */
export function compilePools(build: Build): void {
  const { tree, input, index } = build;
  const first = build.pools.length / POOL.STRIDE;
  for (const pool of tree.zone.pools.values()) {
    if (pool.members) continue;
    const shed = shedTarget(tree.zone, pool);
    const shedSlot = shed ? input.slotOf(shed.key) : SLOT_ALWAYS_UP;
    const numbers = build.poolNumbers.get(pool.name)!;
    for (const number of numbers) {
      const steered = [shedSlot, shedSlot, DIAL_FULL, numbers[0]!, 0, 0];
      const model = index.pools[number - first]!.pool;
      build.pools.push(...poolFields(build, model, number), POOL_SLOT_OTHER, ...steered);
    }
  }
}

function poolFields(build: Build, pool: Pool, number: number): readonly number[] {
  const fields: number[] = [pickField(pool)];
  for (const family of FAMILIES) {
    const endpoints = pool.endpoints.filter((endpoint) => endpoint.rdata[family]);
    const first = build.endpoints.length / ENDPOINT.STRIDE;
    for (const endpoint of endpoints) compileEndpoint(build, pool, number, endpoint, family);
    const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
    fields.push(first, endpoints.length, total, neededOf(pool, endpoints));
  }
  return fields;
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
  pool: Pool,
  poolNumber: number,
  endpoint: Endpoint,
  family: Family,
): void {
  const { tree } = build;
  const rdata = endpoint.rdata[family]!;
  build.index.endpoints.push({ pool: poolNumber, family, endpoint });
  const slot = slotOf(build, tree.zone, pool, endpoint, family);
  build.endpoints.push(
    slot,
    endpoint.weight,
    family === 'A' ? new DataView(rdata.buffer, rdata.byteOffset).getInt32(0) : build.blobs.push(rdata),
    rdata.length,
    family === 'CNAME' ? aliasTarget(build, rdata) : CHASE.OUTSIDE,
    hashOf(rdata),
    slot,
    family === 'CNAME' ? addLink(build, rdata) : -1,
  );
}

function slotOf(build: Build, zone: Zone, pool: Pool, endpoint: Endpoint, family: Family): number {
  if (endpoint.status === 'down') return SLOT_ALWAYS_DOWN;
  const target = healthTarget(zone, pool, endpoint, family);
  return target ? build.input.slotOf(target.key) : SLOT_ALWAYS_UP;
}
