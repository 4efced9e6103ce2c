/**
 * The typed model of one zone: what a zone file means after it was read, checked and resolved.
 *
 * Names are absolute, lower-case, in presentation form with a trailing dot (`www.example.com.`); rdata is
 * uncompressed wire format. The model is plain data and never changes after it was built; `sources` builds
 * it, `core/zone/validate.ts` judges it, `core/answer/compile.ts` turns it into tables.
 */

import type { Calculation } from '../health/calculated.js';
import type { Judgement } from '../health/judgement.js';
import type { ShedRules } from '../health/shed.js';
import type { Check } from './check.js';

/** An address family of an answer; `CNAME` endpoints are names instead of addresses. */
export type Family = 'A' | 'AAAA' | 'CNAME';

/** An IP prefix; IPv4 is kept in 4 bytes. Bits beyond `length` are zero. */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

export interface Region {
  readonly name: string;
  /** Degrees; absent where the file gives no location: such a region can't be used by `nearest`. */
  readonly location?: { readonly latitude: number; readonly longitude: number };
}

/** Inclusive range of HTTP status codes that count as good. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** How many of the observers that have a fresh view must call a target up. A tie is down. */
export type Quorum = 'any' | 'majority' | 'all' | number;

/** A check, how often it is made, and how its results are judged. */
export type Monitor = MonitorCommon & Check;

export interface MonitorCommon {
  readonly name: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Distance of probes while a change is under way; `retryIntervalMs` knows the default. */
  readonly retryMs?: number;
  readonly fall: number;
  readonly rise: number;
  /** Successes in a row that make failures forgotten; 1 where absent. */
  readonly okReset?: number;
  readonly quorum: Quorum;
  readonly judgement: Judgement;
}

/** A monitor that is made from others, by their names, or from the health of a record. */
export interface CalculatedMonitor {
  readonly name: string;
  readonly kind: Calculation['kind'];
  /** How many, for `at_least`. */
  readonly count?: number;
  /** Empty for a record. */
  readonly of: readonly string[];
  /** The name of a dynamic record of this zone; absent where it could not be read, too. */
  readonly record?: string;
}

/** `obey` follows health; `up` and `down` are fixed by the operator. */
export type AdminStatus = 'obey' | 'up' | 'down';

export interface Endpoint {
  /** rdata per family: 4 bytes, 16 bytes, or a name in wire form. At least one is present. */
  readonly rdata: Readonly<Partial<Record<Family, Uint8Array>>>;
  /** 0 to 65535; 0 is used only when no endpoint with a weight is up. */
  readonly weight: number;
  readonly status: AdminStatus;
  /** 1 to 16, 1 where absent: those of the next number are used when the ones before are down. */
  readonly priority?: number;
  /** The proxy that owns this address, and the service of its reports that counts as an observer. */
  readonly proxy?: string;
  readonly service?: string;
}

export type Pick = 'weighted' | 'all' | 'first' | 'hash';

export interface Pool {
  readonly name: string;
  readonly region?: string;
  /** Name of a monitor of this zone, a calculated one perhaps. A pool without one is up. */
  readonly monitor?: string;
  readonly pick: Pick;
  /** How many endpoints an answer has at most, 1 to ANSWERS_MAX; absent: as many as fit for `all`, else one. */
  readonly answers?: number;
  /** Absent: true. False keeps endpoints in the order of the pool. */
  readonly shuffle?: boolean;
  /** 0 to 1: below this fraction of its weight (of one family) the pool is down. */
  readonly minUp: number;
  /** In place of `minUp`: below so many endpoints (of one family) the pool is down. */
  readonly minUpCount?: number;
  /** Empty for a pool of pools. */
  readonly endpoints: readonly Endpoint[];
  /** A pool of pools: their names; the first that is up is used. */
  readonly members?: readonly string[];
  readonly fallback?: string;
  /** Hands a growing share of its answers to the next pool when its proxies are full. */
  readonly shed?: ShedRules;
}

/** What a rule asks for; an empty rule is the default. A rule matches if any of its targets does. */
export interface Rule {
  readonly subnets: readonly Prefix[];
  readonly asns: readonly number[];
  /** `EU`, `NA-US`, `NA-US-CA`. */
  readonly geos: readonly string[];
  readonly pool: string;
}

export type Steering =
  | { readonly kind: 'rules'; readonly rules: readonly Rule[] }
  /** `regions`: that many of the nearest in one answer, with one endpoint each; absent: one. */
  | { readonly kind: 'nearest'; readonly pools: readonly string[]; readonly regions?: number }
  | {
      readonly kind: 'weighted';
      readonly pools: readonly { readonly pool: string; readonly weight: number }[];
    }
  | { readonly kind: 'failover'; readonly pools: readonly string[] };

/** When every pool of an answer is down: answer with the first one all the same, with nothing, or with another pool. */
export type FailMode = 'open' | 'closed' | { readonly pool: string };

export interface StaticRRset {
  readonly kind: 'static';
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly rdata: readonly Uint8Array[];
  /** SVCB and HTTPS: which address hints each value has beside its rdata. Absent where none is chosen. */
  readonly hinted?: readonly HintedRecord[];
}

/** Hints that are the addresses which the target has for the client, at the time of the query. */
export interface HintedRecord {
  readonly v4: boolean;
  readonly v6: boolean;
}

/** One owner name whose A, AAAA or CNAME answers are chosen for each query. */
export interface DynamicRRset {
  readonly kind: 'dynamic';
  readonly name: string;
  readonly families: readonly Family[];
  readonly ttl: number;
  /** Where the TTL follows from health: the least it may be; `ttl` is the most. */
  readonly ttlMin?: number;
  readonly steering: Steering;
  readonly fail: FailMode;
}

/** A name whose addresses are those of another name, looked up for each query. */
export interface AliasRRset {
  readonly kind: 'alias';
  readonly name: string;
  /** A and AAAA. */
  readonly families: readonly Family[];
  /** The answer's TTL is the smallest of this and those on the way. */
  readonly ttl: number;
  /** Wire form. */
  readonly target: Uint8Array;
}

export type RRset = StaticRRset | DynamicRRset | AliasRRset;

export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** TTL of negative answers, seconds (RFC 2308 §4). */
  readonly minimum: number;
  readonly ttl: number;
}

/** Answers a second for one client prefix, 0 for no limit; what is absent is as the node's configuration says. */
export interface ZoneRateLimit {
  /** For each name, wildcard and delegation, and for NODATA of the zone. */
  readonly responsesPerSecond?: number;
  readonly nxdomainsPerSecond?: number;
  /** Every so many limited answers leave truncated; 0 for none. */
  readonly slip?: number;
}

export interface Zone {
  readonly origin: string;
  readonly soa: Soa;
  readonly rateLimit?: ZoneRateLimit;
  readonly regions: ReadonlyMap<string, Region>;
  readonly monitors: ReadonlyMap<string, Monitor>;
  readonly calculated?: ReadonlyMap<string, CalculatedMonitor>;
  readonly pools: ReadonlyMap<string, Pool>;
  /** Without SOA; apex NS and the addresses of in-zone name servers are among them. */
  readonly rrsets: readonly RRset[];
}
