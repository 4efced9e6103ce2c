import { describe, expect, it } from 'vitest';
import {
  badAnswer,
  noAnswerInTime,
  noConnection,
  noEndpoint,
  noRoomInTime,
} from '../../../src/proxy/request-failure.js';

const POOL = { name: 'web', retryAfterSeconds: 7 };

describe('what a request is told that no endpoint answers', () => {
  it.each([
    ['none_up', 'pool web has no healthy endpoint', 'no_endpoint'],
    ['panic', 'too few endpoints of pool web are healthy', 'no_endpoint'],
    ['maintenance', 'pool web is being maintained', 'no_endpoint'],
    ['all_tried', 'no other endpoint of pool web is left to try', 'no_endpoint'],
    ['no_room', 'every endpoint of pool web is at its limit of connections', 'no_room'],
  ] as const)('is 503 after %s, without a time', (why, text, reason) => {
    expect(noEndpoint(why, POOL)).toEqual({ status: 503, text, reason });
  });

  it('says when to ask again while breakers are open', () => {
    const text = 'the circuit breakers of pool web are open';
    const told = { status: 503, text, reason: 'breaker_open', retryAfter: 7 };
    expect(noEndpoint('breaker_open', POOL)).toEqual(told);
  });

  it.each([
    [noRoomInTime(POOL), 503, 'queue_timeout'],
    [noConnection('connect_timeout', POOL), 504, 'connect_timeout'],
    [noConnection('connect_failed', POOL), 502, 'connect_failed'],
    [noAnswerInTime(POOL), 504, 'response_timeout'],
    [badAnswer('sent too large a head', POOL, 'malformed_response'), 502, 'malformed_response'],
  ] as const)('names the pool: $text', (failure, status, reason) => {
    expect(failure).toMatchObject({ status, reason, text: expect.stringContaining('pool web') });
  });
});
