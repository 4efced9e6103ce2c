import type { ContentCoding } from '../../core/http/accept-encoding.js';
import type { FixedReply } from '../../core/http/fixed-reply.js';
import type { BodyDecoder } from '../../core/http/framing.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import type { ByteWindow } from '../../core/http/window.js';
import type { HttpRoute } from './context.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** The client's side, as an exchange sees it. */
export interface ExchangeClient {
  /** When it looks at the deadline of the exchange. */
  deadlineMs: number;
  /** The client's IP address. */
  readonly address: string;
  /** Bytes received from the client and not yet forwarded. */
  readonly window: ByteWindow;
  /** Follows the request's body. */
  readonly requestBody: BodyDecoder;
  /** True if the connection has to end after this exchange. */
  readonly closing: boolean;
  /** True if the client will send nothing beyond the window. */
  readonly inputEnded: boolean;
  /** False if something waits to be sent; `onClientDrain` follows. */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /** The next `write` is the last one of the connection, and the exchange is done right after it. */
  endsNext(): void;
  /** Starts or stops reading the request's body. */
  setBodyBlocked(blocked: boolean): void;
  exchangeDone(keepOpen: boolean): void;
  /** `retryAfter`: seconds. */
  exchangeFailed(status: number, text: string, keepOpen: boolean, retryAfter?: number): void;
  /** The request gets an answer that was made before. */
  exchangeReplied(reply: Pick<FixedReply, 'bytes'>, keepOpen: boolean): void;
  /** `onClose` is called when the connection to the endpoint is closed. */
  startTunnel(upstream: UpstreamConnection, onClose: () => void): void;
  abort(): void;
}

/** One request and its response, as the client's connection drives them: `Exchange`, or `Http1Client` to endpoints of HTTP/2. */
export interface ClientExchange {
  /** When `onDeadline` is due; it moves with every byte. */
  readonly deadlineMs: number;
  /**
   * Begins with the request head that was composed in the first `length` bytes of the scratch memory. `key`: for the pool's `pick`.
   * `coding`: what the client takes, where the route compresses.
   */
  begin(
    facts: RequestFacts,
    route: HttpRoute,
    length: number,
    key: number,
    coding: ContentCoding | null,
  ): void;
  /** The client sent more of its body, or there may be room for more at the endpoint. */
  pumpRequest(): void;
  onClientDrain(): void;
  onDeadline(): void;
  /** The client is gone. */
  cancel(): void;
}
