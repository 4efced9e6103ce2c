/** What stands in one zone file. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Zone } from '../core/zone/model.js';
import { loadMasterFile, MASTER_BYTES_MAX } from './master-zone.js';
import { type Problem, YAML_BYTES_MAX } from './yaml-document.js';
import { loadZoneFile, type ZoneFileOptions } from './zone-file.js';
import { MASTER_NAME, reasonOf, wholeFile } from './zone-listing.js';

export interface ZoneContent {
  readonly zone: Zone;
  /** As it was read; absent for a master file, which may be large and include others. */
  readonly text?: string;
  /** Another for every other content. */
  readonly version: string;
  /** What was left out of a master file. */
  readonly warnings?: readonly Problem[];
}

/** Present where other files may be part of a file, so that it does not show all changes. */
interface MayInclude {
  readonly mayInclude?: true;
}

export type ReadContent =
  | (ZoneContent & MayInclude)
  | ({ readonly problems: readonly Problem[]; readonly version?: string } & MayInclude)
  | { readonly same: true };

/** Reads a zone file. Where its content has the version `known` it is not looked at further. Never rejects. */
export function readZoneContent(
  file: string,
  options: ZoneFileOptions,
  known?: string,
): Promise<ReadContent> {
  return MASTER_NAME.test(file) ? readMaster(file, known) : readYaml(file, options, known);
}

/** The `version` of a file that is all there is of its zone. */
export function versionOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64');
}

async function readYaml(file: string, options: ZoneFileOptions, known?: string): Promise<ReadContent> {
  const text = await readText(file);
  if (typeof text !== 'string') return { problems: [text] };
  const version = versionOf(text);
  if (version === known) return { same: true };
  const result = loadZoneFile(file, text, options);
  return 'problems' in result ? { ...result, version } : { zone: result.zone, text, version };
}

async function readMaster(file: string, known?: string): Promise<ReadContent> {
  try {
    const { size } = await stat(file);
    if (size > MASTER_BYTES_MAX) {
      return { problems: [wholeFile(file, `is larger than ${MASTER_BYTES_MAX} bytes (256 MiB)`)] };
    }
    const bytes = await readFile(file);
    if (mayInclude(bytes)) return { ...loadMasterFile(file, bytes), mayInclude: true };
    return versionOf(bytes) === known ? { same: true } : loadMasterFile(file, bytes);
  } catch (error) {
    return { problems: [wholeFile(file, `cannot be read: ${reasonOf(error)}`)] };
  }
}

/** Whether a master file includes others; perhaps the word stands in a text only. */
function mayInclude(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(DOLLAR); at >= 0; at = bytes.indexOf(DOLLAR, at + 1)) {
    if (bytes.toString('latin1', at, at + 8).toUpperCase() === '$INCLUDE') return true;
  }
  return false;
}

const DOLLAR = 0x24;

/** Fatal decoding, so that a file in another encoding is not served with wrong characters. */
async function readText(file: string): Promise<string | Problem> {
  try {
    const { size } = await stat(file);
    if (size > YAML_BYTES_MAX) return wholeFile(file, `is larger than ${YAML_BYTES_MAX} bytes (16 MiB)`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    return wholeFile(
      file,
      error instanceof TypeError ? 'is not UTF-8' : `cannot be read: ${reasonOf(error)}`,
    );
  }
}
