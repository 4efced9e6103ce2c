/**
 * What a proxy has to know of gRPC: its media type, its deadline, and how to say that something failed
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */

/** Status codes that a proxy gives by itself. */
export const GRPC = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const MEDIA_TYPE = /^application\/grpc(?:\+[^;\s]*)?\s*(?:;|$)/i;
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** True for `application/grpc` and its `+proto` forms; not for gRPC-Web, which browsers speak as plain HTTP. */
export function isGrpc(contentType: string | null): boolean {
  return contentType !== null && MEDIA_TYPE.test(contentType);
}

/** Milliseconds of a `grpc-timeout`; null if there is none or it is not valid. */
export function grpcTimeoutMs(value: string | null): number | null {
  const match = value === null ? null : TIMEOUT.exec(value);
  return match === null ? null : Number(match[1]) * UNIT_MS[match[2]!]!;
}

/** The gRPC status of a failure that has an HTTP status of ours. */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GRPC.internal;
    case 401:
      return GRPC.unauthenticated;
    case 403:
      return GRPC.permissionDenied;
    case 404:
    case 405:
    case 501:
      return GRPC.unimplemented;
    case 408:
    case 504:
      return GRPC.deadlineExceeded;
    case 413:
    case 429:
    case 431:
      return GRPC.resourceExhausted;
    case 502:
    case 503:
      return GRPC.unavailable;
    default:
      return GRPC.unknown;
  }
}

/**
 * The HTTP status that a gRPC status amounts to, as google.rpc.Code says it: what counts as a failure of the endpoint, and may be
 * tried again, is then said in the same words as for HTTP.
 */
export function httpStatusOfGrpc(code: number): number {
  return HTTP_STATUSES[code] ?? 500;
}

const HTTP_STATUSES: readonly number[] = [
  ...[200, 499, 500, 400, 504, 404, 409, 403, 429],
  ...[400, 409, 400, 501, 500, 503, 500, 401],
];

/** A `grpc-status`; null for none, and for what is none. */
export function grpcStatusIn(value: string | null): number | null {
  return value !== null && /^\d{1,5}$/.test(value) ? Number(value) : null;
}

/**
 * What the head of a gRPC response says of its endpoint, as a status of HTTP. A call that fails before its first message is a
 * head alone, with the status in it (Trailers-Only); otherwise a message, or the trailers, will tell: `LATER`.
 */
export function verdictOfGrpcHead(status: number, grpcStatus: string | null, ended: boolean): number {
  if (status !== 200) return status;
  const code = grpcStatusIn(grpcStatus);
  return code !== null ? httpStatusOfGrpc(code) : ended ? status : LATER;
}

export const LATER = -1;

/** Milliseconds of `grpc-retry-pushback-ms` (gRFC A6); null without one, Infinity where the server wants no retry. */
export function grpcPushbackMs(value: string | null): number | null {
  if (value === null) return null;
  return /^\d{1,9}$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}

/** A `grpc-message`: visible ASCII stays, all else is percent-encoded UTF-8. */
export function grpcMessage(text: string): string {
  let encoded = '';
  for (const character of text) {
    const plain = character >= ' ' && character <= '~' && character !== '%';
    encoded += plain ? character : encodeURIComponent(character);
  }
  return encoded;
}
