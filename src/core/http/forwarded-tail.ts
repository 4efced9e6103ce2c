import { copyText, latin1Bytes, putText } from './ascii.js';

/** Hosts whose tails are kept; clients choose what they ask for. */
const HOSTS_MAX = 256;
const FOR = latin1Bytes('X-Forwarded-For: ');
/** Room for that and for the marks around an IPv6 address. */
const FRONT_BYTES = 32;

/**
 * The fields that a request gets behind those of its client, where nothing about it is unusual: the same for all requests
 * to a host, but for the client's address.
 */
export class ForwardedTail {
  readonly minor: number;
  readonly #middle: Uint8Array;
  readonly #end: Uint8Array;

  constructor(host: string, minor: number, proto: string, via: string) {
    this.minor = minor;
    const quotedHost = quoted(host);
    this.#middle = latin1Bytes(
      `\r\nX-Forwarded-Proto: ${proto}\r\nX-Forwarded-Host: ${host}\r\nForwarded: for=`,
    );
    this.#end = latin1Bytes(`;host=${quotedHost};proto=${proto}\r\nVia: 1.${minor} ${via}\r\n\r\n`);
  }

  /** At least as many bytes as it takes with this address. */
  room(address: string): number {
    return FRONT_BYTES + 2 * address.length + this.#middle.length + this.#end.length;
  }

  /** Writes it to `out`, from `start`; where it ends. */
  write(out: Uint8Array, start: number, address: string): number {
    let at = putText(out, copyText(out, start, FOR), address);
    at = copyText(out, at, this.#middle);
    at = address.includes(':')
      ? putText(out, putText(out, putText(out, at, '"['), address), ']"')
      : putText(out, at, address);
    return copyText(out, at, this.#end);
  }
}

/** The tails of one listener, by host. */
export class ForwardedTails {
  readonly #proto: string;
  readonly #via: string;
  #known = new Map<string, ForwardedTail>();

  constructor(proto: string, via: string) {
    this.#proto = proto;
    this.#via = via;
  }

  /** `minor`: the HTTP version that came, 1.`minor`. */
  find(host: string, minor: number): ForwardedTail {
    const known = this.#known.get(host);
    if (known !== undefined && known.minor === minor) return known;
    if (this.#known.size >= HOSTS_MAX) this.#known = new Map();
    const tail = new ForwardedTail(host, minor, this.#proto, this.#via);
    this.#known.set(host, tail);
    return tail;
  }
}

/** A host as the value of a parameter of Forwarded (RFC 7239 §4). */
export function quoted(host: string): string {
  return /[:[\]]/.test(host) ? `"${host}"` : host;
}
