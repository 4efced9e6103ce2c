import type { Socket } from 'node:net';
import type { ProxyLimits, ProxyTimeouts } from '../../core/balance/model.js';
import { BodyDecoder } from '../../core/http/framing.js';
import { Head } from '../../core/http/head.js';
import { type FieldList, trailerFields } from '../../core/http/http2-head.js';
import { judgeResponse, type ResponseFacts } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import { ByteWindow } from '../../core/http/window.js';
import type { PortableClientTls } from '../../io/portable/tls.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { dial } from './dial.js';
import type {
  CalledEndpoint,
  UpstreamCall,
  UpstreamFailureCode,
  UpstreamListener,
  UpstreamRequest,
} from './upstream.js';

export interface UpstreamModules {
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
}

/** Calls over HTTP/1.1: one at a time on each connection, and idle connections are kept, the last one first. */
export class Http1Upstream {
  readonly #modules: UpstreamModules;
  readonly #idle = new Map<CalledEndpoint, Http1Connection[]>();

  constructor(modules: UpstreamModules) {
    this.#modules = modules;
  }

  /** `fresh`: not on a kept connection. */
  call(
    endpoint: CalledEndpoint,
    tls: PortableClientTls | null,
    request: UpstreamRequest,
    listener: UpstreamListener,
    fresh: boolean,
  ): UpstreamCall {
    const kept = fresh ? undefined : this.#idle.get(endpoint)?.pop();
    if (kept !== undefined) endpoint.spare--;
    const connection = kept ?? new Http1Connection(endpoint, tls, this.#modules, this.#keep);
    connection.begin(request, listener);
    return connection;
  }

  /** Closes idle connections to endpoints for which `which` is true. */
  closeIdle(which: (endpoint: CalledEndpoint) => boolean): void {
    for (const [endpoint, connections] of this.#idle) {
      if (!which(endpoint)) continue;
      for (const connection of [...connections]) connection.destroy();
      this.#idle.delete(endpoint);
    }
  }

  readonly #keep = (connection: Http1Connection, keep: boolean): boolean => {
    const { endpoint } = connection;
    const list = this.#idle.get(endpoint) ?? [];
    const at = list.indexOf(connection);
    if (!keep) {
      if (at < 0) return false;
      list.splice(at, 1);
      endpoint.spare--;
      return false;
    }
    if (!endpoint.up || list.length >= this.#modules.limits.upstreamIdle) return false;
    list.push(connection);
    endpoint.spare++;
    this.#idle.set(endpoint, list);
    return true;
  };
}

const CRLF = Buffer.from('\r\n');

class Http1Connection implements UpstreamCall, Timed {
  deadlineSlot = NO_SLOT;
  readonly endpoint: CalledEndpoint;
  deadlineMs: number;
  readonly #modules: UpstreamModules;
  readonly #keep: (connection: Http1Connection, keep: boolean) => boolean;
  readonly #socket: Socket;
  readonly #window = new ByteWindow();
  readonly #head = new Head('response');
  readonly #decoder = new BodyDecoder();
  #request: UpstreamRequest | null = null;
  #listener: UpstreamListener | null = null;
  #response: ResponseFacts | null = null;
  #opened = false;
  #used = false;
  #sent = false;
  #received = false;
  #gone = false;

  constructor(
    endpoint: CalledEndpoint,
    tls: PortableClientTls | null,
    modules: UpstreamModules,
    keep: (connection: Http1Connection, keep: boolean) => boolean,
  ) {
    this.endpoint = endpoint;
    this.#modules = modules;
    this.#keep = keep;
    this.#decoder.keepTrailers = true;
    this.deadlineMs = modules.deadlines.nowMs + modules.timeouts.connectMs;
    endpoint.connections++;
    endpoint.connecting++;
    modules.deadlines.add(this);
    this.#socket = dial(endpoint.address, tls, null, {
      onOpen: () => this.#connected(),
      onFail: (message) => {
        this.#fail('connect_failed', message);
        this.destroy();
      },
    });
  }

  begin(request: UpstreamRequest, listener: UpstreamListener): void {
    this.#request = request;
    this.#listener = listener;
    this.#response = null;
    this.#received = false;
    this.#sent = !request.hasBody;
    this.#head.reset();
    if (!this.#opened) return;
    this.#used = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    queueMicrotask(() => this.#listener === listener && this.#send());
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#request?.facts.framing.kind !== 'chunked') return socket.write(bytes);
    socket.cork();
    socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    socket.write(bytes);
    const flowing = socket.write(CRLF);
    socket.uncork();
    return flowing;
  }

  end(trailers: FieldList): void {
    this.#sent = true;
    if (this.#request?.facts.framing.kind !== 'chunked') return;
    let text = '0\r\n';
    for (let i = 0; i + 1 < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
    this.#socket.write(`${text}\r\n`, 'latin1');
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  cancel(): void {
    this.#listener = null;
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
    if (this.#gone) return;
    this.#gone = true;
    this.endpoint.connections--;
    if (!this.#opened) this.endpoint.connecting--;
    this.#modules.deadlines.delete(this);
    this.#keep(this, false);
    this.#request?.onRoom();
  }

  onDeadline(): void {
    if (!this.#opened) this.#fail('connect_timeout', 'it took too long');
    this.destroy();
  }

  #connected(): void {
    const socket = this.#socket;
    this.#opened = true;
    this.endpoint.connecting--;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#listener?.onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
    this.#send();
  }

  #send(): void {
    const request = this.#request;
    if (request === null || this.#listener === null) return;
    this.#socket.write(request.head);
    this.#listener.onOpen();
  }

  #onData(chunk: Buffer): void {
    this.#received = true;
    // Bytes that nobody asked for: the endpoint and we disagree about where its response ended.
    if (this.#listener === null) {
      this.destroy();
      return;
    }
    this.#window.append(chunk, 0, chunk.length);
    while (this.#listener !== null && this.#window.length > 0 && this.#read());
  }

  /** True if there may be more to read. */
  #read(): boolean {
    if (this.#response !== null) return this.#readBody(this.#response);
    const window = this.#window;
    const length = this.#head.parse(window.bytes, window.start, window.end);
    if (length === 0) return false;
    const head = this.#head;
    const facts =
      length < 0 ? refuse(head.error ?? 'status_line') : judgeResponse(head, this.#request!.facts);
    if (!facts.ok) {
      this.#fail('invalid', facts.message);
      this.destroy();
      return false;
    }
    const { kind, length: bodyLength } = facts.framing;
    this.#listener?.onHead(head, facts, kind === 'none' || (kind === 'length' && bodyLength === 0));
    window.consume(length);
    if (facts.status < 200) {
      head.reset();
      return true;
    }
    this.#response = facts;
    this.#decoder.begin(facts.framing);
    if (this.#decoder.done) this.#finish(facts);
    return true;
  }

  #readBody(response: ResponseFacts): boolean {
    const window = this.#window;
    const decoder = this.#decoder;
    const { start } = window;
    const end = decoder.feed(window.bytes, start, window.end, (bytes, from, to) => {
      this.#listener?.onData(bytes.subarray(from, to));
    });
    window.consume(end - start);
    if (decoder.error !== null) {
      this.#fail('invalid', refuse(decoder.error).message);
      this.destroy();
    } else if (decoder.done) {
      this.#finish(response);
    }
    return false;
  }

  #finish(response: ResponseFacts): void {
    const listener = this.#listener;
    this.#listener = null;
    const clean = this.#sent && response.keepAlive && this.#window.length === 0 && !this.#gone;
    this.deadlineMs = this.#modules.deadlines.nowMs + this.#modules.timeouts.upstreamIdleMs;
    if (!clean || !this.#keep(this, true)) this.destroy();
    else this.#socket.resume();
    listener?.onEnd(trailerFields(this.#decoder.trailers));
  }

  #onEnd(): void {
    if (this.#listener !== null && this.#response?.framing.kind === 'close') this.#finish(this.#response);
    this.#fail(this.#brokenCode(), 'it closed its connection');
    this.destroy();
  }

  #onClose(): void {
    this.#fail(this.#brokenCode(), 'it broke its connection');
    this.destroy();
  }

  #brokenCode(): UpstreamFailureCode {
    return this.#used && !this.#received ? 'stale' : 'broken';
  }

  #fail(code: UpstreamFailureCode, message: string): void {
    const listener = this.#listener;
    if (listener === null) return;
    this.#listener = null;
    if (code === 'connect_failed' || code === 'connect_timeout') this.endpoint.connectFailures++;
    listener.onFailure({ code, message });
  }
}
