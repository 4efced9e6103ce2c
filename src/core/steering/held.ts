/** What of a steering document holds at a moment, and of which pool and endpoint. */
import { percentOf } from '../rollout/plan.js';
import {
  type Dial,
  type ForcedState,
  isExpired,
  type Maintenance,
  percentAt,
  rampEndMs,
  type SteeringDocument,
  type SteeringNote,
} from './document.js';
import { formatTarget } from './target.js';
import { windowAt } from './window.js';

/** The entry of the document behind what holds. */
export interface SteeringCause {
  readonly kind: 'force' | 'dial' | 'maintenance' | 'rollout';
  /** Its key. */
  readonly id: string;
  readonly target: string;
  readonly note: SteeringNote;
}

export interface HeldForce {
  readonly state: ForcedState;
  readonly cause: SteeringCause;
}

export interface HeldDial {
  readonly percent: number;
  readonly cause: SteeringCause;
}

/** A pool that another one of its zone stands in for. */
export interface HeldDivert {
  /** `ZONE/POOL` of the other. */
  readonly to: string;
  /** Above 0: of its clients. */
  readonly percent: number;
  readonly cause: SteeringCause;
}

export interface HeldSteering {
  /** By target. */
  readonly forces: ReadonlyMap<string, HeldForce>;
  readonly dials: ReadonlyMap<string, HeldDial>;
  /** By the target of the pool. */
  readonly diverts: ReadonlyMap<string, HeldDivert>;
  /** Pools of which a force names an endpoint, as `ZONE/POOL` with `*`: nobody needs to look into others. */
  readonly addressed: ReadonlySet<string>;
  /** The addresses that forces name. */
  readonly addresses: ReadonlySet<string>;
}

export const NOTHING_HELD: HeldSteering = {
  forces: new Map(),
  dials: new Map(),
  diverts: new Map(),
  addressed: new Set(),
  addresses: new Set(),
};

/** Where a pool stands. */
export interface PoolPlace {
  /** Its origin. */
  readonly zone: string;
  readonly pool: string;
  readonly region: string;
  /** Pools of pools that it is in. */
  readonly groups: readonly string[];
}

/** While a ramp is under way it is looked at so often. */
export const RAMP_STEP_MS = 1_000;

export function heldAt(document: SteeringDocument, nowMs: number): HeldSteering {
  const forces = new Map<string, HeldForce>();
  for (const [id, entry] of Object.entries(document.maintenance)) {
    if (isExpired(entry, nowMs) || !windowAt(entry.window, nowMs).open) continue;
    // Of two windows of one target the stricter counts; what somebody forces by hand counts before both.
    if (forces.get(entry.target)?.state !== 'down') forces.set(entry.target, windowForce(id, entry));
  }
  for (const [target, entry] of Object.entries(document.forces)) {
    if (isExpired(entry, nowMs)) continue;
    forces.set(target, { state: entry.state, cause: { kind: 'force', id: target, target, note: entry } });
  }
  const dials = new Map<string, HeldDial>();
  for (const [target, entry] of Object.entries(document.dials)) {
    if (isExpired(entry, nowMs)) continue;
    const percent = percentAt(entry, nowMs);
    if (percent < 100)
      dials.set(target, { percent, cause: { kind: 'dial', id: target, target, note: entry } });
  }
  const keys = [...forces.keys()];
  return {
    forces,
    dials,
    diverts: divertsOf(document),
    addressed: new Set(keys.flatMap(poolOfEndpoint)),
    addresses: new Set(keys.flatMap(addressOfEndpoint)),
  };
}

/** Of two rollouts of one pool, one that ended long ago, the newer counts. */
function divertsOf({ rollouts }: SteeringDocument): ReadonlyMap<string, HeldDivert> {
  const diverts = new Map<string, HeldDivert>();
  const inOrder = Object.entries(rollouts).sort(([, a], [, b]) => Date.parse(a.at) - Date.parse(b.at));
  for (const [id, rollout] of inOrder) {
    const { zone, from, to } = rollout;
    const target = formatTarget({ zone, pool: from });
    const percent = percentOf(rollout);
    if (percent <= 0) continue;
    const cause: SteeringCause = { kind: 'rollout', id, target, note: rollout };
    diverts.set(target, { to: formatTarget({ zone, pool: to }), percent, cause });
  }
  return diverts;
}

/** When something of it changes by itself, milliseconds since 1970: Infinity for never. */
export function nextChangeMs(document: SteeringDocument, nowMs: number): number {
  let next = Number.POSITIVE_INFINITY;
  const at = (ms: number) => {
    if (ms > nowMs) next = Math.min(next, ms);
  };
  for (const force of Object.values(document.forces)) at(endMs(force));
  for (const dial of Object.values(document.dials)) {
    at(endMs(dial));
    if (!isExpired(dial, nowMs)) atDial(dial, nowMs, at);
  }
  for (const entry of Object.values(document.maintenance)) {
    if (isExpired(entry, nowMs)) continue;
    at(endMs(entry));
    at(windowAt(entry.window, nowMs).nextMs);
  }
  return next;
}

/** What is forced upon a pool: the entry whose target is the most precise counts. */
export function forceOf(held: HeldSteering, place: PoolPlace): HeldForce | undefined {
  return held.forces.size === 0 ? undefined : firstForce(held, forceKeys(place));
}

/** What is forced upon one endpoint of a pool by its address, before all that is forced upon the pool. */
export function endpointForceOf(
  held: HeldSteering,
  place: PoolPlace,
  address: string,
): HeldForce | undefined {
  return held.addresses.has(address) ? firstForce(held, endpointKeys(place, address)) : undefined;
}

/** Whether a force names an endpoint of this pool, perhaps one that it does not have. */
export function isAddressed({ addressed }: HeldSteering, { zone, pool }: PoolPlace): boolean {
  if (addressed.size === 0) return false;
  return poolNames(zone, pool).some((name) => addressed.has(name));
}

/** The rollout that takes clients of a pool; undefined for none. */
export function divertOf({ diverts }: HeldSteering, { zone, pool }: PoolPlace): HeldDivert | undefined {
  return diverts.size === 0 ? undefined : diverts.get(formatTarget({ zone, pool }));
}

/** The dials of a pool: what it keeps, 0 to 1, is their product. */
export function dialsOf(held: HeldSteering, place: PoolPlace): readonly HeldDial[] {
  if (held.dials.size === 0) return [];
  return dialKeys(place).flatMap((key) => held.dials.get(key) ?? []);
}

export function keptOf(dials: readonly HeldDial[]): number {
  return dials.reduce((kept, { percent }) => kept * (percent / 100), 1);
}

/** Every target that names this pool, the most precise first. */
export function forceKeys(place: PoolPlace): readonly string[] {
  const { zone, groups } = place;
  const [own, everywhere, ...regions] = dialKeys(place);
  const behind = groups.map((group) => formatTarget({ zone, pool: group }));
  return [own!, everywhere!, ...behind, ...regions];
}

/** Every target that names this endpoint, the most precise first. */
export function endpointKeys({ zone, pool }: PoolPlace, address: string): readonly string[] {
  return poolNames(zone, pool).map((name) => `${name}/${address}`);
}

function poolNames(zone: string, pool: string): readonly string[] {
  const own = formatTarget({ zone, pool: '*' });
  return [formatTarget({ zone, pool }), own, `*/${pool}`, '*/*'];
}

/** Every target that dials this pool. */
export function dialKeys({ zone, pool, region }: PoolPlace): readonly string[] {
  const pools = [formatTarget({ zone, pool }), formatTarget({ zone: '*', pool })];
  if (region === '') return pools;
  return [...pools, formatTarget({ zone, region }), formatTarget({ zone: '*', region })];
}

function windowForce(id: string, entry: Maintenance): HeldForce {
  return { state: entry.action, cause: { kind: 'maintenance', id, target: entry.target, note: entry } };
}

function firstForce({ forces }: HeldSteering, keys: readonly string[]): HeldForce | undefined {
  for (const key of keys) {
    const force = forces.get(key);
    if (force) return force;
  }
  return undefined;
}

/** Other targets have one slash at most: names of pools and regions hold none. */
function poolOfEndpoint(target: string): readonly string[] {
  const [zone, pool, address] = target.split('/');
  return address === undefined ? [] : [`${zone}/${pool}`];
}

function addressOfEndpoint(target: string): readonly string[] {
  const [, , ...address] = target.split('/');
  return address.length === 0 ? [] : [address.join('/')];
}

function endMs({ until }: SteeringNote): number {
  return until === undefined ? Number.NaN : Date.parse(until);
}

function atDial(dial: Dial, nowMs: number, at: (ms: number) => void): void {
  const end = rampEndMs(dial);
  if (!(end > nowMs)) return;
  const start = Date.parse(dial.ramp!.start);
  at(nowMs < start ? start : Math.min(end, nowMs + RAMP_STEP_MS));
}
