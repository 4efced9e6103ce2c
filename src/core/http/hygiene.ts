/**
 * What a message must be like to be let through, and the facts that routing and rewriting need of it.
 * Sources: RFC 9112 §3, §6, §9 and §11.2 (request smuggling), RFC 9110 §7.2.
 */

import { eachListElement, latin1 } from './ascii.js';
import { isAuthority } from './authority.js';
import { type ConnectionOptions, connectionOptions } from './connection.js';
import { FIELD } from './field.js';
import { type Framing, requestFraming, responseFraming } from './framing.js';
import type { Head } from './head.js';
import { type Refusal, refuse } from './refusal.js';
import { parseTarget, type Target } from './target.js';

export interface RequestFacts {
  readonly ok: true;
  readonly method: string;
  readonly target: Target;
  /** The authority that the client asked for; null only for HTTP/1.0 without Host. */
  readonly host: string | null;
  readonly framing: Framing;
  readonly http10: boolean;
  /** The client wants the connection to stay open after this exchange. */
  readonly keepAlive: boolean;
  readonly connection: ConnectionOptions;
  /** The protocols of a valid Upgrade, to be forwarded; null if there is none. */
  readonly upgrade: string | null;
  /** The client sent `TE: trailers`. */
  readonly trailers: boolean;
}

export interface ResponseFacts {
  readonly ok: true;
  readonly status: number;
  readonly framing: Framing;
  readonly keepAlive: boolean;
  readonly connection: ConnectionOptions;
  /** The protocol switched to; only for 101. */
  readonly upgrade: string | null;
}

/** Judges a complete request head. A refused request is answered and its connection closed. */
export function judgeRequest(head: Head): RequestFacts | Refusal {
  const method = head.method;
  if (method === 'CONNECT' || method === 'TRACE') return refuse('method');
  const framing = requestFraming(head);
  if (!framing.ok) return framing;
  const target = parseTarget(head.target, method);
  if (target === null) return refuse('target');
  const host = judgeHost(head);
  if (host !== null && typeof host !== 'string') return host;
  const connection = connectionOptions(head);
  if (connection === null) return refuse('connection_invalid');
  const http10 = head.minor === 0;
  return {
    ok: true,
    method,
    target,
    host: target.authority ?? host,
    framing,
    http10,
    keepAlive: !connection.close && (!http10 || connection.keepAlive),
    connection,
    upgrade: requestedUpgrade(head, connection, framing),
    trailers: sentTeTrailers(head),
  };
}

/** Judges a response head in the light of its request. A refused response is a 502 to the client. */
export function judgeResponse(head: Head, request: RequestFacts): ResponseFacts | Refusal {
  const { status } = head;
  const framing = responseFraming(head, request.method === 'HEAD');
  if (!framing.ok) return framing;
  const connection = connectionOptions(head);
  if (connection === null) return refuse('connection_invalid');
  const line = head.find(FIELD.upgrade);
  if (status === 101 && (request.upgrade === null || line < 0)) return refuse('upgrade_unasked');
  return {
    ok: true,
    status,
    framing,
    // HTTP/1.0 backends may keep a connection open, but too few do it right to rely on it.
    keepAlive: !connection.close && head.minor === 1 && framing.kind !== 'close',
    connection,
    upgrade: status === 101 ? head.value(line) : null,
  };
}

function judgeHost(head: Head): string | null | Refusal {
  const line = head.find(FIELD.host);
  if (line < 0) return head.minor === 0 ? null : refuse('host_missing');
  if (head.find(FIELD.host, line + 1) >= 0) return refuse('host_many');
  const host = head.value(line);
  return isAuthority(host) ? host : refuse('host_invalid');
}

/**
 * An Upgrade is forwarded only where a tunnel can follow: HTTP/1.1, no body, and not h2c, which would carry
 * requests past every rule of this proxy. Otherwise it is dropped, which RFC 9110 §7.8 allows.
 */
function requestedUpgrade(head: Head, connection: ConnectionOptions, framing: Framing): string | null {
  const line = head.find(FIELD.upgrade);
  if (line < 0 || !connection.upgrade || head.minor === 0) return null;
  if (framing.kind === 'chunked' || framing.length > 0 || head.find(FIELD.upgrade, line + 1) >= 0)
    return null;
  const value = head.value(line);
  return value === '' || /(?:^|[\s,])h2c?(?:$|[\s,/])/i.test(value) ? null : value;
}

function sentTeTrailers(head: Head): boolean {
  let found = false;
  for (let line = head.find(FIELD.te); line >= 0; line = head.find(FIELD.te, line + 1)) {
    eachListElement(
      head.bytes,
      head.base + head.valueStart[line]!,
      head.base + head.valueEnd[line]!,
      (start, end) => {
        if (latin1(head.bytes, start, end).toLowerCase() === 'trailers') found = true;
      },
    );
  }
  return found;
}
