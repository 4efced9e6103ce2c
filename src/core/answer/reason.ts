import { EDE } from '../dns/iana.js';

/** Why an answer is what it is, for the extended error option. An index into `REASONS`; 0 is "nothing to say". */
export const REASON = {
  NONE: 0,
  /** A question that this server never answers: a transfer, or an identity that is hidden. */
  PROHIBITED: 1,
  /** No zone of this server holds the name. */
  NOT_AUTHORITATIVE: 2,
  /** There is no zone yet, or an ALIAS was not resolved yet. */
  NOT_READY: 3,
  /** Every pool is down and the record fails open. */
  FAILING_OPEN: 4,
  /** Every pool is down and the record fails closed. */
  ALL_DOWN: 5,
  /** No observer has a fresh view of what was chosen: the last verdict holds. */
  STALE_HEALTH: 6,
} as const;

/** The data of the option: info code, then text in UTF-8 (RFC 8914 §2). */
export const REASONS: readonly Uint8Array[] = [
  new Uint8Array(0),
  extendedError(EDE.PROHIBITED, ''),
  extendedError(EDE.NOT_AUTHORITATIVE, ''),
  extendedError(EDE.NOT_READY, ''),
  extendedError(EDE.OTHER, 'all endpoints are down: failing open'),
  extendedError(EDE.OTHER, 'all endpoints are down'),
  extendedError(EDE.STALE_ANSWER, 'health is not known: last state'),
];

/** ASCII only, since `core` has no encoder for more. */
function extendedError(code: number, text: string): Uint8Array {
  return Uint8Array.from([code >> 8, code & 0xff, ...[...text].map((letter) => letter.charCodeAt(0))]);
}
