import type { GeoTrie } from '../geo/trie.js';

/**
 * The Snapshot: everything that `answer()` reads, compiled into flat tables on SharedArrayBuffers.
 * It is made by `world.ts` and handed to the workers by reference. Snapshots that follow each other share their tables:
 * what one of them can see does not change while anybody answers from it, and what is new stands where it does not look.
 * But for the fields that steering writes, one integer at a time (ENDPOINT.SLOT, POOL.SHED, POOL.DIAL: `core/steering/marks.ts`).
 *
 *     buckets ──▶ nodes ─┬─ static RRset ──▶ blobs (ready RRs)
 *                        ├─ dynamic RRset ─▶ chains ──▶ pools ──▶ endpoints ──▶ blobs (rdata), health words
 *                        └──▶ zones
 *
 * A table is an Int32Array of records; a field is named by its offset in the record. Nodes and RRsets are
 * named by the offset of their record in `nodes`, other records by their number. -1 means "none".
 */
export interface Snapshot {
  readonly id: number;
  /** Pairs [hash of the name, node]; open addressing, a power of two of them; node -1 is free. */
  readonly buckets: Int32Array;
  /** Each node with its name and its RRsets behind it, so that a query touches few cache lines. */
  readonly nodes: Int32Array;
  /** Labels of the longest name: a longer suffix of a question needs no look-up. */
  readonly labelsMax: number;
  readonly zones: Int32Array;
  /** How many zones there are. */
  readonly zoneCount: number;
  /** Equal in two snapshots that share all of their large tables. */
  readonly memory: number;
  /** Precompiled RRs and rdata. */
  readonly blobs: Uint8Array;
  /** Offsets, within an RRset's bytes, of two-byte pointers to the zone's apex in the question. */
  readonly fixups: Int32Array;
  readonly glue: Int32Array;
  /** Class tables, chains and weighted lists of dynamic RRsets: see `RRSET_CLASSES`. */
  readonly steering: Int32Array;
  readonly pools: Int32Array;
  readonly endpoints: Int32Array;
  readonly tries: readonly GeoTrie[];
  /** Where ALIAS records, hints, and endpoints that are names lead (ALIAS), in whatever zone. */
  readonly links: Int32Array;
  /** Alias slots (`alias-slot.ts`): not part of the snapshot, written by the control plane all the time. */
  readonly aliases: Int32Array;
  /** Values of ACME challenges (`challenge-table.ts`), as the alias slots no part of the snapshot. Absent: there are none. */
  readonly challenges?: Int32Array;
}

/** Bytes of the tables that grow with the zones; tries are left aside. */
export function snapshotBytes({ buckets, nodes, blobs, fixups, glue, steering }: Snapshot): number {
  return [buckets, nodes, blobs, fixups, glue, steering].reduce((sum, table) => sum + table.byteLength, 0);
}

/** From here on it matters that the memory of an old snapshot goes back at once. */
export const SNAPSHOT_BYTES_LARGE: number = 16 * 1024 * 1024;

/** An owner name, or an empty non-terminal (RRSETS_COUNT 0). */
export const NODE = {
  /** Bytes of the name. */
  NAME_LENGTH: 0,
  ZONE: 1,
  /** The delegation at or above this name, as a node; -1 where the zone is authoritative. */
  CUT: 2,
  /** What answers for names below that don't exist: the `*` child, as a node, WILDCARD_DNAME, or -1 for nothing. */
  WILDCARD: 3,
  /** Where the RRsets begin, right behind the name, and how many there are. */
  RRSETS: 4,
  RRSETS_COUNT: 5,
  /** The name in lower-case wire form, as little-endian words, the last one filled up with zeros. */
  NAME: 6,
} as const;

/** In NODE.WILDCARD: the node has a DNAME, which leads every name below it elsewhere. */
export const WILDCARD_DNAME = -2;

export const RRSET_KIND = { STATIC: 0, DYNAMIC: 1, ALIAS: 2, HINTED: 3 } as const;

/** Fields 0 and 1 are common; the rest depends on the kind. */
export const RRSET = {
  TYPE: 0,
  KIND: 1,
  // static
  BYTES: 2,
  BYTES_LENGTH: 3,
  COUNT: 4,
  FIXUPS: 5,
  FIXUPS_COUNT: 6,
  /** For a CNAME: the node its target leads to, or one of `CHASE`. For NS at a cut: start in `glue`. For an ALIAS: its link. */
  TARGET: 7,
  /** For NS at a cut: how many glue records. */
  GLUE_COUNT: 8,
  // hinted: TTL and COUNT, and at BYTES where its records (HINTED) begin in `steering`
  // dynamic; an ALIAS has FAMILY, TTL and TARGET, and its target's name in `blobs`
  FAMILY: 2,
  /** Seconds; below 0 the place, inverted, of a pair in `steering`: the least and the most of a TTL from health. */
  TTL: 3,
  ALIAS_NAME: 4,
  ALIAS_NAME_LENGTH: 5,
  /** Index into `tries`, or -1 where the client's place does not matter. */
  TRIE: 4,
  /** Start in `steering` of a list: class → chain. The word before it is the POLICY. */
  CLASSES: 5,
  MODE: 6,
  /** When every pool is down: one of FAIL, or (pool << 2) | FAIL.POOL. */
  FAIL: 7,
  /** 1 where a pool that can be reached picks by hash: the answer then depends on HASH_PREFIX bits of the client. */
  HASHES: 8,
  STRIDE: 9,
} as const;

/**
 * Where a link leads: a node, or one of these. From SLOTS down it is an alias slot, SLOTS - number. The fields are
 * those of `links`.
 */
export const ALIAS = {
  /** Outside, and there is no slot for it. */
  NONE: -1,
  NXDOMAIN: -2,
  LOOP: -3,
  SLOTS: -16,
  // fields
  TARGET: 0,
  /** The smallest TTL on the way. */
  TTL: 1,
  STRIDE: 2,
} as const;

/** An SVCB or HTTPS record with hints to be chosen: its rdata in three parts, between which the hints come. */
export const HINTED = {
  BYTES: 0,
  /** Lengths: priority, target and lower keys; keys between the hints; higher keys. */
  BEFORE_V4: 1,
  BETWEEN: 2,
  AFTER_V6: 3,
  /** Bits V4 and V6. */
  ASKED: 4,
  /** Whose addresses: a link. */
  LINK: 5,
  STRIDE: 6,
  // bits
  V4: 1,
  V6: 2,
} as const;

/** Where a CNAME leads when not to a node of its own zone; DNAME: below one, so that the name has to be read. */
export const CHASE = { OUTSIDE: -1, NXDOMAIN: -2, DNAME: -3 } as const;

/** Instead of a target: no further record. The answer is done, truncated, or already negative. */
export const STOP = -4;

export const FAIL = { OPEN: 0, CLOSED: 1, POOL: 2 } as const;

export const MODE = {
  /** `[count, pool, pool, …]`: the first pool that is up. */
  CHAIN: 0,
  /** `[count, pool, weight, pool, weight, …, fallback count, pool, …]`: by weight among those up. */
  WEIGHTED: 1,
  /** REGION_LIST, with a chain behind it for when none of its pools is up. */
  REGIONS: 2,
} as const;

/** `[wanted, count, pool, region, pool, region, …]`: one endpoint in each of the first `wanted` regions that are up. */
export const REGION_LIST = { WANTED: 0, COUNT: 1, POOLS: 2 } as const;

export const ZONE = {
  APEX: 0,
  APEX_LENGTH: 1,
  /** The SOA RR as it stands in the authority section of a negative answer. */
  SOA: 2,
  SOA_LENGTH: 3,
  SOA_FIXUPS: 4,
  SOA_FIXUPS_COUNT: 5,
  /** Where it is counted (`core/tally/cells.ts`); the control plane writes it before the snapshot is published. */
  SLOT: 6,
  /** What an answer costs the rate limiter, µs (`costOf`): 0 for no limit, -1 for the node's. */
  LIMIT_RESPONSES: 7,
  LIMIT_NXDOMAINS: 8,
  /** Every so many limited answers leave truncated: 0 for none, -1 for the node's. */
  LIMIT_SLIP: 9,
  STRIDE: 10,
} as const;

/** What a dynamic RRset is steered by, for the counters. */
export const POLICY = { RULES: 0, NEAREST: 1, WEIGHTED: 2, FAILOVER: 3 } as const;
export const POLICIES = ['rules', 'nearest', 'weighted', 'failover'] as const;

/** How its pool was found: the first choice, one behind it, the first although all are down, or none. */
export const OUTCOME = { FIRST: 0, FALLBACK: 1, FAILED_OPEN: 2, FAILED_CLOSED: 3 } as const;
export const OUTCOMES = ['first', 'fallback', 'failed_open', 'failed_closed'] as const;

export const GLUE = {
  /** Offset of the name server's name within the bytes of the NS RRset. */
  NAME: 0,
  /** Bytes of the RR without its owner. */
  BYTES: 1,
  BYTES_LENGTH: 2,
  STRIDE: 3,
} as const;

/** Index of a family in a pool's fields. */
export const FAMILY = { A: 0, AAAA: 1, CNAME: 2 } as const;
export const FAMILIES = ['A', 'AAAA', 'CNAME'] as const;

/** A pool's PICK: one of these kinds, SHUFFLED or not, and from bit ANSWERS_SHIFT on how many endpoints to answer. */
export const PICK = {
  WEIGHTED: 0,
  ALL: 1,
  FIRST: 2,
  HASH: 3,
  /** Mask of the kind. */
  KIND: 7,
  SHUFFLED: 8,
  ANSWERS_SHIFT: 4,
} as const;

/**
 * PICK, then for each family: first endpoint, how many, total weight, weight needed to be up (below 0: so many
 * endpoints); SLOT as for zones; then what steering and load have to do with.
 */
export const POOL = {
  PICK: 0,
  FAMILIES: 1,
  ENDPOINTS: 0,
  COUNT: 1,
  TOTAL: 2,
  NEEDED: 3,
  PER_FAMILY: 4,
  SLOT: 13,
  /** LOAD, or SLOT_DIALLED: the word that says whether the pool takes all of its answers. */
  SHED: 14,
  /** The health word whose share says how many of its answers the pool keeps; that of "always up" where it sheds none. */
  LOAD: 15,
  /** How many of its answers the operator leaves to the pool, of DIAL_FULL. */
  DIAL: 16,
  /** The first of the priority groups of one pool, which are dialled as one. */
  LEADER: 17,
  /** The pool that stands in for this one while a rollout lasts: its LEADER + 1; 0 for none. */
  DIVERT: 18,
  /** For how many clients, of DIAL_FULL. */
  DIVERTED: 19,
  STRIDE: 20,
} as const;

/** A dial is in 4096ths: 1 % is 41 of them. */
export const DIAL_FULL = 4096;

export const ENDPOINT = {
  /** Index of the health word that counts: HEALTH, or one of those for what is steered. */
  SLOT: 0,
  WEIGHT: 1,
  /** An IPv4 address itself; else where the rdata begins in `blobs`. */
  RDATA: 2,
  RDATA_LENGTH: 3,
  /** For a CNAME endpoint: as RRSET.TARGET. */
  TARGET: 4,
  /** Hash of the rdata: the endpoint's identity for `hash` picks, independent of its place in the list. */
  IDENTITY: 5,
  /** Index of its own health word. */
  HEALTH: 6,
  /** For a CNAME endpoint: the link by which an ALIAS goes on from it; else -1. */
  LINK: 7,
  STRIDE: 8,
} as const;

/** Answers hold at most this many addresses of a pool (as in `core/zone/model.ts`). */
export const ANSWERS_MAX = 8;

/** The prefix of a client that a `hash` pick looks at. */
export const HASH_PREFIX_V4 = 24;
export const HASH_PREFIX_V6 = 56;
