/** What a change of zone files is, and what becomes of it. `zone-writer.ts` does it. */
import { createHash } from 'node:crypto';
import type { ZoneChange } from '../core/zone/zone-changes.js';
import type { Problem } from '../sources/yaml-document.js';

/** A file's path relative to the zone folder (with "/") → its new text, or null where the file goes. */
export type FileChanges = ReadonlyMap<string, string | null>;

/** What a file must be for the change to happen: one of these ETags, there at all (`*`), or not there (null). */
export type Expectation = readonly string[] | '*' | null;

export interface WriteOptions {
  /** Who: the name of a token. */
  readonly author: string;
  /** Why; may be empty. */
  readonly message: string;
  readonly source: 'api' | 'rollback' | 'schedule';
  /** By path. Files that are not in it are written whatever they are now. */
  readonly ifMatch?: ReadonlyMap<string, Expectation>;
  /** By path: the zone that a file must be of. */
  readonly zones?: ReadonlyMap<string, string>;
  /** The newest revision of zones that the change was made upon: refused where another of zones has come since. */
  readonly head?: number;
}

/** A zone file as it is on disk now. */
export interface ZoneText {
  /** Relative to the zone folder. */
  readonly file: string;
  readonly text: string;
  readonly etag: string;
}

/** A zone that a change adds, removes or changes. */
export interface ChangedZone {
  readonly zone: string;
  readonly file: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** At most 10,000. */
  readonly changes: readonly ZoneChange[];
  /** How many there are where not all are told. */
  readonly total?: number;
}

/** What checking a change gives: every mistake, and else the zones that it changes. */
export interface StagedChange {
  readonly problems: readonly Problem[];
  readonly zones: readonly ChangedZone[];
}

/** A file is not as it was expected, or other revisions came in between. */
export interface WriteConflict {
  readonly outcome: 'conflict';
  readonly what: 'file' | 'revision';
  readonly message: string;
  /** Of a file: ETags, null where there is no file. Of the revision: numbers. */
  readonly expected: readonly string[] | '*' | null | number;
  readonly actual: string | null | number;
  readonly file?: string;
}

/** Why nothing was written. Each is a `code` of the API. */
export type WriteFailure =
  | 'gitops'
  | 'storage_full'
  | 'read_only'
  | 'outside_folder'
  | 'bad_file_name'
  | 'too_large'
  | 'busy'
  | 'edit_failed'
  | 'storage_failed';

export interface FailedWrite {
  readonly outcome: 'failed';
  readonly code: WriteFailure;
  /** For people: what failed, where, and that nothing changed. */
  readonly message: string;
}

export interface Written {
  readonly outcome: 'written';
  /** Absent where nothing differs from what was there, or where no history is kept. */
  readonly revision?: number;
  /** Of each file, by path; null where it is gone. */
  readonly etags: ReadonlyMap<string, string | null>;
  /** All answering threads use it. False: it is on disk, and the time limit ran out, or compiling failed. */
  readonly published: boolean;
  readonly zones: readonly ChangedZone[];
}

export type WriteResult =
  | Written
  | { readonly outcome: 'problems'; readonly problems: readonly Problem[] }
  | WriteConflict
  | FailedWrite;

/** A zone file, without its text. */
export interface ZoneFile {
  readonly file: string;
  readonly etag: string;
  /** On the disk. */
  readonly path: string;
}

/** `etagOf` a text with this SHA-256. */
export function etagOfDigest(digest: Buffer): string {
  return `"${digest.toString('hex').slice(0, 16)}"`;
}

/** A strong ETag (RFC 9110 §8.8.3): the first 16 hexadecimal digits of the SHA-256, in quotes. */
export function etagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('hex').slice(0, 16)}"`;
}
