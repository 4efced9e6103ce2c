/**
 * What every RR type offers: a value of a zone file to wire form, and wire form to text.
 */

export interface RdataError {
  readonly code: 'bad-rdata';
  /** What is wrong, and what is allowed. */
  readonly message: string;
  /** Where in the value: `['svcparams', 'port']`. */
  readonly path: readonly string[];
}

export interface RdataCodec {
  readonly type: number;
  /**
   * `value` is what octoDNS writes: text, or a map with the fields of the type. Names in it are absolute, with
   * a trailing dot. Returns uncompressed wire form.
   */
  parse(value: unknown): Uint8Array | RdataError;
  /** Presentation form without owner, class and TTL; undefined if the bytes are not of this type. */
  toText(wire: Uint8Array): string | undefined;
  /** The value that a zone file has for it; undefined if there is none. Not every value comes out as it went in: compare. */
  toValue(wire: Uint8Array): unknown;
}

/** RDLENGTH has 16 bits; a record must also fit a message with its owner and the question. */
export const RDATA_BYTES_MAX = 60_000;

export function rdataError(message: string, path: readonly string[] = []): RdataError {
  return { code: 'bad-rdata', message, path };
}

export function isRdataError(result: unknown): result is RdataError {
  return typeof result === 'object' && result !== null && 'code' in result && result.code === 'bad-rdata';
}

/** A value as it appears in a message: short, and quoted if it is text. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
