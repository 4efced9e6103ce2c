/** A master file (`example.com.zone`) as a zone with static records only. */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve, sep } from 'node:path';
import { TYPE } from '../core/dns/iana.js';
import { formatName, isNameError, nameLength, parseName } from '../core/dns/name.js';
import { type Included, parseMasterFile } from '../core/zone/master/parser.js';
import type { Soa, StaticRRset, Zone } from '../core/zone/model.js';
import { validateZone } from '../core/zone/validate.js';
import { type Problem, sortProblems } from './yaml-document.js';

export type MasterFileResult =
  | {
      readonly zone: Zone;
      readonly version: string;
      /** How many records of each type were left out. */
      readonly leftOut: ReadonlyMap<number, number>;
    }
  | { readonly problems: readonly Problem[] };

export const MASTER_BYTES_MAX = 256 * 1024 * 1024;
const INCLUDE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Reads and validates a master file. `name`, or the file's name without `.zone`, is the origin at its start; the zone is the owner of its
 * SOA. `version` is another for every other content, that of included files too. Records whose notation is not known (RRSIG, NSEC …) are left out. Never throws; at most 1,000 problems.
 */
export function loadMasterFile(file: string, bytes: Uint8Array, name?: string): MasterFileResult {
  const named = name ?? basename(file).replace(/\.zone$/i, '');
  const origin = parseName(named.endsWith('.') ? named : `${named}.`);
  if (isNameError(origin))
    return { problems: [problemAt(file, 1, `the file must be named after its zone: ${origin.message}`)] };
  const content = createHash('sha256').update(bytes);
  const sets = new GrowingSets();
  const problems: Problem[] = [];
  const leftOut = new Map<number, number>();
  let soa: { readonly origin: string; readonly soa: Soa } | undefined;
  let lastOwner = new Uint8Array(0);
  let lastName = '';
  parseMasterFile(
    bytes,
    {
      file,
      origin,
      include(name, from) {
        const included = include(file, name, from);
        if ('bytes' in included) content.update(included.bytes);
        return included;
      },
    },
    {
      record(owner, type, ttl, rdata, from, line) {
        if (!same(owner, lastOwner)) {
          lastOwner = owner.slice();
          lastName = formatName(owner);
        }
        if (type === TYPE.SOA) {
          if (soa) problems.push(problemAt(from, line, 'a second SOA record; a zone has one'));
          else soa = { origin: lastName, soa: soaOf(rdata, ttl) };
          return;
        }
        const set = sets.get(lastName, type);
        if (!set) sets.add({ kind: 'static', name: lastName, type, ttl, rdata: [rdata], file: from, line });
        else {
          set.rdata.push(rdata);
          // RFC 2181 §5.2: one TTL for an RRset; the smallest harms nobody.
          set.ttl = Math.min(set.ttl, ttl);
        }
      },
      unsupported: (type) => leftOut.set(type, (leftOut.get(type) ?? 0) + 1),
      problem: (problem) => problems.push({ ...problem, path: '' }),
    },
  );
  if (problems.length > 0) return { problems: sortProblems(problems) };
  if (!soa) return { problems: [problemAt(file, 1, 'there is no SOA record; a zone has one at its apex')] };
  const rrsets = sets.all;
  const zone: Zone = { ...soa, regions: new Map(), monitors: new Map(), pools: new Map(), rrsets };
  const findings = validateZone(zone).map(({ path, message }) => {
    const place = path[0] === 'rrsets' ? rrsets[Number(path[1])] : undefined;
    return problemAt(place?.file ?? file, place?.line ?? 1, message);
  });
  return findings.length > 0
    ? { problems: sortProblems(findings) }
    : { zone, version: content.digest('base64'), leftOut };
}

/** An RRset of the zone, which keeps its place: a copy of a million of them would cost more. */
interface Growing extends StaticRRset {
  ttl: number;
  readonly rdata: Uint8Array[];
  /** Of the first record. */
  readonly file: string;
  readonly line: number;
}

/** RRsets in the order of their first records. Most names have one, and need no list of their own. */
class GrowingSets {
  readonly all: Growing[] = [];
  readonly #byName = new Map<string, Growing | Growing[]>();

  get(name: string, type: number): Growing | undefined {
    const known = this.#byName.get(name);
    if (Array.isArray(known)) return known.find((set) => set.type === type);
    return known?.type === type ? known : undefined;
  }

  add(set: Growing): void {
    this.all.push(set);
    const known = this.#byName.get(set.name);
    if (known === undefined) this.#byName.set(set.name, set);
    else if (Array.isArray(known)) known.push(set);
    else this.#byName.set(set.name, [known, set]);
  }
}

/** Only from the folder of the zone's file, or below it, also behind symbolic links. */
function include(zoneFile: string, name: string, from: string): Included {
  try {
    const folder = realpathSync(dirname(zoneFile));
    const path = realpathSync(resolve(dirname(from), name));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      return { message: 'a file outside the folder of the zone file is not read' };
    }
    const info = statSync(path);
    if (!info.isFile()) return { message: 'is not a file' };
    if (info.size > INCLUDE_BYTES_MAX)
      return { message: `is larger than ${INCLUDE_BYTES_MAX} bytes (16 MiB)` };
    return { file: path, bytes: readFileSync(path) };
  } catch (error) {
    return {
      message: `cannot be read: ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'}`,
    };
  }
}

/** The wire form was made by the parser, so that all its fields are there (RFC 1035 §3.3.13). */
function soaOf(rdata: Uint8Array, ttl: number): Soa {
  const rnameAt = nameLength(rdata);
  const numbers = new DataView(rdata.buffer, rdata.byteOffset + rnameAt + nameLength(rdata, rnameAt));
  return {
    mname: formatName(rdata).toLowerCase(),
    rname: formatName(rdata, rnameAt).toLowerCase(),
    serial: numbers.getUint32(0),
    refresh: numbers.getUint32(4),
    retry: numbers.getUint32(8),
    expire: numbers.getUint32(12),
    minimum: numbers.getUint32(16),
    ttl,
  };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function problemAt(file: string, line: number, message: string): Problem {
  return { file, line, column: 1, path: '', message };
}
