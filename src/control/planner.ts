import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { stringify } from 'yaml';
import { EMPTY_LOCATIONS, type LocationTrie } from '../core/geo/location.js';
import { type Ground, surveyGround } from '../core/impact/ground.js';
import type { Zone } from '../core/zone/model.js';
import { type ZoneChange, zoneChanges } from '../core/zone/zone-changes.js';
import { LastGoodZones } from '../sources/last-good.js';
import { loadMasterFile } from '../sources/master-zone.js';
import { type Problem, sortProblems, YAML_BYTES_MAX } from '../sources/yaml-document.js';
import { loadZoneFile, type ZoneFileOptions } from '../sources/zone-file.js';
import { type AskHealth, measureImpact, type SteeredSides, type ZonePair } from './impact-measure.js';
import {
  CHANGES_MAX,
  FACTS_MAX,
  type ImpactJob,
  type PlanFindings,
  type PlanImpact,
  type PlanJob,
  type PlannedZone,
  type PlanThreadStart,
  type Proposal,
} from './plan-job.js';
import { etagOf } from './zone-write.js';
import { fileName } from './zone-writer.js';

const FILES_MAX = 10_000;
/** Zones that were read before are kept, if they are no larger than this. */
const KEPT_MAX = 8;
const KEPT_CHARS_MAX = 2 * 1024 * 1024;
const NAME_CHARS_MAX = 512;
const PROBLEMS_MAX = 1000;
/** A zone whose file has no name yet. */
const UNNAMED = 'zone.yaml';

/**
 * Finds out what a change of zone files does: mistakes, what differs record by record, and which clients get another
 * answer. Reads only the files that the change names, and changes nothing.
 */
export class Planner {
  readonly #start: PlanThreadStart;
  readonly #options: ZoneFileOptions;
  readonly #lastGood: LastGoodZones;
  readonly #clock: () => number;
  #geo: LocationTrie = EMPTY_LOCATIONS;
  #ground: Ground | undefined;
  /** The one used last is at the end. */
  readonly #parsed = new Map<string, { readonly text: string; readonly parsed: Parsed }>();

  /** `clock`: milliseconds, for how long a plan took. */
  constructor(start: PlanThreadStart, clock: () => number) {
    const { probes, observers } = start;
    this.#start = start;
    this.#options = { ...(probes && { probes }), ...(observers !== undefined && { observers }) };
    this.#lastGood = new LastGoodZones(start.state, probes ? { probes } : {});
    this.#clock = clock;
  }

  useGeo(geo: LocationTrie): void {
    this.#geo = geo;
    this.#ground = undefined;
  }

  async plan({ proposal, served }: PlanJob, health: AskHealth): Promise<PlanFindings> {
    const startMs = this.#clock();
    const asked = await this.#wanted(proposal, served);
    const problems: Problem[] = [...asked.problems];
    const warnings: Problem[] = [];
    const files = new Map<string, string | null>();
    const etags = new Map<string, string | null>();
    const before = new Map<string, Placed>();
    const after = new Map<string, Placed>();
    const owners = new Map(served.map(({ origin, file }) => [this.#relative(file), origin]));
    const touched = new Set<string | null>();
    const take = async (file: string, text: string | null): Promise<void> => {
      const current = await readText(join(this.#start.zones, file));
      if (typeof current === 'object' && current !== null) {
        problems.push(wholeFile(file, current.message));
        return;
      }
      if (current === text) return;
      files.set(file, text);
      etags.set(file, current === null ? null : etagOf(current));
      const old = current === null ? undefined : await this.#zoneBefore(file, current);
      if (old) before.set(old.origin, { file, zone: old });
      const owner = owners.get(file);
      for (const origin of [owner, old?.origin]) if (origin !== undefined) touched.add(origin);
      if (current !== null && owner === undefined && !old) touched.add(null);
      if (text === null) return;
      const now = this.#parse(file, text);
      warnings.push(...(now.warnings ?? []));
      if (!now.zone) {
        problems.push(...(now.problems ?? []));
        // It would stay as it is.
        if (old) before.delete(old.origin);
        return;
      }
      const { origin } = now.zone;
      touched.add(origin);
      const other = after.get(origin)?.file;
      if (other === undefined) after.set(origin, { file, zone: now.zone });
      else problems.push(wholeFile(file, `the zone ${origin} is already in ${other}`));
    };
    for (const [file, text] of asked.files) await take(file, text);
    for (const { origin, file } of served) {
      const place = this.#relative(file);
      const twin = after.get(origin)?.file;
      if (twin === undefined || twin === place || files.has(place)) continue;
      problems.push(wholeFile(twin, `the zone ${origin} is already in ${place}`));
    }
    const zones = plannedZones(before, after);
    const pairs = zones.map(({ zone }): ZonePair => [before.get(zone)?.zone, after.get(zone)?.zone]);
    const impact = problems.length > 0 ? undefined : await this.#measure(pairs, health, undefined);
    return {
      problems: sortProblems(problems).slice(0, PROBLEMS_MAX),
      warnings: warnings.slice(0, PROBLEMS_MAX),
      files,
      etags,
      zones,
      touched: [...touched],
      ...(impact && { impact }),
      tookMs: Math.round(this.#clock() - startMs),
    };
  }

  /** Who gets another answer on the one side than on the other. A file that can't be read on one of them is left out. */
  async compare({ files, served, steering }: ImpactJob, health: AskHealth): Promise<PlanImpact> {
    const startMs = this.#clock();
    const before = new Map<string, Zone>();
    const after = new Map<string, Zone>();
    const compared = new Set<string>();
    for (const { path, before: old, after: now } of files) {
      compared.add(path);
      const [was, is] = [old, now].map((text) => (text === null ? {} : this.#parse(path, text)));
      if (was!.problems || is!.problems) continue;
      if (was!.zone) before.set(was!.zone.origin, was!.zone);
      if (is!.zone) after.set(is!.zone.origin, is!.zone);
    }
    for (const file of served) {
      const path = this.#relative(file);
      if (compared.has(path)) continue;
      const text = await readText(join(this.#start.zones, path));
      const zone = typeof text === 'string' ? await this.#zoneBefore(path, text) : undefined;
      if (!zone || zone.pools.size === 0 || before.has(zone.origin) || after.has(zone.origin)) continue;
      before.set(zone.origin, zone);
      after.set(zone.origin, zone);
    }
    const origins = [...new Set([...before.keys(), ...after.keys()])].toSorted();
    const pairs = origins.map((origin): ZonePair => [before.get(origin), after.get(origin)]);
    const impact = await this.#measure(pairs, health, steering);
    return { ...impact, tookMs: Math.round(this.#clock() - startMs) };
  }

  #relative(file: string): string {
    return relative(this.#start.zones, file).split(sep).join('/');
  }

  /** The texts that files are to have. */
  async #wanted(
    proposal: Proposal,
    served: PlanJob['served'],
  ): Promise<{ readonly files: ReadonlyMap<string, string | null>; readonly problems: readonly Problem[] }> {
    if (proposal.kind === 'zone') {
      const { name = UNNAMED } = proposal;
      const text = 'text' in proposal ? proposal.text : stringify(proposal.document);
      const problem = nameProblem(name);
      if (problem) return { files: new Map(), problems: [wholeFile(name.slice(0, 80), problem)] };
      const origin = this.#parse(name, text).zone?.origin ?? guessedOrigin(text);
      const known = served.find((one) => one.origin === origin);
      const isNamed = proposal.name !== undefined || origin === undefined;
      const fresh = isNamed ? name : `${fileName(origin)}.yaml`;
      return { files: new Map([[known ? this.#relative(known.file) : fresh, text]]), problems: [] };
    }
    const files = new Map<string, string | null>();
    const problems: Problem[] = [];
    for (const [file, text] of proposal.files) {
      const problem = nameProblem(file);
      if (problem) problems.push(wholeFile(file.slice(0, 80), problem));
      else files.set(file, text);
    }
    const { only } = this.#start;
    if (only !== undefined) return this.#oneFile(only, files, proposal.complete);
    if (proposal.complete && problems.length === 0) {
      for (const file of await zoneFiles(this.#start.zones)) if (!files.has(file)) files.set(file, null);
    }
    if (files.size > FILES_MAX) {
      return { files: new Map(), problems: [wholeFile('', `at most ${FILES_MAX} files can change at once`)] };
    }
    return { files, problems };
  }

  /** Of a node that reads one file. */
  #oneFile(only: string, files: Map<string, string | null>, complete: boolean) {
    if (complete && !files.has(only)) files.set(only, null);
    const problems = [...files.keys()]
      .filter((file) => file !== only)
      .map((file) => wholeFile(file, `the node reads the one file ${only}`));
    return { files, problems };
  }

  #parse(file: string, text: string): Parsed {
    if (!isMaster(file)) return this.#parseYaml(file, text);
    // It may include others of its folder.
    const path = join(this.#start.zones, file);
    const result = loadMasterFile(path, new TextEncoder().encode(text));
    const here = (problem: Problem) => ({ ...problem, file: this.#relative(problem.file) });
    if ('problems' in result) return { problems: result.problems.map(here) };
    return { zone: result.zone, warnings: result.warnings.map(here) };
  }

  /** Plans are often made one after the other, of the same zone. */
  #parseYaml(file: string, text: string): Parsed {
    const key = `${file} ${etagOf(text)}`;
    const known = this.#parsed.get(key);
    const parsed = known?.text === text ? known.parsed : loadZoneFile(file, text, this.#options);
    this.#parsed.delete(key);
    if (text.length <= KEPT_CHARS_MAX) this.#parsed.set(key, { text, parsed });
    if (this.#parsed.size > KEPT_MAX) this.#parsed.delete(this.#parsed.keys().next().value!);
    return parsed;
  }

  /** What is served of a file: what it says, or if it has mistakes the last good version. */
  async #zoneBefore(file: string, text: string): Promise<Zone | undefined> {
    const { zone } = this.#parse(file, text);
    if (zone) return zone;
    const path = join(this.#start.zones, file);
    const kept = await this.#lastGood.fill({ zones: [], problems: [], files: [path], unreadable: [] });
    return kept.zones[0]?.zone;
  }

  #measure(
    pairs: readonly ZonePair[],
    askHealth: AskHealth,
    steering: SteeredSides | undefined,
  ): Promise<PlanImpact> {
    this.#ground ??= surveyGround(this.#geo);
    return measureImpact(pairs, {
      geo: this.#geo,
      ground: this.#ground,
      askHealth,
      clock: this.#clock,
      ...(steering && { steering }),
    });
  }
}

interface Placed {
  readonly file: string;
  readonly zone: Zone;
}

interface Parsed {
  readonly zone?: Zone;
  readonly problems?: readonly Problem[];
  readonly warnings?: readonly Problem[];
}

function plannedZones(
  before: ReadonlyMap<string, Placed>,
  after: ReadonlyMap<string, Placed>,
): readonly PlannedZone[] {
  const zones: PlannedZone[] = [];
  let room = CHANGES_MAX;
  for (const zone of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const [old, now] = [before.get(zone), after.get(zone)];
    const all = zoneChanges(old?.zone, now?.zone);
    if (all.length === 0 && old?.file === now?.file) continue;
    const changes = all.slice(0, room).map(shortened);
    room -= changes.length;
    zones.push({
      zone,
      file: now?.file ?? old?.file ?? '',
      kind: old ? (now ? 'changed' : 'removed') : 'added',
      changes,
      changesTotal: all.length,
    });
  }
  return zones;
}

function shortened(change: ZoneChange): ZoneChange {
  const { before, after } = change;
  if (before.length <= FACTS_MAX && after.length <= FACTS_MAX) return change;
  const cut = (facts: readonly string[]) =>
    facts.length <= FACTS_MAX
      ? facts
      : [...facts.slice(0, FACTS_MAX - 1), `and ${facts.length - FACTS_MAX + 1} more`];
  return { ...change, before: cut(before), after: cut(after) };
}

/** The zone of a file that has mistakes, so that they are told of the right file. */
function guessedOrigin(text: string): string | undefined {
  const [, name] = /^zone:[ \t]*["']?([A-Za-z0-9._-]{1,253})/m.exec(text) ?? [];
  return name === undefined ? undefined : `${name.toLowerCase().replace(/\.$/, '')}.`;
}

/** Why a path can't be that of a zone file in the zone folder. */
function nameProblem(file: string): string | undefined {
  const parts = file.split('/');
  const isPlain = parts.every((part) => part !== '' && !part.startsWith('.') && !/[\0\\]/.test(part));
  if (!isPlain || file.length > NAME_CHARS_MAX) {
    return 'must be a path in the zone folder, such as example.com.yaml or eu/example.com.yaml, without names that begin with a dot';
  }
  return /\.(?:ya?ml|zone)$/i.test(basename(file)) ? undefined : 'must end in .yaml, .yml or .zone';
}

function isMaster(file: string): boolean {
  return /\.zone$/i.test(file);
}

/** All zone files of a folder, as the loader finds them, by their paths in it. */
async function zoneFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => nameProblem(file) === undefined)
    .slice(0, FILES_MAX + 1);
}

async function readText(path: string): Promise<string | null | { readonly message: string }> {
  try {
    const { size } = await stat(path);
    const max = isMaster(path) ? 16 * YAML_BYTES_MAX : YAML_BYTES_MAX;
    if (size > max) return { message: `is larger than ${max} bytes` };
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown reason' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : { message: `cannot be read: ${code}` };
  }
}

function wholeFile(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message };
}
