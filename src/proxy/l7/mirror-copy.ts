import { copyBytes } from '../../core/http/ascii.js';
import { judgeResponse, type RequestFacts } from '../../core/http/hygiene.js';
import type { MirrorSkip } from '../../core/http/mirror.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Timed } from '../deadlines.js';
import type { Mirror } from './mirror.js';
import { type HttpEndpoint, UpstreamConnection, type UpstreamOwner } from './upstream-connection.js';

const INTERIM_MAX = 16;
const NO_BYTES = new Uint8Array(0);

/** One copy of a request: gathers its body, is sent when that is whole, and throws its answer away. */
export class MirrorCopy implements UpstreamOwner, Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #mirror: Mirror;
  readonly #facts: RequestFacts;
  readonly #lengthMax: number;
  #bytes: Uint8Array;
  #length: number;
  #endpoint: HttpEndpoint | null = null;
  #upstream: UpstreamConnection | null = null;
  #answered = false;
  #keepAlive = false;
  #interim = 0;
  #ended = false;

  constructor(
    mirror: Mirror,
    facts: RequestFacts,
    message: { readonly bytes: Uint8Array; readonly length: number; readonly lengthMax: number },
  ) {
    this.#mirror = mirror;
    this.#facts = facts;
    this.#bytes = message.bytes;
    this.#length = message.length;
    this.#lengthMax = message.lengthMax;
  }

  /** More of the body, as it is framed; false if that is too much: the copy has ended then. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > this.#lengthMax) {
      this.#fail('body');
      return false;
    }
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(2 * length, this.#lengthMax));
      copyBytes(grown, 0, this.#bytes, 0, this.#length);
      this.#bytes = grown;
    }
    this.#length = copyBytes(this.#bytes, this.#length, bytes, start, end);
    return true;
  }

  /** The request ended before its body was whole. */
  cut(): void {
    this.#fail('cut');
  }

  /** Its body is whole. Never calls back, and never throws. */
  send(timeoutMs: number): void {
    const { pool, modules } = this.#mirror;
    const endpoint = this.#mirror.pick();
    if (typeof endpoint === 'string') {
      this.#fail('no_endpoint');
      return;
    }
    this.#endpoint = endpoint;
    pool.enter(endpoint);
    this.deadlineMs = modules.deadlines.nowMs + timeoutMs;
    modules.deadlines.add(this);
    this.#mirror.sent();
    const idle = endpoint.takeIdle();
    this.#upstream = idle ?? new UpstreamConnection(endpoint, this, modules, pool);
    if (idle === undefined) return;
    idle.adopt(this);
    this.onUpstreamOpen();
  }

  onDeadline(): void {
    this.#fail('failed');
  }

  onUpstreamOpen(): void {
    this.#upstream?.resetHead();
    this.#upstream?.connection.write(this.#bytes, 0, this.#length);
    this.#bytes = NO_BYTES;
  }

  onUpstreamData(): void {
    while (!this.#ended && !this.#answered && this.#readHead());
    if (this.#ended || !this.#answered) return;
    const { window, decoder } = this.#upstream!;
    const end = decoder.feed(window.bytes, window.start, window.end);
    window.consume(end - window.start);
    if (decoder.error !== null) this.#fail('failed');
    else if (decoder.done) this.#end(this.#keepAlive);
  }

  onUpstreamDrain(): void {}

  onUpstreamEnd(): void {
    if (this.#answered && !this.#keepAlive) this.#end(false);
    else this.#fail('failed');
  }

  onUpstreamError(): void {
    this.#fail('failed');
  }

  /** True if there may be another head. */
  #readHead(): boolean {
    const { head, window, decoder } = this.#upstream!;
    const length = head.parse(window.bytes, window.start, window.end);
    if (length === 0) return false;
    const facts = length < 0 ? null : judgeResponse(head, this.#facts);
    if (facts?.ok !== true || facts.status === 101 || ++this.#interim > INTERIM_MAX) {
      this.#fail('failed');
      return false;
    }
    window.consume(length);
    head.reset();
    if (facts.status < 200) return window.length > 0;
    this.#answered = true;
    this.#keepAlive = facts.keepAlive;
    decoder.begin(facts.framing);
    return false;
  }

  #fail(why: MirrorSkip): void {
    if (this.#ended) return;
    this.#mirror.skipped(why);
    this.#end(false);
  }

  #end(clean: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#bytes = NO_BYTES;
    this.#mirror.left();
    if (this.#endpoint === null) return;
    const { pool, modules } = this.#mirror;
    modules.deadlines.delete(this);
    pool.leave(this.#endpoint);
    this.#upstream?.release(clean);
    pool.serve();
  }
}
