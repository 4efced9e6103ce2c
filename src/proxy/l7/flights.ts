import { isShareable } from '../../core/http/coalesce.js';
import { Head } from '../../core/http/head.js';
import type { CoalesceModel } from '../../core/http/route.js';

/** Who waits for the response to another request for the same. Each hears exactly one of these, or leaves. */
export interface Follower {
  /** The whole response, in the first `length` bytes: valid during the call. */
  onShared(bytes: Uint8Array, length: number, status: number): void;
  /** The other request failed in the proxy; `retryAfter`: seconds. */
  onSharedFailure(status: number, text: string, retryAfter?: number): void;
  /** The response is not for all, or will not come: it has to ask for itself. `together`: others may follow one of them. */
  onReleased(together: boolean): void;
}

/** Longer keys would cost more than they save. */
const KEY_LENGTH_MAX = 8_192;
const BYTES_MIN = 4_096;

/** The requests of one route that others follow, by what they ask for. */
export class Flights {
  readonly model: CoalesceModel;
  readonly #open = new Map<string, Flight>();
  /** For the heads of responses, which are read at once. */
  readonly #head = new Head('response');

  constructor(model: CoalesceModel) {
    this.model = model;
  }

  /** The one that a request with this key can follow, or null. */
  find(key: string): Flight | null {
    return this.#open.get(key) ?? null;
  }

  /** Others can follow this request from now on; null if its key is too long. */
  begin(key: string): Flight | null {
    if (key.length > KEY_LENGTH_MAX) return null;
    const flight = new Flight(this.model, this.#head, () => {
      if (this.#open.get(key) === flight) this.#open.delete(key);
    });
    this.#open.set(key, flight);
    return flight;
  }
}

/**
 * One request, and those who wait for its response: it is gathered up to a limit while it passes, and given to all of them when it is
 * whole. So nobody who reads slowly holds up the others, and a cut response never looks complete.
 */
export class Flight {
  readonly #model: CoalesceModel;
  readonly #head: Head;
  readonly #onEnd: () => void;
  readonly #followers = new Set<Follower>();
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** 0 until the head came. */
  #status = 0;
  #ended = false;

  constructor(model: CoalesceModel, head: Head, onEnd: () => void) {
    this.#model = model;
    this.#head = head;
    this.#onEnd = onEnd;
  }

  /** False if there is no room. */
  join(follower: Follower): boolean {
    if (this.#ended || this.#followers.size >= this.#model.followersMax) return false;
    this.#followers.add(follower);
    return true;
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower);
  }

  /** A part of the response that goes to the one who asked. False if it is not shared, and no more need be handed in. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#ended) return false;
    if (this.#length + end - start > this.#model.bytesMax) return this.#release(false);
    this.#append(bytes, start, end);
    if (this.#status === 0 && !this.#readHead()) return this.#release(false);
    return true;
  }

  /** The response is whole. */
  done(): void {
    if (this.#status === 0) this.#release(false);
    else this.#end((follower) => follower.onShared(this.#bytes, this.#length, this.#status));
  }

  /** The proxy answers by itself, or the response broke off. */
  failed(status: number, text: string, retryAfter?: number): void {
    this.#end((follower) => follower.onSharedFailure(status, text, retryAfter));
  }

  /** The one who asked is gone. */
  left(): void {
    this.#release(true);
  }

  #release(together: boolean): false {
    this.#end((follower) => follower.onReleased(together));
    return false;
  }

  /** Nobody can join any more; tells those who wait, each once, also if one of them makes another one leave. */
  #end(tell: (follower: Follower) => void): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    for (const follower of this.#followers) {
      this.#followers.delete(follower);
      tell(follower);
    }
  }

  /** A head is always written whole. False if its response is not for others. */
  #readHead(): boolean {
    const head = this.#head;
    head.reset();
    if (head.parse(this.#bytes, 0, this.#length) <= 0 || !isShareable(head)) return false;
    if (Number(head.field('content-length', ',') ?? 0) > this.#model.bytesMax) return false;
    this.#status = head.status;
    return true;
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (this.#bytes.length < length) {
      const grown = new Uint8Array(Math.min(Math.max(2 * length, BYTES_MIN), this.#model.bytesMax));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }
}
