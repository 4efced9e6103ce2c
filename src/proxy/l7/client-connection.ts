import type { AccessReason } from '../../core/access-log/entry.js';
import { NO_KEY } from '../../core/balance/hash.js';
import type { FixedReply } from '../../core/http/fixed-reply.js';
import { BodyDecoder } from '../../core/http/framing.js';
import { Head } from '../../core/http/head.js';
import { judgeRequest, type RequestFacts } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import { requestKey } from '../../core/http/request-key.js';
import type { KnownRequest } from '../../core/http/request-memo.js';
import { requestEdits } from '../../core/http/request-rewrite.js';
import { type ForwardContext, usualRequest, writeRequestHead } from '../../core/http/rewrite.js';
import { ByteWindow } from '../../core/http/window.js';
import { forwardedClient } from '../../core/limit/forwarded-client.js';
import type { Connection } from '../../io/network.js';
import { NO_SLOT } from '../../io/roster.js';
import { countStatus } from '../counters.js';
import type { Timed } from '../deadlines.js';
import type { RequestGuard } from '../limit/request-guard.js';
import type { ClientFacts } from '../proxy-header.js';
import type { Session } from '../proxy-listener.js';
import type { RequestAdmission } from '../request-admission.js';
import { Tunnel } from '../tunnel.js';
import { Coalescing, type WaitingClient, type WaitingRequest } from './coalescing.js';
import type { HttpContext, HttpRoute } from './context.js';
import { Exchange } from './exchange.js';
import type { ClientExchange, ExchangeClient } from './exchange-client.js';
import type { Flights } from './flights.js';
import { replyBytes, textReply } from './reply.js';
import { ownReply, type RouteTarget } from './route-table.js';
import type { UpstreamConnection } from './upstream-connection.js';

type Known = KnownRequest<RouteTarget<HttpRoute>>;

/** Pipelined requests and body bytes that wait in memory before reading stops. */
const WINDOW_MAX = 64 * 1024;
/** How long a client may take to see our end of the connection after the last byte was sent. */
const LINGER_MS = 2_000;
/** How long a new connection is kept for its first request when the proxy ends. */
const FIRST_REQUEST_MS = 1_000;
/** Part of `timeouts.drain`, and a bound, over which idle connections end: their clients all come back somewhere else. */
const DRAIN_SPREAD = 0.1;
const DRAIN_SPREAD_MS_MAX = 5_000;
const NO_ROUTE = textReply(404, 'no route takes this request');
const NO_LOCATION = textReply(400, 'there is nowhere to redirect this request to');

/**
 * One HTTP connection of a client. Requests are taken one after another, in order; the bytes of later ones wait.
 *
 *   head ──complete──▶ exchange ──done──▶ head …
 *     │                  │  └──101──▶ tunnel
 *     │ └─the same is on its way─▶ following ──response──▶ head …
 *     └──refused──▶ lingering ◀──close after this response──┘
 */
export class ClientConnection implements Session, ExchangeClient, WaitingClient, Timed {
  deadlineSlot = NO_SLOT;
  sessionSlot = NO_SLOT;
  deadlineMs: number;
  closing = false;
  inputEnded = false;
  readonly window: ByteWindow = new ByteWindow();
  readonly requestBody: BodyDecoder = new BodyDecoder();
  readonly #connection: Connection;
  readonly #context: HttpContext;
  readonly #onClosed: (session: Session) => void;
  readonly #forward: ForwardContext;
  readonly #exchange: Exchange;
  /** The one at hand: another one than `#exchange` for endpoints of HTTP/2. */
  #running: ClientExchange;
  /** Only of a head that did not arrive whole. */
  #head: Head | null = null;
  #phase: 'head' | 'exchange' | 'following' | 'tunnel' | 'lingering' = 'head';
  /** Only of one whose requests may wait for others, or others for them. */
  #coalescing: Coalescing | null = null;
  #request: RequestFacts | null = null;
  #tunnel: Tunnel | null = null;
  #bodyBlocked = false;
  #processing = false;
  /** A TLS handshake whose end was not counted yet. */
  #shaking: boolean;

  /** `facts`: whom a PROXY header named. */
  constructor(
    connection: Connection,
    context: HttpContext,
    onClosed: (session: Session) => void,
    facts: ClientFacts | null = null,
  ) {
    this.#connection = connection;
    this.#context = context;
    this.#onClosed = onClosed;
    const { host } = facts?.source ?? connection.remote;
    this.#forward = {
      clientAddress: host,
      proto: context.proto,
      trusted: context.trusts(host),
      via: context.via,
      tails: context.tails,
    };
    this.#shaking = context.proto === 'https';
    this.#exchange = new Exchange(this, context);
    this.#running = this.#exchange;
    this.deadlineMs = context.deadlines.nowMs + context.timeouts.headerMs;
    context.deadlines.add(this);
  }

  /** Ends the connection as soon as no exchange is in progress. */
  drain(): void {
    this.closing = true;
    if (this.#phase !== 'head' || this.window.length > 0) return;
    // A request on a new connection is mostly on its way. One that still comes on an idle one is the last there.
    const { deadlines, timeouts, random } = this.#context;
    const spreadMs = Math.min(timeouts.drainMs * DRAIN_SPREAD, DRAIN_SPREAD_MS_MAX);
    const forMs = this.#request === null ? FIRST_REQUEST_MS : random() * spreadMs;
    this.deadlineMs = Math.min(this.deadlineMs, deadlines.nowMs + forMs);
  }

  destroy(): void {
    this.#tunnel?.destroy();
    this.#connection.destroy();
  }

  onDeadline(): void {
    if (this.#phase === 'exchange') {
      // The exchange moves its own deadline with every byte; look there before giving up.
      const { deadlineMs } = this.#running;
      if (deadlineMs > this.#context.deadlines.nowMs) this.deadlineMs = deadlineMs;
      else this.#running.onDeadline();
    } else if (this.#phase === 'head' && this.#head !== null) {
      this.#refuse(408, 'the request head did not arrive in time', false);
    } else if (this.#phase === 'following') {
      this.#coalescing?.waitedTooLong();
    } else if (this.#phase === 'head' && this.closing && this.#request !== null) {
      this.#linger();
    } else {
      this.#connection.destroy();
    }
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.#context.counters.bytesOut += end - start;
    const flowing = this.#connection.write(bytes, start, end);
    return this.#coalescing === null ? flowing : this.#coalescing.share(bytes, start, end) || flowing;
  }

  endsNext(): void {
    this.#connection.endsNext();
  }

  get address(): string {
    return this.#forward.clientAddress;
  }

  get blocked(): boolean {
    return this.#connection.queued > 0;
  }

  setBodyBlocked(blocked: boolean): void {
    this.#bodyBlocked = blocked;
    this.#regulate();
  }

  exchangeDone(keepOpen: boolean): void {
    this.#coalescing?.done();
    if (!keepOpen || this.closing) {
      if (!this.#isOver()) {
        this.#linger();
        return;
      }
      this.#phase = 'lingering';
      this.#connection.destroy();
      return;
    }
    this.#phase = 'head';
    this.#bodyBlocked = false;
    this.deadlineMs = this.#context.deadlines.nowMs + this.#context.timeouts.clientIdleMs;
    this.#process();
  }

  exchangeFailed(status: number, text: string, keepOpen: boolean, retryAfter?: number): void {
    this.#coalescing?.failed(status, text, retryAfter);
    this.#reply(status, text, !keepOpen, this.#request?.method === 'HEAD', retryAfter);
    this.exchangeDone(keepOpen);
  }

  exchangeReplied(reply: Pick<FixedReply, 'bytes'>, keepOpen: boolean): void {
    const bytes = reply.bytes({ close: !keepOpen, toHead: this.#request?.method === 'HEAD' });
    this.write(bytes, 0, bytes.length);
    this.exchangeDone(keepOpen);
  }

  startTunnel(upstream: UpstreamConnection, onClose: () => void): void {
    const { deadlines, counters, timeouts } = this.#context;
    this.#phase = 'tunnel';
    deadlines.delete(this);
    const { window } = upstream;
    if (window.length > 0) this.write(window.bytes, window.start, window.end);
    window.clear();
    const connection = upstream.detach();
    if (this.window.length > 0) connection.write(this.window.bytes, this.window.start, this.window.end);
    this.window.clear();
    if (this.inputEnded) connection.end();
    this.#tunnel = new Tunnel(
      { client: this.#connection, upstream: connection },
      { idleMs: timeouts.tunnelIdleMs, counters },
      {
        deadlines,
        onClientClose: () => this.#closed(),
        onUpstreamClose: () => {
          upstream.ended();
          onClose();
        },
      },
    );
  }

  abort(): void {
    this.#coalescing?.failed(502, 'the response to a request for the same broke off');
    this.#connection.reset();
  }

  onOpen(): void {}

  onData(_connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    this.#context.counters.bytesIn += end - start;
    if (this.#shaking) this.#countHandshake();
    if (this.#phase === 'lingering') return;
    this.window.append(bytes, start, end);
    this.#process();
    this.window.settle();
  }

  onDrain(): void {
    if (this.#phase === 'lingering') this.deadlineMs = this.#context.deadlines.nowMs + LINGER_MS;
    if (this.#phase === 'exchange') this.#running.onClientDrain();
    this.#process();
  }

  onEnd(): void {
    this.inputEnded = true;
    if (this.#phase === 'lingering') return;
    const bodyMissing = this.#phase === 'exchange' && !this.requestBody.done;
    if (bodyMissing && this.window.length === 0) this.#connection.destroy();
    else this.#process();
  }

  onClose(): void {
    if (this.#shaking) this.#countHandshake();
    this.#closed();
  }

  /** Counted with the first bytes: the network tells of no earlier moment. */
  #countHandshake(): void {
    const { tls } = this.#connection;
    this.#shaking = false;
    this.#context.counters.handshake(tls === null ? 'failed' : tls.resumed ? 'resumed' : 'full');
  }

  /** Takes what the window has. Responses may end inside of it, hence the loop instead of recursion. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (this.#phase === 'head' && !this.blocked && this.#readHead());
    this.#processing = false;
    if (this.#phase === 'exchange') this.#running.pumpRequest();
    else if (this.#phase === 'head' && this.inputEnded && !this.blocked) this.#linger();
    this.#regulate();
  }

  /** True if a head was complete and there may be another one. */
  #readHead(): boolean {
    const { window } = this;
    if (window.length === 0) return false;
    const { head: shared, memo } = this.#context;
    if (this.#head === null) {
      const known = memo.find(window.bytes, window.start, window.end);
      if (known !== null) {
        this.#startExchange(known.head, known.facts, known.length, known);
        return true;
      }
      shared.reset();
    }
    let head = this.#head ?? shared;
    let length = head.parse(window.bytes, window.start, window.end);
    if (length === 0 && this.#head === null) {
      head = this.#beginHead();
      length = head.parse(window.bytes, window.start, window.end);
    }
    if (length === 0) return false;
    this.#head = null;
    if (length < 0) {
      const refusal = refuse(head.error ?? 'request_line');
      this.#refuse(refusal.status, refusal.message, false);
      return false;
    }
    const facts = judgeRequest(head);
    if (facts.ok) {
      if (head === shared && memo.wants(length, window.length, facts)) this.#learn(head, facts, length);
      this.#startExchange(head, facts, length, null);
    } else this.#refuse(facts.status, facts.message, head.method === 'HEAD');
    return true;
  }

  /** A head that comes in pieces has a deadline, and is not read again from its start with each piece. */
  #beginHead(): Head {
    this.#head = new Head('request');
    this.deadlineMs = this.#context.deadlines.nowMs + this.#context.timeouts.headerMs;
    return this.#head;
  }

  /** The same head will not be read again. */
  #learn(head: Head, facts: RequestFacts, length: number): void {
    const { router, memo, network } = this.#context;
    const target = router.find(facts, head);
    const route = target === null ? null : target.forward;
    const isPlain = route !== null && route.split === null && route.rewriter === null;
    const usual = isPlain ? usualRequest(network.scratch, head, facts, this.#forward, route.pool.name) : null;
    memo.learn(head, length, { facts, target, usual });
  }

  /** `known`: what was remembered of such a request. */
  #startExchange(head: Head, facts: RequestFacts, headLength: number, known: Known | null): void {
    const { router, network, guard } = this.#context;
    if (guard !== null && this.#isDenied(guard, head, facts, headLength)) return;
    const target = known === null ? router.find(facts, head) : known.target;
    if (target !== null && target.guard !== null && this.#isDenied(target.guard, head, facts, headLength))
      return;
    let route = target === null ? null : target.forward;
    if (route === null) {
      this.#replyDirect(facts, headLength, target);
      return;
    }
    const { admission } = this.#context;
    if (admission !== null && this.#isShed(admission, head, facts, headLength)) return;
    if (route.split !== null) route = route.split.choose(head, facts, this.#forward.clientAddress);
    const { rewriter, pool } = route;
    const spoken = pool.model.protocol;
    const translated = spoken !== undefined && spoken !== 'h1';
    if (translated && (facts.upgrade !== null || this.#context.translate === null)) {
      this.#refuse(505, `pool ${pool.name} takes HTTP/2 only`, facts.method === 'HEAD');
      return;
    }
    const edits = rewriter === null ? null : requestEdits(rewriter, facts.target);
    if (rewriter !== null && edits === null) {
      this.#refuse(400, 'the rewritten path is not valid', facts.method === 'HEAD');
      return;
    }
    const usual = known === null || this.#forward.trusted ? null : known.usual;
    const length =
      usual === null
        ? writeRequestHead(network.scratch, head, facts, this.#forward, pool.name, edits)
        : usual.write(network.scratch, this.#forward.clientAddress);
    if (length < 0) {
      this.#refuse(431, 'the request head is too large to be forwarded', facts.method === 'HEAD');
      return;
    }
    if (route.flights !== null && this.#follows(route.flights, head, { facts, headLength, route })) return;
    this.window.consume(headLength);
    this.requestBody.begin(facts.framing);
    this.#request = facts;
    this.#phase = 'exchange';
    const { keySource, sticky } = route.pool;
    const { clientAddress } = this.#forward;
    const hashed = keySource === null ? NO_KEY : requestKey(keySource, head, facts, clientAddress);
    const key = sticky === null ? hashed : sticky.keyOf(head, clientAddress, hashed);
    const coding = route.compression === null ? null : route.compression.choose(head);
    if (translated) this.#translate();
    else this.#exchange.responses = known === null ? null : known.responses;
    const exchange = this.#running;
    exchange.begin(facts, route, length, key, coding);
    if (this.#phase === 'exchange') this.deadlineMs = exchange.deadlineMs;
  }

  /** The next exchange is one with an endpoint of HTTP/2. */
  #translate(): void {
    const translate = this.#context.translate!;
    this.#running = translate(this, () => {
      this.#running = this.#exchange;
    });
  }

  /** True if the request waits for the response to another one. */
  #follows(flights: Flights, head: Head, request: WaitingRequest): boolean {
    this.#coalescing ??= new Coalescing(this);
    if (!this.#coalescing.follows(flights, head, request)) return false;
    this.#phase = 'following';
    this.deadlineMs = this.#context.deadlines.nowMs + request.route.responseMs;
    return true;
  }

  answerShared(request: WaitingRequest, bytes: Uint8Array, length: number, status: number): void {
    this.#takeWaiting(request, status);
    this.write(bytes, 0, length);
    this.exchangeDone(true);
  }

  failShared(request: WaitingRequest, status: number, text: string, retryAfter?: number): void {
    this.#takeWaiting(request, status);
    this.#reply(status, text, false, false, retryAfter);
    this.exchangeDone(true);
  }

  readAgain(): void {
    this.#phase = 'head';
    this.#process();
  }

  /** The request that waited is answered. */
  #takeWaiting({ facts, headLength, route }: WaitingRequest, status: number): void {
    this.window.consume(headLength);
    this.requestBody.begin(facts.framing);
    this.#request = facts;
    countStatus(route.classes, status);
    route.pool.tally.coalesced();
    this.#log(status, 'coalesced', facts);
  }

  /** Redirects and fixed responses, and what no route takes. */
  #replyDirect(facts: RequestFacts, headLength: number, target: RouteTarget<HttpRoute> | null): void {
    const { proto } = this.#forward;
    const reply = target === null ? NO_ROUTE : (ownReply(target, facts, proto) ?? NO_LOCATION);
    this.#replyOwn(facts, headLength, reply, reasonOf(target));
  }

  /** True if the request was answered, since it may not pass. */
  #isDenied(guard: RequestGuard, head: Head, facts: RequestFacts, headLength: number): boolean {
    // It was asked for this request before.
    if (this.#coalescing?.isSecondReading === true) return false;
    const { trusted, clientAddress } = this.#forward;
    const denial = guard.check(head, facts, trusted ? forwardedClient(head, clientAddress) : clientAddress);
    if (denial === null) return false;
    this.#replyOwn(facts, headLength, denial, denial.reason);
    return true;
  }

  /** Likewise, since too many are in progress. */
  #isShed(admission: RequestAdmission, head: Head, facts: RequestFacts, headLength: number): boolean {
    if (this.#coalescing?.isSecondReading === true) return false;
    const reply = admission.check(head, facts);
    if (reply === null) return false;
    this.#replyOwn(facts, headLength, reply, reply.reason);
    return true;
  }

  #replyOwn(facts: RequestFacts, headLength: number, reply: FixedReply, reason: AccessReason): void {
    this.requestBody.begin(facts.framing);
    const close = !this.requestBody.done || !facts.keepAlive || this.closing;
    countStatus(this.#context.counters.unrouted, reply.status);
    this.#log(reply.status, reason, facts);
    const bytes = reply.bytes({ close, toHead: facts.method === 'HEAD' });
    this.write(bytes, 0, bytes.length);
    if (close) {
      this.#linger();
      return;
    }
    this.window.consume(headLength);
    this.exchangeDone(true);
  }

  #reply(status: number, text: string, close: boolean, toHead: boolean, retryAfter?: number): void {
    const bytes = replyBytes({ status, text, close, toHead, retryAfter });
    this.write(bytes, 0, bytes.length);
  }

  /** Answers without an endpoint, and closes: where the next request would start can't be trusted. */
  #refuse(status: number, text: string, toHead: boolean): void {
    countStatus(this.#context.counters.unrouted, status);
    this.#log(status, status === 408 ? 'request_timeout' : 'malformed_request', null);
    this.#reply(status, text, true, toHead);
    this.#linger();
  }

  /** Requests that no exchange logs: `facts` of those that could be read. */
  #log(status: number, reason: AccessReason, facts: RequestFacts | null): void {
    const { access, counters, deadlines } = this.#context;
    if (access === null || !access.takes(status, deadlines.nowMs)) return;
    const entry = access.begin(counters.listener, this.address, this.#context.proto === 'https');
    if (facts !== null) {
      entry.protocol = facts.http10 ? 'HTTP/1.0' : 'HTTP/1.1';
      entry.method = facts.method;
      entry.host = facts.host ?? '';
      entry.path = facts.target.path;
    }
    entry.status = status;
    entry.reason = reason;
    access.write();
  }

  /** The client has said that this was all, and nothing is on its way in either direction: a plain close is safe. */
  #isOver(): boolean {
    // With TLS an end has to be said first; and node:net may still hold what was written.
    const { proto, network } = this.#context;
    return this.#saidAll() && !this.blocked && proto === 'http' && network.name === 'batched';
  }

  /**
   * Ends our side and throws away what still comes. Closing at once while bytes are unread would make the
   * kernel send a reset, which can destroy the response on its way (RFC 9112 §9.6).
   */
  #linger(): void {
    if (this.#phase === 'lingering') return;
    this.#phase = 'lingering';
    this.window.clear();
    const { deadlines, timeouts } = this.#context;
    this.deadlineMs = deadlines.nowMs + (this.blocked ? timeouts.clientIdleMs : LINGER_MS);
    this.#connection.end();
    this.#connection.resume();
  }

  /** Reads on only while there is somewhere for the bytes to go. */
  #regulate(): void {
    if (this.#phase === 'lingering' || this.#phase === 'tunnel') return;
    const full = this.window.length >= WINDOW_MAX;
    if (full || (this.#bodyBlocked && !this.requestBody.done)) this.#connection.pause();
    else this.#connection.resume();
    if (this.#saidAll()) this.#connection.expectNothing();
  }

  /** It asks for the connection to be closed after this response, and has sent all of its request. */
  #saidAll(): boolean {
    return this.#request?.keepAlive === false && this.requestBody.done && this.window.length === 0;
  }

  #closed(): void {
    this.#context.deadlines.delete(this);
    if (this.#phase === 'exchange') this.#running.cancel();
    this.#coalescing?.closed();
    this.#onClosed(this);
  }
}

/** Why a request gets an answer of our own. */
function reasonOf(target: RouteTarget<HttpRoute> | null): AccessReason {
  if (target === null) return 'no_route';
  return target.redirect === null ? 'fixed' : 'redirect';
}
