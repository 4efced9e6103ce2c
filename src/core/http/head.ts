/**
 * The head of an HTTP/1.1 message: request or status line, then field lines (RFC 9112 §2–§5).
 *
 * The parser works on a window of bytes that grows as data arrives and never looks at a finished line twice.
 * Its result is a set of offsets relative to the head's first byte, in arrays that are reused for the next
 * head of the same connection, so a head costs no object per header.
 */

import {
  COLON,
  CR,
  equalsIgnoreCase,
  FIELD_VALUE,
  HTAB,
  isBlank,
  isToken,
  LF,
  latin1,
  SP,
  TOKEN,
} from './ascii.js';
import { fieldId } from './field.js';
import type { RefusalCode } from './refusal.js';
import { skipValue, viewOf } from './words.js';

export const HEAD_BYTES_MAX = 32 * 1024;
export const HEADERS_MAX = 100;
/** RFC 9112 §2.2 asks to skip at least one empty line before a request. */
const EMPTY_LINES_MAX = 2;
const METHOD_BYTES_MAX = 32;

export type HeadKind = 'request' | 'response';

export class Head {
  readonly kind: HeadKind;
  /** The window and where the head starts in it: valid until the window changes. */
  bytes: Uint8Array = new Uint8Array(0);
  base = 0;
  /** Why the head is refused, once `parse` returned -1. */
  error: RefusalCode | null = null;
  /** 0 or 1: the digit after `HTTP/1.`. */
  minor = 1;
  /** Responses: 100 to 599. */
  status = 0;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** Number of field lines; index i of the arrays below is the i-th line. */
  count = 0;
  readonly ids: Uint8Array = new Uint8Array(HEADERS_MAX);
  readonly nameStart: Int32Array = new Int32Array(HEADERS_MAX + 1);
  readonly nameEnd: Int32Array = new Int32Array(HEADERS_MAX);
  readonly valueStart: Int32Array = new Int32Array(HEADERS_MAX);
  readonly valueEnd: Int32Array = new Int32Array(HEADERS_MAX);
  #line = 0;
  #scanned = 0;
  #emptyLines = 0;
  #firstLineSeen = false;

  constructor(kind: HeadKind) {
    this.kind = kind;
  }

  /** Forgets the last head; call it before the first byte of the next one. */
  reset(): void {
    this.error = null;
    this.count = 0;
    this.status = 0;
    this.#line = 0;
    this.#scanned = 0;
    this.#emptyLines = 0;
    this.#firstLineSeen = false;
  }

  /**
   * Reads on in the head that starts at `start`; the bytes seen in earlier calls must still be there.
   * Returns the length of the complete head (> 0), 0 if more bytes are needed, or -1 with `error` set.
   */
  parse(bytes: Uint8Array, start: number, end: number): number {
    this.bytes = bytes;
    this.base = start;
    for (;;) {
      // Bytes behind the limit belong to a body and may be many.
      const limit = Math.min(end, start + HEAD_BYTES_MAX);
      if (this.#firstLineSeen && this.#scanned === this.#line && this.#plainLines(limit)) {
        this.nameStart[this.count] = this.#line;
        return this.#line + 2;
      }
      const lf = findLf(bytes, start + this.#scanned, limit);
      if (lf < 0) {
        if (end - start >= HEAD_BYTES_MAX) return this.#fail('head_too_large');
        this.#scanned = end - start;
        return 0;
      }
      const line = this.#line;
      const lineEnd = lf - start;
      this.#line = lineEnd + 1;
      this.#scanned = lineEnd + 1;
      if (lineEnd === line || bytes[lf - 1] !== CR) return this.#fail('bare_lf');
      if (lineEnd - 1 === line) {
        if (this.#firstLineSeen) {
          this.nameStart[this.count] = line;
          return lineEnd + 1;
        }
        if (++this.#emptyLines > EMPTY_LINES_MAX) return this.#fail(this.#firstLineCode());
      } else if (!this.#firstLineSeen) {
        this.#firstLineSeen = true;
        const ok =
          this.kind === 'request'
            ? this.#requestLine(line, lineEnd - 1)
            : this.#statusLine(line, lineEnd - 1);
        if (!ok) return -1;
      } else if (!this.#fieldLine(line, lineEnd - 1)) {
        return -1;
      }
    }
  }

  /** True once a byte of a head other than empty lines was seen. */
  get begun(): boolean {
    return this.#firstLineSeen || this.#scanned > this.#line;
  }

  /** Bytes of all field lines. */
  get fieldBytes(): number {
    return this.count > 0 ? this.nameStart[this.count]! - this.nameStart[0]! : 0;
  }

  /** Index of the first line with this FIELD id, from line `from` on, or -1. */
  find(id: number, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.ids[i] === id) return i;
    return -1;
  }

  /** The value of line `i` as a string, one character per byte. */
  value(i: number): string {
    return latin1(this.bytes, this.base + this.valueStart[i]!, this.base + this.valueEnd[i]!);
  }

  name(i: number): string {
    return latin1(this.bytes, this.base + this.nameStart[i]!, this.base + this.nameEnd[i]!);
  }

  nameIs(i: number, lower: string): boolean {
    return equalsIgnoreCase(this.bytes, this.base + this.nameStart[i]!, this.base + this.nameEnd[i]!, lower);
  }

  /** The values of all lines with this lower-case name, with `separator` between them; null if there is none. */
  field(lower: string, separator: string): string | null {
    let all: string | null = null;
    for (let i = 0; i < this.count; i++) {
      if (this.nameIs(i, lower)) all = all === null ? this.value(i) : all + separator + this.value(i);
    }
    return all;
  }

  get method(): string {
    return latin1(this.bytes, this.base + this.methodStart, this.base + this.methodEnd);
  }

  get target(): string {
    return latin1(this.bytes, this.base + this.targetStart, this.base + this.targetEnd);
  }

  get reason(): string {
    return latin1(this.bytes, this.base + this.reasonStart, this.base + this.reasonEnd);
  }

  /**
   * Reads field lines as long as they are complete and valid, in one pass; true at the empty line that ends the head.
   * Whatever else there is, the way of the other lines deals with it.
   */
  #plainLines(limit: number): boolean {
    const { bytes, base } = this;
    const view = viewOf(bytes);
    let i = base + this.#line;
    for (;;) {
      const start = i;
      if (i + 1 < limit && bytes[i] === CR && bytes[i + 1] === LF) return true;
      while (i < limit && TOKEN[bytes[i]!] === 1) i++;
      if (i === start || i >= limit || bytes[i] !== COLON || this.count === HEADERS_MAX) return false;
      const nameEnd = i++;
      while (i < limit && isBlank(bytes[i]!)) i++;
      const valueStart = i;
      i = skipValue(view, i, limit);
      while (i < limit && FIELD_VALUE[bytes[i]!] === 1) i++;
      if (i + 1 >= limit || bytes[i] !== CR || bytes[i + 1] !== LF) return false;
      let valueEnd = i;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      this.#keepLine(start, nameEnd, valueStart, valueEnd);
      i += 2;
      this.#line = i - base;
      this.#scanned = this.#line;
    }
  }

  /** Indexes in `bytes`. */
  #keepLine(start: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const { base } = this;
    const i = this.count++;
    this.ids[i] = fieldId(this.bytes, start, nameEnd);
    this.nameStart[i] = start - base;
    this.nameEnd[i] = nameEnd - base;
    this.valueStart[i] = valueStart - base;
    this.valueEnd[i] = valueEnd - base;
  }

  #requestLine(start: number, end: number): boolean {
    const { bytes, base } = this;
    const last = base + end;
    let i = base + start;
    while (i < last && TOKEN[bytes[i]!] === 1) i++;
    const methodEnd = i - base;
    if (methodEnd === start || methodEnd - start > METHOD_BYTES_MAX || i >= last || bytes[i] !== SP) {
      return this.#failLine(start, end);
    }
    this.methodStart = start;
    this.methodEnd = methodEnd;
    const target = ++i;
    while (i < last && bytes[i]! > SP && bytes[i]! < 127) i++;
    if (i === target || i >= last || bytes[i] !== SP) return this.#failLine(start, end);
    this.targetStart = target - base;
    this.targetEnd = i - base;
    return this.#version(i + 1 - base, end, end);
  }

  #statusLine(start: number, end: number): boolean {
    const { bytes, base } = this;
    if (end - start < 12 || bytes[base + start + 8] !== SP) return this.#failLine(start, end);
    if (!this.#version(start, start + 8, end)) return false;
    let status = 0;
    for (let i = base + start + 9; i < base + start + 12; i++) {
      if (!isDigit(bytes[i]!)) return this.#failLine(start, end);
      status = status * 10 + bytes[i]! - 48;
    }
    // The space before an empty reason is often missing; nobody is harmed by that.
    if (status < 100 || status > 599 || (end > start + 12 && bytes[base + start + 12] !== SP)) {
      return this.#failLine(start, end);
    }
    this.status = status;
    this.reasonStart = Math.min(start + 13, end);
    this.reasonEnd = end;
    for (let i = base + this.reasonStart; i < base + end; i++)
      if (FIELD_VALUE[bytes[i]!] === 0) return this.#failLine(start, end);
    return true;
  }

  #version(start: number, end: number, lineEnd: number): boolean {
    const { bytes } = this;
    const at = this.base + start;
    const shaped =
      end - start === 8 &&
      startsWithHttp(bytes, at) &&
      isDigit(bytes[at + 5]!) &&
      bytes[at + 6] === 46 &&
      isDigit(bytes[at + 7]!);
    if (!shaped) return this.#failLine(start, lineEnd);
    this.minor = bytes[at + 7]! - 48;
    if (bytes[at + 5] === 49 && this.minor <= 1) return true;
    this.#fail('version');
    return false;
  }

  #fieldLine(start: number, end: number): boolean {
    if (this.count === HEADERS_MAX) return this.#fail('too_many_headers') > 0;
    const bytes = this.bytes;
    const base = this.base;
    const first = bytes[base + start]!;
    if (first === SP || first === HTAB) return this.#fail('obs_fold') > 0;
    let colon = start;
    while (colon < end && bytes[base + colon] !== COLON) colon++;
    if (colon === end || !isToken(bytes, base + start, base + colon)) {
      return this.#fail(badName(bytes, base + start, base + colon, colon === end)) > 0;
    }
    let from = colon + 1;
    let to = end;
    for (let i = from; i < end; i++) {
      if (FIELD_VALUE[bytes[base + i]!] === 0)
        return this.#fail(badByte(bytes[base + i]!, 'header_value')) > 0;
    }
    while (from < to && isBlank(bytes[base + from]!)) from++;
    while (to > from && isBlank(bytes[base + to - 1]!)) to--;
    this.#keepLine(base + start, base + colon, base + from, base + to);
    return true;
  }

  #failLine(start: number, end: number): boolean {
    for (let i = this.base + start; i < this.base + end; i++) {
      const code = badByte(this.bytes[i]!, 'request_line');
      if (code !== 'request_line') return this.#fail(code) > 0;
    }
    return this.#fail(this.#firstLineCode()) > 0;
  }

  #firstLineCode(): RefusalCode {
    return this.kind === 'request' ? 'request_line' : 'status_line';
  }

  #fail(code: RefusalCode): -1 {
    this.error = code;
    return -1;
  }
}

/** A loop: a call of `indexOf` costs more than the few dozen bytes of a line. */
function findLf(bytes: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) if (bytes[i] === LF) return i;
  return -1;
}

/** `HTTP/` */
function startsWithHttp(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 72 &&
    bytes[at + 1] === 84 &&
    bytes[at + 2] === 84 &&
    bytes[at + 3] === 80 &&
    bytes[at + 4] === 47
  );
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function badByte(byte: number, otherwise: RefusalCode): RefusalCode {
  if (byte === 0) return 'nul';
  return byte === CR ? 'bare_cr' : otherwise;
}

function badName(bytes: Uint8Array, start: number, end: number, colonMissing: boolean): RefusalCode {
  for (let i = start; i < end; i++) {
    const code = badByte(bytes[i]!, 'header_name');
    if (code !== 'header_name') return code;
  }
  const blankLast = end > start && isBlank(bytes[end - 1]!);
  return blankLast && !colonMissing ? 'space_before_colon' : 'header_name';
}
