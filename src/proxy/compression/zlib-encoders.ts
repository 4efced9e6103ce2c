import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import type { ContentCoding } from '../../core/http/accept-encoding.js';
import type { CompressionEffort } from '../../core/http/compression.js';
import {
  copyOf,
  ENCODERS_MAX,
  type Encoder,
  type EncoderOptions,
  type EncoderOwner,
  type Encoders,
} from './encoder.js';

/** By effort. Brotli above 5 and gzip above 6 cost several times the CPU for a few percent. */
const LEVELS: Readonly<Record<ContentCoding, Readonly<Record<CompressionEffort, number>>>> = {
  gzip: { low: 1, medium: 5, high: 8 },
  br: { low: 1, medium: 4, high: 7 },
  zstd: { low: 1, medium: 3, high: 9 },
};
/** 256 KiB: the window decides about the memory of each body, on both sides. */
const BROTLI_WINDOW_BITS = 18;

/** zlib of node.js, as far as its types may not know it yet: zstd is there since 22.15 and 23.8. */
interface Zstd {
  readonly createZstdCompress?: (options: object) => FlushingStream;
}

interface FlushingStream extends Transform {
  flush(kind?: number, callback?: () => void): void;
}

/** What this node.js can compress with. */
export function codingsOfNode(): ReadonlySet<ContentCoding> {
  const hasZstd = (zlib as Zstd).createZstdCompress !== undefined;
  return new Set<ContentCoding>(['gzip', 'br', ...(hasZstd ? (['zstd'] as const) : [])]);
}

/**
 * Encoders on the streams of node:zlib, which work in node's thread pool: this thread, which must run node's event loop, only
 * hands bytes over.
 */
export class ZlibEncoders implements Encoders {
  readonly codings: ReadonlySet<ContentCoding> = codingsOfNode();
  readonly #max: number;
  #open = 0;

  constructor(max: number = ENCODERS_MAX) {
    this.#max = max;
  }

  /** Bodies that are being compressed. */
  get count(): number {
    return this.#open;
  }

  open(options: EncoderOptions, owner: EncoderOwner): Encoder | null {
    if (this.#open >= this.#max) return null;
    const stream = streamOf(options);
    if (stream === null) return null;
    this.#open++;
    return new ZlibEncoder(stream, options, owner, () => {
      this.#open--;
    });
  }
}

class ZlibEncoder implements Encoder {
  readonly #stream: FlushingStream;
  readonly #flushKind: number;
  readonly #prompt: boolean;
  #owner: EncoderOwner | null;
  #onClosed: (() => void) | null;
  #flushing = false;
  #ended = false;

  constructor(
    stream: FlushingStream,
    { coding, prompt }: EncoderOptions,
    owner: EncoderOwner,
    onClosed: () => void,
  ) {
    this.#stream = stream;
    this.#flushKind = FLUSH_KINDS[coding];
    this.#prompt = prompt;
    this.#owner = owner;
    this.#onClosed = onClosed;
    stream.on('data', (chunk: Uint8Array) => this.#owner?.onEncoded(chunk));
    stream.on('drain', () => this.#owner?.onEncoderRoom());
    stream.on('end', () => this.#close()?.onEncoderEnd());
    stream.on('error', (error) => this.#close()?.onEncoderFailure(error.message));
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#owner === null || this.#ended) return true;
    const flowing = this.#stream.write(copyOf(bytes, start, end));
    if (this.#prompt && !this.#flushing) {
      this.#flushing = true;
      setImmediate(() => this.#flush());
    }
    return flowing;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.end();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    if (this.#close() !== null) this.#stream.destroy();
  }

  /** Once for all that came in one turn of the event loop. */
  #flush(): void {
    this.#flushing = false;
    if (this.#ended || this.#owner === null) return;
    this.#stream.flush(this.#flushKind);
  }

  /** The owner, if it was not told of an end yet. */
  #close(): EncoderOwner | null {
    const owner = this.#owner;
    this.#owner = null;
    this.#onClosed?.();
    this.#onClosed = null;
    return owner;
  }
}

/** ZSTD_e_flush is 1, as BROTLI_OPERATION_FLUSH. */
const FLUSH_KINDS: Readonly<Record<ContentCoding, number>> = {
  gzip: zlib.constants.Z_SYNC_FLUSH,
  br: zlib.constants.BROTLI_OPERATION_FLUSH,
  zstd: 1,
};
/** ZSTD_c_compressionLevel. */
const ZSTD_LEVEL = 100;

function streamOf({ coding, effort }: EncoderOptions): FlushingStream | null {
  const level = LEVELS[coding][effort];
  switch (coding) {
    case 'gzip':
      return zlib.createGzip({ level });
    case 'br':
      return zlib.createBrotliCompress({
        params: {
          [zlib.constants.BROTLI_PARAM_QUALITY]: level,
          [zlib.constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
          [zlib.constants.BROTLI_PARAM_MODE]: zlib.constants.BROTLI_MODE_TEXT,
        },
      });
    case 'zstd':
      return (zlib as Zstd).createZstdCompress?.({ params: { [ZSTD_LEVEL]: level } }) ?? null;
  }
}
