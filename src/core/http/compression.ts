/**
 * Which responses are compressed on their way, and how their heads change: Content-Encoding, Vary, a weak ETag (RFC 9110
 * §8.4, §8.8.3, §12.5.5), and no field that describes the bytes before.
 */

import type { ContentCoding } from './accept-encoding.js';
import { FIELD } from './field.js';
import type { FieldEdits } from './field-edits.js';
import type { Head } from './head.js';
import type { ResponseFacts } from './hygiene.js';

export interface CompressionModel {
  /** In our order of preference; at least one. */
  readonly codings: readonly ContentCoding[];
  /** `text/html`, `text/*` or `application/*+json`, lower case. */
  readonly types: readonly string[];
  /** Bodies that are known to be shorter stay as they are. */
  readonly minBytes: number;
  readonly effort: CompressionEffort;
}

export type CompressionEffort = 'low' | 'medium' | 'high';

export const DEFAULT_COMPRESSION: CompressionModel = {
  codings: ['zstd', 'br', 'gzip'],
  types: [
    'text/html',
    'text/css',
    'text/plain',
    'text/xml',
    'text/csv',
    'text/javascript',
    'application/javascript',
    'application/json',
    'application/*+json',
    'application/xml',
    'application/*+xml',
    'application/wasm',
    'image/svg+xml',
  ],
  minBytes: 1024,
  effort: 'medium',
};

/**
 * - `coded`: it has a content coding already
 * - `no_transform`: Cache-Control forbids it (RFC 9111 §5.2.2.6)
 * - `partial`: a range of something; or a status that has no content
 * - `type`, `size`: the configuration says no
 */
export type CompressionRefusal = 'coded' | 'no_transform' | 'partial' | 'type' | 'size';

/** Null if the response may be compressed; else why not. Final responses only. */
export function compressionRefusal(
  head: Head,
  { status, framing }: ResponseFacts,
  { types, minBytes }: Pick<CompressionModel, 'types' | 'minBytes'>,
): CompressionRefusal | null {
  if (BODYLESS_OR_PARTIAL.has(status)) return 'partial';
  const length = framing.kind === 'length' ? framing.length : statedLength(head);
  if (length !== null && length < minBytes) return 'size';
  const type = head.field('content-type', ', ');
  if (type === null || !isListed(mediaType(type), types)) return 'type';
  const coding = head.field('content-encoding', ', ');
  if (coding !== null && coding.toLowerCase() !== 'identity') return 'coded';
  if (head.field('content-range', ', ') !== null) return 'partial';
  const cacheControl = head.field('cache-control', ', ');
  if (cacheControl !== null && NO_TRANSFORM.test(cacheControl)) return 'no_transform';
  return null;
}

/**
 * Changes of the head beside `base`, those of the route. `coding`: null if the body stays as it is, which Vary has to say
 * all the same. `chunked`: the body gets chunks that it does not have yet.
 */
export function compressionEdits(
  head: Head,
  base: FieldEdits | null,
  coding: ContentCoding | null,
  chunked: boolean,
): FieldEdits | null {
  const vary = variesByEncoding(head, base) ? '' : 'Vary: Accept-Encoding\r\n';
  if (coding === null)
    return vary === '' ? base : { lines: `${base?.lines ?? ''}${vary}`, drops: dropsOf(base) };
  const etag = base !== null && setsField(base, 'etag') ? null : head.field('etag', ', ');
  const lines =
    `${base?.lines ?? ''}Content-Encoding: ${coding}\r\n${vary}` +
    (etag === null ? '' : weakTag(etag)) +
    (chunked ? 'Transfer-Encoding: chunked\r\n' : '');
  return { lines, drops: (at, i) => isReplaced(at, i) || base?.drops(at, i) === true };
}

/** Fields that describe the bytes as they were: of these, ETag comes back as a weak one. */
const REPLACED = [
  'content-encoding',
  'etag',
  'accept-ranges',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
] as const;

const BODYLESS_OR_PARTIAL: ReadonlySet<number> = new Set([204, 205, 206, 226, 304]);
const NO_TRANSFORM = /(?:^|,)[ \t]*no-transform[ \t]*(?:,|$)/i;
const NONE: FieldEdits['drops'] = () => false;

function dropsOf(base: FieldEdits | null): FieldEdits['drops'] {
  return base === null ? NONE : (head, i) => base.drops(head, i);
}

function isReplaced(head: Head, i: number): boolean {
  if (head.ids[i] === FIELD.contentLength) return true;
  return REPLACED.some((name) => head.nameIs(i, name));
}

/** What is no entity tag is left out: nobody could compare it. */
function weakTag(tag: string): string {
  if (/^W\/"[^"]*"$/.test(tag)) return `ETag: ${tag}\r\n`;
  return /^"[^"]*"$/.test(tag) ? `ETag: W/${tag}\r\n` : '';
}

function variesByEncoding(head: Head, base: FieldEdits | null): boolean {
  if (base !== null && /^vary:[^\r\n]*(?:\*|accept-encoding)/im.test(base.lines)) return true;
  for (let i = 0; i < head.count; i++) {
    if (!head.nameIs(i, 'vary') || base?.drops(head, i) === true) continue;
    const names = head.value(i).toLowerCase().split(',');
    if (names.some((name) => name.trim() === '*' || name.trim() === 'accept-encoding')) return true;
  }
  return false;
}

function setsField(edits: FieldEdits, lower: string): boolean {
  return (
    edits.lines.toLowerCase().startsWith(`${lower}:`) || edits.lines.toLowerCase().includes(`\n${lower}:`)
  );
}

/** Of a response to HEAD, which has no framing. */
function statedLength(head: Head): number | null {
  const line = head.find(FIELD.contentLength);
  if (line < 0) return null;
  const length = Number(head.value(line));
  return Number.isSafeInteger(length) ? length : null;
}

/** Without parameters, lower case. */
function mediaType(value: string): string {
  const end = value.indexOf(';');
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}

function isListed(type: string, types: readonly string[]): boolean {
  return types.some((listed) => {
    const star = listed.indexOf('*');
    if (star < 0) return listed === type;
    const [before, after] = [listed.slice(0, star), listed.slice(star + 1)];
    return type.length > before.length + after.length && type.startsWith(before) && type.endsWith(after);
  });
}
