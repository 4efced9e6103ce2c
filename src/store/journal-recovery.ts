import type { FileHandle } from 'node:fs/promises';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EntryPlace } from './entry-store.js';
import { countFrames, type FrameFault, readFrame } from './journal-frame.js';
import type { StoreFailure } from './store-failure.js';

/** The end of a journal that is no entry. */
export interface JournalCut {
  /** Where it began in the file. */
  readonly at: number;
  readonly bytes: number;
  /** `incomplete`: as a crash leaves it. Else bytes were changed. */
  readonly fault: FrameFault;
  /** Whole entries in what was cut: none after a crash; more mean that the disk lost something before them. */
  readonly entriesLost: number;
  /** Name of the file in the same folder that the cut bytes were kept in. */
  readonly keptAs?: string;
}

export interface JournalScan {
  readonly entries: number;
  /** Up to here everything is good. */
  readonly size: number;
  /** Sequence of the entry that comes next. */
  readonly next: number;
  readonly cut?: JournalCut;
}

const CHUNK_BYTES = 4 * 1024 * 1024;
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
const KEPT_FILES_MAX = 4;

/** Reads a journal from its begin up to its end, or up to the first entry that is not whole. Rejects if it can't be read. */
export async function scanJournal(
  handle: FileHandle,
  magic: Buffer,
  onEntry: (payload: Buffer, place: EntryPlace) => void,
): Promise<JournalScan | StoreFailure> {
  const { size: total } = await handle.stat();
  const head = await readAt(handle, 0, Math.min(magic.length, total));
  if (!head.equals(magic.subarray(0, head.length))) return notAJournal(head);
  // A crash while the file was made.
  if (head.length < magic.length) {
    await handle.write(magic, 0, magic.length, 0);
    return { entries: 0, size: magic.length, next: 1 };
  }
  let window: Buffer = Buffer.alloc(0);
  let start = magic.length;
  let at = 0;
  let entries = 0;
  let next = 0;
  const fail = async (fault: FrameFault): Promise<JournalScan> => {
    const from = start + at;
    const rest = await readAt(handle, from, Math.min(total - from, KEPT_BYTES_MAX));
    const cut = { at: from, bytes: total - from, fault, entriesLost: countFrames(rest) };
    return { entries, size: from, next: Math.max(next, 1), cut };
  };
  for (;;) {
    const found = readFrame(window, at);
    if (found.kind === 'fault') return fail(found.fault);
    if (found.kind === 'more') {
      const from = start + at;
      if (from === total) return { entries, size: total, next: Math.max(next, 1) };
      if (from + found.bytes > total) return fail('incomplete');
      window = await readAt(handle, from, Math.min(Math.max(found.bytes, CHUNK_BYTES), total - from));
      start = from;
      at = 0;
      // Smaller than it was a moment ago.
      if (window.length < found.bytes) return fail('incomplete');
      continue;
    }
    if (next !== 0 && found.sequence !== next) return fail('sequence');
    onEntry(found.payload, { offset: start + at, bytes: found.payload.length });
    next = found.sequence + 1;
    entries++;
    at += found.bytes;
  }
}

/** Copies what is to be cut to a file of its own, so that nothing is lost for good. Only the newest few are kept. */
export async function keepCut(handle: FileHandle, folder: string, cut: JournalCut): Promise<JournalCut> {
  const bytes = await readAt(handle, cut.at, Math.min(cut.bytes, KEPT_BYTES_MAX));
  // After a power failure a file may have grown before it was written.
  if (bytes.every((byte) => byte === 0)) return cut;
  const kept = (await readdir(folder)).filter((name) => /^cut-\d{6}$/.test(name)).toSorted();
  const last = Number(kept.at(-1)?.slice(4) ?? 0);
  const keptAs = `cut-${String((last + 1) % 1_000_000).padStart(6, '0')}`;
  const copy = await open(join(folder, keptAs), 'w', 0o600);
  try {
    await copy.writeFile(bytes);
  } finally {
    await copy.close();
  }
  for (const name of kept.slice(0, Math.max(0, kept.length + 1 - KEPT_FILES_MAX))) {
    await rm(join(folder, name), { force: true });
  }
  return { ...cut, keptAs };
}

function notAJournal(head: Buffer): StoreFailure {
  const text = head.toString('latin1');
  if (/^MERIDIAN JOURNAL \d/.test(text)) {
    return { code: 'newer', detail: 'a later version of Meridian wrote this journal; use that version' };
  }
  return { code: 'newer', detail: 'is no journal of Meridian; move it away to begin a new one' };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
