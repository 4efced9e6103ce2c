import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OWN_TOKENS } from './own-tokens.js';
import { writePrivateFile } from './private-file.js';
import { hashToken, type Role, type Token } from './token-file.js';

const TOKEN_BYTES = 32;

/**
 * The admin and report tokens in a state folder: made at the first start, readable by their owner alone, and
 * the same ever after. So the API is never open, and on the same machine the CLI finds its token by itself.
 */
export async function ownTokens(state: string): Promise<readonly Token[]> {
  await mkdir(state, { recursive: true });
  const tokens: Token[] = [];
  for (const [role, file] of Object.entries(OWN_TOKENS) as [Role, string][]) {
    const secret = await readOrMake(join(state, file));
    tokens.push({ name: role, role, digest: hashToken(secret) });
  }
  return tokens;
}

async function readOrMake(path: string): Promise<string> {
  try {
    const known = (await readFile(path, 'utf8')).trim();
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o007) !== 0) {
      throw new Error(
        `${path} can be read by every user of this machine: chmod 600 it, or delete it for a new one`,
      );
    }
    if (known.length >= TOKEN_BYTES) return known;
    if (known !== '') throw new Error(`${path} holds no token of this program: delete it for a new one`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secret = randomBytes(TOKEN_BYTES).toString('base64url');
  await writePrivateFile(path, `${secret}\n`);
  return secret;
}
