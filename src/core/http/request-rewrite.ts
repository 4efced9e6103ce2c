/** What a route changes in the head of a request on its way to an endpoint. */

import { type FieldEdits, fieldEdits } from './field-edits.js';
import { type PathEditor, pathEditor } from './path-edit.js';
import type { RequestRewrite } from './route-action.js';
import type { PatternCompiler } from './route-match.js';
import type { Target } from './target.js';

export interface RequestRewriter {
  /** Null leaves the path as it is. */
  readonly path: PathEditor | null;
  /** Null leaves the Host as it is. */
  readonly host: string | null;
  readonly fields: FieldEdits | null;
}

/** Null if the route changes nothing: then a request costs what it costs without rewriting. */
export function requestRewriter(rewrite: RequestRewrite, compile: PatternCompiler): RequestRewriter | null {
  const path = rewrite.path === undefined ? null : pathEditor(rewrite.path, compile);
  const host = rewrite.host ?? null;
  const fields = rewrite.fields === undefined ? null : fieldEdits(rewrite.fields);
  return path === null && host === null && fields === null ? null : { path, host, fields };
}

/** What one request's head becomes; `writeRequestHead` takes it. */
export interface RequestEdits {
  /** Path and query for the next hop, or `*`. */
  readonly forwarded: string;
  readonly host: string | null;
  readonly fields: FieldEdits | null;
}

/**
 * The edits for a request to `target`; the query passes as it is. Null if they would make no valid path of this
 * one: the request is answered with a 400.
 */
export function requestEdits({ path, host, fields }: RequestRewriter, target: Target): RequestEdits | null {
  if (path === null || target.form === 'asterisk') return { forwarded: target.forwarded, host, fields };
  const edited = path(target.path);
  return edited === null ? null : { forwarded: edited + queryOf(target.forwarded), host, fields };
}

/** `?a=b` of a target, or ''. */
export function queryOf(forwarded: string): string {
  const question = forwarded.indexOf('?');
  return question < 0 ? '' : forwarded.slice(question);
}
