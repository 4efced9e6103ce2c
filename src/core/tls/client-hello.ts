/**
 * The first message of a TLS client (RFC 8446 §4.1.2), read without answering it: whom it asks for. It may be spread over
 * several records (§5.1), and over any number of packets.
 *
 *     record:    type 1 (22) | version 2 | length 2 | fragment
 *     handshake: type 1 (1) | length 3 | version 2 | random 32 | session id 1 + n | cipher suites 2 + n |
 *                compression methods 1 + n | extensions 2 + n: type 2, length 2, value
 */

export interface ClientHello {
  /** The name of the server_name extension (RFC 6066 §3) in lower case; null without one. */
  readonly serverName: string | null;
  /** The protocols of the ALPN extension (RFC 7301 §3.1), as latin1 text, in the client's order. */
  readonly alpn: readonly string[];
  /** What the client speaks: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3. Reserved values (RFC 8701) are left out. */
  readonly versions: readonly number[];
}

/** `not_tls`: no record of a handshake begins here. `malformed`: it does, but this is no proper ClientHello. */
export type HelloRefusal = 'not_tls' | 'too_long' | 'malformed';

/** `null`: more bytes may complete it. */
export type HelloResult = ClientHello | HelloRefusal | null;

/** Longest message that is read, bytes. Real ones have 200 to 2000. */
export const HELLO_MAX = 16_384;
/** Records that it may be spread over: nobody needs more, and who walks them again after each packet must not walk far. */
export const RECORDS_MAX = 32;
/** What a ClientHello may take on the wire, bytes. */
export const HELLO_WIRE_MAX: number = HELLO_MAX + RECORDS_MAX * 5;

const RECORD_HEAD = 5;
const HANDSHAKE_HEAD = 4;
const RECORD_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const FRAGMENT_MAX = 16_384;
const RANDOM_BYTES = 32;
const SESSION_ID_MAX = 32;
const EXTENSIONS_MAX = 128;
const EXTENSION = { SERVER_NAME: 0, ALPN: 16, SUPPORTED_VERSIONS: 43 } as const;
const HOST_NAME = 0;
const NAME_MAX = 253;

/** Reads the ClientHello at `start..end` of `bytes`, as far as it came. */
export function readClientHello(bytes: Uint8Array, start: number, end: number): HelloResult {
  const first = readRecord(bytes, start, end);
  if (first === null) return null;
  if (first < 0) return 'not_tls';
  const body = start + RECORD_HEAD;
  const have = Math.min(end, body + first) - body;
  if (have >= 1 && bytes[body] !== CLIENT_HELLO) return 'malformed';
  if (first < HANDSHAKE_HEAD) return readFragments(bytes, start, end);
  if (have < HANDSHAKE_HEAD) return null;
  const total = HANDSHAKE_HEAD + uint24(bytes, body + 1);
  if (total > HELLO_MAX) return 'too_long';
  if (total > first) return readFragments(bytes, start, end);
  // Before the server's answer nothing may follow in the same record.
  if (total < first) return 'malformed';
  if (have < total) return null;
  return parseHello(new Cursor(bytes, body + HANDSHAKE_HEAD, body + total));
}

/** A message in several records: they are put together first. */
function readFragments(bytes: Uint8Array, start: number, end: number): HelloResult {
  const message = new Uint8Array(HELLO_MAX);
  let length = 0;
  let at = start;
  for (let i = 0; i < RECORDS_MAX; i++) {
    const fragment = readRecord(bytes, at, end);
    if (fragment === null) return null;
    if (fragment < 0) return 'malformed';
    if (length + fragment > HELLO_MAX) return 'too_long';
    const from = at + RECORD_HEAD;
    const to = Math.min(end, from + fragment);
    message.set(bytes.subarray(from, to), length);
    length += to - from;
    const total = length < HANDSHAKE_HEAD ? HELLO_MAX : HANDSHAKE_HEAD + uint24(message, 1);
    if (total > HELLO_MAX) return 'too_long';
    if (length > total) return 'malformed';
    if (to < from + fragment) return null;
    if (length === total) return parseHello(new Cursor(message, HANDSHAKE_HEAD, total));
    at = to;
  }
  return 'too_long';
}

/** Bytes in the fragment of the record at `at`; null if its head is cut, -1 if it is no record of a handshake. */
function readRecord(bytes: Uint8Array, at: number, end: number): number | null {
  const have = end - at;
  if (have >= 1 && bytes[at] !== RECORD_HANDSHAKE) return -1;
  if (have >= 2 && bytes[at + 1] !== 3) return -1;
  if (have >= 3 && bytes[at + 2]! > 4) return -1;
  if (have < RECORD_HEAD) return null;
  const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
  // Empty fragments of handshakes are forbidden (§5.1).
  return length === 0 || length > FRAGMENT_MAX ? -1 : length;
}

function parseHello(cursor: Cursor): ClientHello | 'malformed' {
  const version = cursor.uint16();
  cursor.skip(RANDOM_BYTES);
  const session = cursor.uint8();
  cursor.skip(session);
  const suites = cursor.uint16();
  cursor.skip(suites);
  const methods = cursor.uint8();
  cursor.skip(methods);
  if (cursor.failed || version >> 8 !== 3 || session > SESSION_ID_MAX) return 'malformed';
  if (suites < 2 || suites % 2 === 1 || methods === 0) return 'malformed';
  const draft: HelloDraft = { serverName: null, alpn: [], versions: [version] };
  // Old clients send none at all.
  if (cursor.left === 0) return draft;
  if (cursor.uint16() !== cursor.left || cursor.failed) return 'malformed';
  return readExtensions(cursor, draft) ? draft : 'malformed';
}

interface HelloDraft extends ClientHello {
  serverName: string | null;
  alpn: readonly string[];
  versions: readonly number[];
}

function readExtensions(cursor: Cursor, draft: HelloDraft): boolean {
  const seen: number[] = [];
  while (cursor.left > 0) {
    const type = cursor.uint16();
    const value = cursor.part(cursor.uint16());
    // Two of one type could be read differently by us and by the endpoint (§4.2).
    if (value === null || seen.includes(type) || seen.length === EXTENSIONS_MAX) return false;
    seen.push(type);
    if (!readExtension(type, value, draft)) return false;
  }
  return true;
}

function readExtension(type: number, value: Cursor, draft: HelloDraft): boolean {
  switch (type) {
    case EXTENSION.SERVER_NAME: {
      const name = readServerName(value);
      draft.serverName = name;
      return name !== null;
    }
    case EXTENSION.ALPN: {
      const protocols = readProtocols(value);
      draft.alpn = protocols ?? [];
      return protocols !== null;
    }
    case EXTENSION.SUPPORTED_VERSIONS: {
      const versions = readVersions(value);
      draft.versions = versions ?? [];
      return versions !== null;
    }
    default:
      return true;
  }
}

/** A list of exactly one name, which is all that RFC 6066 knows. */
function readServerName(value: Cursor): string | null {
  if (value.uint16() !== value.left || value.uint8() !== HOST_NAME) return null;
  const length = value.uint16();
  if (value.failed || length !== value.left || length === 0 || length > NAME_MAX) return null;
  const name = value.text(length).toLowerCase();
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name) ? name : null;
}

function readProtocols(value: Cursor): readonly string[] | null {
  if (value.uint16() !== value.left || value.left === 0) return null;
  const protocols: string[] = [];
  while (value.left > 0) {
    const length = value.uint8();
    if (length === 0 || length > value.left) return null;
    protocols.push(value.text(length));
  }
  return value.failed ? null : protocols;
}

function readVersions(value: Cursor): readonly number[] | null {
  const length = value.uint8();
  if (value.failed || length !== value.left || length < 2 || length % 2 === 1) return null;
  const versions: number[] = [];
  while (value.left > 0) {
    const version = value.uint16();
    if ((version & 0x0f0f) !== 0x0a0a) versions.push(version);
  }
  return versions;
}

function uint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** Reads on within bounds; beyond them it gives zeros and says so in `failed`. */
class Cursor {
  failed = false;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  uint8(): number {
    const at = this.#at;
    return this.skip(1) ? this.#bytes[at]! : 0;
  }

  uint16(): number {
    const at = this.#at;
    return this.skip(2) ? (this.#bytes[at]! << 8) | this.#bytes[at + 1]! : 0;
  }

  skip(length: number): boolean {
    if (length > this.left) this.failed = true;
    else if (!this.failed) this.#at += length;
    return !this.failed;
  }

  /** A cursor over the next `length` bytes, which are skipped here; null if there are fewer. */
  part(length: number): Cursor | null {
    const at = this.#at;
    return this.skip(length) ? new Cursor(this.#bytes, at, at + length) : null;
  }

  text(length: number): string {
    const at = this.#at;
    if (!this.skip(length)) return '';
    let text = '';
    for (let i = at; i < at + length; i++) text += String.fromCharCode(this.#bytes[i]!);
    return text;
  }
}
