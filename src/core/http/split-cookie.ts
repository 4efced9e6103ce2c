/**
 * The cookie that keeps a client at its position of a split: 4 hexadecimal digits of the position and 16 of its
 * authentication (SipHash-2-4 over the split's name and the position). There are only as many cookies as positions, so it
 * tells nobody apart; and a client can't choose its position, since it can't make one.
 */

import { sipHash } from '../dns/siphash.js';
import { judgeCookies } from './cookie-find.js';
import type { Head } from './head.js';
import { SPLIT_POSITIONS } from './split.js';

const POSITION_DIGITS = 4;
const VALUE_LENGTH = POSITION_DIGITS + 16;
export const SPLIT_SECRET_BYTES = 16;

export class SplitCookie {
  readonly name: string;
  /** Four words for each secret. */
  readonly #keys: Int32Array;
  /** The split's name, a zero, and two bytes for the position. */
  readonly #message: Uint8Array;
  readonly #hash = new Uint8Array(8);
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #judge: (bytes: Uint8Array, start: number, end: number) => number;

  /** `secrets`: SPLIT_SECRET_BYTES each; the first one makes cookies, all are accepted. */
  constructor(name: string, split: string, secrets: readonly Uint8Array[]) {
    this.name = name;
    this.#keys = Int32Array.from(secrets.flatMap((secret) => words(secret)));
    this.#message = new Uint8Array(split.length + 3);
    for (let i = 0; i < split.length; i++) this.#message[i] = split.charCodeAt(i);
    this.#judge = (bytes, start, end) => {
      this.#bytes = bytes;
      return this.#positionIn(start, end);
    };
  }

  /** The position of a request's first good cookie; -1 without one. Allocates nothing. */
  positionOf(head: Head): number {
    return judgeCookies(head, this.name, this.#judge);
  }

  /** The cookie's value for a position. */
  valueOf(position: number): string {
    this.#sign(position, 0);
    const digits = [...this.#hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return position.toString(16).padStart(POSITION_DIGITS, '0') + digits;
  }

  #positionIn(start: number, end: number): number {
    if (end - start !== VALUE_LENGTH) return -1;
    const position = (this.#byteAt(start) << 8) | this.#byteAt(start + 2);
    // What is no digit makes it negative.
    if (position < 0 || position >= SPLIT_POSITIONS) return -1;
    for (let key = 0; key < this.#keys.length; key += 4) {
      this.#sign(position, key);
      let difference = 0;
      for (let i = 0; i < 8; i++) {
        difference |= this.#byteAt(start + POSITION_DIGITS + 2 * i) ^ this.#hash[i]!;
      }
      if (difference === 0) return position;
    }
    return -1;
  }

  #sign(position: number, key: number): void {
    const message = this.#message;
    message[message.length - 2] = position >> 8;
    message[message.length - 1] = position & 0xff;
    sipHash(this.#keys, key, message, message.length, this.#hash, 0);
  }

  /** Two digits; negative where they are none. */
  #byteAt(at: number): number {
    return (digit(this.#bytes[at]!) << 4) | digit(this.#bytes[at + 1]!);
  }
}

/** Lower-case digits only: one position has one cookie. */
function digit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  return byte >= 97 && byte <= 102 ? byte - 87 : -1;
}

function words(secret: Uint8Array): number[] {
  const view = new DataView(secret.buffer, secret.byteOffset, SPLIT_SECRET_BYTES);
  return [0, 4, 8, 12].map((at) => view.getInt32(at, true));
}
