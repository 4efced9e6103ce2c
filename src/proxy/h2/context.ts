import type { AccessReason } from '../../core/access-log/entry.js';
import { NO_KEY } from '../../core/balance/hash.js';
import type { ProxyLimits, ProxyTimeouts, UpstreamProtocol } from '../../core/balance/model.js';
import type { FieldEdits } from '../../core/http/field-edits.js';
import type { Head } from '../../core/http/head.js';
import type { RequestFacts, ResponseFacts } from '../../core/http/hygiene.js';
import { requestKey } from '../../core/http/request-key.js';
import { requestEdits } from '../../core/http/request-rewrite.js';
import {
  type ForwardContext,
  type ReplyContext,
  writeRequestHead,
  writeResponseHead,
} from '../../core/http/rewrite.js';
import { forwardedClient } from '../../core/limit/forwarded-client.js';
import type { RetryPolicy } from '../../core/limit/retry.js';
import type { CompressionPolicy } from '../compression/policy.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines } from '../deadlines.js';
import type { HttpContext, HttpRoute } from '../l7/context.js';
import type { Mirror } from '../l7/mirror.js';
import { textReply } from '../l7/reply.js';
import { ownReply } from '../l7/route-table.js';
import type { PoolRetries } from '../pool-retries.js';
import type { PoolTally } from '../pool-tally.js';
import type { RetryModules } from '../retry-turns.js';
import type { StaleCache } from '../stale-cache.js';
import type { StickySessions } from '../sticky.js';
import type { PickFailure } from '../upstream-pool.js';
import type { CalledEndpoint } from './upstream.js';
import type { Upstreams } from './upstreams.js';

const NO_LOCATION: StreamReply = textReply(400, 'there is nowhere to redirect this request to');

/** Who waits for room in a pool; `PoolWaiter` in its terms. */
export interface StreamWaiter {
  readonly tried: readonly number[];
  readonly key: number;
  onEndpoint(endpoint: CalledEndpoint): void;
  onQueueTimeout(): void;
  onUnavailable(why: PickFailure): void;
}

/** A pool as streams use it; `UpstreamPool` is one. */
export interface StreamPool {
  readonly name: string;
  readonly model: { readonly protocol?: UpstreamProtocol };
  readonly tally: Pick<
    PoolTally,
    'issued' | 'answered' | 'retried' | 'failed' | 'denied' | 'passedOver' | 'degraded'
  >;
  readonly retries: PoolRetries;
  /** After `breaker_open`. */
  readonly retryAfterSeconds: number;
  /** Null where clients are not kept at an endpoint. */
  readonly sticky: StickySessions | null;
  /** Null where no responses are kept. */
  readonly stale: StaleCache | null;
  pick(tried: readonly number[], key: number): CalledEndpoint | PickFailure;
  enter(endpoint: CalledEndpoint): void;
  leave(endpoint: CalledEndpoint): void;
  enqueue(waiter: StreamWaiter): number;
  cancel(ticket: number, waiter: StreamWaiter): void;
  serve(): void;
  /** What came of one use of an endpoint: the status, 0 for none, and the time to the head of the response. */
  result(endpoint: CalledEndpoint, status: number, latencyMs: number): void;
}

/** Where a request goes, and how its head and that of the response are written. */
export interface StreamRoute {
  readonly pool: StreamPool;
  /** Requests of the listener to the pool, by status class. */
  readonly classes: Float64Array;
  /** How long an endpoint may neither answer nor move a byte. */
  readonly responseMs: number;
  /** Null where responses pass as they are. */
  readonly compression: CompressionPolicy | null;
  readonly responseEdits: FieldEdits | null;
  /** Null: only what can't have been done twice is tried once more. */
  readonly retries: RetryPolicy | null;
  /** What a request gets that the pool can't serve: another route, or a page. */
  readonly instead: StreamRoute | StreamReply | null;
  /** Gets copies of a sample; null where there is none. */
  readonly mirror: Mirror | null;
  /** For `pick`. */
  keyOf(head: Head, facts: RequestFacts, clientAddress: string): number;
  /** As `writeRequestHead`: the length in `out`, -1 if it does not fit; null if the rewritten path is not valid. */
  writeRequest(out: Uint8Array, head: Head, facts: RequestFacts, context: ForwardContext): number | null;
  /** As `writeResponseHead`; `edits` instead of those of the route. */
  writeResponse(
    out: Uint8Array,
    head: Head,
    facts: ResponseFacts,
    context: ReplyContext,
    edits?: FieldEdits | null,
  ): number;
}

/** A route that answers by itself: a redirect, a fixed response. `FixedReply` is one. */
export interface StreamReply {
  readonly status: number;
  /** Of requests that may not pass. */
  readonly reason?: AccessReason;
  /** The whole message as HTTP/1.1. */
  bytes(options: { readonly close: boolean; readonly toHead: boolean }): Uint8Array;
}

/** How a stream ended. */
export type StreamEnd =
  /** The client got the whole response of an endpoint. */
  | 'complete'
  /** The client got an answer of the proxy: the request was refused, or no endpoint gave a response. */
  | 'answered'
  /** The response broke, or took too long, after its head was passed on. */
  | 'aborted'
  /** The client went away or reset the stream. */
  | 'cancelled';

/** What is known of a stream that ended: for the access log. */
export interface StreamRecord {
  /** Of the client. */
  readonly protocol: 'HTTP/2' | 'HTTP/1.1' | 'HTTP/1.0';
  readonly client: string;
  readonly tls: boolean;
  readonly method: string;
  readonly host: string | null;
  readonly path: string;
  /** Null if no head was sent. */
  readonly status: number | null;
  /** Of a gRPC call, if it is known. */
  readonly grpcStatus: number | null;
  readonly pool: string | null;
  readonly endpoint: string | null;
  /** Attempts to get a response; 0 for what never reached a pool. */
  readonly attempts: number;
  readonly durationMs: number;
  /** From the head of the request to that of the response; below 0: there was none. */
  readonly upstreamMs: number;
  /** Of the bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly end: StreamEnd;
  /** Why the response is not what an endpoint sent, or is not whole. */
  readonly reason: AccessReason;
}

/** Whose request it is. */
export type StreamClient = Pick<ForwardContext, 'proto' | 'clientAddress' | 'trusted'>;

/** What all HTTP/2 connections of one listener share. */
export interface StreamContext extends RetryModules {
  /** Null if no route takes the request. */
  route(head: Head, facts: RequestFacts, client: StreamClient): StreamRoute | StreamReply | null;
  /** Heads are composed here: at least 64 KiB. */
  readonly scratch: Uint8Array;
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
  readonly counters: ListenerCounters;
  /** Our name in Via. */
  readonly via: string;
  /** True if X-Forwarded-* of this peer are believed. */
  trusts(address: string): boolean;
  readonly upstreams: Upstreams;
  onStream(record: StreamRecord): void;
}

/** The context of an HTTP/1.1 listener, for streams. */
export function streamContext(
  context: HttpContext,
  upstreams: Upstreams,
  onStream: (record: StreamRecord) => void,
): StreamContext {
  const { router, network, timeouts, limits, deadlines, counters, via, retryClock, random } = context;
  return {
    route(head, facts, { proto, clientAddress, trusted }) {
      const asking = trusted ? forwardedClient(head, clientAddress) : clientAddress;
      const early = context.guard?.check(head, facts, asking) ?? null;
      if (early !== null) return early;
      const target = router.find(facts, head);
      if (target === null) return null;
      const denial = target.guard?.check(head, facts, asking) ?? null;
      if (denial !== null) return denial;
      const { forward } = target;
      if (forward === null) return ownReply(target, facts, proto) ?? NO_LOCATION;
      const shed = context.admission?.check(head, facts) ?? null;
      if (shed !== null) return shed;
      return streamRoute(forward.split === null ? forward : forward.split.choose(head, facts, clientAddress));
    },
    scratch: network.scratch,
    timeouts,
    limits,
    deadlines,
    counters,
    via,
    retryClock,
    random,
    trusts: (address) => context.trusts(address),
    upstreams,
    onStream,
  };
}

/** A route to a pool, with what it changes. */
export function streamRoute(route: HttpRoute): StreamRoute {
  const { pool, classes, rewriter, responseEdits, responseMs, degradation, retries, compression, mirror } =
    route;
  const other = degradation?.route ?? null;
  return {
    pool,
    instead: other === null ? (degradation?.page ?? null) : streamRoute(other),
    classes,
    responseMs,
    compression,
    responseEdits,
    retries,
    mirror,
    keyOf(head, facts, clientAddress) {
      const { keySource, sticky } = pool;
      const hashed = keySource === null ? NO_KEY : requestKey(keySource, head, facts, clientAddress);
      return sticky === null ? hashed : sticky.keyOf(head, clientAddress, hashed);
    },
    writeRequest(out, head, facts, context) {
      const edits = rewriter === null ? null : requestEdits(rewriter, facts.target);
      if (rewriter !== null && edits === null) return null;
      return writeRequestHead(out, head, facts, context, pool.name, edits);
    },
    writeResponse: (out, head, facts, context, edits = responseEdits) =>
      writeResponseHead(out, head, facts, context, edits),
  };
}
