/** How revisions stand in the journal: the first byte of an entry says what it is, the rest is its content. */
import type { EntryPlace } from '../store/entry-store.js';
import { baseOf, hashOf } from '../store/text-blob.js';
import type { Revision } from './revision.js';

/** Numbers on disk: never given another meaning. */
export const ENTRY = { WHOLE: 1, DIFFERENCE: 2, REVISION: 3, BASE: 4 } as const;

/** Files and steering as they were at one revision. */
export interface RevisionState {
  readonly id: number;
  readonly files: ReadonlyMap<string, FileState>;
  /** Hash of the document; null before the first. */
  readonly steering: string | null;
}

export interface FileState {
  readonly version: string;
  readonly zone?: string;
}

/** A revision with what it set steering to. */
export interface StoredRevision {
  readonly revision: Revision;
  readonly steering?: string;
}

export const EMPTY_STATE: RevisionState = { id: 0, files: new Map(), steering: null };

export type Entry =
  | {
      readonly kind: 'text';
      readonly hash: string;
      /** Absent for a whole text. */
      readonly base?: string;
      readonly place: EntryPlace;
    }
  | { readonly kind: 'revision'; readonly stored: StoredRevision }
  | { readonly kind: 'base'; readonly state: RevisionState };

/** Undefined for what only a later version knows. */
export function decodeEntry(payload: Buffer, place: EntryPlace): Entry | undefined {
  const content = payload.subarray(1);
  switch (payload[0]) {
    case ENTRY.WHOLE:
      return { kind: 'text', hash: hashOf(content), place };
    case ENTRY.DIFFERENCE:
      return { kind: 'text', hash: hashOf(content), base: baseOf(content), place };
    case ENTRY.REVISION:
      return { kind: 'revision', stored: JSON.parse(content.toString()) as StoredRevision };
    case ENTRY.BASE: {
      const { id, files, steering } = JSON.parse(content.toString()) as BaseDocument;
      return { kind: 'base', state: { id, files: new Map(files), steering } };
    }
    default:
      return undefined;
  }
}

interface BaseDocument extends Omit<RevisionState, 'files'> {
  readonly files: readonly (readonly [string, FileState])[];
}

export function encodeText(kind: typeof ENTRY.WHOLE | typeof ENTRY.DIFFERENCE, blob: Buffer): Buffer {
  return Buffer.concat([Buffer.of(kind), blob]);
}

export function encodeRevision(stored: StoredRevision): Buffer {
  return encodeDocument(ENTRY.REVISION, stored);
}

export function encodeBase({ id, files, steering }: RevisionState): Buffer {
  const document: BaseDocument = { id, files: [...files], steering };
  return encodeDocument(ENTRY.BASE, document);
}

function encodeDocument(kind: number, document: object): Buffer {
  return Buffer.concat([Buffer.of(kind), Buffer.from(JSON.stringify(document))]);
}

/** The state after a revision; `files` is changed in place. */
export function applyRevision(files: Map<string, FileState>, { files: changes }: Revision): void {
  for (const { path, version, zone } of changes) {
    if (version === null) files.delete(path);
    else files.set(path, zone === undefined ? { version } : { version, zone });
  }
}
