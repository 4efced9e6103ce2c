import type { FieldList } from '../../core/http/http2-head.js';
import type { StreamReply } from './context.js';

/** Whoever answers the request. */
export interface StreamOwner {
  onBody(bytes: Uint8Array): void;
  onBodyEnd(trailers: FieldList): void;
  onClientDrain(): void;
  onDeadline(): void;
  /** The request is over. */
  onClosed(): void;
}

export interface PassedHead {
  /** Nothing follows. */
  readonly ended: boolean;
  /** Trailers may follow. */
  readonly trailing: boolean;
}

/**
 * The client's side of one request, as a `StreamExchange` sees it: a stream (`ClientStream`), or a request of HTTP/1.1 for
 * endpoints of HTTP/2 (`Http1Client`).
 */
export interface ClientSide {
  owner: StreamOwner;
  /** When `onDeadline` of the owner is due. */
  deadlineMs: number;
  /** It wants its errors as those of gRPC. */
  readonly grpc: boolean;
  readonly toHead: boolean;
  /** What it was told; null before. */
  readonly status: number | null;
  grpcStatus: number | null;
  /** It got the head of its response. */
  readonly answered: boolean;
  /** Bytes wait for the client; `onClientDrain` follows. */
  readonly blocked: boolean;
  /** Hands over the body from here on; it waits before. */
  readBody(): void;
  pauseBody(): void;
  interim(status: number, fields: FieldList): void;
  /** Passes on a head. False if it can't be said to this client: a field is not valid there. */
  respond(status: number, fields: FieldList, passed: PassedHead): boolean;
  /** False if the bytes wait. */
  write(bytes: Uint8Array): boolean;
  /** Ends the response, and what is left of the request. */
  endResponse(trailers: FieldList): void;
  /** An answer of our own: a line of text, or a gRPC status. `retryAfter`: seconds. */
  reply(status: number, text: string, grpcStatus?: number, retryAfter?: number): void;
  /** An answer of our own that was made before. */
  replyWith(reply: StreamReply): void;
  /** Ends a response that can't be completed: a gRPC client is told by a status, others by a reset. `errorCode`: of HTTP/2. */
  breakOff(errorCode: number | null, text: string, grpcStatus?: number): void;
  /** A reset: what waits for the client is lost. */
  abort(errorCode: number): void;
}
