/** A file that says which process writes to a folder. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { type StoreFailure, storeFailure } from './store-failure.js';

/** Held until it is released, or until another process took it over. */
export interface LockFile {
  /** False once somebody else has the lock, or the file is gone: then nothing may be written. */
  isMine(): boolean;
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** When it started, as far as the system tells: a number is given to another process some day. */
  readonly started: string;
  readonly id: string;
}

/** Of this process: so that its own number in an old file is not mistaken for itself. */
const HELD = new Map<string, string>();

/**
 * Takes the lock `path`. One whose process has ended is taken over. `locked`: a process that runs has it, which may be
 * this one.
 */
export async function takeLock(path: string): Promise<LockFile | StoreFailure> {
  const holder = await readHolder(path);
  if (holder && isAlive(holder)) {
    const detail = `${path} is held by process ${holder.pid}: one process at a time may use this folder`;
    return { code: 'locked', detail };
  }
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), id: randomUUID() };
  const draft = `${path}.${mine.id}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      // Not synced: one that a crash tore is as good as none.
      await file.writeFile(JSON.stringify(mine));
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    return storeFailure(error, `write ${path}`);
  }
  // Of two that take over an old lock at once the later one has it, and the earlier one sees that here or at its
  // next write.
  HELD.set(path, mine.id);
  const inode = inodeOf(path);
  const now = await readHolder(path);
  if (now?.id !== mine.id) return { code: 'locked', detail: `${path} was taken by another process` };
  return {
    isMine: () => inode !== undefined && inodeOf(path) === inode,
    async release() {
      if (HELD.get(path) === mine.id) HELD.delete(path);
      if (inodeOf(path) === inode) await rm(path, { force: true }).catch(() => {});
    },
  };
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof holder !== 'object' || holder === null) return undefined;
    const { pid, started, id } = holder as Partial<Record<keyof Holder, unknown>>;
    if (!Number.isSafeInteger(pid) || typeof started !== 'string' || typeof id !== 'string') return undefined;
    const found: Holder = { pid: Number(pid), started, id };
    // A lock of this process that it does not know of is one of an earlier process with this number.
    return found.pid === process.pid && HELD.get(path) !== id ? undefined : found;
  } catch {
    // None, or one that was never written to its end.
    return undefined;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    if (pid < 1) return false;
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startOf(pid);
  return now === '' || started === '' || now === started;
}

/** The boot, and ticks since then (proc(5), field 22 of `stat`); empty where the system has no /proc. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses.
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return '';
  }
}

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino, mtimeNs } = statSync(path, { bigint: true });
    return `${dev} ${ino} ${mtimeNs}`;
  } catch {
    return undefined;
  }
}
