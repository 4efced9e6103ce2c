/** Turns an error of a socket, of TLS or of HTTP/2 into the few words that a status page has room for. */

const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ECONNABORTED: 'connection aborted',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no local address for this network',
  EAFNOSUPPORT: 'address family not supported here',
  EACCES: 'not permitted by this host',
  EPERM: 'not permitted by this host',
  EMFILE: 'out of file descriptors on this host',
  ENFILE: 'out of file descriptors on this host',
  ETIMEDOUT: 'connect timed out',
  ENOTFOUND: 'name not found',
  EAI_AGAIN: 'name lookup failed',
  CERT_HAS_EXPIRED: 'certificate expired',
  CERT_NOT_YET_VALID: 'certificate not yet valid',
  CERT_REVOKED: 'certificate revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate chain ends in an unknown root',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate issuer unknown',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate issuer unknown',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate issuer unknown',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate is for another name',
  EPROTO: 'TLS handshake failed',
  ERR_HTTP2_ERROR: 'not valid HTTP/2',
  ERR_HTTP2_STREAM_ERROR: 'stream reset by the peer',
};

const BY_PREFIX: readonly (readonly [prefix: string, detail: string])[] = [
  ['ERR_HTTP2_', 'HTTP/2 failed'],
  ['ERR_SSL_', 'TLS handshake failed'],
  ['ERR_TLS_', 'TLS handshake failed'],
];

/** What this host lacks, or does not let the probe do: nothing that says anything about the target. */
const LOCAL: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAGAIN',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EPERM',
]);

/** A failure of this host, with a text for people. */
export class LocalFailure extends Error {}

/** Whether a probe could not be made, rather than failed: then its target may be as well as ever. */
export function isLocal(error: unknown): boolean {
  return error instanceof LocalFailure || LOCAL.has(codeOf(error) ?? '');
}

/** At most 120 characters, without control characters: parts of it can come from the peer. */
export function describeFailure(error: unknown): string {
  const code = codeOf(error);
  const known = code === undefined ? undefined : (BY_CODE[code] ?? byPrefix(code));
  if (known !== undefined) return known;
  const text = error instanceof Error ? error.message : String(error);
  const clean = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return (code && !clean.includes(code) ? `${code}: ${clean}` : clean).slice(0, 120) || 'probe failed';
}

/** A name with several addresses fails with an AggregateError; its first error says the most. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}

function byPrefix(code: string): string | undefined {
  return BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1];
}
