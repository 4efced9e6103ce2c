/**
 * The tokens that the admin API takes. The file holds digests, so reading it does not give a token away:
 *
 *     tokens:
 *       - { name: proxy-eu-1, role: report, sha256: <printf %s "$token" | sha256sum> }
 *
 * A digest without salt or stretching is right for long random tokens, not for passwords; say so where tokens are
 * made: at least 32 random bytes.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { readPrivateFile } from './private-file.js';
import { checkSchema, type Problem, parseYaml, sortProblems, type YamlDocument } from './yaml-document.js';

/** `read` sees everything, `report` may send reports only, `admin` may change things. */
export type Role = 'read' | 'report' | 'admin';

export interface Token {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, 32 bytes. */
  readonly digest: Uint8Array;
  /** The only node that the holder may report for; any where absent. */
  readonly node?: string;
}

export type TokenFileResult =
  | { readonly tokens: readonly Token[] }
  | { readonly problems: readonly Problem[] };

export const TOKENS_MAX = 1000;
export const TOKEN_FILE_BYTES_MAX = 1024 * 1024;
/** A longer text is no token; it isn't even hashed. */
export const TOKEN_LENGTH_MAX = 512;

const strict = { additionalProperties: false } as const;

const TokenFile = Type.Object(
  {
    tokens: Type.Array(
      Type.Object(
        {
          name: Type.String({
            pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
            title: 'a name of at most 63 letters, digits, "_", "-" and "."',
          }),
          role: Type.Enum(['read', 'report', 'admin']),
          sha256: Type.String({
            pattern: '^[0-9a-fA-F]{64}$',
            title: 'the SHA-256 of the token: 64 hexadecimal digits',
          }),
        },
        strict,
      ),
      { maxItems: TOKENS_MAX },
    ),
  },
  { ...strict, title: 'a map with the key tokens' },
);

/**
 * Reads and checks a token file. One that every user of the machine can read or write is refused. Never throws: a
 * file that can't be read is a problem as well.
 */
export async function readTokenFile(file: string): Promise<TokenFileResult> {
  const read = await readPrivateFile(file, TOKEN_FILE_BYTES_MAX);
  return 'problems' in read ? read : parseTokenFile(file, read.text);
}

/** The tokens of a file's text, or all its mistakes. */
export function parseTokenFile(file: string, text: string): TokenFileResult {
  const document = parseYaml(file, text);
  if ('problems' in document) return document;
  const written = checkSchema(document, TokenFile);
  if (Array.isArray(written)) return { problems: written };
  const problems = repeated(document, written);
  if (problems.length > 0) return { problems: sortProblems(problems) };
  return {
    tokens: written.tokens.map(({ name, role, sha256 }) => ({
      name,
      role,
      digest: Buffer.from(sha256, 'hex'),
      // A proxy speaks for itself: its token bears its name.
      ...(role === 'report' && { node: name }),
    })),
  };
}

/**
 * Whose token this is; null for nobody's. Takes the same time for every wrong token: digests are compared, each in
 * constant time, and all of them.
 */
export function findToken(tokens: readonly Token[], presented: string): Omit<Token, 'digest'> | null {
  if (presented.length === 0 || presented.length > TOKEN_LENGTH_MAX) return null;
  const digest = hashToken(presented);
  let found: Token | null = null;
  for (const token of tokens) {
    if (token.digest.length === digest.length && timingSafeEqual(token.digest, digest)) found = token;
  }
  if (!found) return null;
  const { digest: _, ...holder } = found;
  return holder;
}

/** SHA-256 of a token's UTF-8 text. */
export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token, 'utf8').digest();
}

/** A name twice makes the log ambiguous; a token twice could have two roles. */
function repeated(document: YamlDocument, { tokens }: Static<typeof TokenFile>): Problem[] {
  const seen = new Set<string>();
  return tokens.flatMap((token, index) =>
    (['name', 'sha256'] as const).flatMap((key) => {
      const value = `${key} ${token[key].toLowerCase()}`;
      if (!seen.has(value)) {
        seen.add(value);
        return [];
      }
      return [document.problem(['tokens', index, key], 'is the same as in an earlier token')];
    }),
  );
}
