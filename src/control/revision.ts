/** What a revision is, and what one is made from. */
import type { StoreFailure } from '../store/store-failure.js';

export type RevisionKind = 'zones' | 'steering';
/** `file`: somebody edited a zone file. */
export type RevisionSource = 'api' | 'file' | 'rollback' | 'schedule';

/** One change of zones or of steering. */
export interface Revision {
  /** Grows from revision to revision; 1 for the first. */
  readonly id: number;
  /** The revision before; 0 for none. */
  readonly parent: number;
  /** When it was made, RFC 3339 in UTC. */
  readonly at: string;
  readonly author: string;
  readonly message: string;
  readonly kind: RevisionKind;
  readonly source: RevisionSource;
  /** Of kind `zones`: the files that changed. */
  readonly files: readonly FileChange[];
}

export interface FileChange {
  /** In the zone folder, with `/` between its parts. */
  readonly path: string;
  /** Where it is known, without the dot at its end. */
  readonly zone?: string;
  readonly change: 'added' | 'changed' | 'removed';
  /** SHA-256 of the text in base64, or what the loader calls the version of a file that is not kept; null: no file. */
  readonly version: string | null;
}

export interface RevisionDraft {
  readonly kind: RevisionKind;
  readonly source: RevisionSource;
  readonly author: string;
  readonly message: string;
  /** Refuse with a conflict where another revision is the newest; 0: where there is any. */
  readonly expected?: number;
  /** The same, but of those of the draft's kind only. */
  readonly expectedOfKind?: number;
  /** Path in the zone folder → new text, or null for a file that goes. What is not here stays as it is. */
  readonly files?: ReadonlyMap<string, string | null>;
  /** Path → version of files that are too large to be kept. */
  readonly unkept?: ReadonlyMap<string, string>;
  /** Path → zone, for those of `files` where it is known. */
  readonly zones?: ReadonlyMap<string, string>;
  /** The whole new document, as JSON. */
  readonly steering?: unknown;
}

/** Why there is no new revision. Nothing was changed. */
export type RevisionRefusal =
  | { readonly code: 'conflict'; readonly expected: number; readonly head: number; readonly detail: string }
  /** Everything is so already. */
  | { readonly code: 'unchanged'; readonly head: number; readonly detail: string }
  | { readonly code: 'invalid_revision'; readonly detail: string }
  | StoreFailure;

export function isRefusal(value: Revision | RevisionRefusal): value is RevisionRefusal {
  return 'code' in value;
}

export const AUTHOR_CHARS_MAX = 128;
export const MESSAGE_CHARS_MAX = 2000;
export const PATH_BYTES_MAX = 1024;
export const REVISION_FILES_MAX = 10_000;
export const STEERING_BYTES_MAX = 4 * 1024 * 1024;
const TEXT_CHARS_MAX = 16 * 1024 * 1024;

/** What is wrong with a draft, for people; undefined for a good one. */
export function draftMistake(draft: RevisionDraft): string | undefined {
  const { author, message, kind, files, unkept, steering } = draft;
  if (author === '' || author.length > AUTHOR_CHARS_MAX)
    return `author: want 1 to ${AUTHOR_CHARS_MAX} characters`;
  if (message.length > MESSAGE_CHARS_MAX) return `message: want at most ${MESSAGE_CHARS_MAX} characters`;
  if (/\p{Cc}/u.test(author)) return 'author: want no control characters';
  if (/[^\P{Cc}\n\t]/u.test(message)) return 'message: want no control characters but new lines';
  const hasFiles = files !== undefined || unkept !== undefined;
  if ((kind === 'zones') !== hasFiles || (kind === 'steering') !== (steering !== undefined)) {
    return 'want `files` for kind zones, and `steering` for kind steering';
  }
  const paths = [...(files?.keys() ?? []), ...(unkept?.keys() ?? [])];
  if (paths.length > REVISION_FILES_MAX) return `files: want at most ${REVISION_FILES_MAX}`;
  for (const path of paths) {
    const mistake = pathMistake(path);
    if (mistake) return `files: ${JSON.stringify(path.slice(0, 100))}: ${mistake}`;
  }
  for (const [path, text] of files ?? []) {
    if (text !== null && text.length > TEXT_CHARS_MAX) return `files: ${path}: want at most 16 MiB`;
  }
  return undefined;
}

function pathMistake(path: string): string | undefined {
  if (path === '' || path.length > PATH_BYTES_MAX) return `want a path of 1 to ${PATH_BYTES_MAX} characters`;
  if (/\p{Cc}|\\/u.test(path)) return 'want no control characters and no backslash';
  const parts = path.split('/');
  return parts.some((part) => part === '' || part === '.' || part === '..')
    ? 'want a path inside the zone folder'
    : undefined;
}

/** A zone as it is compared: without the dot at its end, in small letters. */
export function zoneName(zone: string): string {
  return zone.replace(/\.$/, '').toLowerCase();
}
