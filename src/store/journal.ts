import { readSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EntryPlace, EntryStore } from './entry-store.js';
import { encodeFrame, FRAME_HEAD_BYTES, PAYLOAD_BYTES_MAX, readFrame } from './journal-frame.js';
import { type JournalCut, keepCut, scanJournal } from './journal-recovery.js';
import { type LockFile, takeLock } from './lock-file.js';
import { isStoreFailure, type StoreFailure, storeFailure } from './store-failure.js';

/** The first bytes of the file; the number changes when older versions can't read what is written. */
export const MAGIC: Buffer = Buffer.from('MERIDIAN JOURNAL 1\n', 'latin1');
const LOG = 'log';
const DRAFT = 'log.new';
const LOCK = 'lock';

/** What was found when a journal was opened. */
export interface JournalRecovery {
  readonly entries: number;
  readonly bytes: number;
  /** What was at the end that is no entry, and was cut off. */
  readonly cut?: JournalCut;
}

export interface OpenedJournal {
  readonly journal: Journal;
  readonly recovery: JournalRecovery;
  /** The journal can be read, but not written, until this is over. */
  readonly degraded?: StoreFailure;
}

export interface JournalModules {
  /** Opens a file for reading and writing: a test makes it fail. */
  readonly open: (path: string, flags: string, mode: number) => Promise<FileHandle>;
}

/**
 * Opens the journal in `folder`, which is made where it is missing, and gives each entry to `onEntry` in their order; the
 * payload is valid during the call. A torn end is cut off. On a read-only disk the journal can still be read.
 * Fails with `locked` (another process has it), `newer` (a later version made it), or `storage_io`.
 */
export async function openJournal(
  folder: string,
  onEntry: (payload: Buffer, place: EntryPlace) => void,
  modules: JournalModules = { open },
): Promise<OpenedJournal | StoreFailure> {
  const path = join(folder, LOG);
  let lock: LockFile | undefined;
  let degraded: StoreFailure | undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const taken = await takeLock(join(folder, LOCK));
    if (!isStoreFailure(taken)) lock = taken;
    else if (taken.code === 'locked') return taken;
    else degraded = taken;
    if (lock) await rm(join(folder, DRAFT), { force: true });
  } catch (error) {
    degraded = storeFailure(error, `make ${folder}`);
  }
  const opened = await openLog(path, lock !== undefined, modules);
  if (isStoreFailure(opened)) {
    await lock?.release();
    return opened;
  }
  degraded = opened.degraded ?? degraded;
  const { handle } = opened;
  if (!handle) {
    await lock?.release();
    const journal = new Journal(
      { folder, path, handle, lock: undefined, size: 0, next: 1, modules },
      degraded,
    );
    const recovery = { entries: 0, bytes: 0 };
    return degraded ? { journal, recovery, degraded } : { journal, recovery };
  }
  try {
    const scan = await scanJournal(handle, MAGIC, onEntry);
    if (isStoreFailure(scan)) {
      await handle.close();
      await lock?.release();
      return { ...scan, detail: `${path}: ${scan.detail}` };
    }
    let { cut } = scan;
    if (!degraded && cut) {
      const tidied = await cutOff(handle, folder, cut);
      if (isStoreFailure(tidied)) degraded = tidied;
      else cut = tidied;
    }
    const from = { folder, path, handle, lock, size: scan.size, next: scan.next, modules };
    const journal = new Journal(from, degraded);
    const recovery = { entries: scan.entries, bytes: scan.size, ...(cut && { cut }) };
    return degraded ? { journal, recovery, degraded } : { journal, recovery };
  } catch (error) {
    await handle.close().catch(() => {});
    await lock?.release();
    return storeFailure(error, `read ${path}`);
  }
}

async function cutOff(
  handle: FileHandle,
  folder: string,
  cut: JournalCut,
): Promise<JournalCut | StoreFailure> {
  const failed = (error: unknown) => storeFailure(error, `cut off the torn end of ${join(folder, LOG)}`);
  let kept = cut;
  try {
    kept = await keepCut(handle, folder, cut);
  } catch (error) {
    // A crash leaves nothing that anybody was promised; anything else is not thrown away.
    if (cut.fault !== 'incomplete' || cut.entriesLost > 0) return failed(error);
  }
  try {
    // Not synced: what is behind would be cut off once more.
    await handle.truncate(cut.at);
    return kept;
  } catch (error) {
    return failed(error);
  }
}

/** A handle that can write where the disk lets it; none where there is no file and none can be made. */
async function openLog(
  path: string,
  mayWrite: boolean,
  modules: JournalModules,
): Promise<{ readonly handle?: FileHandle; readonly degraded?: StoreFailure } | StoreFailure> {
  let degraded: StoreFailure | undefined;
  if (mayWrite) {
    for (const flags of ['r+', 'wx+']) {
      try {
        const handle = await modules.open(path, flags, 0o600);
        // The first entry is acknowledged only when the file itself can be found after a crash.
        if (flags === 'wx+') await begin(handle, path);
        return { handle };
      } catch (error) {
        if (flags === 'r+' && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        degraded = storeFailure(error, `open ${path}`);
        break;
      }
    }
  }
  try {
    const handle = await modules.open(path, 'r', 0o600);
    return degraded ? { handle, degraded } : { handle };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return degraded ? { degraded } : {};
    return storeFailure(error, `read ${path}`);
  }
}

async function begin(handle: FileHandle, path: string): Promise<void> {
  try {
    await handle.write(MAGIC, 0, MAGIC.length, 0);
    await handle.sync();
    await syncFolder(join(path, '..'));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface JournalParts {
  readonly folder: string;
  readonly path: string;
  readonly handle: FileHandle | undefined;
  readonly lock: LockFile | undefined;
  readonly size: number;
  readonly next: number;
  readonly modules: JournalModules;
}

interface Waiting {
  readonly payloads: readonly Uint8Array[];
  readonly resolve: (result: readonly EntryPlace[] | StoreFailure) => void;
}

/**
 * Entries in one file. Appends that wait for the disk at once share one write and one fsync. After a write that failed
 * the file is cut to what is known to be there before it is written again: a failed fsync says nothing about what is
 * on the disk.
 */
export class Journal implements EntryStore {
  readonly #parts: JournalParts;
  #handle: FileHandle | undefined;
  /** Up to here the file is on the disk. */
  #size: number;
  #next: number;
  #waiting: Waiting[] = [];
  #work: Promise<void> = Promise.resolve();
  #flushing = false;
  /** Something may stand behind #size. */
  #torn = false;
  #degraded: StoreFailure | undefined;
  /** Of the last write. */
  #failure: StoreFailure | undefined;
  #closed = false;

  constructor(parts: JournalParts, degraded: StoreFailure | undefined) {
    this.#parts = parts;
    this.#handle = parts.handle;
    this.#size = parts.size;
    this.#next = parts.next;
    this.#degraded = degraded;
  }

  get bytes(): number {
    return this.#size;
  }

  get failure(): StoreFailure | undefined {
    return this.#degraded ?? this.#failure;
  }

  append(payloads: readonly Uint8Array[]): Promise<readonly EntryPlace[] | StoreFailure> {
    const large = payloads.find(({ length }) => length > PAYLOAD_BYTES_MAX);
    if (large) {
      const detail = `an entry of ${large.length} bytes is larger than ${PAYLOAD_BYTES_MAX}`;
      return Promise.resolve({ code: 'too_large', detail });
    }
    return new Promise((resolve) => {
      this.#waiting.push({ payloads, resolve });
      if (this.#flushing) return;
      this.#flushing = true;
      void this.#enqueue(() => this.#flush());
    });
  }

  read({ offset, bytes }: EntryPlace): Buffer | StoreFailure {
    if (!this.#handle || this.#closed) return CLOSED;
    const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + bytes);
    try {
      let done = 0;
      while (done < frame.length) {
        const read = readSync(this.#handle.fd, frame, done, frame.length - done, offset + done);
        if (read === 0) break;
        done += read;
      }
    } catch (error) {
      return storeFailure(error, `read ${this.#parts.path}`);
    }
    const found = readFrame(frame, 0);
    if (found.kind === 'entry') return found.payload;
    return { code: 'storage_io', detail: `${this.#parts.path}: the entry at byte ${offset} is damaged` };
  }

  rewrite(payloads: Iterable<Uint8Array | StoreFailure>): Promise<readonly EntryPlace[] | StoreFailure> {
    return this.#enqueue(() => this.#rewrite(payloads));
  }

  async close(): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#closed) return;
      this.#closed = true;
      await this.#handle?.close();
      await this.#parts.lock?.release();
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /** Writes what waits, and goes on until nothing does. */
  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_MAX);
      const result = await this.#write(batch.flatMap(({ payloads }) => payloads));
      this.#failure = isStoreFailure(result) ? result : undefined;
      let from = 0;
      for (const { payloads, resolve } of batch) {
        if (isStoreFailure(result)) resolve(result);
        else resolve(result.slice(from, from + payloads.length));
        from += payloads.length;
      }
    }
    this.#flushing = false;
  }

  async #write(payloads: readonly Uint8Array[]): Promise<readonly EntryPlace[] | StoreFailure> {
    const ready = await this.#ready();
    if (isStoreFailure(ready)) return ready;
    let end = this.#size;
    let next = this.#next;
    try {
      this.#torn = true;
      const places: EntryPlace[] = [];
      let frames: Buffer[] = [];
      let from = end;
      const drain = async () => {
        await writeAll(ready, Buffer.concat(frames), from);
        frames = [];
        from = end;
      };
      for (const payload of payloads) {
        frames.push(encodeFrame(payload, next++));
        places.push({ offset: end, bytes: payload.length });
        end += FRAME_HEAD_BYTES + payload.length;
        if (end - from > WRITE_BYTES) await drain();
      }
      await drain();
      await ready.datasync();
      this.#torn = false;
      this.#size = end;
      this.#next = next;
      return places;
    } catch (error) {
      const failure = storeFailure(error, `write ${this.#parts.path}`);
      await this.#repair();
      return failure;
    }
  }

  /** The handle, if it may be written at its end. */
  async #ready(): Promise<FileHandle | StoreFailure> {
    if (this.#closed) return CLOSED;
    const { lock, path } = this.#parts;
    if (this.#degraded) return this.#degraded;
    if (!lock?.isMine()) {
      return { code: 'locked', detail: `${path}: another process took the journal, or its folder is gone` };
    }
    if (this.#torn) {
      const failed = await this.#repair();
      if (failed) return failed;
    }
    return this.#handle ?? CLOSED;
  }

  async #repair(): Promise<StoreFailure | undefined> {
    try {
      await this.#handle?.truncate(this.#size);
      await this.#handle?.datasync();
      this.#torn = false;
      return undefined;
    } catch (error) {
      return storeFailure(error, `repair ${this.#parts.path}`);
    }
  }

  async #rewrite(
    payloads: Iterable<Uint8Array | StoreFailure>,
  ): Promise<readonly EntryPlace[] | StoreFailure> {
    const ready = await this.#ready();
    if (isStoreFailure(ready)) return ready;
    const { folder, path, modules } = this.#parts;
    const draft = join(folder, DRAFT);
    let handle: FileHandle | undefined;
    try {
      await rm(draft, { force: true });
      handle = await modules.open(draft, 'wx+', 0o600);
      const written = await writeEntries(handle, payloads, this.#next);
      if (isStoreFailure(written)) {
        await handle.close();
        await rm(draft, { force: true });
        return written;
      }
      await handle.sync();
      await rename(draft, path);
      // From here on the new file is the journal, also if the folder can't be synced: both are whole.
      this.#handle = handle;
      this.#size = written.size;
      this.#next = written.next;
      await ready.close().catch(() => {});
      await syncFolder(folder).catch((error: unknown) => {
        // After a crash the old file may be back: nothing may be promised that only the new one has.
        this.#degraded = storeFailure(error, `sync ${folder}`);
      });
      return written.places;
    } catch (error) {
      await handle?.close().catch(() => {});
      await rm(draft, { force: true }).catch(() => {});
      return storeFailure(error, `rewrite ${path}`);
    }
  }
}

const CLOSED: StoreFailure = { code: 'closed', detail: 'the journal is closed' };
/** Appends that share one fsync. */
const BATCH_MAX = 1024;
const WRITE_BYTES = 4 * 1024 * 1024;

async function writeEntries(
  handle: FileHandle,
  payloads: Iterable<Uint8Array | StoreFailure>,
  first: number,
) {
  const places: EntryPlace[] = [];
  let frames: Buffer[] = [MAGIC];
  let size = MAGIC.length;
  let from = 0;
  let next = first;
  for (const payload of payloads) {
    if (isStoreFailure(payload)) return payload;
    frames.push(encodeFrame(payload, next++));
    places.push({ offset: size, bytes: payload.length });
    size += FRAME_HEAD_BYTES + payload.length;
    if (size - from > WRITE_BYTES) {
      await writeAll(handle, Buffer.concat(frames), from);
      frames = [];
      from = size;
    }
  }
  await writeAll(handle, Buffer.concat(frames), from);
  return { places, size, next };
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
