import { formatAddress, maskBytes, parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import { isoTime } from '../query-log/line.js';
import type { AccessRecord } from './ring.js';

/** Who asked, as the log says it: the address, its /24 or /56, or nothing. */
export type AccessClient = 'address' | 'prefix' | 'none';

export interface AccessLineOptions {
  readonly worker: number;
  readonly client: AccessClient;
}

/**
 * One line of the access log: JSON, without the line end. What is no visible ASCII in a text of the client stands as `\xNN`,
 * byte by byte, and so does the backslash: control characters, other encodings and faked line ends can do no harm where
 * the log is shown.
 */
export function accessLine(record: AccessRecord, { worker, client }: AccessLineOptions): string {
  const { cut, pool, endpoint, method, reason } = record;
  return JSON.stringify({
    time: isoTime(Math.floor(record.timeMs)),
    worker,
    ...clientOf(record.client, client),
    listener: visible(record.listener),
    protocol: record.protocol,
    ...(record.tls && { tls: true }),
    ...(method !== '' && { method: visible(method), host: visible(record.host), path: visible(record.path) }),
    ...(cut.length > 0 && { cut }),
    status: record.status,
    bytes_in: record.bytesIn,
    bytes_out: record.bytesOut,
    duration_ms: rounded(record.durationMs),
    ...(record.upstreamMs >= 0 && { upstream_ms: rounded(record.upstreamMs) }),
    ...(pool !== '' && { pool: visible(pool) }),
    ...(endpoint !== '' && { endpoint: visible(endpoint) }),
    ...(record.retries > 0 && { retries: record.retries }),
    ...(reason !== 'none' && { reason }),
  });
}

function visible(text: string): string {
  return text.replaceAll(
    /[^ -[\]-~]/g,
    (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function clientOf(address: string, client: AccessClient): { readonly client?: string } {
  if (client === 'none') return {};
  if (client === 'address') return { client: visible(address) };
  const bytes = parseIPv4(address) ?? parseIPv6(address);
  if (bytes === undefined) return {};
  const length = bytes.length === 4 ? 24 : 56;
  return { client: `${formatAddress(maskBytes(bytes, length))}/${length}` };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
