/**
 * Steering on the query path: the fields of a snapshot that say which health word counts. An endpoint that is forced
 * reads one of the reserved words in place of its own; a pool that is dialled reads SLOT_DIALLED, which sends the query
 * path to the part that asks for the dial. So steering costs a query nothing while nothing is steered, needs no rebuild,
 * and never touches the words that several zones share.
 *
 * Each field is one integer, written with one atomic store: a query sees the old one or the new one.
 */
import { DIAL_FULL, ENDPOINT, FAMILIES, POOL, type Snapshot } from '../answer/snapshot.js';
import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import {
  DOWN_BIT,
  SLOT_ALWAYS_DOWN,
  SLOT_ALWAYS_UP,
  SLOT_DIALLED,
  SLOT_DRAINED,
  SLOT_FORCED_DOWN,
  SLOT_FORCED_UP,
  UNKNOWN_BIT,
} from '../health/word.js';
import type { ForcedState } from './document.js';
import {
  dialsOf,
  divertOf,
  endpointForceOf,
  forceOf,
  type HeldDial,
  type HeldForce,
  type HeldSteering,
  isAddressed,
  keptOf,
  type PoolPlace,
} from './held.js';
import { formatTarget } from './target.js';

/**
 * Writes what holds into a snapshot; what does not hold any more is undone. `places` are its pools by number, with gaps
 * where no pool has a number.
 */
export function markSnapshot(
  snapshot: Snapshot,
  places: readonly (PoolPlace | undefined)[],
  held: HeldSteering,
): void {
  const { pools, endpoints } = snapshot;
  const leaders = held.diverts.size === 0 ? undefined : leadersOf(snapshot, places);
  for (const [pool, place] of places.entries()) {
    if (!place) continue;
    const record = pool * POOL.STRIDE;
    const kept = keptOf(dialsOf(held, place));
    const dial = dialField(kept);
    // The dial before the word that leads to it.
    store(pools, record + POOL.DIAL, dial);
    store(pools, record + POOL.SHED, dial < DIAL_FULL ? SLOT_DIALLED : pools[record + POOL.LOAD]!);
    markDivert(pools, pool, place, held, leaders);
    const whole = forceOf(held, place);
    const addressed = isAddressed(held, place);
    for (let family = 0; family < FAMILIES.length; family++) {
      const range = record + POOL.FAMILIES + family * POOL.PER_FAMILY;
      const first = pools[range + POOL.ENDPOINTS]!;
      const end = first + pools[range + POOL.COUNT]!;
      for (let endpoint = first; endpoint < end; endpoint++) {
        const own = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
        const named = addressed
          ? endpointForceOf(held, place, addressOf(snapshot, pool, endpoint))
          : undefined;
        store(endpoints, endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT, slotFor(own, kept, named, whole));
      }
    }
  }
}

/** Pools by their targets: numbers of their first priority groups. */
function leadersOf(
  { pools }: Snapshot,
  places: readonly (PoolPlace | undefined)[],
): ReadonlyMap<string, number> {
  const leaders = new Map<string, number>();
  for (const [pool, place] of places.entries()) {
    if (!place || pools[pool * POOL.STRIDE + POOL.LEADER] !== pool) continue;
    leaders.set(formatTarget({ zone: place.zone, pool: place.pool }), pool);
  }
  return leaders;
}

/**
 * Only the first priority group leads to the stand-in. While its number changes nobody is diverted: a query would read one
 * field of the old and one of the new.
 */
function markDivert(
  pools: Int32Array,
  pool: number,
  place: PoolPlace,
  held: HeldSteering,
  leaders: ReadonlyMap<string, number> | undefined,
): void {
  const record = pool * POOL.STRIDE;
  const isLeader = pools[record + POOL.LEADER] === pool;
  const divert = leaders && isLeader ? divertOf(held, place) : undefined;
  const other = divert && leaders!.get(divert.to);
  const target = other === undefined || other === pool ? 0 : other + 1;
  if (pools[record + POOL.DIVERT] !== target) {
    store(pools, record + POOL.DIVERTED, 0);
    store(pools, record + POOL.DIVERT, target);
  }
  store(pools, record + POOL.DIVERTED, target === 0 ? 0 : dialField(divert!.percent / 100));
}

/** An endpoint that is steered: what counts, and what would without. */
export interface SteeredEndpoint {
  readonly place: PoolPlace;
  readonly address: string;
  readonly state: ForcedState;
  /** `fixed_up` and `fixed_down`: by the zone file, or nobody watches it. */
  readonly real: 'up' | 'down' | 'unknown' | 'fixed_up' | 'fixed_down';
  /** Its own health word. */
  readonly slot: number;
  readonly causes: readonly (HeldForce | HeldDial)[];
}

export interface DialledPool {
  readonly place: PoolPlace;
  /** What it keeps of its answers, percent. */
  readonly percent: number;
  readonly dials: readonly HeldDial[];
}

/** What steering does to a pool of a snapshot; undefined where nothing. */
export function dialledPool(place: PoolPlace, held: HeldSteering): DialledPool | undefined {
  const dials = dialsOf(held, place);
  return dials.length === 0 ? undefined : { place, percent: keptOf(dials) * 100, dials };
}

/** What steering does to the endpoints of a pool of a snapshot; `health` says how they really are. */
export function steeredEndpoints(
  snapshot: Snapshot,
  pool: number,
  place: PoolPlace,
  held: HeldSteering,
  health: Int32Array,
): readonly SteeredEndpoint[] {
  const dials = dialsOf(held, place);
  const drained = dialField(keptOf(dials)) === 0;
  if (held.forces.size === 0 && !drained) return [];
  const whole = forceOf(held, place);
  const addressed = isAddressed(held, place);
  if (!whole && !drained && !addressed) return [];
  return endpointsOf(snapshot, pool).flatMap((endpoint) => {
    const address = addressOf(snapshot, pool, endpoint);
    const slot = snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
    const named = addressed ? endpointForceOf(held, place, address) : undefined;
    const mark = slotFor(slot, keptOf(dials), named, whole);
    const state = STATE_OF.get(mark);
    if (state === undefined || mark === slot) return [];
    const causes = state === 'drain' && drained ? dials : [(named ?? whole)!];
    return [{ place, address, state, real: realOf(slot, health[slot]!), slot, causes }];
  });
}

/** The addresses and host names of a pool's endpoints, as targets write them. */
export function endpointAddresses(snapshot: Snapshot, pool: number): readonly string[] {
  return endpointsOf(snapshot, pool).map((endpoint) => addressOf(snapshot, pool, endpoint));
}

const STATE_OF: ReadonlyMap<number, ForcedState> = new Map([
  [SLOT_FORCED_UP, 'up'],
  [SLOT_FORCED_DOWN, 'down'],
  [SLOT_DRAINED, 'drain'],
]);

function realOf(slot: number, word: number): SteeredEndpoint['real'] {
  if (slot === SLOT_ALWAYS_UP) return 'fixed_up';
  if (slot === SLOT_ALWAYS_DOWN) return 'fixed_down';
  if ((word & UNKNOWN_BIT) !== 0) return 'unknown';
  return (word & DOWN_BIT) !== 0 ? 'down' : 'up';
}

/** What is left of little is at least one of DIAL_FULL: only 0 is nothing. */
function dialField(kept: number): number {
  return kept <= 0 ? 0 : Math.max(Math.round(kept * DIAL_FULL), 1);
}

/**
 * A dial of 0 drains, whatever is forced up. What the zone file sets down comes up only where it is named itself.
 * `named`: what is forced upon the endpoint; `whole`: upon its pool.
 */
function slotFor(
  own: number,
  kept: number,
  named: HeldForce | undefined,
  whole: HeldForce | undefined,
): number {
  const state = (named ?? whole)?.state;
  if (state === 'down') return SLOT_FORCED_DOWN;
  if (own === SLOT_ALWAYS_DOWN && named?.state !== 'up') return own;
  if (kept <= 0 || state === 'drain') return SLOT_DRAINED;
  return state === 'up' ? SLOT_FORCED_UP : own;
}

function endpointsOf({ pools }: Snapshot, pool: number): readonly number[] {
  const found: number[] = [];
  for (let family = 0; family < FAMILIES.length; family++) {
    const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
    const first = pools[record + POOL.ENDPOINTS]!;
    for (let i = 0; i < pools[record + POOL.COUNT]!; i++) found.push(first + i);
  }
  return found;
}

/** The address or host name of an endpoint, as targets write it. */
function addressOf(snapshot: Snapshot, pool: number, endpoint: number): string {
  const { pools, endpoints, blobs } = snapshot;
  const record = endpoint * ENDPOINT.STRIDE;
  const at = endpoints[record + ENDPOINT.RDATA]!;
  const length = endpoints[record + ENDPOINT.RDATA_LENGTH]!;
  const v4 = pool * POOL.STRIDE + POOL.FAMILIES;
  const firstV4 = pools[v4 + POOL.ENDPOINTS]!;
  if (endpoint >= firstV4 && endpoint < firstV4 + pools[v4 + POOL.COUNT]!) {
    return formatAddress(Uint8Array.of(at >>> 24, (at >>> 16) & 0xff, (at >>> 8) & 0xff, at & 0xff));
  }
  const names = v4 + 2 * POOL.PER_FAMILY;
  const firstName = pools[names + POOL.ENDPOINTS]!;
  const rdata = blobs.slice(at, at + length);
  const isName = endpoint >= firstName && endpoint < firstName + pools[names + POOL.COUNT]!;
  return isName ? formatName(rdata).toLowerCase().slice(0, -1) : formatAddress(rdata);
}

function store(table: Int32Array, at: number, value: number): void {
  if (table[at] !== value) Atomics.store(table, at, value);
}
