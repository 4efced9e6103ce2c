import { readFile } from 'node:fs/promises';

const PASSWD_BYTES_MAX = 4 * 1024 * 1024;
const NAMES_MAX = 3;

/** Who edited files, by their owners: `ann`, `ann, bob`, `user 1004` without a name; `file` where nobody is known. */
export async function ownersOf(uids: ReadonlySet<number>, passwd = '/etc/passwd'): Promise<string> {
  if (uids.size === 0) return 'file';
  const names = await readNames(passwd);
  const all = [...uids].map((uid) => names.get(uid) ?? `user ${uid}`).toSorted();
  const more = all.length > NAMES_MAX ? ` and ${all.length - NAMES_MAX} more` : '';
  return `${all.slice(0, NAMES_MAX).join(', ')}${more}`.slice(0, 128);
}

/** passwd(5): name:password:uid:… */
async function readNames(passwd: string): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>();
  try {
    const text = await readFile(passwd, 'utf8');
    for (const line of text.slice(0, PASSWD_BYTES_MAX).split('\n')) {
      const [name = '', , uid = ''] = line.split(':');
      if (/^[\w.-]{1,32}$/.test(name) && /^\d{1,10}$/.test(uid) && !names.has(Number(uid))) {
        names.set(Number(uid), name);
      }
    }
  } catch {
    // Other systems keep their users elsewhere: then numbers have to do.
  }
  return names;
}
