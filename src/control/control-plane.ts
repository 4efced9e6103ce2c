import { compileSnapshot } from '../core/answer/compile.js';
import { type ExplainRequest, type Explanation, explain } from '../core/answer/explain.js';
import { SNAPSHOT_BYTES_LARGE, type Snapshot, snapshotBytes } from '../core/answer/snapshot.js';
import { EMPTY_LOCATIONS, type Location } from '../core/geo/location.js';
import type { Report } from '../core/health/report.js';
import { type GeoDatabase, type GeoProblem, lookupLocation } from '../sources/geo-database.js';
import { formatProblem, type Problem } from '../sources/yaml-document.js';
import type { AliasWatch } from './alias-watch.js';
import type { HealthWatch } from './health-watch.js';
import type { AliasSlots, LoadedSnapshot, Loader, StagedZones, ZoneSource, ZoneSummary } from './loader.js';
import type { ReportOutcome } from './report-book.js';
import type { SnapshotSlots } from './snapshot-slots.js';
import type { GeoStatus, ZoneStatus } from './status.js';

export interface ControlModules {
  readonly health: HealthWatch;
  readonly loader: Loader;
  /** Resolves what ALIAS records lead to outside this server; without it they fail. */
  readonly aliases?: AliasWatch;
  /** Hands a snapshot to the answering threads; resolves when all of them use it. */
  readonly publish: (snapshot: Snapshot) => Promise<void>;
  /** Where zones and pools are counted; without it nothing is counted by name. */
  readonly slots?: SnapshotSlots;
  /** Called when the memory of a large snapshot should be given back. */
  readonly collect?: () => void;
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

/**
 * The control plane of a DNS node: holds the last good state of every zone and of the geo database, and
 * publishes one snapshot after another. Changes are taken one at a time; what fails leaves everything as it was.
 */
export class ControlPlane {
  readonly #modules: ControlModules;
  #zones: readonly ZoneSummary[] = [];
  #problems: readonly Problem[] = [];
  #geo: GeoDatabase | undefined;
  #geoProblems: readonly GeoProblem[] = [];
  #compiled: LoadedSnapshot;
  /** Names outside that it has. */
  #outside: readonly string[] = [];
  #sequence = 0;
  #publishedMs = 0;
  #reloads = { applied: 0, refused: 0 };
  #work: Promise<void> = Promise.resolve();

  constructor(modules: ControlModules) {
    this.#modules = modules;
    this.#compiled = emptySnapshot(++this.#sequence);
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

  /** Absent where names outside are not resolved. */
  get aliases(): AliasWatch | undefined {
    return this.#modules.aliases;
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
  loadZones(source: ZoneSource): Promise<void> {
    return this.#enqueue(async () => {
      const staged = await this.#modules.loader.stage(source, this.#zones);
      this.#note(staged);
      this.#reloads[staged.problems.length > 0 ? 'refused' : 'applied']++;
      if (staged.changed) await this.#publish(staged);
      else await this.#settle('unchanged');
    });
  }

  /** Takes a geo database. */
  useGeo(database: GeoDatabase): Promise<void> {
    return this.#enqueue(async () => {
      this.#geo = database;
      this.#geoProblems = [];
      const { loader } = this.#modules;
      await loader.useGeo(database.trie);
      const staged = await loader.stage('served', this.#zones);
      // A loader that began anew has read the files again.
      if (staged.problems.length > 0) this.#note(staged);
      await this.#publish(staged);
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
    const { health } = this.#modules;
    const nowSeconds = Math.floor(this.#modules.now() / 1000);
    const asked = { nowSeconds, ...request };
    return explain(snapshot, index(), health.table, asked, (slot) => whyOf(health, slot));
  }

  /** Where the geo database sees an address. */
  locate(address: string): { readonly location: Location; readonly prefix: string } | undefined {
    return this.#geo && lookupLocation(this.#geo, address);
  }

  zoneStatus(): readonly ZoneStatus[] {
    const problemsOf = (file: string) => this.#problems.filter((p) => p.file === file).map(formatProblem);
    return this.#zones.map(({ origin, file, serial, records, pools, loadedMs }) => ({
      zone: origin,
      file,
      serial,
      records,
      pools,
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

  #note({ problems, warnings, changed }: StagedZones): void {
    this.#problems = problems;
    for (const warning of changed ? (warnings ?? []) : []) {
      this.#modules.log.warn({ warning: formatProblem(warning) }, 'left out of a zone');
    }
    for (const problem of problems) {
      this.#modules.log.error({ problem: formatProblem(problem) }, 'zone file refused');
    }
  }

  /** Compiles and publishes what is staged, or leaves everything as it is if that can't be done. */
  async #publish(staged: StagedZones): Promise<void> {
    const compiled = await this.#compile(staged);
    if (!compiled) {
      this.#modules.aliases?.retain(this.#outside);
      await this.#settle('refused');
      return;
    }
    const { health, log } = this.#modules;
    const wasLarge = snapshotBytes(this.#compiled.snapshot) > SNAPSHOT_BYTES_LARGE;
    this.#compiled = compiled.loaded;
    const { slots } = this.#modules;
    const origins = staged.zones.map(({ origin }) => origin);
    slots?.number(this.#compiled.snapshot, origins, this.#compiled.pools);
    await this.#modules.publish(this.#compiled.snapshot);
    slots?.published();
    this.#publishedMs = this.#modules.now();
    this.#zones = staged.zones;
    health.watch(staged.targets);
    health.release();
    this.#outside = staged.outside;
    this.#modules.aliases?.retain(staged.outside);
    const tookMs = this.#publishedMs - compiled.startMs;
    const { id } = this.#compiled.snapshot;
    log.info({ zones: staged.zones.length, snapshot: id, tookMs }, 'snapshot published');
    await this.#settle('served');
    if (wasLarge) this.#modules.collect?.();
  }

  async #compile(staged: StagedZones): Promise<{ loaded: LoadedSnapshot; startMs: number } | undefined> {
    const { aliases, health, loader, log } = this.#modules;
    // What is answered from now is watched until the new snapshot is in use.
    const both = new Map([...health.targets, ...staged.targets]);
    if (!health.watch(both)) {
      log.error({ targets: both.size }, 'too many health targets; the last good state stays in use');
      return undefined;
    }
    aliases?.watch(staged.outside);
    await Promise.all([health.firstRound(FIRST_ROUND_MS), aliases?.firstRound(FIRST_ROUND_MS)]);
    const startMs = this.#modules.now();
    const slots = new Map([...staged.targets.keys()].map((key) => [key, health.slotOf(key)]));
    try {
      return { loaded: await loader.compile(++this.#sequence, slots, this.#aliasSlots(staged)), startMs };
    } catch (error) {
      log.error({ error: String(error) }, 'a snapshot could not be built; the last good one stays in use');
      return undefined;
    }
  }

  #aliasSlots({ outside }: StagedZones): AliasSlots | undefined {
    const { aliases } = this.#modules;
    if (!aliases || outside.length === 0) return undefined;
    const slots = outside.flatMap((name): [string, number][] => {
      const slot = aliases.slotOf(name);
      return slot === undefined ? [] : [[name, slot]];
    });
    return { table: aliases.table, slots: new Map(slots) };
  }

  async #settle(outcome: 'served' | 'unchanged' | 'refused'): Promise<void> {
    const { saveError } = await this.#modules.loader.settle(outcome);
    if (saveError === undefined) return;
    this.#modules.log.error({ error: saveError }, 'the last good zones could not be saved');
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch((error: unknown) => {
      this.#modules.log.error({ error: String(error) }, 'a change could not be applied');
    });
    return this.#work;
  }
}

/** What `explain` says of an endpoint's health. */
function whyOf(health: HealthWatch, slot: number): Readonly<Record<string, unknown>> {
  const found = health.describeSlot(slot);
  if (!found) return {};
  const { verdict, sinceMs, observers } = found;
  return {
    basis: verdict.basis,
    since: new Date(sinceMs).toISOString(),
    observers: observers.map(({ observer, view, detail }) => `${observer}: ${view} (${detail})`),
  };
}

/** Refuses everything. */
function emptySnapshot(id: number): LoadedSnapshot {
  const { snapshot, index } = compileSnapshot({ id, zones: [], geo: EMPTY_LOCATIONS, slotOf: () => 0 });
  return { snapshot, index: () => index, pools: [] };
}
