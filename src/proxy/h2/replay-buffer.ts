/** Of each request. Enough for most unary gRPC calls. */
const REPLAY_BYTES_MAX = 16 * 1024;

/** What was sent of a body, so that it can be sent once more where an endpoint says that it did nothing. */
export class ReplayBuffer {
  chunks: Uint8Array[] = [];
  /** False once something of the body is no longer there. */
  complete = true;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = REPLAY_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  add(chunk: Uint8Array): void {
    if (!this.complete) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.forget();
    else this.chunks.push(chunk);
  }

  forget(): void {
    this.complete = false;
    this.chunks = [];
  }
}
