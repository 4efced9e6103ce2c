/**
 * A zone while it is being read: the model so far, the problems found, and where each part of the model stands in
 * the file, so that what validation finds in the model can be shown in the file.
 */
import { formatName, isNameError, lowerName, parseName } from '../core/dns/name.js';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { Finding } from '../core/zone/finding.js';
import type { CalculatedMonitor, FailMode, Monitor, Pool, Region, RRset } from '../core/zone/model.js';
import { parseDuration } from './duration.js';
import type { Path } from './schema-problems.js';
import type { Problem, YamlDocument } from './yaml-document.js';

/** Where an RRset came from, and where each of its values did. */
export interface Place {
  readonly path: Path;
  /** The key that holds the values, or a path for each of them. */
  readonly rdata?: 'value' | 'values' | readonly Path[];
}

export interface Draft {
  readonly document: YamlDocument;
  /** Lower case, with a trailing dot, and the same in wire form. */
  readonly origin: string;
  readonly originWire: Uint8Array;
  /** Seconds, for records that have no TTL of their own. */
  readonly ttl: number;
  readonly fail: FailMode;
  /** What monitors may run and read. */
  readonly probes: ProbePermissions;
  readonly problems: Problem[];
  readonly regions: Map<string, Region>;
  readonly monitors: Map<string, Monitor>;
  readonly calculated: Map<string, CalculatedMonitor>;
  readonly pools: Map<string, Pool>;
  readonly rrsets: RRset[];
  /** As many as there are RRsets. */
  readonly places: Place[];
  /** Pools and monitors that were made from a record of octoDNS. */
  readonly poolPlaces: Map<string, Path>;
  readonly monitorPlaces: Map<string, Path>;
}

export function newDraft(
  document: YamlDocument,
  origin: { readonly text: string; readonly wire: Uint8Array },
  defaults: { readonly ttl: number; readonly fail: FailMode; readonly probes: ProbePermissions },
): Draft {
  return {
    document,
    origin: origin.text,
    originWire: origin.wire,
    ...defaults,
    problems: [],
    regions: new Map(),
    monitors: new Map(),
    calculated: new Map(),
    pools: new Map(),
    rrsets: [],
    places: [],
    poolPlaces: new Map(),
    monitorPlaces: new Map(),
  };
}

export function report(draft: Draft, path: Path, message: string, at: 'key' | 'value' = 'value'): void {
  draft.problems.push(draft.document.problem(path, message, at));
}

export function addRRset(draft: Draft, rrset: RRset, place: Place): void {
  draft.rrsets.push(rrset);
  draft.places.push(place);
}

/** A name in lower case, as text and in wire form; or why it is none. */
export function readName(
  text: string,
  origin?: Uint8Array,
): { readonly text: string; readonly wire: Uint8Array } | { readonly message: string } {
  const parsed = parseName(text, origin);
  if (isNameError(parsed)) return { message: parsed.message };
  const wire = lowerName(parsed);
  return { text: formatName(wire), wire };
}

/** Seconds of a TTL or a timer that the schema has passed. */
export function seconds(value: number | string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  return Math.floor((parseDuration(value) ?? 0) / 1000);
}

/** The path in the file of a path in the model. */
export function filePath(draft: Draft, { path }: Finding): Path {
  const [part, key, ...rest] = path;
  if (part === 'rrsets' && typeof key === 'number') return rrsetPath(draft.places[key], rest);
  const place = (part === 'pools' ? draft.poolPlaces : draft.monitorPlaces).get(String(key));
  if (!place || (part !== 'pools' && part !== 'monitors')) return path;
  // An octoDNS pool calls its endpoints "values", and each one's address "value".
  return [...place, ...rest.map((segment) => OCTODNS_KEYS[segment] ?? segment)];
}

const OCTODNS_KEYS: Readonly<Record<string, string>> = {
  endpoints: 'values',
  A: 'value',
  AAAA: 'value',
  CNAME: 'value',
};

function rrsetPath(place: Place | undefined, rest: Path): Path {
  if (!place) return [];
  const [part, index] = rest;
  if (part !== 'rdata')
    return [...place.path, ...(part === 'steering' ? ['dynamic', ...rest.slice(1)] : rest)];
  const { rdata } = place;
  if (typeof rdata === 'object') return rdata[Number(index)] ?? place.path;
  return rdata === 'values' ? [...place.path, rdata, index ?? 0] : [...place.path, rdata ?? 'value'];
}
