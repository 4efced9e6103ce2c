import type { EntryPlace, EntryStore } from '../store/entry-store.js';
import { type JournalModules, type JournalRecovery, openJournal } from '../store/journal.js';
import { MemoryEntries } from '../store/memory-entries.js';
import { isStoreFailure, type StoreFailure } from '../store/store-failure.js';
import {
  draftMistake,
  type Revision,
  type RevisionDraft,
  type RevisionKind,
  type RevisionRefusal,
  zoneName,
} from './revision.js';
import { compactRevisions, type KeptRevisions } from './revision-compaction.js';
import { prepareRevision } from './revision-draft.js';
import {
  applyRevision,
  decodeEntry,
  EMPTY_STATE,
  type FileState,
  type RevisionState,
  type StoredRevision,
} from './revision-entries.js';
import { RevisionFiles } from './revision-files.js';
import { RevisionTexts } from './revision-texts.js';

export interface RevisionLimits {
  /** Above a quarter more the oldest are dropped. */
  readonly revisionsMax: number;
  /** Of the journal; what is needed for the newest state is kept even if it is more. */
  readonly bytesMax: number;
}

export const REVISION_LIMITS: RevisionLimits = { revisionsMax: 10_000, bytesMax: 256 * 1024 * 1024 };

export interface RevisionModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log?: { warn(facts: object, message: string): void; error(facts: object, message: string): void };
  /** For tests: how files are opened. */
  readonly journal?: JournalModules;
}

export interface OpenedRevisions {
  readonly book: RevisionBook;
  readonly recovery: JournalRecovery;
  /** Revisions can be read, but none can be added. */
  readonly degraded?: StoreFailure;
}

/** Opens the book of revisions in a folder; see `openJournal` for the failures. */
export async function openRevisions(
  folder: string,
  modules: RevisionModules,
  limits: RevisionLimits = REVISION_LIMITS,
): Promise<OpenedRevisions | StoreFailure> {
  let unknown = false;
  const kept: KeptEntries = { texts: [], base: EMPTY_STATE, revisions: [] };
  const opened = await openJournal(
    folder,
    (payload, place) => {
      if (!keep(kept, payload, place)) unknown = true;
    },
    modules.journal,
  );
  if (isStoreFailure(opened)) return opened;
  if (unknown) {
    await opened.journal.close();
    return {
      code: 'newer',
      detail: `${folder}: a later version of Meridian wrote this journal; use that version`,
    };
  }
  const { journal, recovery, degraded } = opened;
  const book = new RevisionBook(journal, kept, modules, limits);
  return degraded ? { book, recovery, degraded } : { book, recovery };
}

/** A book that is gone with the process. */
export function memoryRevisions(
  modules: RevisionModules,
  limits: RevisionLimits = REVISION_LIMITS,
  store: EntryStore = new MemoryEntries(),
): RevisionBook {
  return new RevisionBook(store, { texts: [], base: EMPTY_STATE, revisions: [] }, modules, limits);
}

export interface KeptEntries {
  readonly texts: { readonly hash: string; readonly place: EntryPlace; readonly base?: string }[];
  base: RevisionState;
  readonly revisions: StoredRevision[];
}

function keep(kept: KeptEntries, payload: Buffer, place: EntryPlace): boolean {
  const entry = decodeEntry(payload, place);
  switch (entry?.kind) {
    case 'text':
      kept.texts.push(entry);
      return true;
    case 'revision':
      kept.revisions.push(entry.stored);
      return true;
    case 'base':
      kept.base = entry.state;
      return true;
    default:
      return false;
  }
}

export interface RevisionQuery {
  /** Only older ones than this. */
  readonly before?: number;
  readonly limit?: number;
  readonly kind?: RevisionKind;
  readonly author?: string;
  /** Only those that changed a file of this zone, with or without a dot at its end. */
  readonly zone?: string;
}

export interface RevisionPage {
  /** Newest first. */
  readonly revisions: readonly Revision[];
  /** How many fit, but for `before` and `limit`. */
  readonly total: number;
  /** `before` of the next page; absent where there is none. */
  readonly next?: number;
}

export interface JournalHealth {
  readonly revisions: number;
  readonly bytes: number;
  /** The last write failed, or none is possible: changes are refused, and files edited by hand have no revision. */
  readonly failing: boolean;
  /** Since the start; revisions that came at once are one. */
  readonly writes: Readonly<Record<'done' | 'failed', number>>;
}

/** A text of a file before and after; null for no file, undefined for one that is not kept. */
export interface FileTexts {
  readonly path: string;
  readonly zone?: string;
  /** The zone that it was of before, where that is another one. */
  readonly zoneBefore?: string;
  readonly before: string | null | undefined;
  readonly after: string | null | undefined;
}

interface Waiting {
  readonly draft: RevisionDraft;
  readonly resolve: (result: Revision | RevisionRefusal) => void;
  readonly reject: (error: unknown) => void;
}

const PAGE_MAX = 1000;
const WAITING_MAX = 1000;
/** Revisions are dropped many at once. */
const SLACK = 1.25;

/**
 * Every change of zones and of steering, in one order, in a journal. The oldest are dropped when there are too many; the
 * state at each that is kept stays whole.
 */
export class RevisionBook {
  readonly #store: EntryStore;
  readonly #texts: RevisionTexts;
  readonly #modules: RevisionModules;
  readonly #limits: RevisionLimits;
  readonly #listeners = new Set<(revision: Revision) => void>();
  #kept: KeptRevisions;
  /** Files as they are at the head. */
  #files: Map<string, FileState>;
  #steering: string | null;
  #waiting: Waiting[] = [];
  #running = false;
  readonly #writes = { done: 0, failed: 0 };
  /** Beyond this the journal is made anew. */
  #compactAt: number;
  #compactRevisionsAt: number;
  #work: Promise<void> = Promise.resolve();

  constructor(store: EntryStore, kept: KeptEntries, modules: RevisionModules, limits: RevisionLimits) {
    this.#store = store;
    this.#modules = modules;
    this.#limits = limits;
    this.#compactAt = limits.bytesMax;
    this.#compactRevisionsAt = limits.revisionsMax * SLACK;
    this.#texts = new RevisionTexts(store);
    for (const { hash, place, base } of kept.texts) this.#texts.note(hash, place, base);
    const { base, revisions } = kept;
    this.#kept = { base, revisions };
    this.#files = new Map(base.files);
    this.#steering = base.steering;
    for (const stored of revisions) this.#apply(stored);
  }

  /** The newest revision; 0 where there is none. */
  get head(): number {
    return this.#kept.revisions.at(-1)?.revision.id ?? this.#kept.base.id;
  }

  /** The oldest that is kept; 0 where there is none. */
  get oldest(): number {
    return this.#kept.revisions[0]?.revision.id ?? 0;
  }

  get size(): { readonly revisions: number; readonly bytes: number } {
    return { revisions: this.#kept.revisions.length, bytes: this.#store.bytes };
  }

  /** How the journal is. */
  get journal(): JournalHealth {
    return { ...this.size, failing: this.#store.failure !== undefined, writes: { ...this.#writes } };
  }

  /** The newest of a kind that is kept; 0 where there is none. */
  headOf(kind: RevisionKind): number {
    return this.#kept.revisions.findLast(({ revision }) => revision.kind === kind)?.revision.id ?? 0;
  }

  /** A file as it is at the head. */
  fileAtHead(path: string): FileState | undefined {
    return this.#files.get(path);
  }

  /** Paths of the files that are there at the head. */
  pathsAtHead(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Calls `listener` with each new revision, from now until what it returns is called. */
  subscribe(listener: (revision: Revision) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Adds a revision; when it resolves with one, that is on the disk. Those that wait at once share one fsync. */
  append(draft: RevisionDraft): Promise<Revision | RevisionRefusal> {
    const mistake = draftMistake(draft);
    if (mistake !== undefined) return Promise.resolve({ code: 'invalid_revision', detail: mistake });
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.resolve({ code: 'storage_io', detail: 'too many changes wait for the disk; try again' });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ draft, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      this.#work = this.#run();
    });
  }

  list(query: RevisionQuery = {}): RevisionPage {
    const { before = Number.POSITIVE_INFINITY, kind, author, zone } = query;
    const limit = Math.min(Math.max(query.limit ?? 100, 1), PAGE_MAX);
    const wanted = zone === undefined ? undefined : zoneName(zone);
    const found: Revision[] = [];
    let total = 0;
    let next: number | undefined;
    for (let i = this.#kept.revisions.length - 1; i >= 0; i--) {
      const { revision } = this.#kept.revisions[i]!;
      if (kind !== undefined && revision.kind !== kind) continue;
      if (author !== undefined && revision.author !== author) continue;
      if (wanted !== undefined && !revision.files.some((file) => file.zone === wanted)) continue;
      total++;
      if (revision.id >= before) continue;
      if (found.length < limit) found.push(revision);
      else next ??= found.at(-1)!.id;
    }
    return next === undefined ? { revisions: found, total } : { revisions: found, total, next };
  }

  get(id: number): Revision | undefined {
    const at = this.#indexOf(id);
    return at === undefined ? undefined : this.#kept.revisions[at]!.revision;
  }

  /** The zone files as they were after a revision, or before the oldest; undefined for one that is not kept. */
  filesAt(id: number): ReadonlyMap<string, string> | undefined {
    const state = this.stateAt(id);
    return state && new RevisionFiles(state.files, this.#texts);
  }

  /** The text of a file as it was after a revision; null for no such file, undefined where it is not kept. */
  textAt(id: number, path: string): string | null | undefined | StoreFailure {
    return this.#textOf(this.stateAt(id)?.files.get(path));
  }

  /** The steering document as it was after a revision; null for none yet, undefined for a revision that is not kept. */
  steeringAt(id: number): unknown {
    const state = this.stateAt(id);
    if (!state) return undefined;
    if (state.steering === null) return null;
    const text = this.#texts.read(state.steering);
    if (typeof text !== 'string') throw new Error(text?.detail ?? 'the steering document is not kept');
    return JSON.parse(text);
  }

  /** The versions of all files, and the hash of steering, after a revision; see `filesAt`. */
  stateAt(id: number): RevisionState | undefined {
    const { base, revisions } = this.#kept;
    if (id === this.head) return { id, files: new Map(this.#files), steering: this.#steering };
    if (id === base.id) return base;
    const at = this.#indexOf(id);
    if (at === undefined) return undefined;
    const files = new Map(base.files);
    let { steering } = base;
    for (const stored of revisions.slice(0, at + 1)) {
      applyRevision(files, stored.revision);
      steering = stored.steering ?? steering;
    }
    return { id, files, steering };
  }

  /** The files that differ between two revisions, in the order of their paths; undefined where one is not kept. */
  filesBetween(from: number, to: number): readonly FileTexts[] | StoreFailure | undefined {
    const [before, after] = [this.stateAt(from)?.files, this.stateAt(to)?.files];
    if (!before || !after) return undefined;
    const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
    const texts: FileTexts[] = [];
    for (const path of paths) {
      const [old, now] = [before.get(path), after.get(path)];
      if (old?.version === now?.version) continue;
      const [was, is] = [this.#textOf(old), this.#textOf(now)];
      if (isFailed(was)) return was;
      if (isFailed(is)) return is;
      const zone = now?.zone ?? old?.zone;
      const isOther = old?.zone !== undefined && old.zone !== zone;
      texts.push({
        path,
        before: was,
        after: is,
        ...(zone !== undefined && { zone }),
        ...(isOther && { zoneBefore: old.zone }),
      });
    }
    return texts;
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#store.close();
  }

  #textOf(file: FileState | undefined): string | null | undefined | StoreFailure {
    return file ? this.#texts.read(file.version) : null;
  }

  #indexOf(id: number): number | undefined {
    const { revisions } = this.#kept;
    const at = id - (revisions[0]?.revision.id ?? 0);
    return revisions[at]?.revision.id === id ? at : undefined;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#commit(batch);
        await this.#compact();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const head = {
      id: this.head,
      zones: this.headOf('zones'),
      steeringId: this.headOf('steering'),
      files: new Map<string, FileState | null>(),
      filesBefore: this.#files,
      steering: this.#steering,
      texts: new Set<string>(),
    };
    const prepared: { stored: StoredRevision; count: number; resolve: Waiting['resolve'] }[] = [];
    const payloads: Buffer[] = [];
    for (const { draft, resolve } of batch) {
      const at = new Date(this.#modules.now()).toISOString();
      const result = await prepareRevision(draft, head, this.#texts, at);
      if ('code' in result) resolve(result);
      else {
        prepared.push({ stored: result.stored, count: result.payloads.length, resolve });
        payloads.push(...result.payloads);
      }
    }
    if (prepared.length === 0) return;
    const places = await this.#store.append(payloads);
    this.#writes[isStoreFailure(places) ? 'failed' : 'done']++;
    let from = 0;
    for (const { stored, count, resolve } of prepared) {
      if (isStoreFailure(places)) {
        resolve(places);
        continue;
      }
      for (let i = from; i < from + count; i++) this.#noteText(payloads[i]!, places[i]!);
      from += count;
      this.#kept.revisions.push(stored);
      this.#apply(stored);
      resolve(stored.revision);
      for (const listener of this.#listeners) listener(stored.revision);
    }
  }

  #noteText(payload: Buffer, place: EntryPlace): void {
    const entry = decodeEntry(payload, place);
    if (entry?.kind === 'text') this.#texts.note(entry.hash, entry.place, entry.base);
  }

  #apply(stored: StoredRevision): void {
    applyRevision(this.#files, stored.revision);
    this.#steering = stored.steering ?? this.#steering;
  }

  async #compact(): Promise<void> {
    const { revisions } = this.#kept;
    if (revisions.length <= this.#compactRevisionsAt && this.#store.bytes <= this.#compactAt) return;
    const result = await compactRevisions(this.#kept, this.#store, this.#texts, this.#limits);
    if (isStoreFailure(result)) {
      this.#modules.log?.warn({ ...result }, 'the journal could not be made smaller; it is whole');
      // Not with every change: what failed once probably fails again.
      this.#compactAt = Math.max(this.#compactAt, this.#store.bytes) * 1.1;
      this.#compactRevisionsAt = revisions.length * 1.1;
      return;
    }
    this.#kept = result;
    // A state that alone is so large is not written again with every revision.
    const { bytesMax } = this.#limits;
    this.#compactAt = this.#store.bytes > bytesMax * 0.9 ? this.#store.bytes * 2 : bytesMax;
    this.#compactRevisionsAt = this.#limits.revisionsMax * SLACK;
  }
}

function isFailed(value: string | null | undefined | StoreFailure): value is StoreFailure {
  return typeof value === 'object' && value !== null;
}
