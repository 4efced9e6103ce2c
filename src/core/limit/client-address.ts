import { parseIPv6 } from '../dns/rdata/address.js';
import { type GeoTrie, lookup4, lookup6 } from '../geo/trie.js';
import type { KeyHash } from './key-hash.js';

const ZERO = 48;
const DOT = 46;

/**
 * The client's address as numbers: read once, and again only when another client comes. IPv4 addresses that stand in an IPv6
 * address (RFC 4291 §2.5.5.2) are IPv4 addresses.
 */
export class ClientAddress {
  /** 0: the text was no address. */
  family: 0 | 4 | 6 = 0;
  #text: string | null = null;
  /** Of IPv4. */
  #word = 0;
  /** Of IPv6. */
  #bytes: Uint8Array = new Uint8Array(16);

  read(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    this.#word = 0;
    if (this.#readIPv4(text, 0)) {
      this.family = 4;
      return;
    }
    const bytes = parseIPv6(text.split('%', 1)[0]!);
    this.family = bytes === undefined ? 0 : 6;
    if (bytes === undefined) return;
    this.#bytes = bytes;
    if (!isMapped(bytes)) return;
    this.family = 4;
    this.#word = (bytes[12]! << 24) | (bytes[13]! << 16) | (bytes[14]! << 8) | bytes[15]!;
  }

  /** The class of the address in a trie; 0 for what is no address. */
  classIn(trie: GeoTrie): number {
    if (this.family === 4) return lookup4(trie, this.#word) >> 8;
    return this.family === 6 ? lookup6(trie, this.#bytes, 0) >> 8 : 0;
  }

  /** Adds the first bits of the address to a key. */
  addTo(hash: KeyHash, prefix4: number, prefix6: number): void {
    if (this.family === 4) {
      hash.words(masked(this.#word, prefix4), 4);
      return;
    }
    if (this.family === 0) {
      hash.words(0, 0);
      return;
    }
    hash.words(masked(this.#wordAt(0), prefix6), masked(this.#wordAt(4), prefix6 - 32));
    if (prefix6 <= 64) return;
    hash.words(masked(this.#wordAt(8), prefix6 - 64), masked(this.#wordAt(12), prefix6 - 96));
  }

  #wordAt(at: number): number {
    const bytes = this.#bytes;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  /** Four decimal numbers; the system writes them, so that no other forms have to be told apart. */
  #readIPv4(text: string, from: number): boolean {
    if (text.length - from > 15) return false;
    let word = 0;
    let part = -1;
    let dots = 0;
    for (let i = from; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === DOT) {
        if (part < 0 || ++dots > 3) return false;
        word = (word << 8) | part;
        part = -1;
        continue;
      }
      const digit = code - ZERO;
      if (digit < 0 || digit > 9) return false;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return false;
    }
    if (dots !== 3 || part < 0) return false;
    this.#word = (word << 8) | part;
    return true;
  }
}

/** The first `bits` of a word; all for more than 31, none for less than 1. */
function masked(word: number, bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? word : word & (-1 << (32 - bits));
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
