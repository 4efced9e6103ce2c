import {
  ANY_HEADER_MAX,
  describeConnection,
  type ProxyVersion,
  writeAnyHeader,
} from '../../core/proxy-protocol/header.js';
import { createProxyHeader } from '../../core/proxy-protocol/v2.js';
import type { ProxyTlv } from '../../core/proxy-protocol/write-v2.js';
import type { Connection } from '../../io/network.js';
import type { ClientFacts } from '../proxy-header.js';

/** What an endpoint hears before anything else. */
export interface Opening {
  /** The version of the PROXY header; null for none. */
  readonly version: ProxyVersion | null;
  readonly tlvs: readonly ProxyTlv[];
  /** As a PROXY header said; null: the ends of the client's connection. */
  readonly client: ClientFacts | null;
  /** What was read of the client already. */
  readonly first: Uint8Array;
}

/** The header and what the client said so far. */
export function openingBytes(client: Connection, opening: Opening): Uint8Array {
  const { version, tlvs, first } = opening;
  const bytes = new Uint8Array((version === null ? 0 : ANY_HEADER_MAX) + first.length);
  let at = 0;
  if (version !== null) {
    const { source, destination } = opening.client ?? { source: client.remote, destination: client.local };
    describeConnection(source, destination, header);
    at = writeAnyHeader(version, header, tlvs, bytes, 0);
  }
  bytes.set(first, at);
  return bytes.subarray(0, at + first.length);
}

/** Filled and written at once: one serves all. */
const header = createProxyHeader();
