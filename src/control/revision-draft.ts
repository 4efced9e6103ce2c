import { textHash } from '../store/text-blob.js';
import {
  type FileChange,
  type RevisionDraft,
  type RevisionRefusal,
  STEERING_BYTES_MAX,
  zoneName,
} from './revision.js';
import { encodeRevision, type FileState, type StoredRevision } from './revision-entries.js';
import type { RevisionTexts } from './revision-texts.js';

/** What the next revision follows: the newest on the disk, and those that go to the disk with it. */
export interface DraftHead {
  id: number;
  /** The newest of each kind. */
  zones: number;
  steeringId: number;
  readonly filesBefore: ReadonlyMap<string, FileState>;
  /** What differs from `filesBefore`; null for a file that goes. */
  readonly files: Map<string, FileState | null>;
  steering: string | null;
  /** Hashes of the texts that go to the disk with it. */
  readonly texts: Set<string>;
}

export interface PreparedRevision {
  readonly stored: StoredRevision;
  /** New texts, and then the revision. */
  readonly payloads: readonly Buffer[];
}

/** Makes the entries of a revision, and moves `head` on to it; a refused draft leaves that as it was. */
export async function prepareRevision(
  draft: RevisionDraft,
  head: DraftHead,
  texts: RevisionTexts,
  at: string,
): Promise<PreparedRevision | RevisionRefusal> {
  const conflict = conflictOf(draft, head);
  if (conflict) return conflict;
  const { kind, source, author, message } = draft;
  const about = { id: head.id + 1, parent: head.id, at, author, message, kind, source };
  const payloads: Buffer[] = [];
  const hashes: string[] = [];
  const add = async (text: string, hash: string, previous: string | undefined) => {
    if (texts.has(hash) || head.texts.has(hash) || hashes.includes(hash)) return;
    payloads.push(await texts.encode(text, previous));
    hashes.push(hash);
  };
  let stored: StoredRevision;
  const files: FileChange[] = [];
  if (kind === 'steering') {
    const text = JSON.stringify(draft.steering);
    if (text.length > STEERING_BYTES_MAX)
      return { code: 'too_large', detail: 'steering: want at most 4 MiB' };
    const hash = textHash(text);
    if (hash === head.steering) return unchanged(head);
    await add(text, hash, head.steering ?? undefined);
    stored = { revision: { ...about, files }, steering: hash };
  } else {
    for (const [path, text] of draft.files ?? []) {
      const before = fileAt(head, path);
      const change = changeOf(path, before, text === null ? null : textHash(text), draft.zones?.get(path));
      if (!change) continue;
      if (text !== null && change.version !== null) await add(text, change.version, before?.version);
      files.push(change);
    }
    for (const [path, version] of draft.unkept ?? []) {
      const change = changeOf(path, fileAt(head, path), version, draft.zones?.get(path));
      if (change) files.push(change);
    }
    if (files.length === 0) return unchanged(head);
    stored = { revision: { ...about, files } };
  }
  advance(head, stored, hashes);
  return { stored, payloads: [...payloads, encodeRevision(stored)] };
}

function conflictOf(draft: RevisionDraft, head: DraftHead): RevisionRefusal | undefined {
  const { expected, expectedOfKind, kind } = draft;
  const ofKind = kind === 'zones' ? head.zones : head.steeringId;
  const [wanted, is] = expected === undefined ? [expectedOfKind, ofKind] : [expected, head.id];
  if (wanted === undefined || (wanted === is && (expectedOfKind ?? ofKind) === ofKind)) return undefined;
  const detail = `the newest revision is ${is}, and the change was made for ${wanted}`;
  return { code: 'conflict', expected: wanted, head: is, detail };
}

function unchanged({ id }: DraftHead): RevisionRefusal {
  return { code: 'unchanged', head: id, detail: 'the change changes nothing' };
}

function fileAt(head: DraftHead, path: string): FileState | undefined {
  const changed = head.files.get(path);
  return changed === undefined ? head.filesBefore.get(path) : (changed ?? undefined);
}

function changeOf(
  path: string,
  before: FileState | undefined,
  version: string | null,
  named: string | undefined,
): FileChange | undefined {
  if ((before?.version ?? null) === version) return undefined;
  const zone = named === undefined ? before?.zone : zoneName(named);
  const change = version === null ? 'removed' : before ? 'changed' : 'added';
  return zone === undefined ? { path, change, version } : { path, zone, change, version };
}

function advance(head: DraftHead, { revision, steering }: StoredRevision, hashes: readonly string[]): void {
  head.id = revision.id;
  if (revision.kind === 'zones') head.zones = revision.id;
  else head.steeringId = revision.id;
  for (const { path, version, zone } of revision.files) {
    const state = version === null ? null : zone === undefined ? { version } : { version, zone };
    head.files.set(path, state);
  }
  head.steering = steering ?? head.steering;
  for (const hash of hashes) head.texts.add(hash);
}
