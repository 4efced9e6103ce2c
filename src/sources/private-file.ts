import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Problem } from './yaml-document.js';

export type PrivateFileResult = { readonly text: string } | { readonly problems: readonly Problem[] };

/**
 * Reads a file that holds secrets. One that every user of the machine can read or write, or that is larger than `bytesMax`,
 * is refused. Never throws: a file that can't be read is a problem as well.
 */
export async function readPrivateFile(file: string, bytesMax: number): Promise<PrivateFileResult> {
  const fail = (message: string): PrivateFileResult => ({
    problems: [{ file, line: 1, column: 1, path: '', message }],
  });
  try {
    // Mode, size and text of one open file: nobody can swap it in between.
    const handle = await open(file);
    try {
      const { mode, size } = await handle.stat();
      const refused = refuseMode(mode) ?? refuseSize(size, bytesMax);
      return refused === undefined ? { text: await handle.readFile('utf8') } : fail(refused);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return fail(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Writes a file that only its owner may read, whole or not at all: what is there stays until the new one is on the disk.
 * Rejects on a full disk or a read-only folder.
 */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.draft`;
  try {
    await writeSynced(draft, text);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  const folder = await open(dirname(file));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The text of a file of the state folder; undefined where there is none yet. Rejects where it can't be read. */
export async function readOptionalFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function refuseMode(mode: number): string | undefined {
  if (process.platform === 'win32' || (mode & 0o007) === 0) return undefined;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return `every user of this machine can open this file (mode ${octal}); make it private with chmod 600`;
}

function refuseSize(size: number, bytesMax: number): string | undefined {
  if (size <= bytesMax) return undefined;
  const mebibytes = bytesMax / (1024 * 1024);
  return `is larger than ${bytesMax} bytes${Number.isInteger(mebibytes) ? ` (${mebibytes} MiB)` : ''}`;
}
