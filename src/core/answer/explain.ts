import { rcodeName, TYPE, typeName } from '../dns/iana.js';
import type { ResourceRecord } from '../dns/message.js';
import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import { SHARE_FULL, SLOT_DRAINED, unpackHealth } from '../health/word.js';
import type { Endpoint, Family, Steering } from '../zone/model.js';
import { poolOfGroup } from '../zone/pool-groups.js';
import { ALIAS_SLOT, KNOWN_V4, KNOWN_V6, readAliasSlot } from './alias-slot.js';
import { type Asked, ask } from './ask.js';
import type { NumberIndex } from './build.js';
import { COUNTER } from './counters.js';
import { nameOf } from './name-table.js';
import { createQuery } from './query.js';
import {
  ALIAS,
  CHASE,
  DIAL_FULL,
  ENDPOINT,
  FAMILIES,
  FAMILY,
  NODE,
  POOL,
  RRSET,
  RRSET_KIND,
  type Snapshot,
} from './snapshot.js';
import type { Trace } from './trace.js';

export interface ExplainRequest extends Asked {
  /** Seed of the weighted choices. */
  readonly seed: number;
}

/** One step on the way to an answer: `text` for people, the rest for programs. */
export interface ExplainStep {
  readonly step:
    | 'name'
    | 'client'
    | 'rule'
    | 'pool'
    | 'dial'
    | 'rollout'
    | 'endpoint'
    | 'alias'
    | 'all-down'
    | 'challenge';
  readonly text: string;
  readonly [fact: string]: unknown;
}

export interface Explanation {
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly ExplainedRecord[];
  readonly authorities: readonly ExplainedRecord[];
  /** The scope prefix length of the client-subnet option; absent where the request gave no subnet. */
  readonly scope?: number;
  readonly steps: readonly ExplainStep[];
}

export interface ExplainedRecord extends Omit<ResourceRecord, 'type' | 'class'> {
  readonly type: string;
}

/**
 * Asks the query path itself what it would answer, and why: the same `answer()` on the same tables and health
 * words as a worker's, with a listener.
 */
export function explain(
  snapshot: Snapshot,
  index: NumberIndex,
  health: Int32Array,
  request: ExplainRequest,
  why: Why = {},
): Explanation {
  const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), request.seed);
  const steps: ExplainStep[] = [];
  query.trace = new Narrator(snapshot, index, health, steps, request, why);
  const message = ask(query, request);
  return {
    rcode: rcodeName(message.rcode),
    authoritative: message.authoritative,
    answers: message.answers.map(explained),
    authorities: message.authorities.map(explained),
    ...(message.edns?.scope !== undefined && { scope: message.edns.scope }),
    steps,
  };
}

function explained({ name, type, ttl, rdata }: ResourceRecord): ExplainedRecord {
  return { name, type: typeName(type), ttl, rdata };
}

/** What others know of the parts of an answer: facts that are added to the steps. */
export interface Why {
  /** Of an endpoint: its own health word's slot, its pool's number, its address or host name. */
  readonly endpoint?: (slot: number, pool: number, address: string) => object;
  /** Of a pool, by its number. */
  readonly pool?: (pool: number) => object;
}

/** Turns the numbers of a Trace into sentences. */
class Narrator implements Trace {
  readonly #snapshot: Snapshot;
  readonly #index: NumberIndex;
  readonly #health: Int32Array;
  readonly #steps: ExplainStep[];
  readonly #request: ExplainRequest;
  readonly #why: Why;
  #node = -1;
  /** What is followed. */
  #followed = 'ALIAS';

  constructor(
    snapshot: Snapshot,
    index: NumberIndex,
    health: Int32Array,
    steps: ExplainStep[],
    request: ExplainRequest,
    why: Why,
  ) {
    this.#why = why;
    this.#snapshot = snapshot;
    this.#index = index;
    this.#health = health;
    this.#steps = steps;
    this.#request = request;
  }

  name(node: number, how: 'exact' | 'wildcard' | 'delegation' | 'dname' | 'missing' | 'not-ours'): void {
    this.#node = node;
    const asked = formatName(this.#request.name);
    const found = this.#found(node);
    if (!found) {
      this.#steps.push({ step: 'name', text: `${asked} is in no zone of this server`, found: how });
      return;
    }
    const zone = this.#index.zone(found.zone);
    const text = {
      exact: `${asked} is a name of the zone ${zone}`,
      wildcard: `${asked} does not exist in ${zone}; the wildcard ${found.name} answers for it`,
      delegation: `${asked} is delegated at ${found.name} (zone ${zone})`,
      dname: `${asked} is below ${found.name} (zone ${zone}), which has a DNAME`,
      missing: `${asked} does not exist in ${zone}; the closest name is ${found.name}`,
      'not-ours': '',
    }[how];
    this.#steps.push({ step: 'name', text, zone, name: found.name, found: how });
  }

  alias(target: number): void {
    const found = this.#found(target);
    const text = found
      ? `the CNAME is followed to ${found.name}`
      : target === CHASE.NXDOMAIN
        ? 'the CNAME leads to a name that does not exist in this zone'
        : target === CHASE.DNAME
          ? 'the CNAME leads to a name below a DNAME'
          : 'the CNAME leads out of this zone: the resolver asks on';
    if (found) this.#node = target;
    this.#steps.push({ step: 'alias', text, ...(found && { name: found.name }) });
  }

  flatten(target: number): void {
    const found = this.#found(target);
    if (found) this.#node = target;
    const outside = target <= ALIAS.SLOTS ? this.#index.outsideName(ALIAS.SLOTS - target) : undefined;
    const name = found?.name ?? outside;
    const text = found
      ? `the ${this.#followed} is followed to ${found.name} (zone ${this.#index.zone(found.zone)})`
      : outside !== undefined
        ? `the ${this.#followed} leads to ${outside}, outside this server: ${this.#heldAddresses(ALIAS.SLOTS - target)}`
        : target === ALIAS.NXDOMAIN
          ? `the ${this.#followed} leads to a name that does not exist in a zone of this server`
          : target === ALIAS.LOOP
            ? `the ${this.#followed} leads back to itself, or takes too many steps`
            : `the ${this.#followed} leads outside this server, to a name that is not resolved`;
    this.#steps.push({ step: 'alias', text, ...(name !== undefined && { name }) });
  }

  #heldAddresses(slot: number): string {
    const held = new Int32Array(ALIAS_SLOT.STRIDE);
    if (!readAliasSlot(this.#snapshot.aliases, slot, held)) return 'being written';
    const known = held[ALIAS_SLOT.STATE]!;
    if (known === 0) return 'not resolved yet';
    const part = (family: string, bit: number, count: number) =>
      (known & bit) === 0 ? `${family} not resolved yet` : `${held[count]} ${family}`;
    const texts = [part('A', KNOWN_V4, ALIAS_SLOT.V4_COUNT), part('AAAA', KNOWN_V6, ALIAS_SLOT.V6_COUNT)];
    return texts.join(', ');
  }

  hints(type: number): void {
    this.#followed = type === 0 ? 'ALIAS' : type === TYPE.A ? 'ipv4hint' : 'ipv6hint';
  }

  dname(node: number): void {
    const found = this.#found(node)!;
    this.#steps.push({ step: 'alias', text: `the DNAME of ${found.name} is followed`, name: found.name });
  }

  challenges(count: number): void {
    const what = count === 0 ? 'has no value now' : `has ${count} value${count > 1 ? 's' : ''}`;
    const text = `the name is kept for ACME challenges and ${what}`;
    this.#steps.push({ step: 'challenge', text, values: count });
  }

  client(_trie: number, cls: number, depth: number): void {
    const { subnet, source } = this.#request;
    const given = subnet && subnet.sourcePrefix > 0;
    const client = given
      ? `${formatAddress(subnet.address)}/${subnet.sourcePrefix}`
      : `${formatAddress(source)} (the resolver's own address)`;
    const steering = this.#steering();
    const text = `client ${client} shares the decision with all of its /${depth}`;
    this.#steps.push({ step: 'client', text, client, depth });
    if (steering) this.#steps.push(ruleStep(steering, cls));
  }

  pool(pool: number, family: number, up: number, total: number, serves: boolean): void {
    const model = this.#index.pool(pool)!;
    const endpoints = this.#endpointsOf(pool, FAMILIES[family]!);
    const text = `pool ${model.name} (${FAMILIES[family]}): weight ${up} of ${total} is up, ${
      serves ? 'it serves' : `it needs ${this.#needed(pool, family)}: passed by`
    }`;
    this.#steps.push({
      step: 'pool',
      text,
      pool: model.name,
      up,
      total,
      serves,
      endpoints,
      ...this.#why.pool?.(pool),
    });
  }

  part(pool: number, share: number, passed: boolean): void {
    const { name } = this.#index.pool(pool)!;
    const percent = Math.max(Math.round((share * 100) / SHARE_FULL), 1);
    const text = `pool ${name} takes ${percent} % of its answers now; this one ${passed ? 'goes on' : 'is among them'}`;
    this.#steps.push({ step: 'pool', text, pool: name, share: share / SHARE_FULL, serves: !passed });
  }

  dial(pool: number, dial: number, away: boolean): void {
    const { name } = this.#index.pool(pool)!;
    const percent = Math.round((dial * 10_000) / DIAL_FULL) / 100;
    const text = `pool ${name} is dialled to ${percent} %; this answer ${away ? 'goes on' : 'is among them'}`;
    const facts = this.#why.pool?.(pool);
    this.#steps.push({ step: 'dial', text, pool: name, percent, serves: !away, ...facts });
  }

  divert(pool: number, to: number, share: number, away: boolean, serves: boolean): void {
    const { name } = this.#index.pool(pool)!;
    const percent = Math.round((share * 10_000) / DIAL_FULL) / 100;
    const target = this.#index.pool(to)!.name;
    const here = !away ? 'stays' : serves ? 'is among them' : `would be among them, but ${target} is down`;
    const text = `a rollout gives ${percent} % of the clients of pool ${name} to ${poolOfGroup(target)}; this one ${here}`;
    const facts = this.#why.pool?.(pool);
    this.#steps.push({ step: 'rollout', text, pool: name, percent, serves: !(away && serves), ...facts });
  }

  noFamily(pool: number, family: number): void {
    const { name } = this.#index.pool(pool)!;
    const text = `pool ${name} has no ${FAMILIES[family]} endpoint: passed by`;
    this.#steps.push({ step: 'pool', text, pool: name, serves: false });
  }

  allDown(how: 'open' | 'closed' | 'pool'): void {
    const text = {
      open: 'every pool is down; failing open: answered as if the first were up',
      closed: 'every pool is down; failing closed: no address is answered',
      pool: 'every pool is down; answered from the pool that the record names for that',
    }[how];
    this.#steps.push({ step: 'all-down', text, fail: how });
  }

  endpoint(endpoint: number): void {
    const { family, endpoint: model } = this.#index.endpoint(endpoint)!;
    const text = `answered: ${endpointText(model, family)} (weight ${model.weight})`;
    this.#steps.push({ step: 'endpoint', text, endpoint: endpointText(model, family), weight: model.weight });
  }

  #needed(pool: number, family: number): string {
    const needed = this.#neededField(pool, family);
    return needed < 0 ? `${-needed} endpoints` : String(needed);
  }

  #neededField(pool: number, family: number): number {
    return this.#snapshot.pools[pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY + POOL.NEEDED]!;
  }

  #found(node: number): { readonly name: string; readonly zone: number } | undefined {
    if (node < 0) return undefined;
    const { nodes } = this.#snapshot;
    return { name: formatName(nameOf(this.#snapshot, node)), zone: nodes[node + NODE.ZONE]! };
  }

  /** Of the first dynamic RRset at the current node; all that a name has come from one record. */
  #steering(): Steering | undefined {
    const { nodes } = this.#snapshot;
    if (this.#node < 0) return undefined;
    let rrset = nodes[this.#node + NODE.RRSETS]!;
    for (let i = 0; i < nodes[this.#node + NODE.RRSETS_COUNT]!; i++, rrset += RRSET.STRIDE) {
      if (nodes[rrset + RRSET.KIND] !== RRSET_KIND.DYNAMIC) continue;
      return this.#index.steering(nodes[rrset + RRSET.CLASSES]!);
    }
    return undefined;
  }

  /** What an operator made of an endpoint, and what it really is. */
  #steered(slot: number, own: number): object {
    const real = unpackHealth(this.#health[own]!);
    return {
      ...(slot === SLOT_DRAINED && { drained: true }),
      real: real.unknown ? 'unknown' : real.down ? 'down' : 'up',
    };
  }

  #endpointsOf(pool: number, family: Family): readonly object[] {
    const { pools } = this.#snapshot;
    const record = pool * POOL.STRIDE + POOL.FAMILIES + FAMILY[family] * POOL.PER_FAMILY;
    const first = pools[record + POOL.ENDPOINTS]!;
    const numbers = Array.from({ length: pools[record + POOL.COUNT]! }, (_, i) => first + i);
    return numbers.flatMap((i) => {
      const entry = this.#index.endpoint(i);
      if (!entry) return [];
      const slot = this.#snapshot.endpoints[i * ENDPOINT.STRIDE + ENDPOINT.SLOT]!;
      const own = this.#snapshot.endpoints[i * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
      const text = endpointText(entry.endpoint, family);
      const { down, forced, unknown, share = SHARE_FULL } = unpackHealth(this.#health[slot]!);
      const { weight, status } = entry.endpoint;
      const health = down ? 'down' : 'up';
      return [
        {
          endpoint: text,
          weight,
          status,
          health,
          forced,
          ...(slot !== own && this.#steered(slot, own)),
          unknown,
          ...(share < SHARE_FULL && { share: share / SHARE_FULL }),
          ...this.#why.endpoint?.(own, pool, family === 'CNAME' ? text.toLowerCase().slice(0, -1) : text),
        },
      ];
    });
  }
}

function endpointText(endpoint: Endpoint, family: Family): string {
  const rdata = endpoint.rdata[family]!;
  return family === 'CNAME' ? formatName(rdata) : formatAddress(rdata);
}

function ruleStep(steering: Steering, cls: number): ExplainStep {
  if (steering.kind !== 'rules') {
    return {
      step: 'rule',
      text: `steering ${steering.kind}: pools in the order of this place`,
      steering: steering.kind,
    };
  }
  const rule = steering.rules[cls - 1];
  if (!rule) return { step: 'rule', text: 'no rule matches' };
  const { subnets, asns, geos, pool } = rule;
  const targets = [
    ...subnets.map(({ bytes, length }) => `${formatAddress(bytes)}/${length}`),
    ...asns.map((asn) => `AS${asn}`),
    ...geos,
  ];
  const what = targets.length > 0 ? targets.join(', ') : 'default';
  return { step: 'rule', text: `rule ${cls} (${what}) leads to pool ${pool}`, rule: cls, targets, pool };
}
