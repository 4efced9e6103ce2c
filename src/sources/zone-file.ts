/**
 * One zone file, in Meridian's own form or as octoDNS writes it: text in, a valid zone or all its problems out.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { TSchema } from 'typebox';
import { NO_PERMISSIONS, type ProbePermissions } from '../core/probe/limits.js';
import type { Finding } from '../core/zone/finding.js';
import type { Zone, ZoneRateLimit } from '../core/zone/model.js';
import { type ValidateOptions, validateZone } from '../core/zone/validate.js';
import { type Path, type SchemaProblem, schemaProblems } from './schema-problems.js';
import {
  formatPath,
  type Problem,
  parseYaml,
  sortProblems,
  type YamlDocument,
  type YamlReader,
} from './yaml-document.js';
import { readNameservers, readSoa } from './zone-authority.js';
import { readCalculated } from './zone-calculated.js';
import { type Draft, filePath, newDraft, readName, report, seconds } from './zone-draft.js';
import { POOL_DEFAULTS, readMonitors, readPools, readRegions } from './zone-pools.js';
import { isCut, prune } from './zone-prune.js';
import { readRecords } from './zone-records.js';
import { type FileRateLimit, OctodnsFile, ZoneFile, type ZoneRecords } from './zone-schema.js';

/** Seconds. octoDNS's own default is an hour. */
export const TTL_DEFAULTS = { native: 30, octodns: 3600 } as const;

export interface ZoneFileOptions {
  /** SOA serial; derived from the text when absent, so that equal files have equal serials. */
  readonly serial?: number;
  /** What monitors may run and read on this host; nothing where absent. */
  readonly probes?: ProbePermissions;
  /** DNS nodes that probe, this one among them; what monitors ask for is not compared with it where absent. */
  readonly observers?: number;
  /** Reads the text. */
  readonly read?: YamlReader;
}

export type ZoneFileResult = { readonly zone: Zone } | { readonly problems: readonly Problem[] };

/**
 * Reads and validates a zone file. `file` is used in problems, and names the zone of an octoDNS file
 * (`example.com.yaml`). Never throws; at most 1,000 problems, in the order of the file.
 */
export function loadZoneFile(file: string, text: string, options: ZoneFileOptions = {}): ZoneFileResult {
  const document = (options.read ?? parseYaml)(file, text);
  if ('problems' in document) return document;
  const { value } = document;
  if (value === null || value === undefined) {
    return { problems: [document.problem([], 'the file is empty; it needs at least the key "zone"')] };
  }
  const serial = options.serial ?? contentSerial(text);
  const probes = options.probes ?? NO_PERMISSIONS;
  if (!isNative(value)) return loadOctodns(document, serial);
  return loadNative(document, { ...options, serial, probes });
}

/** The first 32 bits of a digest: stable for equal texts, though it does not count up. */
export function contentSerial(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

/** A top-level `zone` with a text; or, that key being forgotten, `records` that is no record. */
function isNative(value: unknown): boolean {
  if (!isMap(value)) return true;
  const { zone, records } = value;
  if (zone !== undefined) return !isRecordLike(zone);
  return isMap(records) && !isRecordLike(records);
}

function isRecordLike(value: unknown): boolean {
  return Array.isArray(value) || (isMap(value) && 'type' in value && typeof value['type'] === 'string');
}

function loadNative(
  document: YamlDocument,
  {
    serial,
    probes,
    observers,
  }: ZoneFileOptions & { readonly serial: number; readonly probes: ProbePermissions },
): ZoneFileResult {
  const checked = checkShape(document, ZoneFile);
  if (!checked.value) return { problems: checked.problems };
  const file = checked.value as ZoneFile;
  const origin = readName(file.zone.endsWith('.') ? file.zone : `${file.zone}.`);
  if ('message' in origin) {
    const problem = document.problem(['zone'], `must be the name of the zone: ${origin.message}`);
    return { problems: sortProblems([...checked.problems, problem]) };
  }
  const ttl = seconds(file.ttl, TTL_DEFAULTS.native);
  const defaults = { ttl, fail: file.fail ?? 'open', probes } as const;
  const draft = newDraft(document, origin, defaults);
  readRegions(draft, file.regions ?? {});
  readMonitors(draft, file.monitors ?? {});
  readCalculated(draft, file.calculated ?? {});
  readPools(draft, file.pools ?? {});
  readNameservers(draft, file.nameservers ?? {});
  readRecords(draft, file.records ?? {}, ['records']);
  const limit = file.rate_limit;
  const zone = {
    ...assemble(draft, file.soa ?? {}, serial),
    ...(limit !== undefined && { rateLimit: rateLimitOf(limit) }),
  };
  const counted = observers !== undefined && { observers };
  return judge(draft, zone, checked, { nameservers: 'required', ...counted });
}

function loadOctodns(document: YamlDocument, serial: number): ZoneFileResult {
  const base = basename(document.file).replace(/\.ya?ml$/i, '');
  const origin = readName(base.endsWith('.') ? base : `${base}.`);
  const checked = checkShape(document, OctodnsFile);
  if ('message' in origin || !base.includes('.')) {
    const message = `the key "zone" is missing, or a file of octoDNS must be named after its zone (example.com.yaml)`;
    return { problems: sortProblems([...checked.problems, document.problem([], message)]) };
  }
  if (!checked.value) return { problems: checked.problems };
  const draft = newDraft(document, origin, {
    ttl: TTL_DEFAULTS.octodns,
    fail: 'open',
    probes: NO_PERMISSIONS,
  });
  readRecords(draft, checked.value as ZoneRecords, []);
  return judge(draft, assemble(draft, {}, serial), checked, { nameservers: 'optional' });
}

interface Checked {
  /** What fits the schema; undefined if too little does. */
  readonly value: unknown;
  readonly cuts: readonly Path[];
  readonly problems: readonly Problem[];
}

function checkShape(document: YamlDocument, schema: TSchema): Checked {
  const { value } = document;
  const problems = schemaProblems(schema, value);
  if (problems.length === 0) return { value, cuts: [], problems: [] };
  const rest = prune(schema, value, problems);
  return {
    value: rest?.value,
    cuts: rest?.cuts ?? [],
    problems: sortProblems(problems.map((problem) => explained(document, problem))),
  };
}

/** Keys of octoDNS that people will look for get an answer of their own. */
function explained(document: YamlDocument, { path, message, at }: SchemaProblem): Problem {
  const legacy = path.at(-1) === 'geo' && at === 'key';
  const text = legacy ? "octoDNS's old key geo is not supported: use dynamic with pools and rules" : message;
  return document.problem(path, text, at);
}

function assemble(draft: Draft, soa: NonNullable<ZoneFile['soa']>, serial: number): Zone {
  const { origin, regions, monitors, calculated, pools, rrsets } = draft;
  const made = calculated.size > 0 ? { calculated } : {};
  return { origin, soa: readSoa(draft, soa, serial), regions, monitors, ...made, pools, rrsets };
}

function rateLimitOf(limit: FileRateLimit): ZoneRateLimit {
  if (limit === 'off') return { responsesPerSecond: 0, nxdomainsPerSecond: 0 };
  const { responses_per_second: responses, nxdomains_per_second: nxdomains, slip } = limit;
  return {
    ...(responses !== undefined && { responsesPerSecond: responses }),
    ...(nxdomains !== undefined && { nxdomainsPerSecond: nxdomains }),
    ...(slip !== undefined && { slip }),
  };
}

function judge(
  draft: Draft,
  zone: Zone,
  { cuts, problems }: Checked,
  options: ValidateOptions,
): ZoneFileResult {
  // What was cut away still exists: names that lead to it are right.
  for (const [part, name] of cuts) {
    if (part === 'regions') draft.regions.set(String(name), { name: String(name) });
    if (part === 'pools' && !draft.pools.has(String(name))) {
      draft.pools.set(String(name), { ...POOL_DEFAULTS, name: String(name), endpoints: [] });
    }
  }
  for (const finding of validateZone(zone, options)) {
    const path = filePath(draft, finding);
    if (cuts.length > 0 && (isCut(cuts, path) || restsOnAbsence(finding, cuts))) continue;
    report(draft, path, finding.message);
  }
  const incomplete = new Set(cuts.map((cut) => formatPath(cut.slice(0, -1))));
  const rest = draft.problems.filter(({ path }) => !incomplete.has(path));
  const all = sortProblems([...problems, ...rest]);
  return all.length > 0 ? { problems: all } : { zone };
}

/** In a file with cuts, that something is missing may be due to a cut. */
function restsOnAbsence({ code, message }: Finding, cuts: readonly Path[]): boolean {
  if (code === 'unknown-name') {
    // Pools of octoDNS records carry the name of their record before their own.
    const names = cuts.flat().map((segment) => `${segment}"`);
    return names.some((name) => message.includes(`"${name}`) || message.includes(`/${name}`));
  }
  return ['no-endpoint', 'no-location', 'no-default', 'no-glue', 'no-nameserver', 'no-weight'].includes(code);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
