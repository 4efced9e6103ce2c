import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { ServerTlsOptions } from './network.js';

/** What both tiers agree on in TLS. */

/** Forward secrecy and authenticated encryption only; for TLS 1.2, in OpenSSL's notation. */
export const CIPHERS_TLS12: string = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
export const CIPHERS_TLS13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
/** The first list that the library knows; large curves are left out, because a handshake with them costs tenfold. */
export const GROUPS: readonly string[] = ['X25519MLKEM768:X25519:P-256:P-384', 'X25519:P-256:P-384'];

/** An accepted connection whose handshake is not done by then is closed. */
export const HANDSHAKE_MS_MAX = 10_000;

export const TICKET_KEY_BYTES = 48;
export const TICKET_KEYS_MAX = 8;
const ALPN_NAME_MAX = 255;
const ALPN_LIST_MAX = 16;

/** Files with the authorities that the system believes, of the usual Linux distributions. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/** PEM of the authorities that the system believes; those that come with node if the system has none. */
export function systemAuthorities(files: readonly string[] = SYSTEM_FILES): string {
  for (const file of files) {
    try {
      if (existsSync(file)) return readFileSync(file, 'utf8');
    } catch {
      // Unreadable is like absent: the next one may do.
    }
  }
  return rootCertificates.join('\n');
}

/**
 * Binds sessions to what clients had to show: a ticket of a listener that asks for no certificate must not open
 * one that does, although both have the same ticket keys. 32 bytes.
 */
export function sessionContext({ clientCa }: Pick<ServerTlsOptions, 'clientCa'>): Buffer {
  const text = clientCa === null ? 'none' : `${clientCa.required ? 'required' : 'optional'}\n${clientCa.ca}`;
  return createHash('sha256').update(text).digest();
}

/** What is wrong with the parts of the options that no library checks; undefined if nothing. */
export function optionsProblem(options: Partial<ServerTlsOptions>): string | undefined {
  const { alpn = [], ticketKeys = [], certificates } = options;
  if (certificates?.length === 0) return 'at least one certificate is needed';
  if (alpn.length > ALPN_LIST_MAX) return `alpn: at most ${ALPN_LIST_MAX} protocols are allowed`;
  if (alpn.some((name) => name.length === 0 || Buffer.byteLength(name) > ALPN_NAME_MAX)) {
    return `alpn: a protocol has 1 to ${ALPN_NAME_MAX} bytes`;
  }
  if (ticketKeys.length > TICKET_KEYS_MAX) return `at most ${TICKET_KEYS_MAX} ticket keys are allowed`;
  if (ticketKeys.some((key) => key.length !== TICKET_KEY_BYTES)) {
    return `a ticket key has ${TICKET_KEY_BYTES} bytes`;
  }
  return undefined;
}

/** RFC 7301 section 3.1: each name after its length. */
export function alpnWire(names: readonly string[]): Buffer {
  return Buffer.concat(names.flatMap((name) => [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name)]));
}
