/**
 * The tokens that the admin API takes. The file holds digests, so reading it does not give a token away:
 *
 *     tokens:
 *       - { name: proxy-eu-1, role: report, sha256: <printf %s "$token" | sha256sum>, expires: 2030-01-31 }
 *
 * A digest without salt or stretching is right for long random tokens, not for passwords; say so where tokens are
 * made: at least 32 random bytes.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { readPrivateFile } from './private-file.js';
import { checkSchema, type Problem, parseYaml, sortProblems, type YamlDocument } from './yaml-document.js';

/** `read` sees everything, `operate` steers too, `zones` changes zones too, `report` may send reports only, `admin` may do all. */
export type Role = 'read' | 'operate' | 'zones' | 'report' | 'admin';

export interface Token {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, 32 bytes. */
  readonly digest: Uint8Array;
  /** The only node that the holder may report for; any where absent. */
  readonly node?: string;
  /** The only zones that the holder may change, in lower case and without the last dot; any where absent. */
  readonly zones?: readonly string[];
  /** Milliseconds since 1970, from when on the token is nobody's; absent: never. */
  readonly expiresMs?: number;
}

export type TokenFileResult =
  | { readonly tokens: readonly Token[] }
  | { readonly problems: readonly Problem[] };

export const TOKENS_MAX = 1000;
export const TOKEN_FILE_BYTES_MAX = 1024 * 1024;
/** A longer text is no token; it isn't even hashed. */
export const TOKEN_LENGTH_MAX = 512;

const strict = { additionalProperties: false } as const;

export const ROLES = ['read', 'operate', 'zones', 'report', 'admin'] as const satisfies readonly Role[];

export const TokenName = Type.String({
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
  title: 'a name of at most 63 letters, digits, "_", "-" and "."',
});

/** Zones that a token of the role `zones` is for. */
export const TokenZones = Type.Array(
  Type.String({
    pattern: '^[A-Za-z0-9_/-]{1,63}(\\.[A-Za-z0-9_/-]{1,63}){0,126}\\.?$',
    maxLength: 254,
    title: 'the name of a zone such as example.com',
  }),
  { minItems: 1, maxItems: 100 },
);

/** RFC 3339, with an offset or Z. */
export const TokenExpiry = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2}))?$',
  title: 'a date such as 2030-01-31, or a time such as 2030-01-31T12:00:00Z',
});

const TokenFile = Type.Object(
  {
    tokens: Type.Array(
      Type.Object(
        {
          name: TokenName,
          role: Type.Enum([...ROLES]),
          sha256: Type.String({
            pattern: '^[0-9a-fA-F]{64}$',
            title: 'the SHA-256 of the token: 64 hexadecimal digits',
          }),
          expires: Type.Optional(TokenExpiry),
          zones: Type.Optional(TokenZones),
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
  const problems = [...repeated(document, written), ...misplaced(document, written)];
  if (problems.length > 0) return { problems: sortProblems(problems) };
  return {
    tokens: written.tokens.map(({ name, role, sha256, expires, zones }) => ({
      name,
      role,
      digest: Buffer.from(sha256, 'hex'),
      // A proxy speaks for itself: its token bears its name.
      ...(role === 'report' && { node: name }),
      ...(zones && { zones: zones.map(plainZone) }),
      ...(expires !== undefined && { expiresMs: Date.parse(expires) }),
    })),
  };
}

/**
 * Whose token this is; null for nobody's, or one that ran out. Takes the same time for every wrong token: digests are
 * compared, each in constant time, and all of them. `nowMs`: since 1970.
 */
export function findToken(
  tokens: readonly Token[],
  presented: string,
  nowMs: number = Date.now(),
): Omit<Token, 'digest'> | null {
  const found = matchToken(tokens, presented);
  if (!found || nowMs >= (found.expiresMs ?? Number.POSITIVE_INFINITY)) return null;
  const { digest: _, ...holder } = found;
  return holder;
}

/** The entry whose digest a presented token has, in constant time as above. */
export function matchToken<T extends { readonly digest: Uint8Array }>(
  tokens: Iterable<T>,
  presented: string,
): T | null {
  if (presented.length === 0 || presented.length > TOKEN_LENGTH_MAX) return null;
  const digest = hashToken(presented);
  let found: T | null = null;
  for (const token of tokens) {
    if (token.digest.length === digest.length && timingSafeEqual(token.digest, digest)) found = token;
  }
  return found;
}

/** A zone's name as tokens compare it. */
export function plainZone(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
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

/** Keys that mean nothing for the token's role, and days that no calendar has. */
function misplaced(document: YamlDocument, { tokens }: Static<typeof TokenFile>): Problem[] {
  return tokens.flatMap(({ role, zones, expires }, index) => {
    const at = (key: string, message: string) => [document.problem(['tokens', index, key], message)];
    return [
      ...(zones && role !== 'zones' ? at('zones', 'is for the role zones only') : []),
      ...(expires !== undefined && Number.isNaN(Date.parse(expires))
        ? at('expires', 'is no day of the calendar')
        : []),
    ];
  });
}
