import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import type { ProbeNetworks } from '../core/probe/limits.js';
import { type Dial, dialOptions } from './dial.js';

/** Certificates to trust instead of those that Node.js brings; tests and private authorities. */
export interface Trust {
  readonly ca?: string | Buffer;
}

export interface TlsSettings {
  /** What the certificate must be for, perhaps with a port as in a Host header; the target's own name when absent. */
  readonly name: string | undefined;
  readonly verify: boolean;
  /** Offered by ALPN (RFC 7301). */
  readonly protocols?: readonly string[];
}

/** Opens a connection with TLS. Throws where the target must not be probed. */
export function dialTls(
  dial: Dial,
  { name, verify, protocols }: TlsSettings,
  networks: ProbeNetworks,
  trust: Trust,
): TLSSocket {
  return connect({
    ...dialOptions(dial, networks),
    ...identity(name),
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    ...(protocols && { ALPNProtocols: [...protocols] }),
    rejectUnauthorized: verify,
  });
}

/** A TLS server name has no port and is never an address (RFC 6066 §3); a certificate may be for one. */
function identity(name: string | undefined): ConnectionOptions {
  if (name === undefined) return {};
  const bare = name.replace(/^\[(.*)\](?::\d+)?$/, '$1');
  const host = isIP(bare) ? bare : bare.replace(/:\d+$/, '');
  if (host === '') return {};
  if (!isIP(host)) return { servername: host };
  return { checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate) };
}
