import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem.js';

/** What a resource must be for a write: one of these strong ETags, there at all (`*`), or not there (null). */
export type Precondition = readonly string[] | '*' | null;

const ETAGS_MAX = 32;
const ETAG = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

/**
 * Reads If-Match and If-None-Match (RFC 9110 §13.1). Answers 428 (RFC 6585 §3) where neither is there, 400 where they can't be
 * understood, and gives undefined then. A weak ETag never matches (§13.1.1). `If-None-Match: *` is for what is new: `created`.
 */
export function readPrecondition(
  request: FastifyRequest,
  reply: FastifyReply,
  { created = false }: { readonly created?: boolean } = {},
): { readonly ifMatch: Precondition } | undefined {
  const { 'if-match': match, 'if-none-match': none } = request.headers;
  if (match === undefined && none === undefined) {
    const fresh = created ? ', or If-None-Match: * for a new one' : '';
    const detail = `send If-Match with the ETag of the zone, or If-Match: * to change it whatever it is${fresh}`;
    sendProblem(reply, 428, 'precondition_required', detail);
    return undefined;
  }
  if (none !== undefined) {
    if (created && match === undefined && none.trim() === '*') return { ifMatch: null };
    const detail = created
      ? 'If-None-Match must be *, without If-Match beside it'
      : 'If-None-Match is only for new zones: send If-Match';
    sendProblem(reply, 400, 'invalid_request', detail);
    return undefined;
  }
  const ifMatch = parseEtags(match!);
  if (ifMatch === undefined) {
    sendProblem(
      reply,
      400,
      'invalid_request',
      'If-Match must be *, or ETags in quotes: If-Match: "0123456789abcdef"',
    );
    return undefined;
  }
  return { ifMatch };
}

/** Whether a reader has it already: If-None-Match by weak comparison (RFC 9110 §13.1.2). */
export function isKnown(request: FastifyRequest, etag: string): boolean {
  const none = request.headers['if-none-match'];
  if (none === undefined) return false;
  const etags = parseEtags(none);
  return etags === '*' || (etags?.some((known) => known.replace(/^W\//, '') === etag) ?? false);
}

/** `*` or the ETags of a header; undefined where it is neither. */
export function parseEtags(header: string): readonly string[] | '*' | undefined {
  if (header.trim() === '*') return '*';
  // A comma may be in an ETag, but no quotation mark.
  const etags = header.match(/(?:W\/)?"[^"]*"|[^",\s]+/g) ?? [];
  const separators = header.replaceAll(/(?:W\/)?"[^"]*"/g, '').replaceAll(/[,\s]/g, '');
  if (etags.length === 0 || etags.length > ETAGS_MAX || separators !== '') return undefined;
  return etags.every((etag) => ETAG.test(etag)) ? etags : undefined;
}
