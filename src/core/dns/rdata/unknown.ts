/**
 * Rdata of types that have no codec: bytes in hexadecimal digits (RFC 3597 §5), `\# 4 0a000001` or only the digits.
 */
import { RDATA_BYTES_MAX, type RdataCodec, rdataError, shown } from './codec.js';
import { formatHex, parseHex } from './field.js';

export function unknownType(type: number): RdataCodec {
  return { type, parse, toText: formatUnknown, toValue: formatUnknown };
}

/** `\# 4 0a000001`; right for the rdata of every type. */
export function formatUnknown(wire: Uint8Array): string {
  return wire.length === 0 ? '\\# 0' : `\\# ${wire.length} ${formatHex(wire)}`;
}

function parse(value: unknown): ReturnType<RdataCodec['parse']> {
  const text = typeof value === 'string' ? value.trim() : '';
  const generic = /^\\#\s+(\d{1,5})(?:\s+([\s\S]*))?$/.exec(text);
  const bytes = parseHex(generic ? (generic[2] ?? '') : text);
  if (!bytes || (bytes.length === 0 && !generic)) {
    return rdataError(`must be "\\# <length> <hexadecimal digits>" (RFC 3597), not ${shown(value)}`);
  }
  if (generic && Number(generic[1]) !== bytes.length) {
    return rdataError(`says ${generic[1]} bytes but has ${bytes.length}`);
  }
  return bytes.length <= RDATA_BYTES_MAX ? bytes : rdataError(`is larger than ${RDATA_BYTES_MAX} bytes`);
}
