import { Head } from './head.js';
import type { ResponseFacts } from './hygiene.js';
import { hashWords, sameWords, viewOf } from './words.js';

/** Longer heads are read each time. */
const KNOWN_BYTES_MAX = 1024;

/** What comes of the head of a response. */
export interface KnownResponse {
  /** Over bytes of its own. */
  readonly head: Head;
  readonly length: number;
  readonly facts: ResponseFacts;
  /** What clients get of it, where their connection goes on and the route changes nothing; null where that is made each time. */
  readonly usual: Uint8Array | null;
}

/**
 * The head that came last in response to one and the same request, by every byte: mostly it comes again until the second of its Date is
 * over. It is remembered when it comes for the second time.
 */
export class ResponseMemo {
  #known: KnownResponse | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #seen = 0;

  /** The response that `bytes[start, end)` begins with, or null. */
  find(bytes: Uint8Array, start: number, end: number): KnownResponse | null {
    const known = this.#known;
    if (known === null || end - start < known.length) return null;
    return sameWords(this.#view, viewOf(bytes), start) ? known : null;
  }

  /** True if a head that `find` did not know, `length` bytes at `start`, is to be remembered. */
  wants(bytes: Uint8Array, start: number, length: number, { status, upgrade }: ResponseFacts): boolean {
    if (length > KNOWN_BYTES_MAX || status < 200 || upgrade !== null) return false;
    const hash = hashWords(viewOf(bytes), start, start + length);
    const isRepeated = hash === this.#seen;
    this.#seen = hash;
    return isRepeated;
  }

  /** Remembers what `wants` said yes to. */
  learn(head: Head, length: number, facts: ResponseFacts, usual: Uint8Array | null): void {
    // Not by `slice`, which makes no copy of a Buffer.
    const bytes = new Uint8Array(head.bytes.subarray(head.base, head.base + length));
    const own = new Head('response');
    if (own.parse(bytes, 0, length) !== length) return;
    this.#view = new DataView(bytes.buffer);
    this.#known = { head: own, length, facts, usual };
  }
}
