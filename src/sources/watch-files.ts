import { statSync } from 'node:fs';

/**
 * Calls `onChange` after each change of one of the files, until it is closed. They are polled, every `pollMs` milliseconds: a file that is
 * renamed into place, or mounted anew, is seen too. What they are is known when this returns, so that no later change is missed.
 */
export function watchFiles(files: Iterable<string>, onChange: () => void, pollMs: number): { close(): void } {
  const known = new Map([...files].map((file) => [file, versionOf(file)]));
  const timer = setInterval(() => {
    let changed = false;
    for (const [file, before] of known) {
      const version = versionOf(file);
      if (version === before) continue;
      known.set(file, version);
      changed = true;
    }
    if (changed) onChange();
  }, pollMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

/** Another text for every other state of the file. */
function versionOf(file: string): string {
  try {
    const { ino, mtimeMs, ctimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${ctimeMs} ${size}`;
  } catch {
    return 'missing';
  }
}
