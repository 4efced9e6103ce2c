/** Master files (RFC 1035 §5, RFC 2308 §4, RFC 3597 §5) with BIND's `$GENERATE`: bytes in, records or mistakes out. */
import { CLASS, TYPE, typeName, typeNumber } from '../../dns/iana.js';
import { RDATA_BYTES_MAX } from '../../dns/rdata/codec.js';
import { expand, readRange, templateOf } from './generate.js';
import { hasNotation, writeRdata } from './rdata.js';
import { Scanner } from './scanner.js';
import { isWord, type Output, readNumber, readTime, TTL_MAX, wordText, writeName } from './word.js';

export const MASTER_RECORDS_MAX = 2_000_000;
export const GENERATED_MAX = 65_536;
export const INCLUDE_DEPTH_MAX = 8;
export const INCLUDES_MAX = 1000;
export const MASTER_PROBLEMS_MAX = 1000;

export interface MasterProblem {
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** What is wrong, and what is allowed. */
  readonly message: string;
}

export interface MasterSink {
  /**
   * `owner` is in wire form and lower case, and good only during the call. `rdata` is uncompressed wire form and
   * may be kept; it is part of a larger buffer. `ttl` is in seconds.
   */
  record(owner: Uint8Array, type: number, ttl: number, rdata: Uint8Array, file: string, line: number): void;
  /** A record of a type whose notation is not known, and which is left out (RRSIG, NSEC …). */
  unsupported(type: number, file: string, line: number): void;
  /** At most MASTER_PROBLEMS_MAX times. */
  problem(problem: MasterProblem): void;
}

export type Included = { readonly file: string; readonly bytes: Uint8Array } | { readonly message: string };

export interface MasterOptions {
  /** Named in problems. */
  readonly file: string;
  /** Wire form. */
  readonly origin: Uint8Array;
  /** Finds the file that `$INCLUDE` names in `from`; without it `$INCLUDE` is a mistake. */
  readonly include?: (name: string, from: string) => Included;
}

/** Reads a master file to its end, whatever is in it. Never throws, as long as sink and `include` do not. */
export function parseMasterFile(bytes: Uint8Array, options: MasterOptions, sink: MasterSink): void {
  new Parser(options, sink).read(bytes, options.file, 0);
}

const CHUNK_BYTES = 256 * 1024;

class Parser {
  readonly #sink: MasterSink;
  readonly #include: MasterOptions['include'];
  #origin: Uint8Array;
  readonly #owner: Output = { bytes: new Uint8Array(512), length: 0 };
  #ownerKnown = false;
  readonly #rdata: Output = { bytes: new Uint8Array(4 * RDATA_BYTES_MAX), length: 0 };
  #chunk = new Uint8Array(CHUNK_BYTES);
  #chunkUsed = 0;
  /** -1 while there is none. */
  #defaultTtl = -1;
  #lastTtl = -1;
  #records = 0;
  #generated = 0;
  #includes = 0;
  #problems = 0;
  #stopped = false;
  #file = '';
  /** A generated line is reported where its $GENERATE is. */
  #place: { readonly line: number; readonly column: number } | undefined;

  constructor({ origin, include }: MasterOptions, sink: MasterSink) {
    this.#origin = origin;
    this.#include = include;
    this.#sink = sink;
  }

  read(bytes: Uint8Array, file: string, depth: number): void {
    this.#file = file;
    const scanner = new Scanner(bytes);
    while (!this.#stopped && scanner.next()) {
      if (scanner.error !== undefined) {
        this.#problemAt(scanner, scanner.errorAt, scanner.errorLine, scanner.error);
      } else if (!scanner.blank && scanner.quoted[0] === 0 && bytes[scanner.starts[0]!] === DOLLAR) {
        this.#directive(scanner, depth);
      } else this.#record(scanner);
    }
  }

  #directive(scanner: Scanner, depth: number): void {
    const is = (name: string): boolean => isWord(scanner.bytes, scanner.starts[0]!, scanner.ends[0]!, name);
    if (is('$ORIGIN')) this.#readOrigin(scanner, 1);
    else if (is('$TTL')) this.#readDefaultTtl(scanner);
    else if (is('$INCLUDE')) this.#readInclude(scanner, depth);
    else if (is('$GENERATE')) this.#generate(scanner);
    else this.#problem(scanner, 0, 'unknown directive; allowed: $ORIGIN, $TTL, $INCLUDE, $GENERATE');
  }

  #readOrigin(scanner: Scanner, word: number): boolean {
    if (word >= scanner.count) {
      this.#problem(scanner, 0, 'needs a name behind it');
      return false;
    }
    const out: Output = { bytes: new Uint8Array(512), length: 0 };
    const { bytes, starts, ends } = scanner;
    const error = writeName(bytes, starts[word]!, ends[word]!, this.#origin, out);
    if (error !== undefined) this.#problem(scanner, word, error);
    else if (this.#ended(scanner, word + 1)) {
      this.#origin = out.bytes.slice(0, out.length);
      return true;
    }
    return false;
  }

  #readDefaultTtl(scanner: Scanner): void {
    const ttl = scanner.count > 1 ? readTime(scanner.bytes, scanner.starts[1]!, scanner.ends[1]!) : -1;
    if (ttl < 0) this.#problem(scanner, Math.min(1, scanner.count - 1), BAD_TTL);
    else if (this.#ended(scanner, 2)) this.#defaultTtl = ttl;
  }

  /** Origin and owner are afterwards what they were before (RFC 1035 §5.1). */
  #readInclude(scanner: Scanner, depth: number): void {
    if (scanner.count < 2) return this.#problem(scanner, 0, 'needs a file name behind it');
    if (!this.#include) return this.#problem(scanner, 0, '$INCLUDE is not allowed here');
    if (depth >= INCLUDE_DEPTH_MAX || ++this.#includes > INCLUDES_MAX) {
      const message = `at most ${INCLUDE_DEPTH_MAX} files include one another, and ${INCLUDES_MAX} in all`;
      return this.#problem(scanner, 0, message);
    }
    const file = this.#file;
    const included = this.#include(wordText(scanner.bytes, scanner.starts[1]!, scanner.ends[1]!), file);
    if ('message' in included) return this.#problem(scanner, 1, included.message);
    const origin = this.#origin;
    const owner = this.#owner.bytes.slice(0, this.#owner.length);
    const known = this.#ownerKnown;
    if (scanner.count === 2 || this.#readOrigin(scanner, 2))
      this.read(included.bytes, included.file, depth + 1);
    this.#file = file;
    this.#origin = origin;
    this.#owner.bytes.set(owner);
    this.#owner.length = owner.length;
    this.#ownerKnown = known;
  }

  #generate(scanner: Scanner): void {
    const { bytes, starts, ends } = scanner;
    const range =
      scanner.count > 3
        ? readRange(wordText(bytes, starts[1]!, Math.min(ends[1]!, starts[1]! + 40)))
        : undefined;
    if (!range)
      return this.#problem(scanner, 0, 'must be $GENERATE start-stop[/step] owner [ttl] [class] type rdata');
    const lines = Math.floor((range.stop - range.start) / range.step) + 1;
    if (this.#generated + lines > GENERATED_MAX) {
      return this.#problem(scanner, 1, `$GENERATE makes at most ${GENERATED_MAX} records of a file`);
    }
    const template = templateOf(scanner, 2);
    if (template.length > TEMPLATE_MAX)
      return this.#problem(scanner, 2, `at most ${TEMPLATE_MAX} characters`);
    this.#generated += lines;
    this.#place = { line: scanner.lines[0]!, column: scanner.column(starts[0]!) };
    for (let n = range.start; n <= range.stop && !this.#stopped; n += range.step) {
      const problems = this.#problems;
      const line = expand(template, n);
      if ('message' in line) this.#problem(scanner, 0, line.message);
      else {
        const one = new Scanner(Uint8Array.from(line.line, (character) => character.charCodeAt(0)));
        if (one.next() && one.error === undefined) this.#record(one);
      }
      // One wrong line says enough.
      if (this.#problems > problems) break;
    }
    this.#place = undefined;
  }

  #record(scanner: Scanner): void {
    const { bytes, starts, ends, count } = scanner;
    let word = 0;
    if (!scanner.blank) {
      if (!this.#readOwner(scanner)) return;
      word = 1;
    } else if (!this.#ownerKnown) {
      return this.#problem(scanner, 0, 'there is no owner name before this line to take over');
    }
    let ttl = -1;
    let hasClass = false;
    for (; word < count; word++) {
      const first = bytes[starts[word]!]!;
      if (ttl < 0 && first >= 0x30 && first <= 0x39) {
        ttl = readTime(bytes, starts[word]!, ends[word]!);
        if (ttl < 0) return this.#problem(scanner, word, BAD_TTL);
        continue;
      }
      const wordClass = hasClass ? 0 : readClass(bytes, starts[word]!, ends[word]!);
      if (wordClass === 0) break;
      if (wordClass !== CLASS.IN) return this.#problem(scanner, word, 'the class must be IN');
      hasClass = true;
    }
    if (word >= count) return this.#problem(scanner, count - 1, 'the record ends before its type');
    const type = readType(bytes, starts[word]!, ends[word]!);
    if (type < 0)
      return this.#problem(scanner, word, 'is not an RR type; a type without a name is written TYPE123');
    if (type === 0 || META.has(type)) {
      return this.#problem(scanner, word, `${typeName(type)} is only for questions and cannot be in a zone`);
    }
    this.#finish(scanner, type, ttl, word + 1);
  }

  #finish(scanner: Scanner, type: number, stated: number, word: number): void {
    const { bytes, starts } = scanner;
    if (++this.#records > MASTER_RECORDS_MAX) {
      this.#stopped = true;
      return this.#problem(scanner, 0, `one record too many: at most ${MASTER_RECORDS_MAX}`);
    }
    const generic = word < scanner.count && bytes[starts[word]!] === BACKSLASH;
    const line = this.#place?.line ?? scanner.lines[0]!;
    if (stated >= 0) this.#lastTtl = stated;
    if (!hasNotation(type) && !generic && OPAQUE.has(type))
      return this.#sink.unsupported(type, this.#file, line);
    const rdata = this.#rdata;
    rdata.length = 0;
    const error = writeRdata(type, scanner, word, this.#origin, rdata);
    if (error) return this.#problem(scanner, Math.min(error.word, scanner.count - 1), error.message);
    if (rdata.length > RDATA_BYTES_MAX) {
      return this.#problem(scanner, word, `is larger than ${RDATA_BYTES_MAX} bytes`);
    }
    let ttl = stated >= 0 ? stated : this.#defaultTtl >= 0 ? this.#defaultTtl : this.#lastTtl;
    // BIND's habit: a SOA without any TTL lends its minimum, to itself and to those that follow.
    if (ttl < 0 && type === TYPE.SOA) ttl = this.#lastTtl = Math.min(lastNumber(rdata), TTL_MAX);
    if (ttl < 0) return this.#problem(scanner, 0, 'has no TTL; write one, or a line $TTL before it');
    const owner = this.#owner.bytes.subarray(0, this.#owner.length);
    this.#sink.record(owner, type, ttl, this.#keep(), this.#file, line);
  }

  #readOwner(scanner: Scanner): boolean {
    const { bytes, starts, ends } = scanner;
    const owner = this.#owner;
    owner.length = 0;
    const error = writeName(bytes, starts[0]!, ends[0]!, this.#origin, owner);
    this.#ownerKnown = error === undefined;
    if (error !== undefined) {
      this.#problem(scanner, 0, error);
      return false;
    }
    // Length bytes are below 'A'.
    for (let i = 0; i < owner.length; i++) {
      const byte = owner.bytes[i]!;
      if (byte >= 0x41 && byte <= 0x5a) owner.bytes[i] = byte + 0x20;
    }
    return true;
  }

  /** The rdata in a place of its own. */
  #keep(): Uint8Array {
    const { bytes, length } = this.#rdata;
    if (length > CHUNK_BYTES - this.#chunkUsed) {
      this.#chunk = new Uint8Array(CHUNK_BYTES);
      this.#chunkUsed = 0;
    }
    const start = this.#chunkUsed;
    for (let i = 0; i < length; i++) this.#chunk[start + i] = bytes[i]!;
    this.#chunkUsed += length;
    return this.#chunk.subarray(start, start + length);
  }

  #ended(scanner: Scanner, word: number): boolean {
    if (word >= scanner.count) return true;
    this.#problem(scanner, word, 'one word too many');
    return false;
  }

  #problem(scanner: Scanner, word: number, message: string): void {
    this.#problemAt(scanner, scanner.starts[word]!, scanner.lines[word]!, message);
  }

  #problemAt(scanner: Scanner, at: number, line: number, message: string): void {
    const place = this.#place ?? { line, column: scanner.column(at) };
    const last = ++this.#problems >= MASTER_PROBLEMS_MAX;
    if (last) this.#stopped = true;
    const text = last ? `${message} (there may be more mistakes: reading ends here)` : message;
    this.#sink.problem({ file: this.#file, ...place, message: text });
  }
}

const DOLLAR = 0x24;
const BACKSLASH = 0x5c;
const TEMPLATE_MAX = 4096;
const BAD_TTL = `must be a TTL: 0 to ${TTL_MAX} seconds, or a time such as 1h30m`;

/** Types that exist on the wire only (RFC 6895 §3.1). */
const META: ReadonlySet<number> = new Set([
  TYPE.OPT,
  TYPE.TKEY,
  TYPE.TSIG,
  TYPE.IXFR,
  TYPE.AXFR,
  TYPE.MAILB,
  TYPE.MAILA,
  TYPE.ANY,
]);

/** Types with a name whose own notation is not read. */
const OPAQUE: ReadonlySet<number> = new Set(Object.values(TYPE));

/** 0 if the word is no class. */
function readClass(bytes: Uint8Array, start: number, end: number): number {
  if (isWord(bytes, start, end, 'IN')) return CLASS.IN;
  if (isWord(bytes, start, end, 'CH')) return CLASS.CH;
  if (isWord(bytes, start, end, 'HS')) return CLASS.HS;
  if (end - start <= 5 || !isWord(bytes, start, start + 5, 'CLASS')) return 0;
  return Math.max(0, readNumber(bytes, start + 5, end, 0xffff));
}

/** -1 if the word is no type. */
function readType(bytes: Uint8Array, start: number, end: number): number {
  if (isWord(bytes, start, end, 'A')) return TYPE.A;
  if (isWord(bytes, start, end, 'AAAA')) return TYPE.AAAA;
  if (end - start > 16) return -1;
  return typeNumber(wordText(bytes, start, end)) ?? -1;
}

function lastNumber({ bytes, length }: Output): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(length - 4);
}
