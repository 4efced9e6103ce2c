import type { FixedReply } from '../../core/http/fixed-reply.js';
import type { BodyDecoder } from '../../core/http/framing.js';
import type { ByteWindow } from '../../core/http/window.js';
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
  exchangeReplied(reply: FixedReply, keepOpen: boolean): void;
  /** `onClose` is called when the connection to the endpoint is closed. */
  startTunnel(upstream: UpstreamConnection, onClose: () => void): void;
  abort(): void;
}
