/**
 * Pools that take part of their answers: some endpoint came back and its ramp is not over, the pool sheds load, or an
 * operator dialled it down.
 * Nothing here runs for a pool without a `partial` word.
 */
import { draw, type Query } from '../answer/query.js';
import { DIAL_FULL, ENDPOINT, PICK, POOL } from '../answer/snapshot.js';
import { SHARE_FULL, shareOf } from '../health/word.js';
import { hashOfClient, mix } from './client.js';

/**
 * What part of its answers a pool that is up takes, in 256ths: 1 to 256. Of the ramp: what its endpoints can take by
 * now, measured by what the pool needs to be up at all; so a pool that is up without the endpoint that came back
 * takes everything, and one that just came back climbs. Of shedding: what its own word says.
 */
export function poolShare(query: Query, pool: number, family: number): number {
  const { pools, endpoints } = query.snapshot;
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  // Below 0 endpoints are counted, not their weights.
  const counts = pools[record + POOL.NEEDED]! < 0;
  const needed = Math.abs(pools[record + POOL.NEEDED]!);
  let ready = 0;
  for (let i = first; i < end; i++) {
    const word = query.health[endpoints[i * ENDPOINT.STRIDE + ENDPOINT.SLOT]!]!;
    const weight = endpoints[i * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
    if (word >= 0) ready += (counts ? Math.min(weight, 1) : weight) * shareOf(word);
  }
  const ramp = ready >= needed * SHARE_FULL ? SHARE_FULL : Math.max(Math.floor(ready / needed), 1);
  const kept = shareOf(query.health[pools[pool * POOL.STRIDE + POOL.LOAD]!]!);
  return Math.max((ramp * kept) >> 8, 1);
}

/** Whether an operator leaves only part of its answers to a pool. */
export function isDialled(query: Query, pool: number): boolean {
  return query.snapshot.pools[pool * POOL.STRIDE + POOL.DIAL]! < DIAL_FULL;
}

/**
 * Whether the dial of a pool gives this answer away. Where the pool picks by hash, a client stays or goes for good, and
 * moves once while a dial goes up or down. Asked once for all priority groups of a pool.
 */
export function dialledAway(query: Query, pool: number): boolean {
  const dial = query.snapshot.pools[pool * POOL.STRIDE + POOL.DIAL]!;
  const away = pointOf(query, pool, DIAL_SALT) / 0x1_0000_0000 >= dial / DIAL_FULL;
  query.trace?.dial?.(pool, dial, away);
  return away;
}

/** Whether this answer goes on to the next pool. Where the pool picks by hash, a client goes on or stays for good. */
export function passesOn(query: Query, pool: number, family: number): boolean {
  const share = poolShare(query, pool, family);
  if (share >= SHARE_FULL) return false;
  const passed = pointOf(query, pool, PASS_SALT) / 0x1_0000_0000 >= share / SHARE_FULL;
  query.trace?.part(pool, share, passed);
  return passed;
}

/** 32 bits: of the client where the pool picks by hash, else drawn. */
function pointOf(query: Query, pool: number, salt: number): number {
  const sticky = (query.snapshot.pools[pool * POOL.STRIDE + POOL.PICK]! & PICK.KIND) === PICK.HASH;
  // Neighbours in a xorshift sequence are alike in their bits, and this one comes right behind the draw of a pool.
  return mix(sticky ? hashOfClient(query) ^ salt : draw(query));
}

/** So that staying does not go together with being sent to a certain endpoint, nor one reason with the other. */
const PASS_SALT = 0x5bd1e995;
const DIAL_SALT = 0x27d4eb2f;

/** An endpoint as the pool's pick `weighted` chooses it, each weight in the part that it takes by now; -1 for none. */
export function pickPartByWeight(query: Query, first: number, end: number): number {
  let total = 0;
  let last = -1;
  for (let endpoint = first; endpoint < end; endpoint++) {
    const weight = weightNow(query, endpoint);
    if (weight === 0) continue;
    total += weight;
    last = endpoint;
  }
  if (last < 0) return -1;
  let left = Math.floor((draw(query) / 0x1_0000_0000) * total);
  for (let endpoint = first; endpoint < last; endpoint++) {
    left -= weightNow(query, endpoint);
    if (left < 0) return endpoint;
  }
  return last;
}

/** An endpoint's weight times its share; 0 where it is down. */
export function weightNow(query: Query, endpoint: number): number {
  const { endpoints } = query.snapshot;
  const word = query.health[endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT]!]!;
  return word < 0 ? 0 : endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]! * shareOf(word);
}
