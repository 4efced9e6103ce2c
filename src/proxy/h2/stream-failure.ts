import { constants } from 'node:http2';
import { GRPC } from '../../core/http/grpc.js';
import type { RetryFailure } from '../../core/limit/retry.js';
import {
  badAnswer,
  type NamedPool,
  noConnection,
  noEndpoint,
  noRoomInTime,
  type RequestFailure,
} from '../request-failure.js';
import type { PickFailure } from '../upstream-pool.js';
import type { UpstreamFailure } from './upstream.js';

/** What is told to the client of a stream, and to one of gRPC where that doesn't follow from the status. */
export interface StreamFailure extends RequestFailure {
  readonly grpcStatus?: number;
  /** Of the reset. */
  readonly errorCode?: number;
}

/** No other endpoint is asked after this one. */
export function callFailed({ code, message, errorCode }: UpstreamFailure, pool: NamedPool): StreamFailure {
  if (code === 'connect_timeout' || code === 'connect_failed') return noConnection(code, pool);
  if (code === 'refused')
    return { ...badAnswer('refused the request', pool, 'upstream_closed'), status: 503 };
  if (errorCode !== undefined) {
    const told = { grpcStatus: grpcStatusOfReset(errorCode), errorCode: resetToPass(errorCode) };
    return { ...badAnswer('reset the stream', pool, 'upstream_closed'), ...told };
  }
  return code === 'invalid'
    ? badAnswer(`sent no valid response: ${message}`, pool, 'malformed_response')
    : badAnswer('broke its connection', pool, 'upstream_closed');
}

/** Nobody could be picked. */
export function nobodyToCall(why: PickFailure, pool: NamedPool): StreamFailure {
  const grpcStatus = why === 'no_room' ? GRPC.resourceExhausted : GRPC.unavailable;
  return { ...noEndpoint(why, pool), grpcStatus };
}

/** The stream waited for room, and there was none. */
export function waitedInVain(pool: NamedPool): StreamFailure {
  return { ...noRoomInTime(pool), grpcStatus: GRPC.resourceExhausted };
}

/** Null for what must not be tried again: the endpoint has answered, if in no valid way. */
export function retryFailureOf({ code }: UpstreamFailure): RetryFailure | null {
  switch (code) {
    case 'connect_timeout':
    case 'connect_failed':
      return 'connect';
    case 'broken':
    case 'reset':
    case 'stale':
      return 'reset';
    default:
      return null;
  }
}

/** How gRPC reads a reset (its "HTTP2 error codes" table). */
function grpcStatusOfReset(errorCode: number): number {
  switch (errorCode) {
    case constants.NGHTTP2_REFUSED_STREAM:
      return GRPC.unavailable;
    case constants.NGHTTP2_CANCEL:
      return GRPC.cancelled;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return GRPC.resourceExhausted;
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return GRPC.permissionDenied;
    default:
      return GRPC.internal;
  }
}

/** Codes that speak of the request are passed on; those that speak of the connection to the endpoint are not. */
function resetToPass(errorCode: number): number {
  switch (errorCode) {
    case constants.NGHTTP2_CANCEL:
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
    case constants.NGHTTP2_INADEQUATE_SECURITY:
    case constants.NGHTTP2_HTTP_1_1_REQUIRED:
      return errorCode;
    default:
      return constants.NGHTTP2_INTERNAL_ERROR;
  }
}
