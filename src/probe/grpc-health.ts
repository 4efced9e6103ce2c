/**
 * The messages of `grpc.health.v1.Health/Check`, by hand: two protobuf messages of one field each.
 *
 *     HealthCheckRequest  { string service = 1; }          0a <length> <service>
 *     HealthCheckResponse { ServingStatus status = 1; }    08 <status>
 *
 * Each stands behind a prefix of five bytes: a flag for compression and the length (gRPC over HTTP/2).
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */

export const GRPC_REPLY_BYTES_MAX = 4096;

const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

export type ServingStatus = (typeof SERVING_STATUS)[number];

/** The request with its prefix. `service` has at most 255 bytes in UTF-8. */
export function encodeHealthCheck(service: string): Uint8Array {
  const name = new TextEncoder().encode(service);
  // A field with its default value is left out.
  const field = name.length === 0 ? [] : [0x0a, ...varint(name.length), ...name];
  return Uint8Array.from([0, 0, 0, field.length >> 8, field.length & 0xff, ...field]);
}

/** The status in a reply with its prefix; undefined if the reply is not a whole and valid message. */
export function decodeHealthCheck(bytes: Uint8Array): ServingStatus | undefined {
  if (bytes.length < 5 || bytes[0] !== 0) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (length !== bytes.length - 5) return undefined;
  let status = 0;
  let at = 5;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at);
    if (!tag) return undefined;
    const value = readField(bytes, tag.end, tag.value & 7);
    if (!value) return undefined;
    if (tag.value === 0x08) status = value.value;
    at = value.end;
  }
  return SERVING_STATUS[status] ?? 'UNKNOWN';
}

interface Field {
  readonly value: number;
  readonly end: number;
}

/** The value of a varint field; other types are stepped over, since a newer server may know more fields. */
function readField(bytes: Uint8Array, at: number, wireType: number): Field | undefined {
  let end: number;
  switch (wireType) {
    case 0:
      return readVarint(bytes, at);
    case 1:
      end = at + 8;
      break;
    case 2: {
      const length = readVarint(bytes, at);
      if (!length) return undefined;
      end = length.end + length.value;
      break;
    }
    case 5:
      end = at + 4;
      break;
    default:
      return undefined;
  }
  return end <= bytes.length ? { value: 0, end } : undefined;
}

function readVarint(bytes: Uint8Array, at: number): Field | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return undefined;
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)];
}
