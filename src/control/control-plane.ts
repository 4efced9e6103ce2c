import type { Compiled } from '../core/answer/build.js';
import { compileSnapshot } from '../core/answer/compile.js';
import { createTrieCache, type TrieCache } from '../core/answer/compile-steering.js';
import { type ExplainRequest, type Explanation, explain } from '../core/answer/explain.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import { EMPTY_LOCATIONS, type Location } from '../core/geo/location.js';
import type { Report } from '../core/health/report.js';
import type { Zone } from '../core/zone/model.js';
import { type HealthTarget, healthTargets } from '../core/zone/targets.js';
import { type GeoDatabase, type GeoProblem, lookupLocation } from '../sources/geo-database.js';
import { formatProblem, type Problem } from '../sources/yaml-document.js';
import { type LoadedZones, mayExist } from '../sources/zone-folder.js';
import type { HealthWatch } from './health-watch.js';
import type { ReportOutcome } from './observers.js';
import type { GeoStatus, ZoneStatus } from './status.js';

export interface ControlModules {
  readonly health: HealthWatch;
  /** Hands a snapshot to the answering threads; resolves when all of them use it. */
  readonly publish: (snapshot: Snapshot) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
    error(facts: object, message: string): void;
  };
}

/** How long a new snapshot waits for the first probe of its new targets before it is published without. */
const FIRST_ROUND_MS = 3000;

interface HeldZone {
  readonly file: string;
  readonly zone: Zone;
  readonly loadedMs: number;
}

/**
 * The control plane of a DNS node: holds the last good state of every zone and of the geo database, and
 * publishes one snapshot after another. Changes are taken one at a time; what fails leaves everything as it was.
 */
export class ControlPlane {
  readonly #modules: ControlModules;
  #zones: ReadonlyMap<string, HeldZone> = new Map();
  #problems: readonly Problem[] = [];
  #geo: GeoDatabase | undefined;
  #geoProblems: readonly GeoProblem[] = [];
  #tries: TrieCache = createTrieCache();
  #compiled: Compiled;
  #sequence = 0;
  #publishedMs = 0;
  #reloads = { applied: 0, refused: 0 };
  #work: Promise<void> = Promise.resolve();

  constructor(modules: ControlModules) {
    this.#modules = modules;
    this.#compiled = this.#compile([]);
  }

  /** The tables that are answered from now. */
  get snapshot(): Snapshot {
    return this.#compiled.snapshot;
  }

  get publishedMs(): number {
    return this.#publishedMs;
  }

  get reloads(): { readonly applied: number; readonly refused: number } {
    return this.#reloads;
  }

  get health(): HealthWatch {
    return this.#modules.health;
  }

  /** Every mistake in the zone files as they are now on disk, as `file:line:column: path: message`. */
  get problems(): readonly string[] {
    return this.#problems.map(formatProblem);
  }

  /**
   * Takes what is on disk now. A zone whose file has mistakes keeps its last good state; one whose file is gone
   * goes.
   */
  loadZones(loaded: LoadedZones): Promise<void> {
    return this.#enqueue(async () => {
      this.#problems = loaded.problems;
      for (const problem of loaded.problems) {
        this.#modules.log.error({ problem: formatProblem(problem) }, 'zone file refused');
      }
      const zones = this.#merge(loaded);
      this.#reloads[loaded.problems.length > 0 ? 'refused' : 'applied']++;
      if (sameZones(zones, this.#zones)) return;
      if (!(await this.#publish(zones))) return;
      this.#zones = zones;
    });
  }

  /** Takes a geo database. */
  useGeo(database: GeoDatabase): Promise<void> {
    return this.#enqueue(async () => {
      this.#geo = database;
      this.#geoProblems = [];
      this.#tries = createTrieCache();
      await this.#publish(this.#zones);
      for (const { path, databaseType, buildEpoch } of database.sources) {
        this.#modules.log.info(
          { path, databaseType, built: buildEpoch.toISOString() },
          'geo database in use',
        );
      }
    });
  }

  /** A geo database was refused; the one in use stays. */
  refuseGeo(problem: GeoProblem): void {
    this.#geoProblems = [...this.#geoProblems.filter(({ path }) => path !== problem.path), problem];
    this.#modules.log.error({ ...problem }, 'geo database refused; what is in use stays');
  }

  report(report: Report): ReportOutcome {
    return this.#modules.health.report(report);
  }

  /** What a client would get now, and why. */
  explain(request: ExplainRequest): Explanation {
    const { snapshot, index } = this.#compiled;
    return explain(snapshot, index, this.#modules.health.table, request);
  }

  /** Where the geo database sees an address. */
  locate(address: string): { readonly location: Location; readonly prefix: string } | undefined {
    return this.#geo && lookupLocation(this.#geo, address);
  }

  zoneStatus(): readonly ZoneStatus[] {
    const problemsOf = (file: string) => this.#problems.filter((p) => p.file === file).map(formatProblem);
    return [...this.#zones.values()].map(({ file, zone, loadedMs }) => ({
      zone: zone.origin,
      file,
      serial: zone.soa.serial,
      records: zone.rrsets.length,
      pools: zone.pools.size,
      loaded: new Date(loadedMs).toISOString(),
      state: problemsOf(file).length > 0 ? 'stale' : 'current',
      problems: problemsOf(file),
    }));
  }

  geoStatus(): GeoStatus {
    return {
      sources: (this.#geo?.sources ?? []).map(({ path, databaseType, buildEpoch, attribution }) => ({
        path,
        type: databaseType,
        built: buildEpoch.toISOString(),
        age_days: (this.#modules.now() - buildEpoch.getTime()) / 86_400_000,
        attribution,
      })),
      problems: this.#geoProblems.map(({ path, message }) => `${path}: ${message}`),
    };
  }

  /** Which file each zone is served from. */
  get owners(): ReadonlyMap<string, string> {
    return new Map([...this.#zones].map(([origin, { file }]) => [origin, file]));
  }

  zone(origin: string): Zone | undefined {
    return this.#zones.get(origin)?.zone;
  }

  #merge(loaded: LoadedZones): ReadonlyMap<string, HeldZone> {
    const loadedMs = this.#modules.now();
    const zones = new Map<string, HeldZone>();
    const good = new Set(loaded.zones.map(({ file }) => file));
    for (const [origin, held] of this.#zones) {
      if (mayExist(loaded, held.file) && !good.has(held.file)) zones.set(origin, held);
    }
    for (const { file, zone } of loaded.zones) {
      const held = this.#zones.get(zone.origin);
      const same = held && held.file === file && held.zone.soa.serial === zone.soa.serial;
      zones.set(zone.origin, same ? held : { file, zone, loadedMs });
    }
    return zones;
  }

  /** Compiles and publishes; false, and nothing changed, if that can't be done. */
  async #publish(zones: ReadonlyMap<string, HeldZone>): Promise<boolean> {
    const { health, log } = this.#modules;
    const list = [...zones.values()].map(({ zone }) => zone);
    const wanted = targetsOf(list);
    // What is answered from now is watched until the new snapshot is in use.
    const both = new Map([...health.targets, ...wanted]);
    if (!health.watch(both)) {
      log.error({ targets: both.size }, 'too many health targets; the last good state stays in use');
      return false;
    }
    await health.firstRound(FIRST_ROUND_MS);
    const startMs = this.#modules.now();
    try {
      this.#compiled = this.#compile(list);
    } catch (error) {
      log.error({ error: String(error) }, 'a snapshot could not be built; the last good one stays in use');
      return false;
    }
    await this.#modules.publish(this.#compiled.snapshot);
    this.#publishedMs = this.#modules.now();
    health.watch(wanted);
    health.release();
    const tookMs = this.#publishedMs - startMs;
    log.info({ zones: list.length, snapshot: this.#compiled.snapshot.id, tookMs }, 'snapshot published');
    return true;
  }

  #compile(zones: readonly Zone[]): Compiled {
    const compiled = compileSnapshot({
      id: ++this.#sequence,
      zones,
      geo: this.#geo?.trie ?? EMPTY_LOCATIONS,
      slotOf: (key) => this.#modules.health.slotOf(key),
      tries: this.#tries,
    });
    this.#tries = compiled.tries;
    return compiled;
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch((error: unknown) => {
      this.#modules.log.error({ error: String(error) }, 'a change could not be applied');
    });
    return this.#work;
  }
}

function targetsOf(zones: readonly Zone[]): ReadonlyMap<string, HealthTarget> {
  return new Map(zones.flatMap((zone) => [...healthTargets(zone)]));
}

function sameZones(a: ReadonlyMap<string, HeldZone>, b: ReadonlyMap<string, HeldZone>): boolean {
  return a.size === b.size && [...a].every(([origin, held]) => b.get(origin) === held);
}
