import { compileSnapshot } from '../core/answer/compile.js';
import { type ExplainRequest, type Explanation, explain, type Why } from '../core/answer/explain.js';
import { SNAPSHOT_BYTES_LARGE, type Snapshot, snapshotBytes } from '../core/answer/snapshot.js';
import type { AsIf, UnknownSubject } from '../core/census/as-if.js';
import type { Decision } from '../core/census/decision.js';
import { EMPTY_LOCATIONS, type Location, type LocationTrie } from '../core/geo/location.js';
import type { Report } from '../core/health/report.js';
import type { ForcedEndpoint } from '../core/zone/forced-endpoints.js';
import { type GeoDatabase, type GeoProblem, lookupLocation } from '../sources/geo-database.js';
import { formatProblem, type Problem } from '../sources/yaml-document.js';
import type { AliasWatch } from './alias-watch.js';
import { EventBus } from './event-bus.js';
import { explainFully, type FullExplanation } from './explanation.js';
import type { HealthWatch } from './health-watch.js';
import type { AliasSlots, LoadedSnapshot, Loader, StagedZones, ZoneSource, ZoneSummary } from './loader.js';
import type { RejectedReport, ReportOutcome } from './report-book.js';
import type { Rollouts } from './rollouts.js';
import { RuleLines } from './rule-lines.js';
import type { SimulationBase } from './simulator.js';
import type { SnapshotSlots } from './snapshot-slots.js';
import type { GeoStatus, ZoneStatus } from './status.js';
import type { Steering } from './steering.js';
import { endpointFacts, poolFacts } from './steering-facts.js';
import { transitionFacts } from './transitions.js';
import { ZoneList } from './zone-list.js';

export interface ControlModules {
  readonly health: HealthWatch;
  readonly loader: Loader;
  /** Resolves what ALIAS records lead to outside this server; without it they fail. */
  readonly aliases?: AliasWatch;
  /** Values of ACME challenges, for every snapshot. */
  readonly challenges?: Int32Array;
  /** Hands a snapshot to the answering threads; resolves when all of them use it. */
  readonly publish: (snapshot: Snapshot) => Promise<void>;
  /** Where zones and pools are counted; without it nothing is counted by name. */
  readonly slots?: SnapshotSlots;
  /** What operators steer; without it nothing is steered. */
  readonly steering?: Steering;
  readonly rollouts?: Rollouts;
  /** Where changes are told; without it the control plane has a bus of its own. */
  readonly events?: EventBus;
  /** Called with what is served after each load of zones: history compares it with what it knows. */
  readonly served?: (zones: readonly ZoneSummary[]) => void;
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

interface CompiledChange {
  readonly loaded: LoadedSnapshot;
  /** Of its health targets. */
  readonly slots: ReadonlyMap<string, number>;
  readonly startMs: number;
}

/** How long a new snapshot waits for the first probe of its new targets before it is published without. */
const FIRST_ROUND_MS = 3000;
/** An event names so many mistakes; the status has all. */
const EVENT_PROBLEMS_MAX = 20;

/**
 * The control plane of a DNS node: holds the last good state of every zone and of the geo database, and
 * publishes one snapshot after another. Changes are taken one at a time; what fails leaves everything as it was.
 */
export class ControlPlane {
  /** What happens on this node. */
  readonly events: EventBus;
  /** Absent where nothing can be steered. */
  readonly steering: Steering | undefined;
  /** Absent where nothing can be steered. */
  readonly rollouts: Rollouts | undefined;
  readonly #modules: ControlModules;
  readonly #ruleLines = new RuleLines();
  #zones = new ZoneList();
  #problems: readonly Problem[] = [];
  /** By their files. */
  #problemTexts: ReadonlyMap<string, readonly string[]> = new Map();
  #geo: GeoDatabase | undefined;
  #geoProblems: readonly GeoProblem[] = [];
  #compiled: LoadedSnapshot;
  /** Names outside that it has. */
  #outside: readonly string[] = [];
  #forced: readonly ForcedEndpoint[] = [];
  /** As they were published, and their slots. */
  #targets: StagedZones['targets'] = new Map();
  #slots: ReadonlyMap<string, number> = new Map();
  /** How many hold each snapshot. */
  readonly #holds = new Map<Snapshot, number>();
  #sequence = 0;
  #publishedMs = 0;
  #reloads = { applied: 0, refused: 0 };
  #work: Promise<void> = Promise.resolve();

  constructor(modules: ControlModules) {
    this.#modules = modules;
    this.steering = modules.steering;
    this.rollouts = modules.rollouts;
    this.events = modules.events ?? new EventBus(modules.now);
    modules.health.onTransition((transition) =>
      this.events.publish({ type: 'health.transition', data: transitionFacts(transition) }),
    );
    this.#compiled = this.#withChallenges(emptySnapshot(++this.#sequence));
  }

  /** The tables that are answered from now. */
  get snapshot(): Snapshot {
    return this.#compiled.snapshot;
  }

  /** The geo database in use. */
  get locations(): LocationTrie | undefined {
    return this.#geo?.trie;
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

  /** The zones that are served. */
  get zones(): readonly ZoneSummary[] {
    return this.#zones.list;
  }

  /** The same, to find one. */
  get zoneList(): ZoneList {
    return this.#zones;
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
      const staged = await this.#modules.loader.stage(source, this.#zones.list);
      this.#note(staged);
      this.#reloads[staged.problems.length > 0 ? 'refused' : 'applied']++;
      if (staged.changed) await this.#publish(staged);
      else await this.#settle('unchanged');
      this.#modules.served?.(this.#zones.list);
    });
  }

  /** Takes a geo database. */
  useGeo(database: GeoDatabase): Promise<void> {
    return this.#enqueue(async () => {
      this.#geo = database;
      this.#geoProblems = [];
      const { loader } = this.#modules;
      await loader.useGeo(database.trie);
      const staged = await loader.stage('served', this.#zones.list);
      // A loader that began anew has read the files again.
      if (staged.problems.length > 0) this.#note(staged);
      await this.#publish(staged);
      for (const { path, databaseType, buildEpoch } of database.sources) {
        this.#modules.log.info(
          { path, databaseType, built: buildEpoch.toISOString() },
          'geo database in use',
        );
      }
      const sources = database.sources.map(({ path, databaseType }) => ({ path, type: databaseType }));
      this.events.publish({ type: 'geo.loaded', data: { sources } });
    });
  }

  /** A geo database was refused; the one in use stays. */
  refuseGeo(problem: GeoProblem): void {
    this.#geoProblems = [...this.#geoProblems.filter(({ path }) => path !== problem.path), problem];
    this.#modules.log.error({ ...problem }, 'geo database refused; what is in use stays');
    this.events.publish({ type: 'geo.refused', data: { ...problem } });
  }

  report(report: Report): ReportOutcome {
    return this.#modules.health.report(report);
  }

  /** Endpoints of the zones that are served whose state an operator fixed. */
  get forced(): readonly ForcedEndpoint[] {
    return this.#forced;
  }

  /** A report was refused before it could be read. */
  rejectReport(sender: string, code: RejectedReport): void {
    this.#modules.health.rejectReport(sender, code);
  }

  /** What a client would get now, and why. */
  explain(request: ExplainRequest): Explanation {
    const { snapshot, index } = this.#compiled;
    return explain(snapshot, index(), this.#modules.health.table, this.#timed(request), this.#why());
  }

  /** The same as if something were down or up, with what decides and what would change the answer. */
  explainFully(request: ExplainRequest, asIf: AsIf): FullExplanation | UnknownSubject {
    return explainFully(this.#base, this.#timed(request), asIf, this.#why());
  }

  /** Where the rule of a decision stands in its zone file, if that can be found out. */
  async ruleLine({
    zone,
    record,
    type,
    rule,
  }: Decision): Promise<{ file: string; line: number } | undefined> {
    const summary = this.#zones.get(zone);
    if (!summary || rule === undefined) return undefined;
    const { file, version } = summary;
    const line = await this.#ruleLines.find({ file, version, origin: zone, record, type, rule });
    return line === undefined ? undefined : { file, line };
  }

  #timed(request: ExplainRequest): ExplainRequest {
    return { nowSeconds: Math.floor(this.#modules.now() / 1000), ...request };
  }

  #why(): Why {
    const { health } = this.#modules;
    return {
      endpoint: (slot, pool, address) => ({
        ...whyOf(health, slot),
        ...(this.steering && endpointFacts(this.steering, pool, address)),
      }),
      pool: (pool) => (this.steering ? poolFacts(this.steering, pool) : {}),
    };
  }

  /**
   * What simulations run on. Its tables are not given to other zones until `release`: whoever reads them later than at
   * once, or in another thread, holds them.
   */
  holdBase(): { readonly base: SimulationBase; readonly release: () => void } {
    const base = this.#base;
    const { snapshot } = base;
    this.#holds.set(snapshot, (this.#holds.get(snapshot) ?? 0) + 1);
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      const left = this.#holds.get(snapshot)! - 1;
      if (left > 0) this.#holds.set(snapshot, left);
      else this.#holds.delete(snapshot);
    };
    return { base, release };
  }

  get #base(): SimulationBase {
    const { snapshot, index } = this.#compiled;
    return { snapshot, index, geo: this.#geo?.trie ?? EMPTY_LOCATIONS, health: this.#modules.health.table };
  }

  /** Where the geo database sees an address. */
  locate(address: string): { readonly location: Location; readonly prefix: string } | undefined {
    return this.#geo && lookupLocation(this.#geo, address);
  }

  /** Zones in a stable order, from number `offset` on, at most `limit`. */
  zoneStatus(offset = 0, limit = Number.POSITIVE_INFINITY): readonly ZoneStatus[] {
    return this.#zones.list.slice(offset, offset + limit).map((zone) => this.statusOf(zone));
  }

  /** What is told of a zone that is served. */
  statusOf({ origin, file, serial, records, pools, loadedMs }: ZoneSummary): ZoneStatus {
    const problems = this.#problemTexts.get(file) ?? [];
    return {
      zone: origin,
      file,
      serial,
      records,
      pools,
      loaded: new Date(loadedMs).toISOString(),
      state: problems.length > 0 ? 'stale' : 'current',
      problems,
    };
  }

  /** Whether a file has mistakes, so that its last good version is served. */
  isStale(file: string): boolean {
    return this.#problemTexts.has(file);
  }

  /** How many zones are served. */
  get zoneCount(): number {
    return this.#zones.list.length;
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
    const texts = new Map<string, string[]>();
    for (const problem of problems) {
      const known = texts.get(problem.file);
      if (known) known.push(formatProblem(problem));
      else texts.set(problem.file, [formatProblem(problem)]);
    }
    this.#problemTexts = texts;
    for (const warning of changed ? (warnings ?? []) : []) {
      this.#modules.log.warn({ warning: formatProblem(warning) }, 'left out of a zone');
    }
    for (const problem of problems) {
      this.#modules.log.error({ problem: formatProblem(problem) }, 'zone file refused');
    }
    if (problems.length > 0) {
      const data = {
        problems: problems.slice(0, EVENT_PROBLEMS_MAX).map(formatProblem),
        total: problems.length,
      };
      this.events.publish({ type: 'zones.refused', data });
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
    const { memory } = this.#compiled.snapshot;
    const wasLarge = snapshotBytes(this.#compiled.snapshot) > SNAPSHOT_BYTES_LARGE;
    this.#compiled = this.#withChallenges(compiled.loaded);
    const { slots, steering } = this.#modules;
    const { names } = this.#compiled;
    slots?.number(this.#compiled.snapshot, names);
    if (names.since) {
      steering?.marks.renumber(this.#compiled.snapshot, names.pools, names.since.gone.pools);
    } else steering?.marks.number(this.#compiled.snapshot, byNumber(names.pools));
    await this.#modules.publish(this.#compiled.snapshot);
    slots?.published();
    steering?.marks.published();
    this.#publishedMs = this.#modules.now();
    this.#zones = staged.list ?? new ZoneList(staged.zones);
    if (staged.targets !== this.#targets) {
      health.watch(staged.targets);
      health.release();
    }
    this.#targets = staged.targets;
    this.#slots = compiled.slots;
    this.#outside = staged.outside;
    this.#forced = staged.forced ?? [];
    this.#modules.aliases?.retain(staged.outside);
    const tookMs = this.#publishedMs - compiled.startMs;
    const { id } = this.#compiled.snapshot;
    log.info({ zones: staged.zones.length, snapshot: id, tookMs }, 'snapshot published');
    this.events.publish({ type: 'zones.loaded', data: { zones: staged.zones.length, snapshot: id, tookMs } });
    await this.#settle('served');
    if (wasLarge && memory !== this.#compiled.snapshot.memory) this.#modules.collect?.();
  }

  async #compile(staged: StagedZones): Promise<CompiledChange | undefined> {
    const { aliases, health, loader, log } = this.#modules;
    const isSame = staged.targets === this.#targets;
    // What is answered from now is watched until the new snapshot is in use.
    const both = isSame ? staged.targets : new Map([...health.targets, ...staged.targets]);
    if (!isSame && !health.watch(both)) {
      log.error({ targets: both.size }, 'too many health targets; the last good state stays in use');
      return undefined;
    }
    aliases?.watch(staged.outside);
    await Promise.all([health.firstRound(FIRST_ROUND_MS), aliases?.firstRound(FIRST_ROUND_MS)]);
    const startMs = this.#modules.now();
    const slots = isSame
      ? this.#slots
      : new Map([...staged.targets.keys()].map((key) => [key, health.slotOf(key)]));
    try {
      const loaded = await loader.compile(++this.#sequence, slots, this.#aliasSlots(staged));
      return { loaded, slots, startMs };
    } catch (error) {
      log.error({ error: String(error) }, 'a snapshot could not be built; the last good one stays in use');
      return undefined;
    }
  }

  #withChallenges(loaded: LoadedSnapshot): LoadedSnapshot {
    const { challenges } = this.#modules;
    return challenges ? { ...loaded, snapshot: { ...loaded.snapshot, challenges } } : loaded;
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
    const { snapshot } = this.#compiled;
    const isHeld = [...this.#holds.keys()].some((held) => held !== snapshot);
    const { saveError } = await this.#modules.loader.settle(outcome, isHeld);
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

/** A list with gaps where nothing has a number. */
function byNumber<T>(entries: readonly (readonly [number: number, value: T])[]): readonly (T | undefined)[] {
  const list: (T | undefined)[] = [];
  for (const [number, value] of entries) list[number] = value;
  return list;
}

/** Refuses everything. */
function emptySnapshot(id: number): LoadedSnapshot {
  const { snapshot, index } = compileSnapshot({ id, zones: [], geo: EMPTY_LOCATIONS, slotOf: () => 0 });
  return { snapshot, index: () => index, names: { zones: [], pools: [] } };
}
