/**
 * What each worker counts for each zone and pool, in shared Float64Arrays that only it writes. A zone or pool has the
 * same slot in every snapshot (`control/snapshot-slots.ts`), so that its counters go on after a reload.
 */
import type { Query } from '../answer/query.js';
import { POOL, ZONE } from '../answer/snapshot.js';
import { RCODE, TYPE } from '../dns/iana.js';

/** Slots of zones: names beyond them are counted together. */
export const ZONE_SLOTS = 512;
/** Queries without a zone. */
export const ZONE_SLOT_NONE = 0;
/** Zones without a slot of their own. */
export const ZONE_SLOT_OTHER = 1;
export const POOL_SLOTS = 2048;
export const POOL_SLOT_OTHER = 0;

/** Where a zone's cells are, and how many it has. */
export const ZONE_CELL = {
  /** By type, transport and family. */
  REQUESTS: 0,
  /** By response code and size. */
  RESPONSES: 128,
  /** By kind of answer and action. */
  LIMITED: 192,
  /** By policy. */
  FAILED_CLOSED: 224,
  STRIDE: 256,
} as const;

/** A pool's cells: by policy and outcome. */
export const POOL_CELLS = 16;

export const TRANSPORT = { UDP: 0, TCP: 1, DOT: 2, DOH: 3 } as const;
export const TRANSPORTS = ['udp', 'tcp', 'dot', 'doh'] as const;

/** Types that are counted by name; the last stands for all others. */
export const COUNTED_TYPES: readonly string[] = [
  ...(['A', 'AAAA', 'ANY', 'CAA', 'CNAME', 'DNSKEY', 'DS', 'HTTPS', 'MX', 'NS', 'PTR', 'SOA'] as const),
  ...(['SRV', 'SVCB', 'TXT'] as const),
  'other',
];
const TYPE_OTHER = COUNTED_TYPES.length - 1;

/** Response codes that are counted by name; the last stands for all others. */
export const COUNTED_RCODES: readonly string[] = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'BADVERS',
  'other',
];

/** Upper bounds of the sizes of answers that are counted apart, bytes; the last has none. */
export const SIZE_BOUNDS = [64, 128, 256, 512, 1024, 2048, 4096, Number.POSITIVE_INFINITY] as const;

/** What became of an answer of the rate limiter. `LOGGED`: sent all the same. */
export const LIMIT_ACTION = { DROPPED: 0, SLIPPED: 1, LOGGED: 2 } as const;
export const LIMIT_ACTIONS = ['dropped', 'slipped', 'logged'] as const;
const ACTION_STRIDE = 4;

const typeIndex = new Uint8Array(512).fill(TYPE_OTHER);
for (const [index, name] of COUNTED_TYPES.entries()) {
  const type = TYPE[name as keyof typeof TYPE] as number | undefined;
  if (type !== undefined) typeIndex[type] = index;
}

/** Counts one query and its answer of `length` bytes. At most three cells are touched. */
export function tally(
  query: Query,
  zones: Float64Array,
  pools: Float64Array,
  slot: number,
  transport: number,
  length: number,
): void {
  const cells = slot * ZONE_CELL.STRIDE;
  const request = cells + ZONE_CELL.REQUESTS + requestCell(query, transport);
  zones[request] = zones[request]! + 1;
  const response = cells + ZONE_CELL.RESPONSES + 8 * rcodeIndex(query.rcode) + sizeIndex(length);
  zones[response] = zones[response]! + 1;
  const { decision, pool } = query;
  if (decision < 0) return;
  if (pool < 0) {
    const closed = cells + ZONE_CELL.FAILED_CLOSED + (decision >> 2);
    zones[closed] = zones[closed]! + 1;
    return;
  }
  const chosen = query.snapshot.pools[pool * POOL.STRIDE + POOL.SLOT]! * POOL_CELLS + decision;
  pools[chosen] = pools[chosen]! + 1;
}

/** Counts an answer that was limited. */
export function tallyLimited(zones: Float64Array, slot: number, kind: number, action: number): void {
  const cell = slot * ZONE_CELL.STRIDE + ZONE_CELL.LIMITED + kind * ACTION_STRIDE + action;
  zones[cell] = zones[cell]! + 1;
}

/** The number of a query's zone in its snapshot, or -1, and its slot. */
export function zoneSlot(query: Query, zone: number): number {
  return zone < 0 ? ZONE_SLOT_NONE : query.snapshot.zones[zone * ZONE.STRIDE + ZONE.SLOT]!;
}

/** The cell of a kind and an action within ZONE_CELL.LIMITED. */
export function limitedCell(kind: number, action: number): number {
  return kind * ACTION_STRIDE + action;
}

/** Where there is no whole question its type is unknown. */
function requestCell(query: Query, transport: number): number {
  const type = query.questionEnd > 0 && query.type < 512 ? typeIndex[query.type]! : TYPE_OTHER;
  return 8 * type + 2 * transport + (query.sourceFamily === 4 ? 0 : 1);
}

function rcodeIndex(rcode: number): number {
  if (rcode <= RCODE.REFUSED) return rcode;
  return rcode === RCODE.BADVERS ? 6 : 7;
}

function sizeIndex(length: number): number {
  const bits = 26 - Math.clz32(length - 1);
  return bits < 0 ? 0 : bits > 7 ? 7 : bits;
}
