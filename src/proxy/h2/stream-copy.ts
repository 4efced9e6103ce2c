import type { RequestFacts } from '../../core/http/hygiene.js';
import type { MirrorSkip } from '../../core/http/mirror.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { type Mirror, markedHead } from '../l7/mirror.js';
import type { HttpEndpoint } from '../l7/upstream-connection.js';
import type { UpstreamCall, UpstreamListener } from './upstream.js';
import type { Upstreams } from './upstreams.js';

/** What of a request is copied. */
export interface CopiedRequest {
  readonly facts: RequestFacts;
  /** For the endpoint, as `writeRequestHead` made it. */
  readonly head: Uint8Array;
  readonly hasBody: boolean;
  readonly sensitive: readonly string[];
}

export interface CopyModules {
  readonly upstreams: Upstreams;
  readonly deadlines: Pick<Deadlines, 'nowMs' | 'add' | 'delete'>;
}

/** A copy of a request of HTTP/2, to which the body is still to be added; null for most requests. */
export function streamCopy(mirror: Mirror, request: CopiedRequest, modules: CopyModules): StreamCopy | null {
  return mirror.takes(request.facts) ? new StreamCopy(mirror, request, modules) : null;
}

/** Gathers the body, is sent when that is whole, and throws its answer away. Never calls back, and never throws. */
export class StreamCopy implements UpstreamListener, Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #mirror: Mirror;
  readonly #request: CopiedRequest;
  readonly #modules: CopyModules;
  /** As they came: nobody writes to them any more. */
  #chunks: Uint8Array[] = [];
  #left: number;
  #endpoint: HttpEndpoint | null = null;
  #call: UpstreamCall | null = null;
  #ended = false;

  constructor(mirror: Mirror, request: CopiedRequest, modules: CopyModules) {
    this.#mirror = mirror;
    this.#request = { ...request, head: markedHead(request.head, request.head.length) };
    this.#modules = modules;
    this.#left = mirror.bodyBytesMax;
  }

  /** More of the body; false if that is too much: the copy has ended then. */
  add(bytes: Uint8Array): boolean {
    this.#left -= bytes.length;
    if (this.#left < 0) this.#fail('body');
    else this.#chunks.push(bytes);
    return this.#left >= 0;
  }

  /** The request ended before its body was whole. */
  cut(): void {
    this.#fail('cut');
  }

  /** Its body is whole. */
  send(timeoutMs: number): void {
    const { pool } = this.#mirror;
    const { upstreams, deadlines } = this.#modules;
    const endpoint = this.#mirror.pick();
    if (typeof endpoint === 'string') return this.#fail('no_endpoint');
    this.#endpoint = endpoint;
    pool.enter(endpoint);
    this.deadlineMs = deadlines.nowMs + timeoutMs;
    deadlines.add(this);
    const request = { ...this.#request, onRoom: () => pool.serve() };
    this.#call = upstreams.call(pool, endpoint, request, this, false);
    if (this.#call === null) this.#fail('no_endpoint');
    else this.#mirror.sent();
  }

  onDeadline(): void {
    this.#fail('failed');
  }

  onOpen(): void {
    for (const chunk of this.#chunks) this.#call?.write(chunk);
    this.#chunks = [];
    if (this.#request.hasBody) this.#call?.end([]);
  }

  onHead(): void {}

  onData(): void {}

  onDrain(): void {}

  onEnd(): void {
    this.#call = null;
    this.#end();
  }

  onFailure(): void {
    this.#call = null;
    this.#fail('failed');
  }

  #fail(why: MirrorSkip): void {
    if (this.#ended) return;
    this.#mirror.skipped(why);
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks = [];
    this.#call?.cancel();
    this.#call = null;
    this.#mirror.left();
    if (this.#endpoint === null) return;
    const { pool } = this.#mirror;
    this.#modules.deadlines.delete(this);
    pool.leave(this.#endpoint);
    pool.serve();
  }
}
