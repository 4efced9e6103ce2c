/**
 * What a node says about itself, and the keys of its cookies. Shared by all workers; the key words may change while
 * they run.
 */
export interface Identity {
  /** The name server identifier (RFC 5001 §2.3); empty: none is given. */
  readonly nsid: Uint8Array;
  /** TXT rdata of `version.bind` and `version.server` (RFC 4892 §2); empty: hidden. */
  readonly version: Uint8Array;
  /** TXT rdata of `id.server` and `hostname.bind`; empty: hidden. */
  readonly id: Uint8Array;
  /**
   * `[count, key, key, …]`: four words for each key. The first signs, all are accepted: so a key can be changed on
   * one node after the other (RFC 9018 §5). Count 0: no cookies.
   */
  readonly cookieKeys: Int32Array;
}

export const COOKIE_KEYS_MAX = 3;
const KEY_WORDS = 4;
export const NSID_BYTES_MAX = 128;

/** A table for COOKIE_KEYS_MAX keys; the workers see what is written to it later. */
export function createCookieKeys(): Int32Array {
  const words = 1 + COOKIE_KEYS_MAX * KEY_WORDS;
  return new Int32Array(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
}

/** Puts 16-byte keys in place. An answer that is being made meanwhile may get a cookie that nobody accepts. */
export function setCookieKeys(table: Int32Array, keys: readonly Uint8Array[]): void {
  for (const [i, key] of keys.slice(0, COOKIE_KEYS_MAX).entries()) {
    const view = new DataView(key.buffer, key.byteOffset, 16);
    for (let word = 0; word < KEY_WORDS; word++) {
      Atomics.store(table, 1 + i * KEY_WORDS + word, view.getInt32(4 * word, true));
    }
  }
  Atomics.store(table, 0, Math.min(keys.length, COOKIE_KEYS_MAX));
}

/** Says nothing and makes no cookies. */
export const ANONYMOUS: Identity = {
  nsid: new Uint8Array(0),
  version: new Uint8Array(0),
  id: new Uint8Array(0),
  cookieKeys: new Int32Array(1),
};

/** The rdata of a TXT record with one string of at most 255 bytes. */
export function txtRdata(text: Uint8Array): Uint8Array {
  return Uint8Array.from([text.length, ...text]);
}
