import type { Socket } from 'node:net';
import { BodyDecoder } from '../../core/http/framing.js';
import { Head } from '../../core/http/head.js';
import { judgeRequest, type RequestFacts } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import { writeRequestHead } from '../../core/http/rewrite.js';
import { ByteWindow } from '../../core/http/window.js';
import { abort } from '../abort.js';
import { countStatus } from '../counters.js';
import type { Timed } from '../deadlines.js';
import { Tunnel } from '../tunnel.js';
import type { HttpContext } from './context.js';
import { Exchange, type ExchangeClient } from './exchange.js';
import { replyBytes } from './reply.js';
import type { UpstreamConnection } from './upstream-connection.js';

/** Pipelined requests and body bytes that wait in memory before reading stops. */
const WINDOW_MAX = 64 * 1024;
/** How long a client may take to see our end of the connection after the last byte was sent. */
const LINGER_MS = 2_000;

/**
 * One HTTP connection of a client. Requests are taken one after another, in order; the bytes of later ones wait.
 *
 *   head ──complete──▶ exchange ──done──▶ head …
 *     │                  │  └──101──▶ tunnel
 *     └──refused──▶ lingering ◀──close after this response──┘
 */
export class ClientConnection implements ExchangeClient, Timed {
  deadlineMs: number;
  closing = false;
  inputEnded = false;
  readonly window: ByteWindow = new ByteWindow();
  readonly requestBody: BodyDecoder = new BodyDecoder();
  readonly #socket: Socket;
  readonly #context: HttpContext;
  readonly #onClosed: (connection: ClientConnection) => void;
  readonly #address: string;
  readonly #trusted: boolean;
  readonly #head = new Head('request');
  #phase: 'head' | 'exchange' | 'tunnel' | 'lingering' = 'head';
  #exchange: Exchange | null = null;
  #request: RequestFacts | null = null;
  #tunnel: Tunnel | null = null;
  #headBegun = false;
  #bodyBlocked = false;
  #processing = false;

  constructor(socket: Socket, context: HttpContext, onClosed: (connection: ClientConnection) => void) {
    this.#socket = socket;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#address = plainAddress(socket.remoteAddress);
    this.#trusted = context.trusts(this.#address);
    this.deadlineMs = context.deadlines.nowMs + context.timeouts.headerMs;
    context.deadlines.add(this);
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    // The 'close' that follows does the work; without a listener the process would end.
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  /** Ends the connection as soon as no exchange is in progress. */
  drain(): void {
    this.closing = true;
    if (this.#phase === 'head' && this.window.length === 0) this.#linger();
  }

  destroy(): void {
    this.#tunnel?.destroy();
    this.#socket.destroy();
  }

  onDeadline(): void {
    if (this.#phase === 'exchange') {
      // The exchange moves its own deadline with every byte; look there before giving up.
      const { deadlineMs } = this.#exchange!;
      if (deadlineMs > this.#context.deadlines.nowMs) this.deadlineMs = deadlineMs;
      else this.#exchange!.onDeadline();
    } else if (this.#phase === 'head' && this.#headBegun) {
      this.#refuse(408, 'the request head did not arrive in time', false);
    } else {
      this.#socket.destroy();
    }
  }

  write(bytes: Uint8Array): boolean {
    this.#context.counters.bytesOut += bytes.length;
    return this.#socket.write(bytes);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  setBodyBlocked(blocked: boolean): void {
    this.#bodyBlocked = blocked;
    this.#regulate();
  }

  exchangeDone(keepOpen: boolean): void {
    this.#exchange = null;
    if (!keepOpen || this.closing) {
      this.#linger();
      return;
    }
    this.#phase = 'head';
    this.#bodyBlocked = false;
    this.#head.reset();
    this.#headBegun = false;
    this.deadlineMs = this.#context.deadlines.nowMs + this.#context.timeouts.clientIdleMs;
    this.#process();
  }

  exchangeFailed(status: number, text: string, keepOpen: boolean): void {
    const toHead = this.#request?.method === 'HEAD';
    this.write(replyBytes({ status, text, close: !keepOpen, toHead }));
    this.exchangeDone(keepOpen);
  }

  startTunnel(upstream: UpstreamConnection): void {
    const { deadlines, counters, timeouts } = this.#context;
    this.#phase = 'tunnel';
    this.#exchange = null;
    deadlines.delete(this);
    this.#socket.off('data', this.#onData);
    this.#socket.off('drain', this.#onDrain);
    this.#socket.off('end', this.#onEnd);
    const early = upstream.window.take();
    if (early.length > 0) this.write(early);
    const socket = upstream.detach();
    if (this.window.length > 0) socket.write(this.window.take());
    if (this.inputEnded) socket.end();
    this.#tunnel = new Tunnel(
      { client: this.#socket, upstream: socket },
      { idleMs: timeouts.tunnelIdleMs, counters },
      { deadlines, onClose: () => {} },
    );
  }

  abort(): void {
    this.#exchange = null;
    abort(this.#socket);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#context.counters.bytesIn += chunk.length;
    if (this.#phase === 'lingering') return;
    this.window.append(chunk);
    this.#process();
  };

  readonly #onDrain = (): void => {
    this.#exchange?.onClientDrain();
    this.#process();
  };

  readonly #onEnd = (): void => {
    this.inputEnded = true;
    if (this.#phase === 'lingering') return;
    const bodyMissing = this.#phase === 'exchange' && !this.requestBody.done;
    if (bodyMissing && this.window.length === 0) this.#socket.destroy();
    else this.#process();
  };

  /** Takes what the window has. Responses may end inside of it, hence the loop instead of recursion. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (this.#phase === 'head' && !this.#socket.writableNeedDrain && this.#readHead());
    this.#processing = false;
    if (this.#phase === 'exchange') this.#exchange?.pumpRequest();
    else if (this.#phase === 'head' && this.inputEnded && !this.#socket.writableNeedDrain) this.#linger();
    this.#regulate();
  }

  /** True if a head was complete and there may be another one. */
  #readHead(): boolean {
    const { window } = this;
    if (window.length === 0) return false;
    const length = this.#head.parse(window.bytes, window.start, window.end);
    if (length < 0) {
      const refusal = refuse(this.#head.error ?? 'request_line');
      this.#refuse(refusal.status, refusal.message, false);
      return false;
    }
    if (length === 0) {
      if (!this.#headBegun) {
        this.#headBegun = true;
        this.deadlineMs = this.#context.deadlines.nowMs + this.#context.timeouts.headerMs;
      }
      return false;
    }
    const facts = judgeRequest(this.#head);
    if (facts.ok) this.#startExchange(facts, length);
    else this.#refuse(facts.status, facts.message, this.#head.method === 'HEAD');
    return true;
  }

  #startExchange(facts: RequestFacts, headLength: number): void {
    const route = this.#context.router.find(facts.host, facts.target.path);
    if (route === null) {
      this.#replyNoRoute(facts, headLength);
      return;
    }
    const head = writeRequestHead(this.#head, facts, {
      clientAddress: this.#address,
      proto: 'http',
      trusted: this.#trusted,
      via: this.#context.via,
      defaultHost: route.pool.name,
    });
    this.window.consume(headLength);
    this.requestBody.begin(facts.framing);
    this.#request = facts;
    this.#phase = 'exchange';
    this.#exchange = new Exchange(this, { facts, head, route }, this.#context);
    this.#exchange.start();
    if (this.#exchange !== null) this.deadlineMs = this.#exchange.deadlineMs;
  }

  #replyNoRoute(facts: RequestFacts, headLength: number): void {
    const text = 'no route takes this host and path';
    const toHead = facts.method === 'HEAD';
    this.requestBody.begin(facts.framing);
    if (!this.requestBody.done || !facts.keepAlive || this.closing) {
      this.#refuse(404, text, toHead);
      return;
    }
    countStatus(this.#context.counters.unrouted, 404);
    this.write(replyBytes({ status: 404, text, close: false, toHead }));
    this.window.consume(headLength);
    this.exchangeDone(true);
  }

  /** Answers without an endpoint, and closes: where the next request would start can't be trusted. */
  #refuse(status: number, text: string, toHead: boolean): void {
    countStatus(this.#context.counters.unrouted, status);
    this.write(replyBytes({ status, text, close: true, toHead }));
    this.#linger();
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
    this.deadlineMs = deadlines.nowMs + timeouts.clientIdleMs;
    this.#socket.end(() => {
      this.deadlineMs = deadlines.nowMs + LINGER_MS;
    });
    this.#socket.resume();
  }

  /** Reads on only while there is somewhere for the bytes to go. */
  #regulate(): void {
    if (this.#phase === 'lingering' || this.#phase === 'tunnel') return;
    const full = this.window.length >= WINDOW_MAX;
    if (full || (this.#bodyBlocked && !this.requestBody.done)) this.#socket.pause();
    else this.#socket.resume();
  }

  #closed(): void {
    this.#context.deadlines.delete(this);
    this.#exchange?.cancel();
    this.#exchange = null;
    this.#onClosed(this);
  }
}

function plainAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
