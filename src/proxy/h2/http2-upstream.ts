import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import { Head } from '../../core/http/head.js';
import {
  checkedTrailers,
  type FieldList,
  fieldsOf,
  fieldValue,
  responseHead,
} from '../../core/http/http2-head.js';
import { judgeResponse } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import type { PortableClientTls } from '../../io/portable/tls.js';
import { EndWatch } from './end-watch.js';
import type { UpstreamModules } from './http1-upstream.js';
import { type SessionWaiter, UpstreamSession } from './http2-session.js';
import { outgoing } from './outgoing.js';
import { resetStream } from './reset.js';
import type {
  CalledEndpoint,
  UpstreamCall,
  UpstreamFailure,
  UpstreamListener,
  UpstreamRequest,
} from './upstream.js';

const SESSIONS_MAX = 16;
/** Before an endpoint's first SETTINGS came (RFC 9113 §6.5.2 recommends no less). */
const STREAMS_ASSUMED = 100;

/** Calls over HTTP/2: many on each connection, and few connections to each endpoint. */
export class Http2Upstream {
  readonly #modules: UpstreamModules;
  readonly #sessions = new Map<CalledEndpoint, UpstreamSession[]>();
  /** Streams that an endpoint allowed on its last connection. */
  readonly #capacity = new WeakMap<CalledEndpoint, number>();

  constructor(modules: UpstreamModules) {
    this.#modules = modules;
  }

  /** Null if all connections to the endpoint are full and it may have no more. */
  call(
    endpoint: CalledEndpoint,
    tls: PortableClientTls | null,
    request: UpstreamRequest,
    listener: UpstreamListener,
  ): UpstreamCall | null {
    const session = this.#sessionFor(endpoint, tls);
    return session === null ? null : new Http2Call(session, request, listener);
  }

  /** Ends connections to endpoints for which `which` is true as soon as no call uses them. */
  closeIdle(which: (endpoint: CalledEndpoint) => boolean): void {
    for (const [endpoint, sessions] of this.#sessions) {
      if (which(endpoint)) for (const session of [...sessions]) session.retire();
    }
  }

  close(): void {
    for (const sessions of this.#sessions.values()) for (const session of [...sessions]) session.destroy();
  }

  #sessionFor(endpoint: CalledEndpoint, tls: PortableClientTls | null): UpstreamSession | null {
    const sessions = this.#sessions.get(endpoint) ?? [];
    const open = sessions.find(({ hasRoom }) => hasRoom);
    if (open !== undefined) return open;
    if (sessions.length >= SESSIONS_MAX || endpoint.connections >= endpoint.connectionsMax) return null;
    const session = new UpstreamSession(endpoint, tls, {
      ...this.#modules,
      capacity: this.#capacity.get(endpoint) ?? STREAMS_ASSUMED,
      onCapacity: (capacity) => this.#capacity.set(endpoint, capacity),
      onGone: (gone) => {
        const at = sessions.indexOf(gone);
        if (at >= 0) sessions.splice(at, 1);
        if (sessions.length === 0) this.#sessions.delete(endpoint);
      },
    });
    sessions.push(session);
    this.#sessions.set(endpoint, sessions);
    return session;
  }
}

class Http2Call implements UpstreamCall, SessionWaiter {
  readonly #session: UpstreamSession;
  readonly #request: UpstreamRequest;
  readonly #head = new Head('response');
  #listener: UpstreamListener | null;
  #stream: ClientHttp2Stream | null = null;
  #end: EndWatch | null = null;
  #requestTrailers: FieldList = [];
  #trailers: FieldList = [];
  #left = false;
  #answered = false;

  constructor(session: UpstreamSession, request: UpstreamRequest, listener: UpstreamListener) {
    this.#session = session;
    this.#request = request;
    this.#listener = listener;
    session.wait(this);
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream?.write(bytes) ?? true;
  }

  end(trailers: FieldList): void {
    this.#requestTrailers = trailers;
    this.#stream?.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  cancel(): void {
    this.#listener = null;
    if (this.#stream !== null) resetStream(this.#stream, constants.NGHTTP2_CANCEL);
    this.#leave();
  }

  onNoSession(failure: UpstreamFailure): void {
    this.#fail(failure);
  }

  onSession(session: ClientHttp2Session): void {
    const { facts, hasBody, head, scheme, sensitive } = this.#request;
    const fields = fieldsOf(head);
    const host = fieldValue(fields, 'host') ?? '';
    const regular = withoutHost(fields);
    const pseudo = {
      ':method': facts.method,
      ':scheme': scheme,
      ':authority': host,
      ':path': pathOf(head),
    };
    let stream: ClientHttp2Stream;
    try {
      const headers = outgoing(pseudo, regular, sensitive);
      stream = session.request(headers, { endStream: !hasBody, waitForTrailers: hasBody });
    } catch (error) {
      // The session ended at this very moment, or it has used up its stream numbers.
      this.#fail({ code: 'refused', message: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.#stream = stream;
    this.#end = new EndWatch(stream, false, null);
    this.#listen(stream);
    this.#listener?.onOpen();
  }

  #listen(stream: ClientHttp2Stream): void {
    // 'close' follows and does the work.
    stream.on('error', () => {});
    stream.on('headers', (_headers: unknown, _flags: number, raw: string[]) => this.#onHead(raw, false));
    stream.on('response', (_headers: unknown, flags: number, raw: string[]) => {
      this.#onHead(raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    stream.on('trailers', (_headers: unknown, _flags: unknown, raw: string[]) => {
      const trailers = checkedTrailers(raw);
      if (trailers === null) this.#refuse('its trailers are malformed');
      else this.#trailers = trailers;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(outgoing({}, this.#requestTrailers, [])));
    stream.on('data', (chunk: Buffer) => this.#listener?.onData(chunk));
    stream.on('drain', () => this.#listener?.onDrain());
    stream.on('end', () => this.#onEnd());
    stream.on('close', () => this.#onClose());
  }

  #onHead(raw: readonly string[], ended: boolean): void {
    if (this.#listener === null) return;
    const bytes = responseHead(raw);
    if (typeof bytes === 'string') {
      this.#refuse(refuse(bytes).message);
      return;
    }
    const head = this.#head;
    head.reset();
    const length = head.parse(bytes, 0, bytes.length);
    const facts =
      length <= 0 ? refuse(head.error ?? 'status_line') : judgeResponse(head, this.#request.facts);
    if (!facts.ok) {
      this.#refuse(facts.message);
      return;
    }
    if (facts.status >= 200) {
      if (this.#answered) return this.#refuse('it answered twice');
      this.#answered = true;
    }
    this.#listener.onHead(head, facts, ended);
  }

  #onEnd(): void {
    // Cut by a reset: 'close' tells the rest.
    if (this.#end?.complete !== true || !this.#answered) return;
    const listener = this.#listener;
    this.#listener = null;
    listener?.onEnd(this.#trailers);
    // RFC 9113 §8.1: an endpoint may answer before it has read the request; the rest is of no use.
    if (this.#stream?.writableEnded === false) resetStream(this.#stream, constants.NGHTTP2_CANCEL);
  }

  #onClose(): void {
    const code = this.#stream?.rstCode ?? constants.NGHTTP2_INTERNAL_ERROR;
    if (code === constants.NGHTTP2_REFUSED_STREAM) {
      this.#fail({ code: 'refused', message: 'it refused the stream' });
    } else if (code !== constants.NGHTTP2_NO_ERROR) {
      this.#fail({ code: 'reset', errorCode: code, message: `it reset the stream with code ${code}` });
    } else {
      this.#fail({ code: 'broken', message: 'it ended the stream early' });
    }
    this.#leave();
  }

  #refuse(message: string): void {
    this.#fail({ code: 'invalid', message });
    if (this.#stream !== null) resetStream(this.#stream, constants.NGHTTP2_PROTOCOL_ERROR);
  }

  #fail(failure: UpstreamFailure): void {
    const listener = this.#listener;
    this.#listener = null;
    if (this.#stream === null) this.#leave();
    listener?.onFailure(failure);
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#session.leave(this);
    this.#request.onRoom();
  }
}

/** The target in the request line of a head that this proxy wrote. */
function pathOf(head: Uint8Array): string {
  const end = head.indexOf(13);
  const line = Buffer.from(head.buffer, head.byteOffset, end).toString('latin1');
  return line.slice(line.indexOf(' ') + 1, line.lastIndexOf(' '));
}

function withoutHost(fields: FieldList): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] !== 'host') kept.push(fields[i]!, fields[i + 1]!);
  }
  return kept;
}
