import type { ContentCoding } from '../../core/http/accept-encoding.js';
import type { CompressionEffort } from '../../core/http/compression.js';

/** Who gets what comes out of an encoder. Nothing is called from within a method of the encoder, nor after `cancel`. */
export interface EncoderOwner {
  /** The array is the owner's to keep. */
  onEncoded(bytes: Uint8Array): void;
  /** There is room for more input, after a `write` that said false. */
  onEncoderRoom(): void;
  /** Everything came out; the last call. */
  onEncoderEnd(): void;
  /** It can't go on; the last call. */
  onEncoderFailure(message: string): void;
}

/** Compresses one body. */
export interface Encoder {
  /** Takes a copy of `bytes[start, end)`. False: more should follow only after `onEncoderRoom`. */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  end(): void;
  /** Stops and starts `onEncoded`; what was on its way may still come. */
  pause(): void;
  resume(): void;
  cancel(): void;
}

export interface EncoderOptions {
  readonly coding: ContentCoding;
  readonly effort: CompressionEffort;
  /** What was written comes out at once, also where more may follow: for bodies that are made bit by bit. */
  readonly prompt: boolean;
}

/** Where compression happens: never on the thread that serves requests. */
export interface Encoders {
  /** Codings that this node.js can make. */
  readonly codings: ReadonlySet<ContentCoding>;
  /** Null: too many bodies are being compressed. */
  open(options: EncoderOptions, owner: EncoderOwner): Encoder | null;
}

/** A copy in memory of its own; `slice` of a Buffer would only be a view. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.subarray(start, end));
}

/** Bodies that one thread has compressed at once: each takes up to about 1 MiB of memory. */
export const ENCODERS_MAX = 256;
