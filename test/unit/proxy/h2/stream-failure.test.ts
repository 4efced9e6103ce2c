import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { GRPC } from '../../../../src/core/http/grpc.js';
import {
  callFailed,
  nobodyToCall,
  retryFailureOf,
  waitedInVain,
} from '../../../../src/proxy/h2/stream-failure.js';

const POOL = { name: 'web', retryAfterSeconds: 7 };

describe('callFailed()', () => {
  it.each([
    ['connect_timeout', 504, 'connect_timeout'],
    ['connect_failed', 502, 'connect_failed'],
    ['refused', 503, 'upstream_closed'],
    ['stale', 502, 'upstream_closed'],
    ['broken', 502, 'upstream_closed'],
    ['invalid', 502, 'malformed_response'],
  ] as const)('tells %s by a status alone', (code, status, reason) => {
    const failure = callFailed({ code, message: 'x' }, POOL);
    expect(failure).toEqual({ status, reason, text: expect.stringContaining('pool web') });
  });

  it.each([
    ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM, GRPC.unavailable, constants.NGHTTP2_INTERNAL_ERROR],
    ['CANCEL', constants.NGHTTP2_CANCEL, GRPC.cancelled, constants.NGHTTP2_CANCEL],
    [
      ...(['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM] as const),
      ...([GRPC.resourceExhausted, constants.NGHTTP2_ENHANCE_YOUR_CALM] as const),
    ],
    ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR, GRPC.internal, constants.NGHTTP2_INTERNAL_ERROR],
  ] as const)('translates a reset with %s', (_name, errorCode, grpcStatus, passed) => {
    const failure = callFailed({ code: 'reset', message: 'x', errorCode }, POOL);
    expect(failure).toMatchObject({ status: 502, grpcStatus, errorCode: passed });
  });
});

describe('without a call', () => {
  it('a gRPC client is told whether there was no room', () => {
    expect(nobodyToCall('no_room', POOL).grpcStatus).toBe(GRPC.resourceExhausted);
    expect(nobodyToCall('none_up', POOL).grpcStatus).toBe(GRPC.unavailable);
    expect(nobodyToCall('breaker_open', POOL)).toMatchObject({ retryAfter: 7, reason: 'breaker_open' });
    expect(waitedInVain(POOL)).toMatchObject({ status: 503, grpcStatus: GRPC.resourceExhausted });
  });
});

describe('retryFailureOf()', () => {
  it.each([
    ['connect_timeout', 'connect'],
    ['connect_failed', 'connect'],
    ['broken', 'reset'],
    ['reset', 'reset'],
    ['stale', 'reset'],
    ['refused', null],
    ['invalid', null],
  ] as const)('takes %s for %s', (code, kind) => {
    expect(retryFailureOf({ code, message: '' })).toBe(kind);
  });
});
