import { copyText } from './ascii.js';
import type { ForwardedTail } from './forwarded-tail.js';

/** The head of a request as endpoints get it: the same from all clients, but for their addresses. */
export class UsualRequest {
  readonly #front: Uint8Array;
  readonly #tail: ForwardedTail;

  constructor(front: Uint8Array, tail: ForwardedTail) {
    this.#front = front;
    this.#tail = tail;
  }

  /** Writes it to the start of `out`, which has room for it; its length. */
  write(out: Uint8Array, address: string): number {
    return this.#tail.write(out, copyText(out, 0, this.#front), address);
  }
}
