import { compileSnapshot } from '../core/answer/compile.js';
import { createTrieCache, type TrieCache } from '../core/answer/compile-steering.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../core/geo/location.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { Zone } from '../core/zone/model.js';
import { outsideNames } from '../core/zone/outside-names.js';
import { healthTargets } from '../core/zone/targets.js';
import type { LastGoodZones } from '../sources/last-good.js';
import { type LoadedZone, type LoadedZones, loadZones, mayExist } from '../sources/zone-folder.js';
import {
  type AliasSlots,
  type LoadedSnapshot,
  type Loader,
  poolNames,
  type StagedZones,
  type ZoneSource,
  type ZoneSummary,
} from './loader.js';

export interface ZoneLoaderModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Keeps zones over broken files and restarts. Without it only what is in memory is kept. */
  readonly lastGood?: LastGoodZones;
  /** What monitors may run and read on this host; nothing where absent. */
  readonly probes?: ProbePermissions;
}

const WARNINGS_MAX = 1000;

interface HeldZone {
  readonly summary: ZoneSummary;
  readonly zone: Zone;
}

interface Stage {
  readonly zones: ReadonlyMap<string, HeldZone>;
  /** As read; absent where nothing was. */
  readonly loaded?: LoadedZones;
}

/** A Loader in the thread that calls it. It holds the zones that are served. */
export class ZoneLoader implements Loader {
  readonly #modules: ZoneLoaderModules;
  #geo: LocationTrie = EMPTY_LOCATIONS;
  #tries: TrieCache = createTrieCache();
  #held: ReadonlyMap<string, HeldZone> = new Map();
  #stage: Stage | undefined;

  constructor(modules: ZoneLoaderModules) {
    this.#modules = modules;
  }

  async useGeo(geo: LocationTrie): Promise<void> {
    this.#geo = geo;
    this.#tries = createTrieCache();
  }

  async stage(source: ZoneSource | 'served', served: readonly ZoneSummary[]): Promise<StagedZones> {
    this.#stage = undefined;
    if (source === 'served') {
      this.#stage = { zones: this.#held };
      return describe(this.#held, [], served);
    }
    const loaded = 'paths' in source ? await this.#read(source.paths, served) : source;
    const zones = this.#merge(loaded, served);
    this.#stage = { zones, loaded };
    const warnings = loaded.zones.flatMap((zone) => zone.warnings ?? []).slice(0, WARNINGS_MAX);
    const staged = describe(zones, loaded.problems, served);
    return warnings.length > 0 ? { ...staged, warnings } : staged;
  }

  async compile(
    id: number,
    slots: ReadonlyMap<string, number>,
    aliases?: AliasSlots,
  ): Promise<LoadedSnapshot> {
    if (!this.#stage) throw new Error('nothing is staged');
    const compiled = compileSnapshot({
      id,
      zones: [...this.#stage.zones.values()].map(({ zone }) => zone),
      geo: this.#geo,
      slotOf: (key) => slots.get(key)!,
      ...(aliases && {
        aliases: { table: aliases.table, slotOf: (name: string) => aliases.slots.get(name) },
      }),
      tries: this.#tries,
    });
    this.#tries = compiled.tries;
    const { snapshot, index } = compiled;
    return { snapshot, index: () => index, pools: poolNames(index) };
  }

  async settle(outcome: 'served' | 'unchanged' | 'refused'): Promise<{ readonly saveError?: string }> {
    const stage = this.#stage;
    this.#stage = undefined;
    // What is unchanged is taken too: a loader that has just begun holds nothing yet.
    if (stage && outcome !== 'refused') this.#held = stage.zones;
    if (!stage?.loaded || !this.#modules.lastGood) return {};
    try {
      await this.#modules.lastGood.save(stage.loaded);
      return {};
    } catch (error) {
      return { saveError: String(error) };
    }
  }

  async #read(paths: readonly string[], served: readonly ZoneSummary[]): Promise<LoadedZones> {
    const owners = new Map(served.map(({ origin, file }) => [origin, file]));
    const { probes } = this.#modules;
    const loaded = await loadZones(paths, probes ? { probes } : {}, owners);
    return this.#modules.lastGood ? this.#modules.lastGood.fill(loaded) : loaded;
  }

  /** A zone whose file has mistakes keeps its last good state; one whose file is gone goes. */
  #merge(loaded: LoadedZones, served: readonly ZoneSummary[]): ReadonlyMap<string, HeldZone> {
    const loadedMs = this.#modules.now();
    const zones = new Map<string, HeldZone>();
    const good = new Set(loaded.zones.map(({ file }) => file));
    const origins = new Set(loaded.zones.map(({ zone }) => zone.origin));
    for (const { origin, file } of served) {
      if (good.has(file) || !mayExist(loaded, file)) continue;
      const held = this.#held.get(origin);
      if (held) zones.set(origin, held);
      else if (!origins.has(origin)) throw new Error(`no good version of ${origin} (${file}) is left`);
    }
    const before = new Map(served.map((summary) => [summary.origin, summary]));
    for (const { file, zone, version } of loaded.zones) {
      const known = before.get(zone.origin);
      const same = known?.file === file && known.version === version;
      const held = same ? this.#held.get(zone.origin) : undefined;
      const summary = same ? known : summaryOf({ file, zone, version }, loadedMs);
      zones.set(zone.origin, held ?? { zone, summary });
    }
    return zones;
  }
}

function summaryOf({ file, zone, version }: LoadedZone, loadedMs: number): ZoneSummary {
  const { origin, soa, rrsets, pools } = zone;
  return { origin, file, serial: soa.serial, version, records: rrsets.length, pools: pools.size, loadedMs };
}

function describe(
  held: ReadonlyMap<string, HeldZone>,
  problems: LoadedZones['problems'],
  served: readonly ZoneSummary[],
): StagedZones {
  const zones = [...held.values()].map(({ summary }) => summary);
  const before = new Map(served.map((summary) => [summary.origin, summary]));
  const same = ({ origin, file, version }: ZoneSummary) => {
    const known = before.get(origin);
    return known?.file === file && known.version === version;
  };
  const targets = [...held.values()].flatMap(({ zone }) => [...healthTargets(zone)]);
  return {
    problems,
    zones,
    changed: zones.length !== served.length || !zones.every(same),
    targets: new Map(targets),
    outside: outsideNames([...held.values()].map(({ zone }) => zone)),
  };
}
