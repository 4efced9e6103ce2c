import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { AccessReason } from '../../core/access-log/entry.js';
import { GRPC, isGrpc } from '../../core/http/grpc.js';
import { Head } from '../../core/http/head.js';
import { type FieldList, fieldValue, requestHead } from '../../core/http/http2-head.js';
import { judgeRequest, type RequestFacts } from '../../core/http/hygiene.js';
import { type Refusal, refuse } from '../../core/http/refusal.js';
import type { ForwardContext } from '../../core/http/rewrite.js';
import { NO_SLOT } from '../../io/roster.js';
import { countStatus } from '../counters.js';
import type { Timed } from '../deadlines.js';
import { ClientStream } from './client-stream.js';
import type { StreamContext, StreamReply, StreamRoute } from './context.js';
import { FloodGuard } from './flood-guard.js';
import { sensitiveNames } from './outgoing.js';
import { StreamExchange } from './stream-exchange.js';

const LOOK_MS = 1_000;
/** Streams that began before the client read our GOAWAY are still served. */
const GOAWAY_GRACE_MS = 1_000;
const LAST_STREAM_ANY = 2 ** 31 - 1;

/** Why a connection was ended by force. */
export type SessionEnd = 'resets' | 'settings' | 'overhead' | 'slow_reader' | 'no_preface' | 'idle';

/** One HTTP/2 connection of a client: its streams, its time limits, and what it may ask for nothing. */
export class ClientSession implements Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs: number;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #context: StreamContext;
  readonly #onEnd: (why: SessionEnd) => void;
  readonly #guard: FloodGuard;
  readonly #address: string;
  readonly #forwarded: ForwardContext;
  /** Heads are read in one go: all streams share it. */
  readonly #head = new Head('request');
  readonly #streams = new Set<ClientStream>();
  /** It ends by force in a moment, and serves nobody new. */
  #isCut = false;
  #prefaceSeen = false;
  #idleMs: number;
  #draining: 'no' | 'announced' | 'closing' = 'no';
  /** The client sends no more: what it waits for is still sent. */
  #gone = false;
  #written = 0;
  #writtenMs: number;

  constructor(
    session: ServerHttp2Session,
    { socket, clientAddress }: { readonly socket: Socket; readonly clientAddress: string | undefined },
    context: StreamContext,
    onEnd: (why: SessionEnd) => void,
  ) {
    const { nowMs } = context.deadlines;
    this.#session = session;
    this.#socket = socket;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#guard = new FloodGuard(nowMs);
    this.#address = plainAddress(clientAddress);
    this.#forwarded = {
      clientAddress: this.#address,
      proto: 'encrypted' in socket ? 'https' : 'http',
      trusted: context.trusts(this.#address),
      via: context.via,
      received: '2.0',
    };
    this.#idleMs = nowMs + context.timeouts.headerMs;
    this.#writtenMs = nowMs;
    this.deadlineMs = nowMs + this.#lookMs;
    context.deadlines.add(this);
    session.on('stream', (stream, headers, flags, ...rest: unknown[]) =>
      this.#onStream(stream, headers, flags, rest[0] as FieldList),
    );
    session.on('remoteSettings', () => this.#onSettings());
    session.on('error', () => {});
    session.on('close', () => context.deadlines.delete(this));
    // The socket may be half open, and node:http2 then waits for somebody else to close it.
    socket.on('end', () => {
      this.#gone = true;
      if (this.#streams.size === 0) this.destroy();
    });
  }

  /** Begins to end: streams in progress go on, those that are on their way here too. */
  drain(): void {
    if (this.#draining !== 'no') return;
    this.#draining = 'announced';
    if (!this.#session.closed) this.#session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ANY);
    this.deadlineMs = this.#context.deadlines.nowMs + Math.min(GOAWAY_GRACE_MS, this.#lookMs);
  }

  destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  onDeadline(): void {
    const { nowMs } = this.#context.deadlines;
    this.deadlineMs = nowMs + this.#lookMs;
    if (this.#streams.size === 0 && (this.#gone || this.#draining === 'closing')) return this.destroy();
    if (this.#draining === 'announced') {
      this.#draining = 'closing';
      this.#session.close();
    }
    const flood = this.#guard.look(nowMs, this.#socket.bytesRead);
    if (flood !== null) this.#cut(flood);
    else if (this.#isStalled(nowMs)) this.#cut('slow_reader');
    else if (this.#streams.size === 0 && nowMs >= this.#idleMs) this.#endIdle();
  }

  get #lookMs(): number {
    const { clientIdleMs, headerMs } = this.#context.timeouts;
    return Math.min(LOOK_MS, clientIdleMs, headerMs);
  }

  /** Something waits for the client, and not one byte of the connection was taken for long. */
  #isStalled(nowMs: number): boolean {
    const { bytesWritten } = this.#socket;
    const waits = this.#socket.writableLength > 0 || [...this.#streams].some(({ blocked }) => blocked);
    if (bytesWritten !== this.#written || !waits) {
      this.#written = bytesWritten;
      this.#writtenMs = nowMs;
    }
    return nowMs - this.#writtenMs >= this.#context.timeouts.clientIdleMs * 2;
  }

  #endIdle(): void {
    if (!this.#prefaceSeen) return this.#cut('no_preface');
    this.#onEnd('idle');
    // A first time with GOAWAY, a second time by force.
    if (this.#session.closed) this.destroy();
    else this.#session.close();
    this.#idleMs = this.#context.deadlines.nowMs + this.#lookMs;
  }

  #cut(why: SessionEnd): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#onEnd(why);
    const calm = why === 'resets' || why === 'settings' || why === 'overhead';
    const code = calm ? constants.NGHTTP2_ENHANCE_YOUR_CALM : constants.NGHTTP2_NO_ERROR;
    // Not within an event of the session: one that is destroyed while it reads frames corrupts the memory of Node 20.
    setImmediate(() => {
      // It sends a GOAWAY with the code, if the client still reads.
      this.#session.destroy(new Error(why), code);
      setImmediate(() => this.#socket.destroySoon());
    });
  }

  #onSettings(): void {
    if (!this.#prefaceSeen) {
      this.#prefaceSeen = true;
      this.#idleMs = this.#context.deadlines.nowMs + this.#context.timeouts.clientIdleMs;
      return;
    }
    const flood = this.#guard.settings(this.#context.deadlines.nowMs);
    if (flood !== null) this.#cut(flood);
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, fields: FieldList): void {
    // A reset may have come together with the head.
    if (this.#session.destroyed) return;
    if (this.#isCut) {
      stream.on('error', () => {});
      return;
    }
    const startMs = this.#context.deadlines.nowMs;
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const method = fieldValue(fields, ':method') ?? '';
    const grpc = isGrpc(fieldValue(fields, 'content-type'));
    const client = new ClientStream(stream, { method, grpc, ended }, this.#context, this.#guard);
    this.#streams.add(client);
    const facts = this.#judge(fields, !ended);
    const route = facts.ok ? this.#context.route(this.#head, facts, this.#forwarded) : null;
    const finished = (exchange: StreamExchange | null): void => {
      this.#streams.delete(client);
      this.#closed(client);
      this.#context.onStream({
        protocol: 'HTTP/2',
        client: this.#address,
        tls: this.#forwarded.proto === 'https',
        method,
        host: facts.ok ? facts.host : null,
        path: facts.ok ? facts.target.path : '',
        status: client.status,
        grpcStatus: client.grpcStatus,
        pool: exchange?.pool ?? null,
        endpoint: exchange?.endpoint ?? null,
        attempts: exchange?.attempts ?? 0,
        durationMs: this.#context.deadlines.nowMs - startMs,
        upstreamMs: exchange?.upstreamMs ?? -1,
        bytesIn: client.bytesIn,
        bytesOut: client.bytesOut,
        end: client.end,
        reason: exchange?.reason ?? ownReason(client, facts.ok, route),
      });
    };
    client.owner = { ...client.owner, onClosed: () => finished(null) };
    // The reset came together with the head: nobody is asked.
    if (stream.destroyed || stream.closed) return;
    if (!facts.ok) this.#refuse(client, facts.status, facts.message);
    else if (route === null) this.#refuse(client, 404, 'no route takes this host and path');
    else if ('bytes' in route) this.#answer(client, route);
    else this.#forward(client, { facts, route, ended, sensitive: sensitiveNames(headers) }, fields, finished);
  }

  #refuse(client: ClientStream, status: number, text: string): void {
    countStatus(this.#context.counters.unrouted, status);
    client.reply(status, text);
  }

  #answer(client: ClientStream, route: StreamReply): void {
    countStatus(this.#context.counters.unrouted, route.status);
    if (client.grpc && route.reason === 'limited') {
      return client.reply(route.status, 'too many requests', GRPC.resourceExhausted);
    }
    if (client.grpc && route.reason === 'shed') {
      return client.reply(route.status, 'too many requests are in progress', GRPC.unavailable);
    }
    client.replyWith(route);
  }

  #judge(fields: FieldList, hasBody: boolean): RequestFacts | Refusal {
    const bytes = requestHead(fields, hasBody);
    if (typeof bytes === 'string') return refuse(bytes);
    this.#guard.headIn(bytes.length);
    const head = this.#head;
    head.reset();
    const length = head.parse(bytes, 0, bytes.length);
    return length <= 0 ? refuse(head.error ?? 'request_line') : judgeRequest(head);
  }

  #forward(
    client: ClientStream,
    request: {
      readonly facts: RequestFacts;
      readonly route: StreamRoute;
      readonly ended: boolean;
      readonly sensitive: readonly string[];
    },
    fields: FieldList,
    finished: (exchange: StreamExchange) => void,
  ): void {
    const { facts, route, ended, sensitive } = request;
    const { scratch } = this.#context;
    const length = route.writeRequest(scratch, this.#head, facts, this.#forwarded);
    if (length === null) return this.#refuse(client, 400, 'the rewritten path is not valid');
    if (length < 0) return this.#refuse(client, 431, 'the request head is too large to be forwarded');
    const head = scratch.slice(0, length);
    const key = route.keyOf(this.#head, facts, this.#address);
    const grpcTimeout = fieldValue(fields, 'grpc-timeout');
    const coding = route.compression?.choose(this.#head) ?? null;
    const exchange = new StreamExchange(
      client,
      { facts, head, hasBody: !ended, route, key, sensitive, grpcTimeout, coding },
      this.#context,
      () => finished(exchange),
    );
    exchange.start();
  }

  #closed(client: ClientStream): void {
    const { deadlines, timeouts } = this.#context;
    if (this.#streams.size === 0) this.#idleMs = deadlines.nowMs + timeouts.clientIdleMs;
    if (client.end !== 'cancelled' || this.#session.destroyed) return;
    const flood = this.#guard.reset(deadlines.nowMs);
    if (flood !== null) this.#cut(flood);
  }
}

/** Of streams that never reached a pool. */
function ownReason(
  client: ClientStream,
  readable: boolean,
  route: StreamRoute | StreamReply | null,
): AccessReason {
  if (!client.answered) return 'client_closed';
  if (!readable || (route !== null && !('bytes' in route))) return 'malformed_request';
  if (route === null) return 'no_route';
  if (route.reason !== undefined) return route.reason;
  return route.status >= 300 && route.status < 400 ? 'redirect' : 'fixed';
}

/** Without the prefix of IPv4 addresses on IPv6 sockets. */
function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? '';
}
