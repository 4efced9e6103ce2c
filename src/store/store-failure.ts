/** Why the journal can't be written, read or taken. What was in it before stays. */
export interface StoreFailure {
  readonly code: 'storage_full' | 'read_only' | 'storage_io' | 'locked' | 'too_large' | 'newer' | 'closed';
  /** For people: what is wrong, and with which file. */
  readonly detail: string;
}

export function isStoreFailure(value: object | undefined): value is StoreFailure {
  return value !== undefined && 'code' in value && 'detail' in value;
}

/** The failure that an exception of `node:fs` stands for. `what`: what was tried, such as `write state/journal/log`. */
export function storeFailure(error: unknown, what: string): StoreFailure {
  const errno = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return { code: codeOf(errno), detail: `cannot ${what}: ${errno}${HINTS[errno] ?? ''}` };
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: ' (no space is left on the disk)',
  EDQUOT: " (the user's disk quota is used up)",
  EFBIG: ' (the file would be larger than is allowed)',
  EROFS: ' (the file system is read-only)',
  EACCES: ' (this user may not)',
  EPERM: ' (this user may not)',
  EIO: ' (the disk fails)',
};

function codeOf(errno: string): StoreFailure['code'] {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return 'storage_full';
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return 'read_only';
    default:
      return 'storage_io';
  }
}
