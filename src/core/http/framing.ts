/**
 * Where the body of an HTTP/1.1 message ends (RFC 9112 §6–§7).
 *
 * `requestFraming` and `responseFraming` read the head; `BodyDecoder` then follows the bytes and says how many
 * of them belong to the message, without copying any. The chunked reader is strict on purpose: a byte that two
 * parsers could read differently is how requests are smuggled.
 */

import {
  COLON,
  CR,
  eachListElement,
  equalsIgnoreCase,
  FIELD_VALUE,
  hexDigit,
  LF,
  lowerByte,
  SEMICOLON,
  TOKEN,
} from './ascii.js';
import { FIELD } from './field.js';
import type { Head } from './head.js';
import { HEAD_BYTES_MAX, HEADERS_MAX } from './head.js';
import { type Refusal, type RefusalCode, refuse } from './refusal.js';

export interface Framing {
  readonly ok: true;
  readonly kind: 'none' | 'length' | 'chunked' | 'close';
  /** Bytes of the body; only `length` has one. */
  readonly length: number;
}

export const NO_BODY: Framing = { ok: true, kind: 'none', length: 0 };
const CHUNKED: Framing = { ok: true, kind: 'chunked', length: 0 };
const UNTIL_CLOSE: Framing = { ok: true, kind: 'close', length: 0 };

/** 15 digits: the largest length that is exact in a double, with room to add. */
const LENGTH_DIGITS_MAX = 15;
const CHUNK_DIGITS_MAX = 12;
/** All extensions of one message together: nobody uses them, and unbounded ones are an attack. */
const EXTENSION_BYTES_MAX = 16 * 1024;

/** How the body of a request ends. A request is never delimited by close (RFC 9112 §6.3). */
export function requestFraming(head: Head): Framing | Refusal {
  const encoded = transferEncoding(head);
  if (!encoded.ok || encoded.kind === 'chunked') return encoded;
  return contentLength(head) ?? NO_BODY;
}

/** How the body of a response ends; `toHead` is true if the request's method was HEAD. */
export function responseFraming(head: Head, toHead: boolean): Framing | Refusal {
  const { status } = head;
  if (status < 200 || status === 204) return NO_BODY;
  const encoded = transferEncoding(head);
  if (!encoded.ok) return encoded;
  const length = contentLength(head);
  if (length !== null && !length.ok) return length;
  if (toHead || status === 304) return NO_BODY;
  if (encoded.kind === 'chunked') return encoded;
  return length ?? UNTIL_CLOSE;
}

/** `none` means that there is no Transfer-Encoding. */
function transferEncoding(head: Head): Framing | Refusal {
  let line = head.find(FIELD.transferEncoding);
  if (line < 0) return NO_BODY;
  if (head.minor === 0) return refuse('encoding_on_http10');
  if (head.find(FIELD.contentLength) >= 0) return refuse('length_and_encoding');
  let chunked = 0;
  let invalid = false;
  let unknown = false;
  for (; line >= 0; line = head.find(FIELD.transferEncoding, line + 1)) {
    eachListElement(
      head.bytes,
      head.base + head.valueStart[line]!,
      head.base + head.valueEnd[line]!,
      (start, end) => {
        if (start === end || chunked > 0) invalid = true;
        else if (equalsIgnoreCase(head.bytes, start, end, 'chunked')) chunked++;
        else unknown = true;
      },
    );
  }
  if (invalid) return refuse('encoding_invalid');
  return unknown ? refuse('encoding_unknown') : CHUNKED;
}

function contentLength(head: Head): Framing | Refusal | null {
  const line = head.find(FIELD.contentLength);
  if (line < 0) return null;
  if (head.find(FIELD.contentLength, line + 1) >= 0) return refuse('length_many');
  const start = head.base + head.valueStart[line]!;
  const end = head.base + head.valueEnd[line]!;
  if (end === start || end - start > LENGTH_DIGITS_MAX) return refuse('length_invalid');
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = head.bytes[i]! - 48;
    if (digit < 0 || digit > 9) return refuse('length_invalid');
    length = length * 10 + digit;
  }
  return length === 0 ? NO_BODY_OF_ZERO : { ok: true, kind: 'length', length };
}

const NO_BODY_OF_ZERO: Framing = { ok: true, kind: 'length', length: 0 };

const S = {
  idle: 0,
  length: 1,
  untilClose: 2,
  size: 3,
  extension: 4,
  sizeLf: 5,
  data: 6,
  dataCr: 7,
  dataLf: 8,
  trailerStart: 9,
  trailerName: 10,
  trailerValue: 11,
  trailerLf: 12,
  lastLf: 13,
  failed: 14,
} as const;

/** Trailer fields that would change the meaning of the message if a backend merged them (RFC 9110 §6.5.1). */
const TRAILER_FORBIDDEN: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'trailer',
]);
const TRAILER_NAME_KEPT = 24;

/** Called with each range of payload bytes: framing and trailers left out. */
export type OnData = (bytes: Uint8Array, start: number, end: number) => void;

/** Follows the body of one message after another; `begin` starts the next one. */
export class BodyDecoder {
  /** True once the last byte of the message was seen. Never true by itself for `close` framing. */
  done = true;
  error: RefusalCode | null = null;
  /** The trailer lines that came, with CRLF; kept only while `keepTrailers` is true. */
  trailers = '';
  keepTrailers = false;
  #state: number = S.idle;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  #trailerLines = 0;
  #trailerName = '';

  begin(framing: Framing): void {
    this.error = null;
    this.trailers = '';
    this.#left = framing.length;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailerBytes = 0;
    this.#trailerLines = 0;
    switch (framing.kind) {
      case 'none':
        this.#state = S.idle;
        break;
      case 'length':
        this.#state = framing.length > 0 ? S.length : S.idle;
        break;
      case 'chunked':
        this.#state = S.size;
        this.#left = 0;
        break;
      case 'close':
        this.#state = S.untilClose;
        break;
    }
    this.done = this.#state === S.idle;
  }

  /**
   * Takes the next bytes of the connection and returns the index after the last one that belongs to this
   * message. Stops early when the message is `done` or has an `error`.
   */
  feed(bytes: Uint8Array, start: number, end: number, onData?: OnData): number {
    let i = start;
    while (i < end && !this.done && this.error === null) {
      const state = this.#state;
      if (state === S.untilClose) {
        onData?.(bytes, i, end);
        return end;
      }
      if (state === S.data || state === S.length) {
        const take = Math.min(this.#left, end - i);
        onData?.(bytes, i, i + take);
        i += take;
        this.#left -= take;
        if (this.#left > 0) return i;
        this.#state = state === S.data ? S.dataCr : this.#finish();
      } else {
        this.#state = this.#step(state, bytes[i]!);
        i++;
      }
    }
    return i;
  }

  #finish(): number {
    this.done = true;
    return S.idle;
  }

  #fail(code: RefusalCode): number {
    this.error = code;
    return S.failed;
  }

  /** One byte of chunk framing or of the trailer section (RFC 9112 §7.1); returns the next state. */
  #step(state: number, byte: number): number {
    switch (state) {
      case S.size:
        return this.#size(byte);
      case S.extension:
        return this.#extension(byte);
      case S.sizeLf:
        if (byte !== LF) return this.#fail('chunk_size');
        this.#digits = 0;
        return this.#left > 0 ? S.data : S.trailerStart;
      case S.dataCr:
        return byte === CR ? S.dataLf : this.#fail('chunk_end');
      case S.dataLf:
        return byte === LF ? S.size : this.#fail('chunk_end');
      case S.lastLf:
        return byte === LF ? this.#finish() : this.#fail('trailer');
      default:
        return this.#trailer(state, byte);
    }
  }

  #size(byte: number): number {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.#digits > CHUNK_DIGITS_MAX) return this.#fail('chunk_size');
      this.#left = this.#left * 16 + digit;
      return S.size;
    }
    if (this.#digits === 0) return this.#fail('chunk_size');
    if (byte === CR) return S.sizeLf;
    return byte === SEMICOLON ? S.extension : this.#fail('chunk_size');
  }

  #extension(byte: number): number {
    if (byte === CR) return S.sizeLf;
    const fits = FIELD_VALUE[byte] === 1 && ++this.#extensionBytes <= EXTENSION_BYTES_MAX;
    return fits ? S.extension : this.#fail('chunk_extension');
  }

  #trailer(state: number, byte: number): number {
    if (++this.#trailerBytes > HEAD_BYTES_MAX) return this.#fail('trailer');
    if (this.keepTrailers && (state !== S.trailerStart || byte !== CR)) {
      this.trailers += String.fromCharCode(byte);
    }
    switch (state) {
      case S.trailerStart:
        if (byte === CR) return S.lastLf;
        if (TOKEN[byte] === 0 || ++this.#trailerLines > HEADERS_MAX) return this.#fail('trailer');
        this.#trailerName = String.fromCharCode(lowerByte(byte));
        return S.trailerName;
      case S.trailerName:
        if (byte === COLON) {
          return TRAILER_FORBIDDEN.has(this.#trailerName) ? this.#fail('trailer') : S.trailerValue;
        }
        if (TOKEN[byte] === 0) return this.#fail('trailer');
        if (this.#trailerName.length < TRAILER_NAME_KEPT) {
          this.#trailerName += String.fromCharCode(lowerByte(byte));
        }
        return S.trailerName;
      case S.trailerValue:
        if (byte === CR) return S.trailerLf;
        return FIELD_VALUE[byte] === 1 ? S.trailerValue : this.#fail('trailer');
      default:
        return byte === LF ? S.trailerStart : this.#fail('trailer');
    }
  }
}
