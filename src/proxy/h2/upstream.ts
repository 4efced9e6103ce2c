import type { Address } from '../../core/balance/model.js';
import type { Head } from '../../core/http/head.js';
import type { FieldList } from '../../core/http/http2-head.js';
import type { RequestFacts, ResponseFacts } from '../../core/http/hygiene.js';

/** An endpoint as these calls use it; `UpstreamEndpoint` is one. */
export interface CalledEndpoint {
  readonly index: number;
  readonly address: Address;
  readonly name: string;
  readonly up: boolean;
  /** Connections of all kinds that are open to it. */
  connections: number;
  readonly connectionsMax: number;
  /** Those that are being opened. */
  connecting: number;
  /** Those that can take a call. */
  spare: number;
  connectFailures: number;
}

/** One request on its way to an endpoint. */
export interface UpstreamRequest {
  /** The HTTP/1.1 head that `writeRequestHead` made. */
  readonly head: Uint8Array;
  readonly facts: RequestFacts;
  /** A body follows, or may follow. */
  readonly hasBody: boolean;
  readonly scheme: 'http' | 'https';
  /** Names of fields that compression must not remember (RFC 7541 §7.1.3). */
  readonly sensitive: readonly string[];
  /** The endpoint may have room again: called after a connection was given back or closed, or a stream ended. */
  onRoom(): void;
}

/**
 * - `connect_timeout`, `connect_failed`: nothing was sent
 * - `refused`: the endpoint says that it did nothing (RFC 9113 §8.7)
 * - `stale`: a kept connection ended before a byte of a response came
 * - `broken`, `reset`: it ended in between; `reset` with a code of HTTP/2
 * - `invalid`: what it sent must not be passed on
 */
export type UpstreamFailureCode =
  | 'connect_timeout'
  | 'connect_failed'
  | 'refused'
  | 'stale'
  | 'broken'
  | 'reset'
  | 'invalid';

export interface UpstreamFailure {
  readonly code: UpstreamFailureCode;
  readonly message: string;
  /** Of RST_STREAM; only for `reset`. */
  readonly errorCode?: number;
}

/** Whoever made the call. Nothing is called before `call` has returned, and nothing after onEnd or onFailure. */
export interface UpstreamListener {
  /** The head was sent; the body may follow. */
  onOpen(): void;
  /** A head, interim ones (1xx) too; valid only during the call. `ended`: neither body nor trailers follow. */
  onHead(head: Head, facts: ResponseFacts, ended: boolean): void;
  onData(bytes: Uint8Array): void;
  /** The response is complete. */
  onEnd(trailers: FieldList): void;
  /** More of the body may be written. */
  onDrain(): void;
  onFailure(failure: UpstreamFailure): void;
}

export interface UpstreamCall {
  /** Sends a part of the body; false if it waits, `onDrain` follows. The bytes are not written to afterwards. */
  write(bytes: Uint8Array): boolean;
  /** The body is complete. */
  end(trailers: FieldList): void;
  /** Stops and starts reading the response. */
  pause(): void;
  resume(): void;
  /** Ends the call; the listener is told nothing more. */
  cancel(): void;
}
