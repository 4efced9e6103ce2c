import type { NumberIndex, SnapshotIndex } from '../answer/build.js';
import { COUNTER } from '../answer/counters.js';
import { nameOf } from '../answer/name-table.js';
import { createQuery, type Query } from '../answer/query.js';
import { NODE, RRSET, RRSET_KIND, type Snapshot } from '../answer/snapshot.js';
import { byNumber } from '../answer/zone-index.js';
import { typeName } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import type { LocationTrie } from '../geo/location.js';
import { type ClassSizes, classSizes } from './class-sizes.js';
import { type Outcome, outcomeOf } from './outcome.js';
import { placesOf } from './places.js';

/** What a census is taken of. */
export interface CensusSource {
  readonly snapshot: Snapshot;
  readonly index: SnapshotIndex;
  /** Health words; a copy where they should not change meanwhile. */
  readonly health: Int32Array;
  /** The database that the snapshot was compiled with. */
  readonly geo: LocationTrie;
}

/** Which clients share a geo class of a record, and what they get. */
export interface CensusRow {
  /** Of the record's geo trie; its rule is `cls - 1` where rules steer. */
  readonly cls: number;
  /** Of the client. */
  readonly family: 4 | 6;
  /** IPv4 addresses, or /48 prefixes of IPv6 (not whole where a network is smaller). Reserved space is left out. */
  readonly addresses: number;
  /** By ISO 3166-1 code, largest first; `?` where the database knows no country. */
  readonly countries: ReadonlyMap<string, number>;
  /** Such a client's address. */
  readonly sample: string;
  /** Its place in `outcomes`. */
  readonly outcome: number;
}

/** Of one dynamic RRset. */
export interface RRsetCensus {
  readonly zone: string;
  readonly name: string;
  /** `A`, `AAAA` or `CNAME`. */
  readonly type: string;
  /** All of them together hold the whole space of each family once. */
  readonly rows: readonly CensusRow[];
  readonly outcomes: readonly Outcome[];
}

/**
 * Takes the census of the dynamic RRsets of a snapshot. What depends on the database is counted once for each
 * database, what depends on a trie once for each trie, and an outcome once for each list of pools.
 */
export class Census {
  readonly #source: CensusSource;
  readonly #numbers: NumberIndex;
  readonly #query: Query;
  readonly #taken = new Map<string, Pick<RRsetCensus, 'rows' | 'outcomes'>>();
  readonly #outcomes = new Map<string, Outcome>();

  constructor(source: CensusSource) {
    this.#source = source;
    this.#numbers = byNumber(source.index);
    this.#query = createQuery(source.snapshot, source.health, new Float64Array(COUNTER.SIZE), 1);
  }

  /** Of all dynamic RRsets of a zone (its origin), or of all zones. */
  *ofZone(zone?: string): Generator<RRsetCensus> {
    for (const { node, rrset } of dynamicRRsets(this.#source, zone)) yield this.of(node, rrset);
  }

  /** Of one dynamic RRset: its node, and its place in `nodes`. */
  of(node: number, rrset: number): RRsetCensus {
    const { snapshot, index } = this.#source;
    const { nodes } = snapshot;
    const fields = [RRSET.CLASSES, RRSET.FAMILY, RRSET.FAIL, RRSET.MODE].map(
      (field) => nodes[rrset + field]!,
    );
    const key = fields.join();
    const taken = this.#taken.get(key) ?? this.#take(rrset);
    this.#taken.set(key, taken);
    return {
      zone: index.zones[nodes[node + NODE.ZONE]!]!,
      name: formatName(nameOf(snapshot, node)),
      type: typeName(nodes[rrset + RRSET.TYPE]!),
      ...taken,
    };
  }

  /** What a class of a dynamic RRset gets. */
  outcome(rrset: number, cls: number): Outcome {
    const { nodes, steering } = this.#source.snapshot;
    const list = steering[nodes[rrset + RRSET.CLASSES]! + cls]!;
    const fields = [RRSET.FAMILY, RRSET.FAIL, RRSET.MODE].map((field) => nodes[rrset + field]!);
    const key = `${list} ${fields.join()}`;
    const known = this.#outcomes.get(key) ?? outcomeOf(this.#query, this.#numbers, rrset, list);
    this.#outcomes.set(key, known);
    return known;
  }

  /** The spread of clients over the classes of a dynamic RRset: of IPv4, and of IPv6. */
  sizes(rrset: number): readonly ClassSizes[] {
    const { snapshot, index, geo } = this.#source;
    const classes = snapshot.nodes[rrset + RRSET.CLASSES]!;
    const number = snapshot.nodes[rrset + RRSET.TRIE]!;
    // A trie knows what its classes were made of: rules with the same targets share one.
    const owner = number < 0 ? EVERYBODY : snapshot.tries[number]!;
    const known = sizesOf.get(geo) ?? new WeakMap<object, readonly ClassSizes[]>();
    sizesOf.set(geo, known);
    const sizes =
      known.get(owner) ??
      ([4, 6] as const).map((family) =>
        classSizes(geo, family, snapshot.tries[number], index.steerings.get(classes)),
      );
    known.set(owner, sizes);
    return sizes;
  }

  #take(rrset: number): Pick<RRsetCensus, 'rows' | 'outcomes'> {
    const outcomes: Outcome[] = [];
    const places = new Map<string, number>();
    const rows = this.sizes(rrset).flatMap((sizes): CensusRow[] => {
      const { family } = sizes;
      const countries = placesOf(this.#source.geo, sizes, 'country');
      return [...sizes.classes.values()].map(({ cls, addresses, sample }) => {
        const found = this.outcome(rrset, cls);
        const outcome = places.get(found.key) ?? outcomes.push(found) - 1;
        places.set(found.key, outcome);
        const held = countries.get(cls) ?? new Map<string, number>();
        return { cls, family, addresses, countries: held, sample, outcome };
      });
    });
    return { rows, outcomes };
  }
}

/** Counted before, by database and trie. */
const sizesOf = new WeakMap<LocationTrie, WeakMap<object, readonly ClassSizes[]>>();
/** In the place of a trie where the client's place does not matter. */
const EVERYBODY = {};

/** Every dynamic RRset that a question finds, in one zone or in all. */
export function* dynamicRRsets(
  { snapshot, index }: Pick<CensusSource, 'snapshot' | 'index'>,
  zone?: string,
): Generator<{ readonly node: number; readonly rrset: number }> {
  const { buckets, nodes } = snapshot;
  const wanted = zone === undefined ? -1 : index.zones.indexOf(zone);
  if (zone !== undefined && wanted < 0) return;
  for (let i = 1; i < buckets.length; i += 2) {
    const node = buckets[i]!;
    if (node < 0 || (wanted >= 0 && nodes[node + NODE.ZONE] !== wanted)) continue;
    // Names below a delegation have no RRsets that are answered.
    if (nodes[node + NODE.CUT]! >= 0) continue;
    const first = nodes[node + NODE.RRSETS]!;
    for (let k = 0; k < nodes[node + NODE.RRSETS_COUNT]!; k++) {
      const rrset = first + k * RRSET.STRIDE;
      if (nodes[rrset + RRSET.KIND] === RRSET_KIND.DYNAMIC) yield { node, rrset };
    }
  }
}
