import { TYPE } from './iana.js';

/**
 * For how many seconds a response may be kept (RFC 8484 §5.1): the smallest TTL of its answers; where there is none,
 * what its SOA says of negative answers (RFC 2308 §5); else 0. A message that is cut or malformed gives 0.
 */
export function freshnessSeconds(message: Uint8Array, start: number, end: number): number {
  if (end - start < 12) return 0;
  const view = new DataView(message.buffer, message.byteOffset + start, end - start);
  const answers = view.getUint16(6);
  let at = 12;
  for (let i = view.getUint16(4); i > 0; i--) {
    at = skipName(view, at) + 4;
    if (at > view.byteLength) return 0;
  }
  let smallest = Number.POSITIVE_INFINITY;
  const count = answers > 0 ? answers : view.getUint16(8);
  for (let i = 0; i < count; i++) {
    at = skipName(view, at);
    if (at + 10 > view.byteLength) return 0;
    const next = at + 10 + view.getUint16(at + 8);
    if (next > view.byteLength) return 0;
    const ttl = view.getUint32(at + 4);
    if (answers > 0) smallest = Math.min(smallest, ttl);
    else if (view.getUint16(at) === TYPE.SOA) smallest = Math.min(smallest, ttl, view.getUint32(next - 4));
    at = next;
  }
  return smallest <= TTL_MAX ? smallest : 0;
}

/** RFC 2181 §8. */
const TTL_MAX = 0x7fff_ffff;

/** The offset behind a name; behind the message if it is cut. */
function skipName(view: DataView, from: number): number {
  let at = from;
  while (at < view.byteLength) {
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
  return view.byteLength + 1;
}
