import type { Encoder, EncoderOwner } from './encoder.js';
import type { CompressionPolicy } from './policy.js';

/** Where a compressed body goes. */
export interface EncodedSink {
  /** False: the client is slow; `resume` follows. */
  encoded(bytes: Uint8Array): boolean;
  /** The endpoint may send more. */
  encodedRoom(): void;
  /** The body is complete. */
  encodedEnd(): void;
  encodedFailure(): void;
}

/** One response body between endpoint, encoder and client. */
export class EncodedBody implements EncoderOwner {
  /** All of the body came from the endpoint. */
  ended = false;
  readonly #sink: EncodedSink;
  readonly #policy: CompressionPolicy;
  #encoder: Encoder | null = null;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(sink: EncodedSink, policy: CompressionPolicy) {
    this.#sink = sink;
    this.#policy = policy;
  }

  begin(encoder: Encoder): void {
    this.#encoder = encoder;
  }

  /** Takes a copy. False: the endpoint should wait; `encodedRoom` follows. */
  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bytesIn += end - start;
    return this.#encoder?.write(bytes, start, end) ?? true;
  }

  /** Everything came from the endpoint; `encodedEnd` follows. Once is enough. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#encoder?.end();
  }

  /** The client takes bytes again. */
  resume(): void {
    this.#encoder?.resume();
  }

  /** Ends it, however far it is; nothing more is told. */
  cancel(): void {
    const encoder = this.#encoder;
    if (encoder === null) return;
    this.#finish();
    encoder.cancel();
  }

  onEncoded(bytes: Uint8Array): void {
    if (this.#encoder === null) return;
    this.#bytesOut += bytes.length;
    if (!this.#sink.encoded(bytes)) this.#encoder?.pause();
  }

  onEncoderRoom(): void {
    if (this.#encoder !== null && !this.ended) this.#sink.encodedRoom();
  }

  onEncoderEnd(): void {
    if (this.#encoder === null) return;
    this.#finish();
    this.#sink.encodedEnd();
  }

  onEncoderFailure(): void {
    if (this.#encoder === null) return;
    this.#finish();
    this.#policy.failed();
    this.#sink.encodedFailure();
  }

  #finish(): void {
    this.#encoder = null;
    this.#policy.passed(this.#bytesIn, this.#bytesOut);
  }
}
