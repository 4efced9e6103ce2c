import { labelCount } from '../dns/name.js';
import type { LocationTrie } from '../geo/location.js';
import type { GeoTrie } from '../geo/trie.js';
import type { Zone } from '../zone/model.js';
import { createAliasTable } from './alias-slot.js';
import { Arena, type Place, roomy } from './arena.js';
import { BucketBook } from './bucket-book.js';
import {
  type Build,
  type CompileInput,
  type CompileModules,
  type ParentSide,
  startBuild,
  type Tables,
} from './build.js';
import {
  createTrieCache,
  TRIE_MAKER,
  type TrieCache,
  type TrieMaker,
  type TrieSource,
} from './compile-steering.js';
import { compileZone } from './compile-zone.js';
import { type LinkGrounds, resolveLink } from './links.js';
import { createBuckets, hashOf, hashOfNode, insertNode, PARENT_SIDE } from './name-table.js';
import { ParentSides } from './parent-sides.js';
import { ALIAS, ENDPOINT, NODE, POOL, RRSET, type Snapshot, ZONE } from './snapshot.js';
import {
  ByteCounter,
  ByteTable,
  ByteWindow,
  IntCounter,
  IntTable,
  IntWindow,
  sharedBytes,
  sharedInts,
} from './table.js';
import { TrieShelf } from './trie-shelf.js';
import { IndexBook, type ZoneIndex } from './zone-index.js';
import { buildTree, nameKey, wireName } from './zone-tree.js';

/** Zones that come, in place of those of the same origins, and origins of zones that go. */
export interface WorldChange extends CompileModules {
  readonly put: readonly Zone[];
  readonly drop: readonly string[];
}

/** What a change does to the index: the numbers of zones that are gone, and zones that came. */
export interface ChangedIndex {
  readonly put: readonly ZoneIndex[];
  readonly gone: readonly number[];
}

const INT_TABLES = ['nodes', 'zones', 'pools', 'endpoints', 'steering', 'fixups', 'glue', 'links'] as const;
const TABLES = [...INT_TABLES, 'blobs'] as const;
type TableName = (typeof TABLES)[number];
type IntTableName = (typeof INT_TABLES)[number];
type Places = Readonly<Record<TableName, Place>>;

/** One zone in the tables. */
interface Placed {
  readonly origin: string;
  /** Key of the apex. */
  readonly key: string;
  readonly labels: number;
  readonly hash: number;
  readonly places: Places;
  readonly index: ZoneIndex;
  readonly sides: readonly ParentSide[];
  readonly targets: readonly Uint8Array[];
  readonly tries: ReadonlySet<GeoTrie>;
  grounds: LinkGrounds;
}

/** What becomes of a change is either all of it, or an exception after which the world is of no use any more. */
export class World {
  readonly #geo: LocationTrie;
  readonly #firstId: number;
  readonly #ints: Readonly<Record<IntTableName, Arena<Int32Array>>>;
  readonly #blobs: Arena<Uint8Array>;
  readonly #buckets: BucketBook;
  readonly #sides = new ParentSides();
  readonly #tries: TrieShelf;
  readonly #trieMaker: TrieMaker;
  /** By the keys of their apexes. */
  readonly #zones = new Map<string, Placed>();
  /** Those of them that have links, or tries: few, mostly. */
  readonly #linked = new Set<Placed>();
  readonly #steered = new Set<Placed>();
  /** All of their keys, those of zones on their way too. */
  readonly #apexes = new Set<string>();
  /** How many apexes have a hash. */
  readonly #apexHashes = new Map<number, number>();
  /** Whether all readers have come to the snapshot that was made last. */
  #isReclaimed = true;
  #labelsMax = 0;
  #snapshot: Snapshot;
  /** Absent: nobody asked for it since the last change. */
  #index: IndexBook | undefined;

  /** Compiles zones from the ground. `spacious`: with room for changes. */
  constructor(input: CompileInput, options: { readonly spacious?: boolean } = {}) {
    this.#geo = input.geo;
    this.#firstId = input.id;
    this.#tries = new TrieShelf(input.tries ?? createTrieCache());
    this.#trieMaker = input.trieMaker ?? TRIE_MAKER;
    const tables = {
      nodes: new IntTable(),
      zones: new IntTable(),
      pools: new IntTable(),
      endpoints: new IntTable(),
      steering: new IntTable(),
      fixups: new IntTable(),
      glue: new IntTable(),
      links: new IntTable(),
      blobs: new ByteTable(),
    };
    for (const { origin } of input.zones) this.#addApex(wireName(origin));
    const entries = new IntTable();
    for (const zone of input.zones) {
      const before = lengthsOf(tables);
      const number = before.zones / ZONE.STRIDE;
      const build = this.#start(zone, number, tables, input, entries);
      compileZone(build);
      this.#settle(build, placesOf(before, lengthsOf(tables)));
    }
    const room = options.spacious ? roomy : (used: number) => used;
    const arena = (name: IntTableName) => {
      const used = tables[name].length;
      return new Arena(tables[name].share(room(used)), used, sharedInts);
    };
    this.#ints = Object.fromEntries(INT_TABLES.map((name) => [name, arena(name)])) as Record<
      IntTableName,
      Arena<Int32Array>
    >;
    const bytes = tables.blobs.length;
    this.#blobs = new Arena(tables.blobs.share(room(bytes)), bytes, sharedBytes);
    const buckets = createBuckets(entries.length / 2 + this.#zones.size, sharedInts);
    for (let i = 0; i < entries.length; i += 2) insertNode(buckets, entries.get(i), entries.get(i + 1));
    let names = entries.length / 2;
    this.#sides.settle({
      insert(hash, node) {
        insertNode(buckets, hash ^ PARENT_SIDE, node);
        names++;
      },
      remove() {},
    });
    this.#buckets = new BucketBook(buckets, names);
    this.#tries.use(this.#steered);
    this.#snapshot = this.#draft(input);
    for (const zone of this.#linked) this.#link(zone, input);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get index(): IndexBook {
    this.#index ??= this.#newIndex();
    return this.#index;
  }

  get tries(): TrieCache {
    return this.#tries.cache;
  }

  /** The index of each zone, by its origin. */
  *zones(): Iterable<ZoneIndex> {
    for (const { index } of this.#zones.values()) yield index;
  }

  /** Names outside that ALIAS records lead to, by their slots. */
  outside(): ReadonlyMap<number, string> {
    const names = new Map<number, string>();
    for (const { grounds } of this.#linked) {
      for (const [name, slot] of grounds.outside) if (slot !== undefined) names.set(slot, name);
    }
    return names;
  }

  /** Bytes that no zone has, and bytes that zones have. */
  get room(): { readonly waste: number; readonly used: number } {
    let { waste, used } = this.#blobs;
    for (const arena of Object.values(this.#ints)) {
      waste += 4 * arena.waste;
      used += 4 * arena.used;
    }
    return { waste, used };
  }

  /**
   * Origins of the zones that have to be put again when zones of these origins come or go: those above them, whose names
   * begin or cease to belong to another zone.
   */
  above(origins: readonly string[]): readonly string[] {
    const found = new Set<string>();
    for (const origin of origins) {
      for (const key of suffixes(nameKey(wireName(origin)))) {
        const placed = this.#zones.get(key);
        if (placed && placed.origin !== origin) found.add(placed.origin);
      }
    }
    return [...found];
  }

  /**
   * Compiles what changed beside what is there. `put` must hold the zones `above` all that come and go. Snapshots that
   * were made before answer as they did until `reclaim`.
   */
  change(change: WorldChange): ChangedIndex {
    const keys = new Set(change.put.map(({ origin }) => nameKey(wireName(origin))));
    const dropped = change.drop.map((origin) => nameKey(wireName(origin))).filter((key) => !keys.has(key));
    this.#buckets.begin(this.#isReclaimed);
    this.#isReclaimed = false;
    const gone = [...keys, ...dropped].flatMap((key) => this.#zones.get(key)?.index.number ?? []);
    for (const key of [...keys, ...dropped]) this.#takeOut(key);
    for (const { origin } of change.put) this.#addApex(wireName(origin));
    for (const zone of change.put) {
      const entries = new IntTable();
      this.#place(zone, change, entries);
      for (let i = 0; i < entries.length; i += 2) this.#buckets.insert(entries.get(i), entries.get(i + 1));
    }
    this.#sides.settle({
      insert: (hash, node) => this.#buckets.insert(hash ^ PARENT_SIDE, node),
      remove: (hash, node) => this.#buckets.remove(hash ^ PARENT_SIDE, node),
    });
    this.#tries.use(this.#steered);
    const changed = new Set([...keys, ...dropped]);
    const linked = [...this.#linked];
    const again = linked.filter((zone) => !keys.has(zone.key) && isShaken(zone, changed, change));
    if (again.length > 0) this.#ints.links.copyOnWrite();
    this.#snapshot = this.#draft(change);
    for (const zone of linked) if (keys.has(zone.key)) this.#link(zone, change);
    for (const zone of again) this.#link(zone, change);
    this.#buckets.commit();
    this.#index = undefined;
    return { put: [...keys].map((key) => this.#zones.get(key)!.index), gone };
  }

  /** Nobody answers from any snapshot but the last one. */
  reclaim(): void {
    for (const arena of Object.values(this.#ints)) arena.reclaim();
    this.#blobs.reclaim();
    this.#isReclaimed = true;
  }

  #addApex(apex: Uint8Array): void {
    const hash = hashOf(apex);
    this.#apexes.add(nameKey(apex));
    this.#apexHashes.set(hash, (this.#apexHashes.get(hash) ?? 0) + 1);
  }

  /** Takes a zone out of the name table; its memory goes when nobody reads it. */
  #takeOut(key: string): void {
    const zone = this.#zones.get(key);
    if (!zone) return;
    const { array: nodes } = this.#ints.nodes;
    const { at, count } = zone.places.nodes;
    for (let node = at; node < at + count; ) {
      this.#buckets.remove(hashOfNode(nodes, node), node);
      node = nodes[node + NODE.RRSETS]! + nodes[node + NODE.RRSETS_COUNT]! * RRSET.STRIDE;
    }
    for (const name of INT_TABLES) this.#ints[name].retire(zone.places[name]);
    this.#blobs.retire(zone.places.blobs);
    this.#sides.remove(zone);
    this.#zones.delete(key);
    this.#linked.delete(zone);
    this.#steered.delete(zone);
    this.#apexes.delete(key);
    const apexes = this.#apexHashes.get(zone.hash)! - 1;
    if (apexes > 0) this.#apexHashes.set(zone.hash, apexes);
    else this.#apexHashes.delete(zone.hash);
  }

  #isApex = (name: Uint8Array, hash: number): boolean =>
    this.#apexHashes.has(hash) && this.#apexes.has(nameKey(name));

  /** A zone is in the tables. */
  #settle(build: Build, places: Places): void {
    const zone = placedOf(build, places);
    this.#zones.set(zone.key, zone);
    if (zone.targets.length > 0) this.#linked.add(zone);
    if (zone.tries.size > 0) this.#steered.add(zone);
    this.#sides.add(zone);
    this.#tries.keep(build.tries.next);
    this.#labelsMax = Math.max(this.#labelsMax, build.labelsMax);
  }

  /** `first`: the same zone, compiled before. */
  #trieSource(): TrieSource {
    const { cache } = this.#tries;
    return { geo: this.#geo, previous: cache, next: createTrieCache(), make: this.#trieMaker };
  }

  #start(
    zone: Zone,
    number: number,
    tables: Tables,
    input: CompileModules,
    entries: IntTable,
    first?: Build,
  ): Build {
    return startBuild({
      ...tables,
      input,
      number,
      entries,
      tree: first?.tree ?? buildTree(zone),
      tries: first?.tries ?? this.#trieSource(),
      trieNumber: (trie) => this.#tries.numberOf(trie),
      isApex: this.#isApex,
    });
  }

  /** Compiles a zone twice: how much room it takes, and then to where there is room. */
  #place(zone: Zone, input: CompileModules, entries: IntTable): void {
    const counters = {
      nodes: new IntCounter(),
      zones: new IntCounter(),
      pools: new IntCounter(),
      endpoints: new IntCounter(),
      steering: new IntCounter(),
      fixups: new IntCounter(),
      glue: new IntCounter(),
      links: new IntCounter(),
      blobs: new ByteCounter(),
    };
    const first = this.#start(zone, 0, counters, input, new IntTable());
    compileZone(first);
    const places = this.#takePlaces(lengthsOf(counters));
    const window = (name: IntTableName) => new IntWindow(this.#ints[name].array, places[name].at);
    const tables = {
      nodes: window('nodes'),
      zones: window('zones'),
      pools: window('pools'),
      endpoints: window('endpoints'),
      steering: window('steering'),
      fixups: window('fixups'),
      glue: window('glue'),
      links: window('links'),
      blobs: new ByteWindow(this.#blobs.array, places.blobs.at),
    };
    const build = this.#start(zone, places.zones.at / ZONE.STRIDE, tables, input, entries, first);
    compileZone(build);
    this.#settle(build, places);
  }

  #takePlaces(lengths: Lengths): Places {
    const places = Object.fromEntries(INT_TABLES.map((name) => [name, this.#ints[name].take(lengths[name])]));
    return { ...places, blobs: this.#blobs.take(lengths.blobs) } as Places;
  }

  #link(zone: Placed, { aliases }: CompileModules): void {
    if (zone.targets.length === 0) return;
    const { links } = this.#snapshot;
    const grounds = { visited: new Set<string>(), outside: new Map<string, number | undefined>() };
    const slotOf = (name: string) => aliases?.slotOf(name);
    for (const [i, name] of zone.targets.entries()) {
      const at = zone.places.links.at + i * ALIAS.STRIDE;
      const { target, ttl } = resolveLink(this.#snapshot, name, zone.index.number, grounds, slotOf);
      links[at + ALIAS.TARGET] = target;
      links[at + ALIAS.TTL] = ttl;
    }
    zone.grounds = grounds;
  }

  #draft({ id, aliases }: CompileModules): Snapshot {
    const ints = this.#ints;
    const large = [...Object.values(ints), this.#blobs].filter((arena) => arena !== ints.links);
    return {
      id,
      buckets: this.#buckets.table,
      nodes: ints.nodes.array,
      labelsMax: this.#labelsMax,
      zones: ints.zones.array,
      zoneCount: this.#zones.size,
      memory: large.reduce((sum, { copies }) => sum + copies, MEMORY_IDS * this.#firstId),
      blobs: this.#blobs.array,
      fixups: ints.fixups.array,
      glue: ints.glue.array,
      steering: ints.steering.array,
      pools: ints.pools.array,
      endpoints: ints.endpoints.array,
      tries: this.#tries.list,
      links: ints.links.array,
      aliases: aliases?.table ?? createAliasTable(0),
    };
  }

  #newIndex(): IndexBook {
    const zones = new Map<number, ZoneIndex>();
    for (const { index } of this.#zones.values()) zones.set(index.number, index);
    return new IndexBook(zones, this.outside());
  }
}

function placedOf({ tree, targets, index, sides, tries }: Build, places: Places): Placed {
  const { origin } = tree.zone;
  const { name } = tree.apex;
  return {
    origin,
    key: nameKey(name),
    labels: labelCount(name),
    hash: hashOf(name),
    places,
    sides,
    targets,
    tries: new Set([
      ...tries.next.rules.values(),
      ...[...tries.next.nearest.values()].map(({ trie }) => trie),
    ]),
    grounds: { visited: new Set(), outside: new Map() },
    index: {
      origin,
      number: places.zones.at / ZONE.STRIDE,
      firstPool: places.pools.at / POOL.STRIDE,
      pools: places.pools.count / POOL.STRIDE,
      firstEndpoint: places.endpoints.at / ENDPOINT.STRIDE,
      endpoints: places.endpoints.count / ENDPOINT.STRIDE,
      firstSteering: places.steering.at,
      steerings: places.steering.count,
      content: () => index,
    },
  };
}

/** Whether the links of a zone may lead elsewhere when zones with these apexes changed. */
function isShaken(
  { targets, grounds }: Placed,
  changed: ReadonlySet<string>,
  { aliases }: CompileModules,
): boolean {
  if (targets.length === 0) return false;
  for (const [name, slot] of grounds.outside) if (aliases?.slotOf(name) !== slot) return true;
  for (const name of grounds.visited) {
    for (const key of suffixes(name)) if (changed.has(key)) return true;
  }
  return false;
}

/** The key of a name and of all names above it. */
function* suffixes(key: string): Iterable<string> {
  for (let at = 0; ; at += 1 + key.charCodeAt(at)) {
    yield key.slice(at);
    if (key.charCodeAt(at) === 0) return;
  }
}

/** Moves of one world's tables that have ids of their own. */
const MEMORY_IDS = 0x1_0000;

type Lengths = Readonly<Record<TableName, number>>;

function lengthsOf(tables: Tables): Lengths {
  return Object.fromEntries(TABLES.map((name) => [name, tables[name].length])) as Lengths;
}

function placesOf(before: Lengths, after: Lengths): Places {
  const place = (name: TableName) => ({ at: before[name], count: after[name] - before[name] });
  return Object.fromEntries(TABLES.map((name) => [name, place(name)])) as Places;
}
