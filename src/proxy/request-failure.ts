import type { AccessReason } from '../core/access-log/entry.js';
import type { PickFailure } from './upstream-pool.js';

/** What a request is told that no endpoint has answered, or not in a way that can be passed on. */
export interface RequestFailure {
  readonly status: number;
  /** No client is told the address of an endpoint. */
  readonly text: string;
  readonly reason: AccessReason;
  /** When it may be worth to ask again, seconds; absent: nothing is said. */
  readonly retryAfter?: number;
}

export const SLOW_BODY: RequestFailure = {
  status: 408,
  text: 'the request body did not arrive in time',
  reason: 'request_timeout',
};

export const NOT_COMPRESSED: RequestFailure = {
  status: 502,
  text: 'the response could not be compressed',
  reason: 'none',
};

/** A pool as these sentences name it. */
export interface NamedPool {
  readonly name: string;
  /** After `breaker_open`. */
  readonly retryAfterSeconds: number;
}

/** Nobody could be picked. */
export function noEndpoint(why: PickFailure, pool: NamedPool): RequestFailure {
  const text = noEndpointText(why, pool.name);
  if (why === 'breaker_open') {
    return { status: 503, text, reason: why, retryAfter: pool.retryAfterSeconds };
  }
  return { status: 503, text, reason: why === 'no_room' ? why : 'no_endpoint' };
}

/** The request waited for room, and there was none. */
export function noRoomInTime({ name }: NamedPool): RequestFailure {
  return { status: 503, text: `pool ${name} had no room in time`, reason: 'queue_timeout' };
}

export function noConnection(
  code: 'connect_timeout' | 'connect_failed',
  { name }: NamedPool,
): RequestFailure {
  const text = `no connection to an endpoint of pool ${name}: ${code}`;
  return { status: code === 'connect_timeout' ? 504 : 502, text, reason: code };
}

export function noAnswerInTime({ name }: NamedPool): RequestFailure {
  const text = `an endpoint of pool ${name} did not answer in time`;
  return { status: 504, text, reason: 'response_timeout' };
}

/** `what`: what an endpoint did, after the words that name it. */
export function badAnswer(what: string, { name }: NamedPool, reason: AccessReason): RequestFailure {
  return { status: 502, text: `an endpoint of pool ${name} ${what}`, reason };
}

function noEndpointText(failure: PickFailure, pool: string): string {
  switch (failure) {
    case 'none_up':
      return `pool ${pool} has no healthy endpoint`;
    case 'breaker_open':
      return `the circuit breakers of pool ${pool} are open`;
    case 'panic':
      return `too few endpoints of pool ${pool} are healthy`;
    case 'maintenance':
      return `pool ${pool} is being maintained`;
    case 'no_room':
      return `every endpoint of pool ${pool} is at its limit of connections`;
    case 'all_tried':
      return `no other endpoint of pool ${pool} is left to try`;
  }
}
