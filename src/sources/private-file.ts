import { open } from 'node:fs/promises';
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
