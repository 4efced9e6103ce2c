import type { SnapshotIndex } from '../answer/build.js';
import { ENDPOINT, type Snapshot } from '../answer/snapshot.js';
import { formatName } from '../dns/name.js';
import { parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import { DOWN_BIT, isNeverAnswered, PARTIAL_BIT, SHARE_SHIFT } from '../health/word.js';
import type { Endpoint, Family } from '../zone/model.js';

/**
 * What is supposed to be down or up: `region:eu`, `pool:eu`, `endpoint:192.0.2.1` (an address, or the name of a CNAME
 * endpoint), or without the kind whatever is called so; and as steering writes it, `example.com/eu` for a pool of one
 * zone and `example.com/eu/192.0.2.1` for an endpoint of it. Who is in both is up.
 */
export interface AsIf {
  readonly down: readonly string[];
  readonly up: readonly string[];
}

export const NOTHING_SUPPOSED: AsIf = { down: [], up: [] };

/** Subjects in one supposition. */
export const SUBJECTS_MAX = 64;

/** The tables with a supposition in them; what is real is not touched. */
export interface Supposed {
  readonly snapshot: Snapshot;
  /** Health words from this place on are supposed ones. */
  readonly firstSupposed: number;
  readonly health: Int32Array;
}

/** A subject that nothing is called. */
export interface UnknownSubject {
  readonly code: 'unknown_subject';
  readonly subject: string;
  /** Names that there are, of the kind that was asked for; a few. */
  readonly known: readonly string[];
}

/**
 * Supposes that endpoints are down or up, in the zones of `zones` (numbers; all without). Each endpoint that is concerned
 * gets a health word of its own in a copy of the table, so that another pool with the same address keeps its real one.
 * Bounds of the TTL and "unknown" stay as they are. What is supposed to be up counts in full and is not held down by
 * `status: down`; what is supposed to be down may still be answered when the record fails open.
 */
export function suppose(
  snapshot: Snapshot,
  index: SnapshotIndex,
  health: Int32Array,
  asIf: AsIf,
  zones?: ReadonlySet<number>,
): Supposed | UnknownSubject {
  if (asIf.down.length + asIf.up.length === 0) {
    return { snapshot, health, firstSupposed: health.length };
  }
  const supposed = new Map<number, boolean>();
  for (const [subjects, isUp] of [
    [asIf.down, false],
    [asIf.up, true],
  ] as const) {
    for (const subject of subjects) {
      const found = endpointsOf(index, subject, zones);
      if (found.length === 0)
        return { code: 'unknown_subject', subject, known: knownNames(index, subject, zones) };
      for (const endpoint of found) supposed.set(endpoint, isUp);
    }
  }
  return supposeEndpoints(snapshot, health, supposed);
}

/** The same for endpoints by their numbers: true is up. */
function supposeEndpoints(
  snapshot: Snapshot,
  health: Int32Array,
  supposed: ReadonlyMap<number, boolean>,
): Supposed {
  const endpoints = Int32Array.from(snapshot.endpoints);
  const words = new Int32Array(health.length + supposed.size);
  words.set(health);
  let slot = health.length;
  for (const [endpoint, isUp] of supposed) {
    const place = endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT;
    const counts = endpoints[place]!;
    // An operator's "down" is more than what is supposed: not even failing open answers it.
    if (!isUp && isNeverAnswered(counts)) continue;
    const own = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
    const word = health[isUp ? own : counts]! & ~(DOWN_BIT | PARTIAL_BIT | (0xff << SHARE_SHIFT));
    words[slot] = isUp ? word : word | DOWN_BIT;
    endpoints[place] = slot++;
  }
  return { snapshot: { ...snapshot, endpoints }, health: words, firstSupposed: health.length };
}

const KINDS = ['region', 'pool', 'endpoint'] as const;
type Kind = (typeof KINDS)[number];

/** `region:eu` → region, eu; `2001:db8::1` has no kind. */
function split(subject: string): { readonly kind: Kind | undefined; readonly name: string } {
  const kind = KINDS.find((one) => subject.startsWith(`${one}:`));
  return { kind, name: kind === undefined ? subject : subject.slice(kind.length + 1) };
}

function endpointsOf(
  index: SnapshotIndex,
  subject: string,
  zones: ReadonlySet<number> | undefined,
): readonly number[] {
  const isMeant = placeTest(index, subject) ?? nameTest(subject);
  const found: number[] = [];
  for (const [i, one] of index.endpoints.entries()) {
    if (!one) continue;
    const { pool: number, family, endpoint } = one;
    const entry = index.pools[number]!;
    if (zones && !zones.has(entry.zone)) continue;
    if (isMeant(entry, endpoint, family)) found.push(i);
  }
  return found;
}

type PoolEntry = NonNullable<SnapshotIndex['pools'][number]>;
type SubjectTest = (entry: PoolEntry, endpoint: Endpoint, family: Family) => boolean;

/** Whether a pool goes by a name: its own, or that of a pool of pools that it is in. */
function isCalled({ pool, groups = [] }: PoolEntry, name: string): boolean {
  return poolName(pool.name) === name || groups.includes(name);
}

function nameTest(subject: string): SubjectTest {
  const { kind, name } = split(subject);
  const isNamed = endpointTest(name);
  return (entry, endpoint, family) =>
    ((kind === undefined || kind === 'pool') && isCalled(entry, name)) ||
    ((kind === undefined || kind === 'region') && entry.pool.region === name) ||
    ((kind === undefined || kind === 'endpoint') && isNamed(endpoint, family));
}

/** `example.com/eu`, `example.com/eu/192.0.2.1`; undefined for what does not begin with a zone. Names of pools may hold `/`. */
function placeTest(index: SnapshotIndex, subject: string): SubjectTest | undefined {
  const [zone = '', ...rest] = subject.split('/');
  const number = index.zones.indexOf(`${zone.toLowerCase().replace(/\.$/, '')}.`);
  if (number < 0 || rest.length === 0) return undefined;
  const whole = rest.join('/');
  const pool = rest.slice(0, -1).join('/');
  const isNamed = endpointTest(rest.at(-1)!);
  return (entry, endpoint, family) =>
    entry.zone === number && (isCalled(entry, whole) || (isCalled(entry, pool) && isNamed(endpoint, family)));
}

/** Of a pool with priorities there is one for each, `eu (priority 2)`: the name stands for all. */
function poolName(name: string): string {
  return name.replace(/ \(priority \d+\)$/, '');
}

function endpointTest(name: string): (endpoint: Endpoint, family: Family) => boolean {
  const address = parseIPv4(name) ?? parseIPv6(name);
  if (address) {
    return ({ rdata }, family) => {
      const bytes = family === 'CNAME' ? undefined : rdata[family];
      return bytes?.length === address.length && bytes.every((byte, i) => byte === address[i]);
    };
  }
  const wanted = `${name.toLowerCase().replace(/\.$/, '')}.`;
  return ({ rdata }, family) => family === 'CNAME' && formatName(rdata.CNAME!).toLowerCase() === wanted;
}

const KNOWN_MAX = 12;

function knownNames(
  index: SnapshotIndex,
  subject: string,
  zones: ReadonlySet<number> | undefined,
): readonly string[] {
  const { kind } = split(subject);
  const names = new Set<string>();
  for (const entry of index.pools) {
    if (!entry) continue;
    const { zone, pool } = entry;
    if (zones && !zones.has(zone)) continue;
    if (kind !== 'region' && kind !== 'endpoint') names.add(`pool:${poolName(pool.name)}`);
    if (kind !== 'pool' && kind !== 'endpoint' && pool.region !== undefined)
      names.add(`region:${pool.region}`);
    if (names.size >= KNOWN_MAX) break;
  }
  return [...names];
}
