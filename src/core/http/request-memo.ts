import { Head } from './head.js';
import type { RequestFacts } from './hygiene.js';
import { ResponseMemo } from './response-memo.js';
import type { UsualRequest } from './usual-request.js';
import { hashWords, sameWords, viewOf } from './words.js';

/** Longer heads are read each time. */
export const KNOWN_BYTES_MAX = 1024;
/** Shorter ones are no heads. */
const KNOWN_BYTES_MIN = 16;
/** Heads that are known at once; each costs 10 KiB at most, with the response to it. */
const SLOTS = 128;

/** What comes of a head, as long as the configuration stays. */
export interface KnownRequest<T> {
  /** Over bytes of its own. */
  readonly head: Head;
  readonly length: number;
  readonly facts: RequestFacts;
  /** Where its route leads; null for no route. */
  readonly target: T | null;
  /** What endpoints get of it; null where that is made each time. */
  readonly usual: UsualRequest | null;
  readonly responses: ResponseMemo;
}

/**
 * Requests of one listener that came lately, by every byte of their heads: what is known is not read, judged and routed once more. Only
 * what follows from these bytes and the configuration is remembered; whatever depends on the time, the client or the
 * state of a pool is not. A head is remembered when it comes for the second time, so heads that never repeat cost a hash.
 */
export class RequestMemo<T> {
  readonly #known: (KnownRequest<T> | null)[] = new Array<KnownRequest<T> | null>(SLOTS).fill(null);
  readonly #views: (DataView | null)[] = new Array<DataView | null>(SLOTS).fill(null);
  /** The hash of the head that came last to each slot and was not known. */
  readonly #seen: Int32Array = new Int32Array(SLOTS);
  #slot = 0;
  #isRepeated = false;

  /** The request whose head is exactly `bytes[start, end)`, or null. */
  find(bytes: Uint8Array, start: number, end: number): KnownRequest<T> | null {
    const length = end - start;
    this.#isRepeated = false;
    if (length < KNOWN_BYTES_MIN || length > KNOWN_BYTES_MAX) return null;
    const view = viewOf(bytes);
    const hash = hashWords(view, start, end);
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const own = this.#views[slot]!;
    if (own !== null && own.byteLength === length && sameWords(own, view, start)) {
      // Who is asked for again and again gives way to nobody.
      this.#seen[slot] = 0;
      return this.#known[slot]!;
    }
    this.#slot = slot;
    this.#isRepeated = this.#seen[slot] === hash;
    this.#seen[slot] = hash;
    return null;
  }

  /** True right after `find` did not know a head that came before, if `head` is all of what was looked for, and has no body. */
  wants(length: number, searched: number, { framing, upgrade }: RequestFacts): boolean {
    return this.#isRepeated && length === searched && framing.kind === 'none' && upgrade === null;
  }

  /** Remembers what `wants` said yes to; `head` is the one that was read. */
  learn(
    head: Head,
    length: number,
    { facts, target, usual }: Pick<KnownRequest<T>, 'facts' | 'target' | 'usual'>,
  ): void {
    // Not by `slice`, which makes no copy of a Buffer.
    const bytes = new Uint8Array(head.bytes.subarray(head.base, head.base + length));
    const own = new Head('request');
    if (own.parse(bytes, 0, length) !== length) return;
    this.#views[this.#slot] = new DataView(bytes.buffer);
    this.#known[this.#slot] = {
      head: own,
      length,
      facts,
      target,
      usual,
      responses: new ResponseMemo(),
    };
    this.#isRepeated = false;
  }
}
