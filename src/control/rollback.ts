import { isStoreFailure, type StoreFailure } from '../store/store-failure.js';
import type { DifferenceDesk, DifferenceFailure } from './difference-desk.js';
import { type FilesDifference, type SteeringChange, steeringDifference } from './revision-difference.js';
import type { FileTexts, RevisionBook } from './revisions.js';
import type { FileChanges, WriteOptions, WriteResult } from './zone-write.js';
import { refuseZoneWrite, type ZonesMode } from './zones-mode.js';

export type RollbackPart = 'zones' | 'steering' | 'all';

/** Who else takes part: zones are written and published by the zone writer, steering is set by its keeper. */
export interface RollbackModules {
  readonly book: RevisionBook;
  readonly desk: Pick<DifferenceDesk, 'compare'>;
  readonly mode: ZonesMode;
  /** Absent: zones can't be rolled back on this node. */
  readonly zones?: { write(changes: FileChanges, options: WriteOptions): Promise<WriteResult> };
  /** Absent: steering can't be rolled back on this node. */
  readonly steering?: {
    /** null: as before anybody set it. */
    restore(document: unknown, options: SteeringRestore): Promise<SteeringRestored | RollbackRefusal>;
  };
}

export interface SteeringRestore {
  readonly author: string;
  readonly message: string;
  readonly source: 'rollback';
  /** The newest revision, as it was when the rollback was made. */
  readonly expected: number;
}

export interface SteeringRestored {
  readonly revision?: number;
}

/** What a rollback would change. */
export interface RollbackPlan {
  readonly to: number;
  /** The newest revision that it was made upon. */
  readonly head: number;
  /** The newest of zones. */
  readonly zonesHead: number;
  readonly files: readonly FileTexts[];
  readonly difference: FilesDifference;
  readonly steering: readonly SteeringChange[];
  readonly document: unknown;
}

export type RollbackRefusal =
  | { readonly code: 'unknown_revision'; readonly detail: string }
  | { readonly code: 'not_kept'; readonly detail: string; readonly files: readonly string[] }
  | { readonly code: 'unsupported'; readonly detail: string }
  | { readonly code: 'gitops'; readonly detail: string }
  | { readonly code: 'conflict'; readonly detail: string; readonly expected: number; readonly head: number }
  | { readonly code: 'write_refused'; readonly detail: string; readonly result: WriteResult }
  | DifferenceFailure
  | StoreFailure;

export interface RolledBack {
  /** Absent where nothing of that kind differed. */
  readonly zones?: WriteResult & { readonly outcome: 'written' };
  readonly steering?: SteeringRestored;
}

/** Steering as nobody has set it yet. */
const NO_STEERING = { forces: {}, dials: {}, maintenance: {}, rollouts: {} };

/** Sets steering by a revision: whoever holds the document follows the book. */
export function steeringOf(book: RevisionBook): NonNullable<RollbackModules['steering']> {
  return {
    async restore(document, { author, message, source, expected }) {
      const steering = document ?? NO_STEERING;
      const done = await book.append({ kind: 'steering', source, author, message, expected, steering });
      if (!('code' in done)) return { revision: done.id };
      if (done.code === 'unchanged') return {};
      if (done.code === 'conflict') return conflict(done.expected, done.head);
      if (done.code === 'invalid_revision') return { code: 'unsupported', detail: done.detail };
      return done;
    },
  };
}

/** Says what going back to revision `to` would change; nothing is changed. */
export async function planRollback(
  to: number,
  what: RollbackPart,
  { book, desk }: Pick<RollbackModules, 'book' | 'desk'>,
): Promise<RollbackPlan | RollbackRefusal> {
  const { head } = book;
  if (!book.get(to)) return { code: 'unknown_revision', detail: unknownRevision(book, to) };
  const files = what === 'steering' ? [] : (book.filesBetween(head, to) ?? []);
  if ('code' in files) return files;
  const difference = await desk.compare(files);
  if ('code' in difference) return difference;
  const about = { to, head, zonesHead: book.headOf('zones'), files, difference };
  if (what === 'zones') return { ...about, steering: [], document: undefined };
  const [wanted, now] = [steeringAt(book, to), steeringAt(book, head)];
  if (isStoreFailure(wanted)) return wanted;
  if (isStoreFailure(now)) return now;
  const steering = steeringDifference(now.document, wanted.document);
  return { ...about, steering, document: wanted.document };
}

/** The steering document after a revision that is kept. */
export function steeringAt(book: RevisionBook, id: number): { readonly document: unknown } | StoreFailure {
  try {
    return { document: book.steeringAt(id) };
  } catch (error) {
    return { code: 'storage_io', detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Does what a plan says, as new revisions: first zones, then steering. */
export async function rollBack(
  plan: RollbackPlan,
  options: { readonly author: string; readonly message: string },
  modules: RollbackModules,
): Promise<RolledBack | RollbackRefusal> {
  const message = options.message === '' ? `roll back to revision ${plan.to}` : options.message;
  const { author } = options;
  const refusal = refuseFiles(plan, modules) ?? refuseSteering(plan, modules);
  if (refusal) return refusal;
  if (modules.book.head !== plan.head) return conflict(plan.head, modules.book.head);
  let done: RolledBack = {};
  if (plan.files.length > 0) {
    const changes = new Map(plan.files.map(({ path, after }) => [path, after ?? null]));
    const result = await modules.zones!.write(changes, {
      author,
      message,
      source: 'rollback',
      head: plan.zonesHead,
    });
    if (result.outcome !== 'written') return writeRefused(result);
    done = { zones: result };
  }
  if (plan.steering.length > 0) {
    const expected = modules.book.head;
    const restored = await modules.steering!.restore(plan.document, {
      author,
      message,
      source: 'rollback',
      expected,
    });
    if ('code' in restored) return restored;
    done = { ...done, steering: restored };
  }
  return done;
}

/** For people: which revisions there are. */
export function unknownRevision({ oldest, head }: RevisionBook, id: number): string {
  if (head === 0) return `there is no revision ${id}: there are none yet`;
  return `there is no revision ${id}: kept are ${oldest} to ${head}`;
}

function refuseFiles({ files, to }: RollbackPlan, modules: RollbackModules): RollbackRefusal | undefined {
  if (files.length === 0) return undefined;
  const gitops = refuseZoneWrite(modules.mode);
  if (gitops) return gitops;
  if (!modules.zones) return { code: 'unsupported', detail: 'this node can not write zones' };
  const lost = files.filter(({ after }) => after === undefined).map(({ path }) => path);
  if (lost.length === 0) return undefined;
  const detail = `the history does not hold the text that ${lost[0]} had at revision ${to}: it is too large, or not UTF-8`;
  return { code: 'not_kept', detail, files: lost };
}

function refuseSteering({ steering }: RollbackPlan, modules: RollbackModules): RollbackRefusal | undefined {
  if (steering.length === 0 || modules.steering) return undefined;
  return { code: 'unsupported', detail: 'this node can not set steering' };
}

function writeRefused(result: WriteResult): RollbackRefusal {
  if (result.outcome === 'conflict' && result.what === 'revision') {
    return conflict(Number(result.expected), Number(result.actual));
  }
  return { code: 'write_refused', detail: 'the zones could not be written', result };
}

function conflict(expected: number, head: number): RollbackRefusal {
  const detail = `the newest revision is ${head}, and the rollback was made for ${expected}: look at what came in between`;
  return { code: 'conflict', detail, expected, head };
}

export function isRefused(value: object): value is RollbackRefusal {
  return 'code' in value && 'detail' in value;
}
