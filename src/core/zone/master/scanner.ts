/**
 * The tokens of a master file (RFC 1035 §5.1), one entry (a line, or more in parentheses) at a time. Tokens are
 * positions in the bytes of the file: no text is made of them.
 */

export const ENTRY_TOKENS_MAX = 4096;
/** Enough for the largest rdata with every byte written `\DDD`. */
export const ENTRY_BYTES_MAX = 512 * 1024;

/** What an entry looks like after `next()`; reused for each entry. */
export class Scanner {
  readonly bytes: Uint8Array;
  readonly starts = new Int32Array(ENTRY_TOKENS_MAX);
  readonly ends = new Int32Array(ENTRY_TOKENS_MAX);
  readonly lines = new Int32Array(ENTRY_TOKENS_MAX);
  /** 1 where the token stood in quotes; its positions leave the quotes out. */
  readonly quoted = new Uint8Array(ENTRY_TOKENS_MAX);
  count = 0;
  /** The entry starts with white space: it has the owner of the one before. */
  blank = false;
  /** What is wrong with the entry; then it has no tokens that count. */
  error: string | undefined;
  errorAt = 0;
  errorLine = 0;
  #at = 0;
  #line = 1;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    // A byte order mark of UTF-8.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
  }

  /** Where the file's own line starts that holds `at`; columns count from it. */
  column(at: number): number {
    let start = at;
    while (start > 0 && this.bytes[start - 1] !== LF) start--;
    return at - start + 1;
  }

  /** Reads the next entry that is not empty; false at the end of the file. */
  next(): boolean {
    while (this.#at < this.bytes.length) {
      this.#readEntry();
      if (this.count > 0 || this.error !== undefined) return true;
    }
    return false;
  }

  #readEntry(): void {
    const { bytes } = this;
    const begin = this.#at;
    let at = begin;
    let depth = 0;
    let openAt = 0;
    let openLine = 0;
    this.count = 0;
    this.error = undefined;
    this.blank = bytes[at] === SPACE || bytes[at] === TAB;
    while (at < bytes.length) {
      const byte = bytes[at]!;
      if (byte === LF) {
        at++;
        this.#line++;
        if (depth === 0) break;
      } else if (byte === SPACE || byte === TAB || byte === CR) at++;
      else if (byte === SEMICOLON) {
        while (at < bytes.length && bytes[at] !== LF) at++;
      } else if (byte === OPEN) {
        if (depth++ === 0) {
          openAt = at;
          openLine = this.#line;
        }
        at++;
      } else if (byte === CLOSE) {
        if (depth-- === 0) return this.#fail(at, '")" without a "(" before it');
        at++;
      } else {
        if (this.count === ENTRY_TOKENS_MAX) {
          return this.#fail(at, `an entry has at most ${ENTRY_TOKENS_MAX} words`);
        }
        at = byte === QUOTE ? this.#readQuoted(at) : this.#readWord(at);
        if (this.error !== undefined) return;
      }
      if (at - begin > ENTRY_BYTES_MAX) {
        return this.#fail(begin, `an entry has at most ${ENTRY_BYTES_MAX} bytes`, at);
      }
    }
    this.#at = at;
    if (depth > 0) {
      this.error = 'this "(" has no ")" after it';
      this.errorAt = openAt;
      this.errorLine = openLine;
    }
  }

  #readWord(start: number): number {
    const { bytes } = this;
    let at = start;
    for (; at < bytes.length; at++) {
      const kind = WORD_END[bytes[at]!];
      if (kind === 0) continue;
      if (kind === 1) break;
      // What follows a backslash is never special, but a line ends all the same.
      if (at + 1 < bytes.length && bytes[at + 1] !== LF) at++;
    }
    this.#push(start, at, 0);
    return at;
  }

  #readQuoted(start: number): number {
    const { bytes } = this;
    for (let at = start + 1; at < bytes.length && bytes[at] !== LF; at++) {
      if (bytes[at] === QUOTE) {
        this.#push(start + 1, at, 1);
        return at + 1;
      }
      if (bytes[at] === BACKSLASH && bytes[at + 1] !== LF) at++;
    }
    this.#fail(start, 'the quoted text does not end on its line; write " at its end');
    return start;
  }

  #push(start: number, end: number, quoted: number): void {
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.lines[this.count] = this.#line;
    this.quoted[this.count] = quoted;
    this.count++;
  }

  /** Goes on at the next line. */
  #fail(at: number, message: string, from = at): void {
    this.error = message;
    this.errorAt = at;
    this.errorLine = this.#line;
    const end = this.bytes.indexOf(LF, from);
    this.#at = end < 0 ? this.bytes.length : end + 1;
    this.#line++;
  }
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

/** 1 ends a word, 2 is the backslash. */
const WORD_END = new Uint8Array(256);
for (const byte of [TAB, LF, CR, SPACE, QUOTE, OPEN, CLOSE, SEMICOLON]) WORD_END[byte] = 1;
WORD_END[BACKSLASH] = 2;
