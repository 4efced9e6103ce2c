import { randomBytes } from 'node:crypto';
import { createCookieKeys, setCookieKeys } from '../core/answer/identity.js';
import { hashBytes, hashText, NO_KEY } from '../core/balance/hash.js';
import { SESSION_HANDLES, SessionTable, sessionTableBytes } from '../core/balance/session-table.js';
import {
  readStickyCookie,
  STICKY_CHARACTERS,
  STICKY_COOKIE,
  stickyId,
  writeStickyCookie,
} from '../core/balance/sticky-cookie.js';
import type { CookieStickyModel, KeyStickyModel, StickyModel } from '../core/balance/sticky-model.js';
import { sipHash } from '../core/dns/siphash.js';
import { copyBytes } from '../core/http/ascii.js';
import { findCookie, setsCookie } from '../core/http/cookie-find.js';
import type { Head } from '../core/http/head.js';
import type { StickyResult } from './sticky-tally.js';

/** What all workers of a proxy share for sticky sessions; it outlives their configuration. */
export interface StickyMemory {
  /** The secrets of cookies: `createCookieKeys`. */
  readonly keys: Int32Array;
  /** Of the header and address sessions: four words that no other proxy knows. */
  readonly tableKey: Int32Array;
  readonly table: SharedArrayBuffer;
}

/** `secret`: 16 bytes; random where several proxies need not agree. */
export function newStickyMemory(secret: Uint8Array = randomBytes(16)): StickyMemory {
  const keys = createCookieKeys();
  setCookieKeys(keys, [secret]);
  const tableKey = new Int32Array(new Uint8Array(randomBytes(16)).buffer);
  return { keys, tableKey, table: new SharedArrayBuffer(sessionTableBytes()) };
}

/** What of an endpoint decides whether it keeps its sessions. */
export interface StickyEndpoint {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly ejected: boolean;
  /** By its circuit breaker. */
  readonly barred: boolean;
  readonly draining: boolean;
  /** Milliseconds since 1970. */
  readonly drainingSinceMs: number;
}

/** A pool with sticky sessions; `UpstreamPool` is one. */
export interface StickyPool {
  readonly name: string;
  readonly endpoints: readonly StickyEndpoint[];
  readonly tally: { sticky(result: StickyResult, endpoint: number): void };
}

/**
 * How a pool keeps clients at their endpoints. A request asks for the key to pick with; below NO_KEY it stands for a session. Its
 * response says which endpoint the session stays with from now on.
 */
export interface StickySessions {
  /** `head` is null, and a session goes by the address, where no HTTP is spoken. `otherwise`: the key without a session. */
  keyOf(head: Head | null, address: string, otherwise: number): number;
  /** The endpoint that a session stays with, if it may be used now; -1 otherwise. */
  endpointOf(key: number): number;
  /** What to pick with where a session has no endpoint, or can't have it now. */
  placeOf(key: number): number;
  /**
   * An endpoint answered. Sessions that moved are told so: by a line in the head in `out`, which has `length` bytes and ends in an
   * empty line. The new length. `head` is the endpoint's; null where no HTTP is spoken.
   */
  settle(
    out: Uint8Array,
    length: number,
    head: Head | null,
    key: number,
    tried: readonly number[],
    endpoint: number,
  ): number;
  tick(): void;
}

/** The sessions of a pool, as its model wants them. `wallMs`: milliseconds since 1970. */
export function stickySessions(
  model: StickyModel,
  pool: StickyPool,
  memory: StickyMemory,
  wallMs: () => number = Date.now,
): StickySessions {
  return 'cookie' in model
    ? new CookieSessions(model, pool, memory, wallMs)
    : new KeySessions(model, pool, memory, wallMs);
}

/** Of other proxies. */
const AHEAD_SECONDS_MAX = 300;
/** A longer header is no session key: to hash it would cost too much. */
const HEADER_BYTES_MAX = 256;
/** A session that has no endpoint yet. */
const UNBOUND = -0x3fffffff;
const SERVER_ERROR = 500;

/** Which endpoints there are, by id, and which of them keep sessions. */
class Keepers {
  nowMs: number;
  readonly ids: readonly (readonly [low: number, high: number])[];
  readonly #endpoints: readonly StickyEndpoint[];
  readonly #byLow = new Map<number, number>();
  readonly #drainMs: number;
  readonly #wallMs: () => number;

  constructor(
    { drainMs }: { readonly drainMs: number },
    { name, endpoints }: StickyPool,
    wallMs: () => number,
  ) {
    this.#endpoints = endpoints;
    this.#drainMs = drainMs;
    this.#wallMs = wallMs;
    this.nowMs = wallMs();
    this.ids = endpoints.map((endpoint) => {
      const [low, high] = stickyId(name, endpoint.name);
      // In the table 0 means none.
      return [low === 0 ? 1 : low, high];
    });
    this.ids.forEach(([low], index) => {
      this.#byLow.set(low, index);
    });
  }

  get nowSeconds(): number {
    return Math.floor(this.nowMs / 1000);
  }

  /** -1 if the pool has no such endpoint. */
  indexOf(low: number): number {
    return this.#byLow.get(low) ?? -1;
  }

  keeps(index: number): boolean {
    const endpoint = this.#endpoints[index];
    if (endpoint === undefined || !endpoint.up || endpoint.ejected || endpoint.barred) return false;
    return !endpoint.draining || this.nowMs - endpoint.drainingSinceMs < this.#drainMs;
  }

  tick(): void {
    this.nowMs = this.#wallMs();
  }
}

/** In a key: the endpoint's index, and whether its cookie is to be renewed. */
class CookieSessions implements StickySessions {
  readonly #model: CookieStickyModel;
  readonly #pool: StickyPool;
  readonly #keys: Int32Array;
  readonly #keepers: Keepers;
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;
  readonly #lifetimeSeconds: number;
  readonly #range = { start: 0, end: 0 };
  readonly #read = { idLow: 0, idHigh: 0, issued: 0 };

  constructor(model: CookieStickyModel, pool: StickyPool, { keys }: StickyMemory, wallMs: () => number) {
    this.#model = model;
    this.#pool = pool;
    this.#keys = keys;
    this.#keepers = new Keepers(model, pool, wallMs);
    this.#before = new TextEncoder().encode(`Set-Cookie: ${model.cookie}=`);
    this.#after = new TextEncoder().encode(`${attributesOf(model)}\r\nCache-Control: private\r\n\r\n`);
    this.#lifetimeSeconds =
      model.lifetimeMs === null ? Number.POSITIVE_INFINITY : Math.floor(model.lifetimeMs / 1000);
  }

  keyOf(head: Head | null, _address: string, otherwise: number): number {
    if (head === null) return otherwise;
    const range = this.#range;
    const { application, cookie } = this.#model;
    // Without the application's session there is nothing to keep.
    if (application !== '' && !findCookie(head, application, range)) return otherwise;
    if (!findCookie(head, cookie, range)) return this.#unbound('new');
    const read = this.#read;
    const verdict = readStickyCookie(head.bytes, range.start, range.end, this.#keys, read);
    if (verdict !== STICKY_COOKIE.GOOD) return this.#unbound('forged');
    const age = this.#keepers.nowSeconds - read.issued;
    if (age < -AHEAD_SECONDS_MAX || age > this.#lifetimeSeconds) return this.#unbound('expired');
    const index = this.#keepers.indexOf(read.idLow === 0 ? 1 : read.idLow);
    const known = index >= 0 && this.#keepers.ids[index]![1] === read.idHigh;
    if (!known || !this.#keepers.keeps(index)) return this.#unbound('gone');
    return NO_KEY - 1 - (2 * index + (2 * age > this.#lifetimeSeconds ? 1 : 0));
  }

  endpointOf(key: number): number {
    const index = indexIn(key);
    return index >= 0 && this.#keepers.keeps(index) ? index : -1;
  }

  placeOf(): number {
    return NO_KEY;
  }

  settle(
    out: Uint8Array,
    length: number,
    head: Head | null,
    key: number,
    tried: readonly number[],
    endpoint: number,
  ): number {
    if (head === null) return length;
    const kept = indexIn(key);
    if (kept === endpoint) {
      this.#pool.tally.sticky('kept', endpoint);
      if (((NO_KEY - 1 - key) & 1) === 0) return length;
    } else if (kept >= 0) {
      this.#pool.tally.sticky('moved', endpoint);
      // A full endpoint isn't gone: the next request may find it again.
      if (this.#keepers.keeps(kept) && !tried.includes(kept)) return length;
    }
    if (kept !== endpoint && head.status >= SERVER_ERROR) return length;
    // Without a session: nobody asked (a fallback pool), or the application has none yet.
    const { application } = this.#model;
    if (key >= NO_KEY && (application === '' || !setsCookie(head, application))) return length;
    return this.#write(out, length, endpoint);
  }

  tick(): void {
    this.#keepers.tick();
  }

  #unbound(result: StickyResult): number {
    this.#pool.tally.sticky(result, -1);
    return UNBOUND;
  }

  /** In place of the empty line that ends the head. */
  #write(out: Uint8Array, length: number, endpoint: number): number {
    const before = this.#before;
    const after = this.#after;
    const more = before.length + STICKY_CHARACTERS + after.length;
    const id = this.#keepers.ids[endpoint];
    if (id === undefined || length + more > out.length) return length;
    const at = copyBytes(out, length - 2, before, 0, before.length);
    writeStickyCookie(out, at, this.#keys, id[0], id[1], this.#keepers.nowSeconds);
    return copyBytes(out, at + STICKY_CHARACTERS, after, 0, after.length);
  }
}

/** The endpoint in a key of CookieSessions; -1 if there is none. */
function indexIn(key: number): number {
  return key >= NO_KEY || key === UNBOUND ? -1 : (NO_KEY - 1 - key) >> 1;
}

/** Browsers take Max-Age before Expires (RFC 6265 §5.3). */
function attributesOf(model: CookieStickyModel): string {
  const { path, domain, lifetimeMs, httpOnly, secure, sameSite } = model;
  const lifetime = lifetimeMs === null ? '' : `; Max-Age=${Math.floor(lifetimeMs / 1000)}`;
  const site = { strict: 'Strict', lax: 'Lax', none: 'None' }[sameSite];
  return (
    `; Path=${path}${domain === '' ? '' : `; Domain=${domain}`}${lifetime}` +
    `${secure ? '; Secure' : ''}${httpOnly ? '; HttpOnly' : ''}; SameSite=${site}`
  );
}

/** In a key: the handle of an entry of the table. */
class KeySessions implements StickySessions {
  readonly #model: KeyStickyModel;
  readonly #pool: StickyPool;
  readonly #keepers: Keepers;
  readonly #table: SessionTable;
  readonly #tableKey: Int32Array;
  readonly #idleSeconds: number;
  /** The pool's id, then the text. */
  readonly #text = new Uint8Array(8 + HEADER_BYTES_MAX);
  readonly #hash = new Uint8Array(8);

  constructor(
    model: KeyStickyModel,
    pool: StickyPool,
    { table, tableKey }: StickyMemory,
    wallMs: () => number,
  ) {
    this.#model = model;
    this.#pool = pool;
    this.#keepers = new Keepers(model, pool, wallMs);
    this.#table = new SessionTable(table);
    this.#tableKey = tableKey;
    this.#idleSeconds = Math.ceil(model.lifetimeMs / 1000);
    const [low, high] = stickyId(pool.name, '');
    new DataView(this.#text.buffer).setInt32(0, low);
    new DataView(this.#text.buffer).setInt32(4, high);
  }

  keyOf(head: Head | null, address: string, otherwise: number): number {
    const { header } = this.#model;
    if (header === '') return this.#sessionOfAddress(address);
    if (head === null) return otherwise;
    for (let i = 0; i < head.count; i++) {
      if (!head.nameIs(i, header)) continue;
      const start = head.base + head.valueStart[i]!;
      const end = head.base + head.valueEnd[i]!;
      return end === start ? otherwise : this.#sessionOfHeader(head.bytes, start, end, otherwise);
    }
    return otherwise;
  }

  endpointOf(key: number): number {
    const index = this.#keepers.indexOf(this.#table.endpoint(NO_KEY - 1 - key));
    return index >= 0 && this.#keepers.keeps(index) ? index : -1;
  }

  placeOf(key: number): number {
    return this.#table.placeOf(NO_KEY - 1 - key);
  }

  settle(
    _out: Uint8Array,
    length: number,
    head: Head | null,
    key: number,
    tried: readonly number[],
    endpoint: number,
  ): number {
    const handle = NO_KEY - 1 - key;
    if (key >= NO_KEY || handle >= SESSION_HANDLES) return length;
    const known = this.#table.endpoint(handle);
    const kept = known === 0 ? -1 : this.#keepers.indexOf(known);
    const { tally } = this.#pool;
    if (kept === endpoint) {
      tally.sticky('kept', endpoint);
      return length;
    }
    if (kept >= 0 && this.#keepers.keeps(kept) && !tried.includes(kept)) {
      tally.sticky('moved', endpoint);
      return length;
    }
    tally.sticky(known === 0 ? 'new' : 'gone', endpoint);
    const id = this.#keepers.ids[endpoint];
    const failed = head !== null && head.status >= SERVER_ERROR;
    if (id !== undefined && !failed) this.#table.move(handle, id[0]);
    return length;
  }

  tick(): void {
    this.#keepers.tick();
  }

  #sessionOfHeader(bytes: Uint8Array, start: number, end: number, otherwise: number): number {
    if (end - start > HEADER_BYTES_MAX) {
      this.#pool.tally.sticky('forged', -1);
      return otherwise;
    }
    copyBytes(this.#text, 8, bytes, start, end);
    return this.#session(end - start, hashBytes(bytes, start, end));
  }

  #sessionOfAddress(address: string): number {
    const length = Math.min(address.length, HEADER_BYTES_MAX);
    for (let i = 0; i < length; i++) this.#text[8 + i] = address.charCodeAt(i);
    return this.#session(length, hashText(address));
  }

  #session(length: number, place: number): number {
    sipHash(this.#tableKey, 0, this.#text, 8 + length, this.#hash, 0);
    const hash = this.#hash;
    const word = hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24);
    return NO_KEY - 1 - this.#table.find(word, place, this.#keepers.nowSeconds, this.#idleSeconds);
  }
}
