import { join } from 'node:path';
import { DifferenceDesk } from '../control/difference-desk.js';
import { memoryRevisions, openRevisions, type RevisionBook } from '../control/revisions.js';
import { type RollbackModules, steeringOf } from '../control/rollback.js';
import type { ServerConfig } from '../sources/server-config.js';
import { MemoryEntries } from '../store/memory-entries.js';
import { isStoreFailure } from '../store/store-failure.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';

/**
 * The book of revisions in the state folder. A disk that can't be written or read does not keep a node from answering:
 * then nothing can be added, and changes through the API are refused. Another process in the same folder does.
 */
export async function openHistory(
  { state, history }: Pick<ServerConfig, 'state' | 'history'>,
  log: Log,
): Promise<RevisionBook | StartProblem> {
  const modules = { now: Date.now, log };
  const opened = await openRevisions(join(state, 'journal'), modules, history);
  if (isStoreFailure(opened)) {
    if (opened.code === 'locked' || opened.code === 'newer') {
      return { code: opened.code, message: opened.detail, setting: 'state' };
    }
    log.error({ ...opened }, 'the history can not be read; changes through the API are refused');
    const store = new MemoryEntries();
    store.failure = opened;
    return memoryRevisions(modules, history, store);
  }
  const { book, recovery, degraded } = opened;
  const { cut } = recovery;
  if (cut && (cut.entriesLost > 0 || cut.fault !== 'incomplete')) {
    log.error({ ...cut }, 'the journal was damaged: what is behind the damage was cut off and kept aside');
  } else if (cut) log.warn({ ...cut }, 'the journal had a torn end, as a crash leaves it; it was cut off');
  if (degraded)
    log.error({ ...degraded }, 'the history can not be written; changes through the API are refused');
  return book;
}

/** What the routes of the history work with; `writers`: how zones are written, and how steering is set. */
export function historyModules(
  { zones: folder, mode, probes, observers }: ServerConfig,
  book: RevisionBook,
  writers: Pick<RollbackModules, 'zones' | 'steering'> = {},
): RollbackModules {
  const { programs, folders } = probes;
  const desk = new DifferenceDesk({ folder, probes: { programs, folders }, observers });
  return { book, desk, mode, steering: steeringOf(book), ...writers };
}
