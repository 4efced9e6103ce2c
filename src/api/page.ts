/**
 * Lists, all in one way: `limit` says how many, `cursor` where to go on. The answer has `total` (that fit the filters), and
 * `next` and a `Link` header (RFC 8288) where there is more.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1000;
const CURSOR_LENGTH_MAX = 1024;

/** For the query of a list. */
export const PAGE_QUERY = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LIMIT_MAX,
      description: `How many at most; ${LIMIT_DEFAULT} where absent.`,
      examples: [50],
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: CURSOR_LENGTH_MAX,
      pattern: '^[A-Za-z0-9_-]+$',
      title: 'the `next` of the page before',
      description: '`next` of the page before.',
    }),
  ),
};

/** For the answer of a list. */
export const PAGE_ANSWER = {
  total: Type.Integer({ description: 'How many fit the question.' }),
  next: Type.Optional(Type.String({ description: 'Cursor of the next page; absent on the last one.' })),
};

export interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly next?: string;
}

/**
 * A page of a list; null for a cursor that is none. The cursor is where the page ended, and what stood there: so
 * a page goes on behind that, though others came or went in between.
 */
export function pageOf<T>(
  all: readonly T[],
  keyOf: (item: T) => string,
  { limit = LIMIT_DEFAULT, cursor }: PageQuery,
): Page<T> | null {
  const start = cursor === undefined ? 0 : startOf(all, keyOf, cursor);
  if (start === undefined) return null;
  const items = all.slice(start, start + limit);
  const end = start + items.length;
  const last = items.at(-1);
  return {
    items,
    total: all.length,
    ...(last !== undefined && end < all.length && { next: encodeCursor([end, keyOf(last)]) }),
  };
}

/** A cursor as text for URLs. */
export function encodeCursor(place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** What a cursor says; undefined for any other text. */
export function decodeCursor(cursor: string): readonly unknown[] | undefined {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(place) ? place : undefined;
  } catch {
    return undefined;
  }
}

/** Says where the next page is: `Link: </v1/zones?cursor=…>; rel="next"`. */
export function linkNext({ url }: FastifyRequest, reply: FastifyReply, next: string | undefined): void {
  if (next === undefined) return;
  const target = new URL(url, 'http://localhost');
  target.searchParams.set('cursor', next);
  void reply.header('link', `<${target.pathname}${target.search}>; rel="next"`);
}

function startOf<T>(all: readonly T[], keyOf: (item: T) => string, cursor: string): number | undefined {
  const [end, key, ...rest] = decodeCursor(cursor) ?? [];
  if (!Number.isSafeInteger(end) || (end as number) < 1 || typeof key !== 'string' || rest.length > 0) {
    return undefined;
  }
  const before = all[(end as number) - 1];
  if (before !== undefined && keyOf(before) === key) return end as number;
  const found = all.findIndex((item) => keyOf(item) === key);
  return found < 0 ? (end as number) : found + 1;
}
