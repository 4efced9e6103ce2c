import type { CompileModules } from '../core/answer/build.js';
import { createTrieCache, type TrieCache } from '../core/answer/compile-steering.js';
import type { ChangedIndex } from '../core/answer/world.js';
import { World } from '../core/answer/world.js';
import { IndexBook } from '../core/answer/zone-index.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../core/geo/location.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { ForcedEndpoint } from '../core/zone/forced-endpoints.js';
import { outsideNames } from '../core/zone/outside-names.js';
import type { HealthTarget } from '../core/zone/targets.js';
import { DraftMap } from '../sources/draft-map.js';
import type { LastGoodZones } from '../sources/last-good.js';
import type { LoadedZones } from '../sources/zone-folder.js';
import { ZoneReader, ZoneReading } from '../sources/zone-reader.js';
import {
  added,
  differenceOf,
  type HeldZones,
  type Merged,
  mergeAll,
  mergeSome,
  NO_SUMS,
  NO_TARGETS,
  type Sums,
  sumsOf,
} from './held-zones.js';
import {
  type AliasSlots,
  type LoadedSnapshot,
  type Loader,
  poolNames,
  type StagedZones,
  snapshotNames,
  type ZoneSource,
  type ZoneSummary,
} from './loader.js';
import { ZoneList } from './zone-list.js';

export interface ZoneLoaderModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Keeps zones over broken files and restarts. Without it only what is in memory is kept. */
  readonly lastGood?: LastGoodZones;
  /** What monitors may run and read on this host; nothing where absent. */
  readonly probes?: ProbePermissions;
  /** DNS nodes that probe, this one among them. */
  readonly observers?: number;
}

const WARNINGS_MAX = 1000;
/** Of a world with more RRsets than this only the tables are kept; a zone that is needed once more is read again. */
export const KEEP_RECORDS_MAX = 20_000;
/** Memory that no zone has, bytes: from here on, and where it is more than the zones have, everything is compiled anew. */
const WASTE_MAX = 32 * 1024 * 1024;

interface Stage {
  readonly zones: HeldZones;
  readonly list: ZoneList;
  /** They are a draft of what is held. */
  readonly isPart: boolean;
  readonly sums: Sums;
  readonly forced: readonly ForcedEndpoint[];
  /** What they are compiled from; absent where everything is compiled anew. */
  readonly change?: { readonly put: readonly string[]; readonly drop: readonly string[] };
  readonly targets: ReadonlyMap<string, HealthTarget>;
  /** As read; absent where nothing was. */
  readonly loaded?: LoadedZones;
  readonly reading?: ZoneReading;
}

/** What a compilation changed, for those who keep an index of their own. */
export interface CompiledZones {
  readonly world: World;
  /** True: nothing of what was known before holds. */
  readonly isFresh: boolean;
  readonly changed: ChangedIndex;
}

/**
 * A Loader in the thread that calls it. It holds the zones that are served, and reads and compiles those that changed.
 */
export class ZoneLoader implements Loader {
  readonly #modules: ZoneLoaderModules;
  readonly #reader: ZoneReader;
  #geo: LocationTrie = EMPTY_LOCATIONS;
  #tries: TrieCache = createTrieCache();
  #held: HeldZones = new DraftMap();
  /** Their summaries. */
  #list = new ZoneList();
  #sums: Sums = NO_SUMS;
  #forced: readonly ForcedEndpoint[] = [];
  #targets: ReadonlyMap<string, HealthTarget> = new Map();
  #dropped = 0;
  #stage: Stage | undefined;
  /** Origins of what was settled last. */
  #changed: readonly string[] = [];
  #paths: readonly string[] | undefined;
  /** The tables of `#compiled`; absent: nothing was compiled, or it failed. */
  #world: World | undefined;
  /** Versions by origin. */
  #compiled = new Map<string, string>();
  /** Whether these are the versions that are held. */
  #isInStep = false;

  constructor(modules: ZoneLoaderModules) {
    this.#modules = modules;
    const { probes, observers, now } = modules;
    this.#reader = new ZoneReader(
      { ...(probes && { probes }), ...(observers !== undefined && { observers }) },
      now,
    );
  }

  async useGeo(geo: LocationTrie): Promise<void> {
    this.#geo = geo;
    this.#tries = createTrieCache();
    this.#world = undefined;
  }

  async stage(source: ZoneSource | 'served', served: readonly ZoneSummary[]): Promise<StagedZones> {
    this.#stage = undefined;
    const known = served === this.#list.list ? this.#list : new ZoneList(served);
    if (source !== 'served' && 'paths' in source) this.#paths = source.paths;
    let loaded: LoadedZones | ZoneReading | undefined =
      source === 'served' ? undefined : 'paths' in source ? await this.#read(source, known) : source;
    let merged = this.#merge(loaded, known);
    let change = this.#changeTo(merged);
    const missing = this.#missing(merged, change);
    if (missing.length > 0) {
      loaded = await this.#readMore(missing, known, loaded);
      merged = this.#merge(loaded, known);
      change = this.#changeTo(merged);
      const [lost] = this.#missing(merged, change);
      if (lost) throw new Error(`no good version of ${lost.origin} (${lost.file}) is left`);
    }
    const { zones, sums } = merged;
    const targets = this.#targetsOf(merged);
    const { put, gone } = differenceOf(merged, known);
    const list = known.with(put, gone);
    const forced = this.#forcedOf(merged);
    this.#stage = {
      ...merged,
      list,
      targets,
      forced,
      ...(change && { change }),
      ...(loaded && { loaded }),
      ...(loaded instanceof ZoneReading && { reading: loaded }),
    };
    const warnings = (loaded?.zones ?? []).flatMap((zone) => zone.warnings ?? []).slice(0, WARNINGS_MAX);
    return {
      problems: loaded?.problems ?? [],
      zones: list.list,
      list,
      difference: { put, gone },
      changed: put.length + gone.length > 0,
      targets,
      forced,
      outside: sums.aliases > 0 ? outsideNames([...zones.values()].flatMap(({ zone }) => zone ?? [])) : [],
      ...(warnings.length > 0 && { warnings }),
    };
  }

  async compile(
    id: number,
    slots: ReadonlyMap<string, number>,
    aliases?: AliasSlots,
  ): Promise<LoadedSnapshot> {
    const { world } = this.compileZones(id, slots, aliases);
    const zones = [...world.zones()];
    const names = snapshotNames(zones.map((zone) => ({ ...zone, names: poolNames(zone) })));
    const index = new IndexBook(new Map(zones.map((zone) => [zone.number, zone])), world.outside());
    return { snapshot: world.snapshot, index: () => index, names };
  }

  /** As `compile`; tells what it changed. */
  compileZones(id: number, slots: ReadonlyMap<string, number>, aliases?: AliasSlots): CompiledZones {
    const stage = this.#stage;
    if (!stage) throw new Error('nothing is staged');
    const modules: CompileModules = {
      id,
      slotOf: (key) => slots.get(key)!,
      ...(aliases && {
        aliases: { table: aliases.table, slotOf: (name: string) => aliases.slots.get(name) },
      }),
    };
    const before = this.#world;
    this.#world = undefined;
    this.#isInStep = false;
    const compiled =
      before && stage.change ? this.#change(before, stage, modules) : this.#build(stage, modules);
    this.#world = compiled.world;
    this.#tries = compiled.world.tries;
    this.#noteVersions(stage, compiled.isFresh);
    return compiled;
  }

  async settle(
    outcome: 'served' | 'unchanged' | 'refused',
    isHeld = false,
  ): Promise<{ readonly saveError?: string }> {
    const stage = this.#stage;
    this.#stage = undefined;
    if (outcome === 'served' && !isHeld) this.#world?.reclaim();
    if (!stage) return {};
    // What is unchanged is taken too: a loader that has just begun holds nothing yet.
    if (outcome !== 'refused') this.#hold(stage, outcome === 'served');
    let saveError: string | undefined;
    try {
      if (stage.loaded) await this.#modules.lastGood?.save(stage.loaded);
    } catch (error) {
      saveError = String(error);
    }
    // What could not be saved exists here only.
    if (outcome !== 'refused' && saveError === undefined) this.#lighten(stage);
    return saveError === undefined ? {} : { saveError };
  }

  #hold({ zones, list, sums, targets, forced, reading, isPart }: Stage, isServed: boolean): void {
    this.#changed = isPart ? [...zones.changes.keys()] : [...zones.keys()];
    this.#isInStep = isServed || (this.#isInStep && list === this.#list);
    this.#held = new DraftMap(zones.commit());
    this.#list = list;
    this.#sums = sums;
    this.#forced = forced;
    this.#targets = targets;
    if (reading) this.#reader.keep(reading);
  }

  /** RRsets of the zones whose content left the memory when a change was settled last. */
  get dropped(): number {
    return this.#dropped;
  }

  #noteVersions({ zones, change }: Stage, isFresh: boolean): void {
    if (isFresh || !change) this.#compiled = new Map();
    for (const origin of change?.drop ?? []) this.#compiled.delete(origin);
    const put = isFresh || !change ? zones.keys() : change.put;
    for (const origin of put) this.#compiled.set(origin, zones.get(origin)!.summary.version);
  }

  #build({ zones }: Stage, modules: CompileModules): CompiledZones {
    const models = [...zones.values()].flatMap(({ zone }) => zone ?? []);
    const input = { ...modules, zones: models, geo: this.#geo, tries: this.#tries };
    const world = new World(input, { spacious: true });
    return { world, isFresh: true, changed: { put: [...world.zones()], gone: [] } };
  }

  #change(world: World, { zones, change }: Stage, modules: CompileModules): CompiledZones {
    const { put, drop } = change!;
    const models = put.map((origin) => zones.get(origin)!.zone!);
    return { world, isFresh: false, changed: world.change({ ...modules, put: models, drop }) };
  }

  /** What has to be compiled for these zones to be served; undefined: everything. */
  #changeTo({ zones, isPart, sums }: Merged): Stage['change'] {
    const world = this.#world;
    if (!world || world.room.waste > Math.max(WASTE_MAX, world.room.used)) return undefined;
    const compiled = this.#compiled;
    const put: string[] = [];
    const drop: string[] = [];
    if (isPart && this.#isInStep) {
      for (const [origin, now] of zones.changes) {
        if (!now) drop.push(origin);
        else if (compiled.get(origin) !== now.summary.version) put.push(origin);
      }
    } else {
      for (const [origin, { summary }] of zones)
        if (compiled.get(origin) !== summary.version) put.push(origin);
      for (const origin of compiled.keys()) if (!zones.has(origin)) drop.push(origin);
    }
    let records = 0;
    for (const origin of put) records += zones.get(origin)!.summary.records;
    // Beside tables as large as that, the old ones would be in the way.
    if (records > KEEP_RECORDS_MAX && 2 * records > sums.records) return undefined;
    const moved = [...put.filter((origin) => !compiled.has(origin)), ...drop];
    const above = world.above(moved).filter((origin) => zones.has(origin));
    return { put: [...new Set([...put, ...above])], drop };
  }

  /** Zones whose content is needed and is not in memory. */
  #missing({ zones, sums }: Merged, change: Stage['change']): readonly ZoneSummary[] {
    const isWhole = !change || sums.aliases > 0;
    if (isWhole && sums.models === zones.size) return [];
    const needed = isWhole ? [...zones.values()] : change.put.map((origin) => zones.get(origin)!);
    return needed.flatMap(({ zone, summary }) => (zone ? [] : [summary]));
  }

  /** Models are kept where they are few, and where ALIAS records may lead from one to another. */
  #lighten({ list }: Stage): void {
    const { records, aliases, models } = this.#sums;
    const changed = this.#changed;
    this.#changed = [];
    this.#dropped = 0;
    if (!this.#paths || records <= KEEP_RECORDS_MAX || aliases > 0 || models === 0) return;
    const light = models > changed.length ? list.list.map(({ origin }) => origin) : changed;
    for (const origin of light) {
      const held = this.#held.get(origin);
      if (!held?.zone) continue;
      this.#dropped += held.summary.records;
      this.#held.set(origin, { ...held, zone: undefined });
    }
    this.#held = new DraftMap(this.#held.commit());
    this.#sums = { records, aliases, models: 0 };
  }

  #targetsOf({ zones, isPart }: Merged): ReadonlyMap<string, HealthTarget> {
    let isSame = true;
    if (isPart) {
      for (const [origin, now] of zones.changes) {
        isSame &&= (now?.targets ?? NO_TARGETS) === (zones.before(origin)?.targets ?? NO_TARGETS);
      }
    } else {
      const known = this.#held;
      for (const [origin, { targets }] of zones) {
        isSame &&= targets === (known.get(origin)?.targets ?? NO_TARGETS);
      }
      for (const [origin, { targets }] of known) isSame &&= targets === NO_TARGETS || zones.has(origin);
    }
    if (isSame) return this.#targets;
    const all = new Map<string, HealthTarget>();
    for (const { targets } of zones.values()) for (const [key, target] of targets) all.set(key, target);
    return all;
  }

  #forcedOf({ zones, isPart }: Merged): readonly ForcedEndpoint[] {
    if (isPart) {
      const counts = [...zones.changes].map(
        ([origin, now]) => (now?.forced.length ?? 0) + (zones.before(origin)?.forced.length ?? 0),
      );
      if (counts.every((count) => count === 0)) return this.#forced;
    }
    return [...zones.values()].flatMap(({ forced }) => forced);
  }

  async #read(
    { paths, only }: { readonly paths: readonly string[]; readonly only?: readonly string[] },
    known: ZoneList,
  ): Promise<ZoneReading> {
    const owners = () => known.list.map(({ file }) => file);
    const reading = await this.#reader.read(paths, { owners, ...(only && { only }) });
    return this.#filled(reading);
  }

  async #filled(reading: ZoneReading): Promise<ZoneReading> {
    const filled = await this.#modules.lastGood?.fill(reading);
    return filled && filled !== reading ? reading.with({ zones: filled.zones }) : reading;
  }

  /** Reads zones that did not change once more, beside those of a reading. */
  async #readMore(
    missing: readonly ZoneSummary[],
    known: ZoneList,
    loaded: LoadedZones | ZoneReading | undefined,
  ): Promise<ZoneReading> {
    const since = loaded instanceof ZoneReading ? loaded : undefined;
    const more = await this.#reader.read(this.#paths ?? [], {
      owners: () => known.list.map(({ file }) => file),
      only: [],
      whole: new Set(missing.map(({ file }) => file)),
      ...(since && { since }),
    });
    const filled = await this.#filled(more);
    return since ? together(since, filled) : filled;
  }

  #merge(loaded: LoadedZones | ZoneReading | undefined, known: ZoneList): Merged {
    const isPart = known === this.#list && (!loaded || (loaded instanceof ZoneReading && !loaded.isWhole));
    if (!isPart) {
      const zones = loaded ? mergeAll(this.#held, loaded, known.list, this.#modules.now()) : this.#held;
      return { zones, isPart, sums: sumsOf(zones.values()) };
    }
    const zones = this.#held.fork();
    if (loaded instanceof ZoneReading) mergeSome(zones, loaded, this.#list, this.#modules.now());
    let sums = this.#sums;
    for (const [origin, now] of zones.changes) {
      const before = zones.before(origin);
      sums = added(added(sums, before, -1), now, 1);
    }
    return { zones, isPart, sums };
  }
}

/** A reading, and another one after it for the sake of a few more zones. */
function together(first: ZoneReading, second: ZoneReading): ZoneReading {
  const files = new Set(second.zones.map(({ file }) => file));
  const origins = new Set(second.zones.map(({ zone }) => zone.origin));
  const kept = first.zones.filter(({ file, zone }) => !files.has(file) && !origins.has(zone.origin));
  const zones = [...kept, ...second.zones];
  if (!first.part || !second.part) return second.with({ zones, part: undefined });
  const gone = new Set([...first.part.gone, ...second.part.gone]);
  const looked = [...new Set([...first.part.looked, ...second.part.looked])].filter(
    (file) => !gone.has(file),
  );
  return second.with({ zones, part: { looked, gone: [...gone] } });
}
