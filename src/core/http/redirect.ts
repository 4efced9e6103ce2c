/**
 * Where a redirect leads (RFC 9110 §15.4, §10.2.2). The Location is absolute whenever the host is known: a path
 * alone could be read as the name of a host by some clients.
 */

import { type FixedReply, responseBytes } from './fixed-reply.js';
import { type PathEditor, pathEditor } from './path-edit.js';
import { queryOf } from './request-rewrite.js';
import type { Redirect } from './route-action.js';
import type { PatternCompiler } from './route-match.js';
import type { Target } from './target.js';

export interface RedirectFacts {
  readonly host: string | null;
  readonly target: Target;
}

/** A redirect made ready for requests. */
export class Redirector {
  readonly #redirect: Redirect;
  readonly #path: PathEditor | null;

  constructor(redirect: Redirect, compile: PatternCompiler) {
    this.#redirect = redirect;
    this.#path = redirect.path === undefined ? null : pathEditor(redirect.path, compile);
  }

  /**
   * The reply to one request that came by `scheme`. Null if there is none: the edit makes no valid path, or a
   * client of HTTP/1.0 did not say which host it wants. That is a 400.
   */
  reply(facts: RedirectFacts, scheme: 'http' | 'https'): FixedReply | null {
    const location = this.location(facts, scheme);
    if (location === null) return null;
    const { status, fields } = this.#redirect;
    return {
      status,
      bytes: (form) =>
        responseBytes(
          {
            status,
            fields: [{ name: 'Location', value: location }, ...fields],
            type: 'text/plain; charset=utf-8',
            body: `${status} ${location}\n`,
          },
          form,
        ),
    };
  }

  location({ host, target }: RedirectFacts, scheme: 'http' | 'https'): string | null {
    const redirect = this.#redirect;
    const authority = newAuthority(redirect, host, scheme);
    if (authority === null) return null;
    const path = this.#path === null ? target.path : this.#path(target.path);
    if (path === null) return null;
    const query = redirect.keepQuery ? queryOf(target.forwarded) : '';
    return `${redirect.scheme ?? scheme}://${authority}${path}${query}`;
  }
}

/** The client's port stays only with its scheme and host: another of these has a port of its own. */
function newAuthority(redirect: Redirect, asked: string | null, scheme: 'http' | 'https'): string | null {
  const parts = asked === null ? null : /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(asked);
  const host = redirect.host ?? parts?.[1];
  if (host === undefined) return null;
  const same = redirect.host === undefined && (redirect.scheme ?? scheme) === scheme;
  const port = redirect.port ?? (same && parts?.[2] !== undefined ? Number(parts[2]) : undefined);
  const usual = (redirect.scheme ?? scheme) === 'https' ? 443 : 80;
  return port === undefined || port === usual ? host : `${host}:${port}`;
}
