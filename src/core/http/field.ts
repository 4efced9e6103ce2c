/**
 * Header fields that this proxy must know by name. All others pass through unread.
 */

import { equalsIgnoreCase } from './ascii.js';

export const FIELD = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  te: 5,
  upgrade: 6,
  keepAlive: 7,
  proxyConnection: 8,
  via: 9,
  xForwardedFor: 10,
  xForwardedProto: 11,
  xForwardedHost: 12,
  forwarded: 13,
  http2Settings: 14,
} as const;

const NAMES: readonly (readonly [name: string, id: number])[] = [
  ['host', FIELD.host],
  ['connection', FIELD.connection],
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['te', FIELD.te],
  ['upgrade', FIELD.upgrade],
  ['keep-alive', FIELD.keepAlive],
  ['proxy-connection', FIELD.proxyConnection],
  ['via', FIELD.via],
  ['x-forwarded-for', FIELD.xForwardedFor],
  ['x-forwarded-proto', FIELD.xForwardedProto],
  ['x-forwarded-host', FIELD.xForwardedHost],
  ['forwarded', FIELD.forwarded],
  ['http2-settings', FIELD.http2Settings],
];

/** Names by length: most lines are told apart by their length alone. */
const BY_LENGTH: readonly (readonly { readonly name: string; readonly id: number }[])[] = Array.from(
  { length: 20 },
  (_, length) => NAMES.flatMap(([name, id]) => (name.length === length ? [{ name, id }] : [])),
);

/** The FIELD id of a field name in any letter case; `FIELD.other` if it isn't one of ours. */
export function fieldId(bytes: Uint8Array, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined) return FIELD.other;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (equalsIgnoreCase(bytes, start, end, candidate.name)) return candidate.id;
  }
  return FIELD.other;
}
