import { COOKIE_KEYS_MAX } from '../core/answer/identity.js';
import { readPrivateFile } from './private-file.js';
import { watchFiles } from './watch-files.js';
import type { Problem } from './yaml-document.js';

export type CookieSecretsResult =
  | { readonly secrets: readonly Uint8Array[] }
  | { readonly problems: readonly Problem[] };

const FILE_BYTES_MAX = 4096;
const SECRET = /^[0-9a-fA-F]{32}$/;
const WATCH_INTERVAL_MS = 2000;

/**
 * Reads the file of cookie secrets: 1 to 3 lines of 32 hexadecimal digits, 16 bytes each. The first makes cookies, all
 * are accepted (RFC 9018 §5). Empty lines, and what follows `#`, are left out. Never throws.
 */
export async function readCookieSecrets(file: string): Promise<CookieSecretsResult> {
  const read = await readPrivateFile(file, FILE_BYTES_MAX);
  return 'problems' in read ? read : parseCookieSecrets(file, read.text);
}

export function parseCookieSecrets(file: string, text: string): CookieSecretsResult {
  const problems: Problem[] = [];
  const secrets: Uint8Array[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const written = line.replace(/#.*/, '').trim();
    if (written === '') continue;
    const at = { file, line: index + 1, column: 1, path: '' };
    // The text itself is a secret and stays out of the message.
    if (!SECRET.test(written)) problems.push({ ...at, message: 'must be 32 hexadecimal digits' });
    else if (secrets.length === COOKIE_KEYS_MAX)
      problems.push({ ...at, message: `is one secret too many: at most ${COOKIE_KEYS_MAX}` });
    else secrets.push(Buffer.from(written, 'hex'));
  }
  if (secrets.length === 0 && problems.length === 0) {
    problems.push({
      file,
      line: 1,
      column: 1,
      path: '',
      message: 'holds no secret: write 32 hexadecimal digits',
    });
  }
  return problems.length > 0 ? { problems } : { secrets };
}

/** Calls `onChange` with what the file holds after each change of it. */
export function watchCookieSecrets(
  file: string,
  onChange: (result: CookieSecretsResult) => void,
): { close(): void } {
  return watchFiles([file], () => void readCookieSecrets(file).then(onChange), WATCH_INTERVAL_MS);
}
