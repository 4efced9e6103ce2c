import type { EntryPlace, EntryStore } from '../store/entry-store.js';
import { isStoreFailure, type StoreFailure } from '../store/store-failure.js';
import {
  applyRevision,
  encodeBase,
  encodeRevision,
  type RevisionState,
  type StoredRevision,
} from './revision-entries.js';
import type { RevisionTexts } from './revision-texts.js';

/** The revisions that are kept, and the state before the oldest of them. */
export interface KeptRevisions {
  readonly base: RevisionState;
  readonly revisions: StoredRevision[];
}

/** What is left when a journal is made smaller: so it is not made anew with every revision from then on. */
const FILLED = 0.75;
/** Of a revision without its texts, about. */
const REVISION_BYTES = 350;

/**
 * Makes the journal anew with the newest revisions only: at most `revisionsMax`, and fewer where their texts are more than
 * `bytesMax`. The state before the oldest takes the place of all that are dropped. On a failure everything is as before.
 */
export async function compactRevisions(
  kept: KeptRevisions,
  store: EntryStore,
  texts: RevisionTexts,
  limits: { readonly revisionsMax: number; readonly bytesMax: number },
): Promise<KeptRevisions | StoreFailure> {
  let count = Math.min(kept.revisions.length, limits.revisionsMax);
  let smaller = newest(kept, count);
  let hashes = neededBy(smaller, texts);
  const bytes = () => texts.bytesOf(hashes) + count * REVISION_BYTES;
  while (count > 1 && bytes() > limits.bytesMax * FILLED) {
    count = Math.ceil(count / 2);
    smaller = newest(kept, count);
    hashes = neededBy(smaller, texts);
  }
  const places = await store.rewrite(entriesOf(smaller, hashes, texts));
  if (isStoreFailure(places)) return places;
  const moved = new Map<string, EntryPlace>();
  let at = 0;
  for (const hash of hashes) moved.set(hash, places[at++]!);
  texts.move(moved);
  return smaller;
}

function newest({ base, revisions }: KeptRevisions, count: number): KeptRevisions {
  const from = revisions.length - count;
  const files = new Map(base.files);
  let { id, steering } = base;
  for (const stored of revisions.slice(0, from)) {
    applyRevision(files, stored.revision);
    steering = stored.steering ?? steering;
    ({ id } = stored.revision);
  }
  return { base: { id, files, steering }, revisions: revisions.slice(from) };
}

function neededBy({ base, revisions }: KeptRevisions, texts: RevisionTexts): ReadonlySet<string> {
  const hashes = new Set<string>();
  for (const { version } of base.files.values()) hashes.add(version);
  if (base.steering !== null) hashes.add(base.steering);
  for (const { revision, steering } of revisions) {
    for (const { version } of revision.files) if (version !== null) hashes.add(version);
    if (steering !== undefined) hashes.add(steering);
  }
  return texts.closure(hashes);
}

function* entriesOf(
  { base, revisions }: KeptRevisions,
  hashes: ReadonlySet<string>,
  texts: RevisionTexts,
): Generator<Buffer | StoreFailure> {
  for (const hash of hashes) yield texts.entryOf(hash);
  yield encodeBase(base);
  for (const stored of revisions) yield encodeRevision(stored);
}
