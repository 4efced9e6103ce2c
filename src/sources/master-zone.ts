/** A master file (`example.com.zone`) as a zone with static records only. */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve, sep } from 'node:path';
import { TYPE, typeName } from '../core/dns/iana.js';
import { formatName, isNameError, nameLength, parseName } from '../core/dns/name.js';
import { type Included, parseMasterFile } from '../core/zone/master/parser.js';
import type { Soa, Zone } from '../core/zone/model.js';
import { validateZone } from '../core/zone/validate.js';
import { RRsetGatherer } from './rrset-gatherer.js';
import { type Problem, sortProblems } from './yaml-document.js';

export type MasterFileResult =
  | {
      readonly zone: Zone;
      readonly version: string;
      /** One for each type that was left out, at its first record. */
      readonly warnings: readonly Problem[];
    }
  | { readonly problems: readonly Problem[] };

export interface MasterFileOptions {
  /** The origin at the start of the file; its name without `.zone` by default. */
  readonly zone?: string;
}

export const MASTER_BYTES_MAX = 256 * 1024 * 1024;
const INCLUDE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Reads and validates a master file. Its name without `.zone` is the origin at its start; the zone is the owner of its
 * SOA. `version` is another for every other content, that of included files too. Equal records count once (RFC 2181
 * §5). Records whose notation is not known (RRSIG, NSEC …) are left out. Never throws; at most 1,000 problems.
 */
export function loadMasterFile(
  file: string,
  bytes: Uint8Array,
  options: MasterFileOptions = {},
): MasterFileResult {
  const named = options.zone ?? basename(file).replace(/\.zone$/i, '');
  const origin = parseName(named.endsWith('.') ? named : `${named}.`);
  if (isNameError(origin))
    return { problems: [problemAt(file, 1, `the file must be named after its zone: ${origin.message}`)] };
  const content = createHash('sha256').update(bytes);
  const sets = new RRsetGatherer();
  const leftOut = new Map<number, LeftOut>();
  const problems: Problem[] = [];
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
        sets.add(lastName, type, ttl, rdata, from, line);
      },
      unsupported(type, from, line) {
        const first = leftOut.get(type);
        if (first) first.count++;
        else leftOut.set(type, { count: 1, file: from, line });
      },
      problem: (problem) => problems.push({ ...problem, path: '' }),
    },
  );
  if (problems.length > 0) return { problems: sortProblems(problems) };
  if (!soa) return { problems: [problemAt(file, 1, 'there is no SOA record; a zone has one at its apex')] };
  const { rrsets } = sets;
  const zone: Zone = { ...soa, regions: new Map(), monitors: new Map(), pools: new Map(), rrsets };
  const findings = validateZone(zone).map(({ path, message }) => {
    const place = path[0] === 'rrsets' ? sets.placeOf(Number(path[1])) : undefined;
    return problemAt(place?.file ?? file, place?.line ?? 1, message);
  });
  if (findings.length > 0) return { problems: sortProblems(findings) };
  const warnings = [...leftOut].map(([type, { count, file: from, line }]) =>
    problemAt(from, line, `${count} ${typeName(type)} ${count === 1 ? 'record is' : 'records are'} left out`),
  );
  return { zone, version: content.digest('base64'), warnings };
}

interface LeftOut {
  count: number;
  readonly file: string;
  readonly line: number;
}

/**
 * Only from the folder of the zone's file, or below it, also behind symbolic links. Whether there is a file elsewhere
 * is not told.
 */
function include(zoneFile: string, name: string, from: string): Included {
  try {
    const folder = realpathSync(dirname(zoneFile));
    const path = realpathSync(resolve(dirname(from), name));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return NOT_HERE;
    const info = statSync(path);
    if (!info.isFile()) return { message: 'is not a file' };
    if (info.size > INCLUDE_BYTES_MAX)
      return { message: `is larger than ${INCLUDE_BYTES_MAX} bytes (16 MiB)` };
    return { file: path, bytes: readFileSync(path) };
  } catch {
    return NOT_HERE;
  }
}

const NOT_HERE: Included = {
  message: 'is not a file that can be read in the folder of the zone file, or below it',
};

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
