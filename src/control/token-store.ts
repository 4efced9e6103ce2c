/** What the token book keeps in the state folder: tokens made through the API, and what was revoked. Digests, no tokens. */
import { access } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { readPrivateFile, writePrivateFile } from '../sources/private-file.js';
import { ROLES, TokenExpiry, TokenName, TokenZones } from '../sources/token-file.js';
import { checkSchema, formatProblem, parseYaml } from '../sources/yaml-document.js';

const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Tokens made through the API; and revoked ones of files. */
export const STORED_TOKENS_MAX = 1000;

const strict = { additionalProperties: false } as const;
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$', title: '64 hexadecimal digits' });
const Time = Type.String({ maxLength: 40 });

const StoredToken = Type.Object(
  {
    name: TokenName,
    role: Type.Enum([...ROLES]),
    sha256: Digest,
    created: Time,
    by: Type.String({ maxLength: 63 }),
    node: Type.Optional(TokenName),
    zones: Type.Optional(TokenZones),
    expires: Type.Optional(TokenExpiry),
  },
  strict,
);

const StoreFile = Type.Object(
  {
    format: Type.Literal(1),
    tokens: Type.Array(StoredToken, { maxItems: STORED_TOKENS_MAX }),
    revoked: Type.Array(
      Type.Object({ sha256: Digest, name: TokenName, at: Time, by: Type.String() }, strict),
      {
        maxItems: STORED_TOKENS_MAX,
      },
    ),
    used: Type.Record(Type.String({ pattern: '^[0-9a-f]{64}$' }), Time),
  },
  strict,
);

export type StoredToken = Static<typeof StoredToken>;
export type StoredTokens = Static<typeof StoreFile>;

export const NO_TOKENS: StoredTokens = { format: 1, tokens: [], revoked: [], used: {} };

/** Where stored tokens are read from and written to. */
export interface TokenStore {
  /** Rejects where they could not be written; what was there stays. */
  save(stored: StoredTokens): Promise<void>;
}

/**
 * Reads the file of stored tokens; nothing where there is none yet. A broken one is a problem: without it revoked tokens
 * would be good again.
 */
export async function readTokenStore(
  file: string,
): Promise<{ readonly stored: StoredTokens } | { readonly problem: string }> {
  const isMissing = await access(file).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
  if (isMissing) return { stored: NO_TOKENS };
  const read = await readPrivateFile(file, FILE_BYTES_MAX);
  if ('problems' in read) return { problem: read.problems.map(formatProblem).join('\n') };
  const document = parseYaml(file, read.text);
  const written = 'problems' in document ? document.problems : checkSchema(document, StoreFile);
  return Array.isArray(written)
    ? { problem: written.map(formatProblem).join('\n') }
    : { stored: written as StoredTokens };
}

/** Keeps stored tokens in a file that only its owner may read. */
export function tokenStoreAt(file: string): TokenStore {
  return { save: (stored) => writePrivateFile(file, `${JSON.stringify(stored, null, 1)}\n`) };
}
