/**
 * A zone as the views of its names. It is compiled as for answering, only that no trie is made: the classes of the
 * addresses are those from which a trie would be made (`ruleClasses`, `nearestClasses`), and a zone of a thousand records
 * with rules of their own would need a thousand tries.
 */

import type { NumberIndex, SnapshotIndex } from '../answer/build.js';
import { compileSnapshot } from '../answer/compile.js';
import type { TrieMaker } from '../answer/compile-steering.js';
import { findNode, hashOf } from '../answer/name-table.js';
import { createQuery, type Query } from '../answer/query.js';
import { NODE, RRSET, RRSET_KIND, type Snapshot } from '../answer/snapshot.js';
import { byNumber } from '../answer/zone-index.js';
import { wireName } from '../answer/zone-tree.js';
import { outcomeOf } from '../census/outcome.js';
import { TYPE } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import { rdataText } from '../dns/rdata/table.js';
import type { ClassChoice } from '../geo/compile.js';
import type { Location, LocationTrie } from '../geo/location.js';
import { ruleClasses } from '../policy/geo-rules.js';
import { nearestClasses } from '../policy/nearest.js';
import type { HeldSteering } from '../steering/held.js';
import { markSnapshot } from '../steering/marks.js';
import type { DynamicRRset, RRset, Rule, Steering, Zone } from '../zone/model.js';
import { poolOfGroup } from '../zone/pool-groups.js';
import { type Answered, constantView, type View } from './view.js';

export interface ZoneViewsInput {
  readonly zone: Zone;
  readonly geo: LocationTrie;
  /** Health words, and where that of a target is. */
  readonly health: Int32Array;
  readonly slotOf: (key: string) => number;
  /** Shared by the views that are compared. */
  readonly choices: ClassChoices;
}

/** CNAMEs and aliases inside a zone are followed so far. */
const STEPS_MAX = 8;
const NO_COUNTERS = new Float64Array(0);

export class ZoneViews {
  readonly #zone: Zone;
  readonly #choices: ClassChoices;
  readonly #index: SnapshotIndex;
  readonly #numbers: NumberIndex;
  readonly #query: Query;
  /** By owner. */
  readonly #rrsets = new Map<string, RRset[]>();
  /** Owners, and names on the way to them. */
  readonly #exists: ReadonlySet<string>;
  readonly #answered = new Map<string, Answered>();

  constructor({ zone, geo, health, slotOf, choices }: ZoneViewsInput) {
    this.#zone = zone;
    this.#choices = choices;
    const trieMaker = placeholders(geo.locations);
    const { snapshot, index } = compileSnapshot({ id: 0, zones: [zone], geo, slotOf, trieMaker });
    this.#index = index;
    this.#numbers = byNumber(index);
    this.#query = createQuery(snapshot, health, NO_COUNTERS, 1);
    const exists = new Set<string>([zone.origin]);
    for (const rrset of zone.rrsets) {
      const known = this.#rrsets.get(rrset.name);
      if (known) known.push(rrset);
      else this.#rrsets.set(rrset.name, [rrset]);
      for (let name = rrset.name; !exists.has(name) && name !== ''; name = parentOf(name)) exists.add(name);
    }
    this.#exists = exists;
  }

  /** From now on answers are steered as this says. */
  steer(held: HeldSteering): void {
    const { zones, pools } = this.#index;
    const places = pools.map((entry) => {
      if (!entry) return undefined;
      const { name, region = '' } = entry.pool;
      return { zone: zones[entry.zone] ?? '', pool: poolOfGroup(name), region, groups: entry.groups ?? [] };
    });
    markSnapshot(this.#query.snapshot, places, held);
    this.#answered.clear();
  }

  /** Names and types whose answers depend on more than their own record: dynamic ones, and what leads to them. */
  *chosen(): Iterable<{ readonly name: string; readonly type: number }> {
    for (const rrset of this.#zone.rrsets) {
      const { name } = rrset;
      if (rrset.kind !== 'static') for (const family of rrset.families) yield { name, type: TYPE[family] };
      else if (rrset.type === TYPE.CNAME && this.#isHere(rrset)) {
        yield { name, type: TYPE.A };
        yield { name, type: TYPE.AAAA };
      }
    }
  }

  /** What is answered for a name of the zone and a type. */
  view(name: string, type: number): View {
    let at = name;
    for (let step = 0; step < STEPS_MAX; step++) {
      const rrset = this.#find(at, type);
      if (!rrset) return constantView([]);
      if (rrset.kind === 'dynamic') return this.#dynamic(rrset, type);
      const target =
        rrset.kind === 'alias' ? rrset.target : rrset.type === TYPE.CNAME ? rrset.rdata[0]! : undefined;
      if (!target || type === TYPE.CNAME) {
        return constantView(
          rrset.kind === 'static' ? rrset.rdata.map((rdata) => rdataText(rrset.type, rdata)) : [],
        );
      }
      const text = formatName(target).toLowerCase();
      if (!isUnder(text, this.#zone.origin)) return constantView([`whatever ${text} has`]);
      at = text;
    }
    return constantView([]);
  }

  /** The RRset of a type, or a CNAME; that of a wildcard where the name does not exist (RFC 4592 §3.3.1). */
  #find(name: string, type: number): RRset | undefined {
    let owner = name;
    if (!this.#exists.has(name)) {
      let encloser = parentOf(name);
      while (encloser !== '' && !this.#exists.has(encloser)) encloser = parentOf(encloser);
      owner = `*.${encloser}`;
    }
    const rrsets = this.#rrsets.get(owner) ?? [];
    return rrsets.find((rrset) => hasType(rrset, type)) ?? rrsets.find((rrset) => hasType(rrset, TYPE.CNAME));
  }

  #isHere(rrset: RRset): boolean {
    return rrset.kind === 'static' && isUnder(formatName(rrset.rdata[0]!).toLowerCase(), this.#zone.origin);
  }

  #dynamic(rrset: DynamicRRset, type: number): View {
    const { snapshot } = this.#query;
    const place = placeOf(snapshot, rrset, hasType(rrset, type) ? type : TYPE.CNAME);
    if (place === undefined) return constantView([]);
    const choice = this.#choices.of(rrset.steering, this.#zone);
    const { nodes, steering } = snapshot;
    const list = (cls: number) => steering[nodes[place + RRSET.CLASSES]! + cls]!;
    const answered = (cls: number): Answered => this.#answer(place, list(cls));
    const keys: string[] = [];
    for (let cls = 0; cls < choice.classes; cls++) keys.push(answered(cls).answerKey);
    return {
      ...(choice.choice && { choice: choice.choice }),
      classes: choice.classes,
      key: `${choice.key}\n${keys.join('\n')}`,
      answered,
    };
  }

  #answer(rrset: number, list: number): Answered {
    const { nodes } = this.#query.snapshot;
    const key = [
      list,
      nodes[rrset + RRSET.FAMILY],
      nodes[rrset + RRSET.FAIL],
      nodes[rrset + RRSET.MODE],
    ].join();
    const known = this.#answered.get(key) ?? outcomeOf(this.#query, this.#numbers, rrset, list);
    this.#answered.set(key, known);
    return known;
  }
}

/** The record of a dynamic RRset's family in the tables. */
function placeOf(snapshot: Snapshot, rrset: DynamicRRset, type: number): number | undefined {
  const wire = wireName(rrset.name);
  const padded = new DataView(new ArrayBuffer(wire.length + 4));
  for (const [i, byte] of wire.entries()) padded.setUint8(i, byte);
  const node = findNode(snapshot, padded, 0, wire.length, hashOf(wire));
  if (node < 0) return undefined;
  const { nodes } = snapshot;
  let place = nodes[node + NODE.RRSETS]!;
  for (let i = 0; i < nodes[node + NODE.RRSETS_COUNT]!; i++, place += RRSET.STRIDE) {
    if (nodes[place + RRSET.KIND] === RRSET_KIND.DYNAMIC && nodes[place + RRSET.TYPE] === type) return place;
  }
  return undefined;
}

function hasType(rrset: RRset, type: number): boolean {
  if (rrset.kind === 'static') return rrset.type === type;
  return rrset.families.some((family) => TYPE[family] === type);
}

function parentOf(name: string): string {
  // An escaped dot is no end of a label.
  for (let i = 0; i < name.length; i++) {
    if (name[i] === '\\') i++;
    else if (name[i] === '.') return name.slice(i + 1);
  }
  return '';
}

function isUnder(name: string, origin: string): boolean {
  return name === origin || origin === '.' || name.endsWith(`.${origin}`);
}

/** How the clients are divided; kept for each set of rules, since many records have the same. */
export class ClassChoices {
  readonly #locations: readonly Location[];
  readonly #known = new Map<string, Choice>();

  constructor(locations: readonly Location[]) {
    this.#locations = locations;
  }

  of(steering: Steering, zone: Zone): Choice {
    switch (steering.kind) {
      case 'rules':
        return this.#rules(steering.rules);
      case 'nearest': {
        const points = pointsOf(steering.pools, zone);
        return this.#kept(`nearest ${JSON.stringify(points)}`, () => {
          const choice = nearestClasses(this.#locations, points);
          return { choice, classes: choice.orders.length };
        });
      }
      case 'weighted':
      case 'failover':
        return { key: '', classes: 1 };
      default:
        throw assertNever(steering);
    }
  }

  #rules(rules: readonly Rule[]): Choice {
    // Without a trie there is one class, that of the only rule; its list is the first all the same.
    if (rules.length === 1) return { key: '', classes: 1 };
    const targets = rules.map(({ subnets, asns, geos }) => [
      subnets.map(({ bytes, length }) => `${bytes.join('.')}/${length}`),
      asns,
      geos,
    ]);
    return this.#kept(`rules ${JSON.stringify(targets)}`, () => ({
      choice: ruleClasses(rules, this.#locations),
      classes: rules.length + 1,
    }));
  }

  #kept(key: string, make: () => Omit<Choice, 'key'>): Choice {
    const known = this.#known.get(key);
    if (known) return known;
    const made = { key, ...make() };
    this.#known.set(key, made);
    return made;
  }
}

interface Choice {
  readonly key: string;
  readonly choice?: ClassChoice;
  readonly classes: number;
}

function pointsOf(pools: readonly string[], zone: Zone) {
  return pools.map((name) => {
    const region = zone.pools.get(name)?.region;
    const location = region === undefined ? undefined : zone.regions.get(region)?.location;
    if (!location) throw new Error(`pool ${name} of ${zone.origin} has no location`);
    return location;
  });
}

/** In the place of tries, which take long to make: one that is never looked at. */
function placeholders(locations: readonly Location[]): TrieMaker {
  const trie = { v4: new Int32Array(0), v6: new Int32Array(0), nodes: new Int32Array(0) };
  return {
    rules: () => trie,
    nearest: (_geo, points) => ({ trie, orders: nearestClasses(locations, points).orders }),
  };
}

function assertNever(value: never): Error {
  return new Error(`unexpected ${JSON.stringify(value)}`);
}
