import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import { GRPC, grpcMessage, grpcStatusOf } from '../../core/http/grpc.js';
import { checkedTrailers, type FieldList, fieldsOf } from '../../core/http/http2-head.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Timed } from '../deadlines.js';
import type { ClientSide, PassedHead, StreamOwner } from './client-side.js';
import type { StreamContext, StreamEnd, StreamReply } from './context.js';
import { EndWatch } from './end-watch.js';
import type { FloodGuard } from './flood-guard.js';
import { outgoing } from './outgoing.js';
import { resetStream } from './reset.js';

const NOBODY: StreamOwner = {
  onBody() {},
  onBodyEnd() {},
  onClientDrain() {},
  onDeadline() {},
  onClosed() {},
};

/** A date is the endpoint's to give. The types of node:http2 lack the option. */
const NO_DATE: { readonly sendDate: boolean } = { sendDate: false };

/**
 * What may still come of a request that is answered already, and how long: many clients read an answer only after they
 * have sent everything, and some take a reset for a failure.
 */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 2_000;

/** The client's side of one request of HTTP/2: its body, and how it is answered. */
export class ClientStream implements ClientSide, Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs: number;
  owner: StreamOwner = NOBODY;
  readonly grpc: boolean;
  readonly toHead: boolean;
  status: number | null = null;
  grpcStatus: number | null = null;
  bytesIn = 0;
  bytesOut = 0;
  /** Bytes wait for the client; `onClientDrain` follows. */
  blocked = false;
  readonly #stream: ServerHttp2Stream;
  readonly #session: Http2Session | undefined;
  readonly #context: StreamContext;
  readonly #guard: FloodGuard;
  readonly #end: EndWatch;
  #reading = false;
  /** Trailers may be sent. */
  #trailing = false;
  /** node asks for trailers, even if there are none. */
  #waits = false;
  #responseTrailers: FieldList = [];
  #requestTrailers: FieldList = [];
  #answer: 'none' | 'passed' | 'own' = 'none';
  #ended = false;
  /** Bytes of the request that may still be thrown away; -1 while none are. */
  #unreadLeft = -1;
  #cut = false;

  constructor(
    stream: ServerHttp2Stream,
    request: { readonly method: string; readonly grpc: boolean; readonly ended: boolean },
    context: StreamContext,
    guard: FloodGuard,
  ) {
    this.#stream = stream;
    this.#session = stream.session;
    this.#context = context;
    this.#guard = guard;
    this.grpc = request.grpc;
    this.toHead = request.method === 'HEAD';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    // The body may have come in one packet with the head.
    const ended = request.ended || stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE;
    this.#end = new EndWatch(stream, ended, (bytes) => this.#came(bytes));
    context.deadlines.add(this);
    // 'close' follows and does the work.
    stream.on('error', () => {});
    stream.on('close', () => this.#onClose());
    stream.on('drain', () => {
      this.blocked = false;
      this.owner.onClientDrain();
    });
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('trailers', (_headers: unknown, _flags: number, raw: string[]) => {
      const trailers = checkedTrailers(raw);
      if (trailers === null) this.abort(constants.NGHTTP2_PROTOCOL_ERROR);
      else this.#requestTrailers = trailers;
    });
  }

  /** How it ended; asked after `onClosed`. */
  get end(): StreamEnd {
    if (this.#cut) return 'aborted';
    const { rstCode, writableFinished } = this.#stream;
    const taken = rstCode === constants.NGHTTP2_NO_ERROR && (writableFinished || !this.#session?.destroyed);
    if (!this.#ended || !taken) return 'cancelled';
    return this.#answer === 'own' ? 'answered' : 'complete';
  }

  get answered(): boolean {
    return this.#answer !== 'none';
  }

  readBody(): void {
    const stream = this.#stream;
    if (this.#reading) {
      stream.resume();
      return;
    }
    this.#reading = true;
    stream.on('end', () => {
      // Not after a reset: a body that was cut must not look complete.
      if (this.#end.complete) this.owner.onBodyEnd(this.#requestTrailers);
    });
    stream.on('data', (chunk: Buffer) => {
      this.bytesIn += chunk.length;
      this.#context.counters.bytesIn += chunk.length;
      this.owner.onBody(chunk);
    });
  }

  pauseBody(): void {
    this.#stream.pause();
  }

  interim(status: number, fields: FieldList): void {
    if (this.#closed || this.#answer !== 'none') return;
    try {
      this.#stream.additionalHeaders(outgoing({ ':status': status }, fields, []));
    } catch {
      // What can't be said in HTTP/2 is left out: nobody relies on an interim response.
    }
  }

  respond(status: number, fields: FieldList, { ended, trailing }: PassedHead): boolean {
    if (this.#closed) return true;
    try {
      const headers = outgoing({ ':status': status }, fields, []);
      const how = { ...NO_DATE, endStream: ended, waitForTrailers: !ended };
      this.#stream.respond(headers, how);
    } catch {
      return false;
    }
    this.#trailing = !ended && trailing;
    this.#waits = !ended;
    this.status = status;
    this.#answer = 'passed';
    if (ended) this.#finished();
    return true;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    this.bytesOut += bytes.length;
    this.#context.counters.bytesOut += bytes.length;
    this.#guard.dataOut(bytes.length);
    this.blocked = !this.#stream.write(bytes);
    return !this.blocked;
  }

  endResponse(trailers: FieldList): void {
    if (this.#ended || this.#closed) return;
    this.#responseTrailers = this.#trailing ? trailers : [];
    this.#stream.end();
    this.#finished();
  }

  reply(status: number, text: string, grpcStatus: number = grpcStatusOf(status), retryAfter?: number): void {
    if (this.#closed || this.answered) return;
    this.status = status;
    this.#answer = 'own';
    const stream = this.#stream;
    if (this.grpc) {
      this.grpcStatus = grpcStatus;
      const fields = {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': String(grpcStatus),
      };
      const headers = { ...fields, 'grpc-message': grpcMessage(text) };
      stream.respond(headers, { ...NO_DATE, endStream: true });
    } else {
      const body = `${status} ${text}\n`;
      const fields = { ':status': status, 'content-type': 'text/plain; charset=utf-8' };
      const headers = { ...fields, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' };
      const allow = status === 405 ? { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' } : {};
      const later = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
      stream.respond({ ...headers, ...allow, ...later }, { ...NO_DATE, endStream: this.toHead });
      if (!this.toHead) stream.end(body);
    }
    this.#finished();
  }

  replyWith(reply: StreamReply): void {
    const message = reply.bytes({ close: false, toHead: this.toHead });
    const text = Buffer.from(message.buffer, message.byteOffset, message.length);
    const end = text.indexOf('\r\n\r\n');
    const body = text.subarray(end + 4);
    const fields = fieldsOf(text.subarray(0, end + 2));
    this.respond(reply.status, fields, { ended: body.length === 0, trailing: false });
    this.#answer = 'own';
    if (body.length === 0) return;
    this.write(body);
    this.endResponse([]);
  }

  breakOff(errorCode: number | null, text: string, grpcStatus: number = GRPC.unavailable): void {
    if (this.#ended || this.#closed) return;
    if (!this.grpc || !this.#trailing || errorCode !== null) {
      this.abort(errorCode ?? constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    this.#cut = true;
    this.grpcStatus = grpcStatus;
    this.endResponse(['grpc-status', String(grpcStatus), 'grpc-message', grpcMessage(text)]);
  }

  /** RST_STREAM. What waits for the client is lost. */
  abort(errorCode: number): void {
    if (this.#closed) return;
    this.#cut = true;
    this.#guard.unwanted();
    resetStream(this.#stream, errorCode);
  }

  onDeadline(): void {
    const { nowMs } = this.#context.deadlines;
    this.deadlineMs = nowMs + this.#context.timeouts.clientIdleMs;
    if (this.#unreadLeft >= 0 && !this.#closed) {
      this.#closeNow();
    } else if (this.#stream.closed) {
      this.#cut = true;
      this.#stream.destroy();
    } else if (this.#ended || this.blocked) {
      // The client doesn't take what was sent.
      this.abort(constants.NGHTTP2_CANCEL);
    } else {
      this.owner.onDeadline();
    }
  }

  get #closed(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  /** All of the response is handed to node. */
  #finished(): void {
    this.#ended = true;
    this.deadlineMs = this.#context.deadlines.nowMs + this.#context.timeouts.clientIdleMs;
    // Closed before the trailers are on their way, it would go without them and without an end.
    if (!this.#waits) this.#closeUnread();
    this.#stream.resume();
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(outgoing({}, this.#responseTrailers, []));
      setImmediate(() => this.#closeUnread());
    } catch {
      this.abort(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #closeUnread(): void {
    if (this.#end.complete || this.#closed) return;
    this.#unreadLeft = LINGER_BYTES;
    this.deadlineMs = this.#context.deadlines.nowMs + LINGER_MS;
  }

  /** RFC 9113 §8.1: the client has its answer, and should send no more. */
  #closeNow(): void {
    this.#unreadLeft = -1;
    this.#guard.unwanted();
    this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #came(bytes: number): void {
    this.#guard.dataIn(bytes);
    if (this.#unreadLeft < 0) return;
    this.#unreadLeft -= bytes;
    if (this.#unreadLeft < 0) this.#closeNow();
  }

  #onClose(): void {
    this.#context.deadlines.delete(this);
    const { owner } = this;
    this.owner = NOBODY;
    owner.onClosed();
  }
}
