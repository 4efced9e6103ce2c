import type { StaleModel } from '../core/balance/degradation.js';
import type { FixedReply } from '../core/http/fixed-reply.js';
import { responseHeadBytes } from '../core/http/fixed-reply.js';
import { HEAD_BYTES_MAX, Head } from '../core/http/head.js';
import type { RequestFacts } from '../core/http/hygiene.js';
import type { Field } from '../core/http/route-action.js';
import { type StaleTerms, staleTerms, takesStale } from '../core/http/stale-rules.js';

/** What is kept is not looked at again before. */
const REFRESH_MS = 1_000;
/** What an entry costs beside its texts and its body. */
const ENTRY_BYTES = 512;
/** Responses whose bodies are gathered at one time. */
const CAPTURES_MAX = 64;
/** A response that takes longer gives way to others. */
const CAPTURE_MS = 30_000;
const KEY_CHARACTERS_MAX = 2_048;
const PARTS_MAX = 4_096;
/** Of one hop, or made anew. */
const DROPPED: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'trailer'],
  ...['content-length', 'age', 'set-cookie'],
]);

interface Entry {
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
  readonly terms: StaleTerms;
  readonly encoding: string;
  readonly bytes: number;
  readonly keptMs: number;
  /** Of the response when it came. */
  readonly ageSeconds: number;
}

/** The request, as it went to the endpoint. */
export interface KeptRequest {
  readonly facts: RequestFacts;
  readonly head: Uint8Array;
  readonly headLength: number;
}

/**
 * Good responses of a pool in one thread, to be given again when its endpoints fail (`stale-if-error`, RFC 5861). Bounded by
 * bytes: what was kept longest ago goes first.
 */
export class StaleCache {
  readonly model: StaleModel;
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Entry>();
  readonly #request = new Head('request');
  readonly #response = new Head('response');
  readonly #scratch = new Uint8Array(2 * HEAD_BYTES_MAX);
  /** Responses that are on their way, by key; the oldest first. */
  readonly #captured = new Map<string, StaleCapture>();
  readonly #capturesMax: number;
  #bytes = 0;

  /** `bytesMax`: this thread's part. */
  constructor(model: StaleModel, bytesMax: number) {
    this.model = model;
    this.#bytesMax = bytesMax;
    this.#capturesMax = Math.min(Math.max(Math.floor(bytesMax / model.bodyBytes), 1), CAPTURES_MAX);
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Begins to keep a response; null where it may not be kept, or was lately.
   *
   * @param head of the endpoint's response.
   * @param write writes the head that the client gets, as `writeResponseHead`.
   */
  begin(
    request: KeptRequest,
    head: Head,
    nowMs: number,
    write: (out: Uint8Array) => number,
  ): StaleCapture | null {
    const { facts } = request;
    if (head.status !== 200 || facts.method !== 'GET' || hasBody(facts)) return null;
    const asked = this.#read(request);
    const key = asked === null ? null : keyOf(facts, asked);
    if (asked === null || key === null) return null;
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs - known.keptMs < REFRESH_MS) return null;
    const terms = staleTerms(asked, head);
    if (terms === null || terms.seconds <= 0 || !this.#mayCapture(key, nowMs)) return null;
    const length = write(this.#scratch);
    const response = this.#response;
    response.reset();
    if (length <= 0 || response.parse(this.#scratch, 0, length) !== length) return null;
    const fields = fieldsOf(response);
    const ageSeconds = Number(response.field('age', ',')) || 0;
    const encoding = terms.byEncoding ? (asked.field('accept-encoding', ',') ?? '') : '';
    const capture: StaleCapture = new StaleCapture(this.model.bodyBytes, nowMs, (body) => {
      if (this.#captured.get(key) === capture) this.#captured.delete(key);
      if (body === null) return;
      const bytes = ENTRY_BYTES + 2 * key.length + bytesOf(fields) + body.length;
      this.#put(key, { fields, body, terms, encoding, bytes, keptMs: nowMs, ageSeconds });
    });
    this.#captured.set(key, capture);
    return capture;
  }

  /** What a request gets instead of an error; null if there is nothing that fits. */
  find(request: KeptRequest, nowMs: number): FixedReply | null {
    const { facts } = request;
    if (this.#entries.size === 0 || (facts.method !== 'GET' && facts.method !== 'HEAD')) return null;
    if (hasBody(facts)) return null;
    const asked = this.#read(request);
    const key = asked === null ? null : keyOf(facts, asked);
    const entry = key === null ? undefined : this.#entries.get(key);
    if (asked === null || key === null || entry === undefined) return null;
    const seconds = (nowMs - entry.keptMs) / 1000;
    if (seconds > Math.min(entry.terms.seconds, this.model.forMs / 1000)) {
      this.#drop(key, entry);
      return null;
    }
    if (!takesStale(asked, entry.terms)) return null;
    if (entry.terms.byEncoding && (asked.field('accept-encoding', ',') ?? '') !== entry.encoding) return null;
    return staleReply(entry, Math.floor(seconds));
  }

  /** Clients that read slowly hold the places of others only for a while. */
  #mayCapture(key: string, nowMs: number): boolean {
    const same = this.#captured.get(key);
    if (same === undefined && this.#captured.size < this.#capturesMax) return true;
    const oldest = same ?? this.#captured.values().next().value;
    if (oldest === undefined || nowMs - oldest.beganMs < CAPTURE_MS) return false;
    oldest.drop();
    return true;
  }

  #read({ head, headLength }: KeptRequest): Head | null {
    this.#request.reset();
    return this.#request.parse(head, 0, headLength) === headLength ? this.#request : null;
  }

  #put(key: string, entry: Entry): void {
    const known = this.#entries.get(key);
    if (known !== undefined) this.#drop(key, known);
    if (entry.bytes > this.#bytesMax) return;
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes + entry.bytes <= this.#bytesMax) break;
      this.#drop(oldest, old);
    }
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** The body of a response that is being passed on; only a whole one is kept. Ends with `done` or `drop`. */
export class StaleCapture {
  readonly beganMs: number;
  readonly #bytesMax: number;
  readonly #end: (body: Uint8Array | null) => void;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;

  /** `end` is called once: with the body, or with null. */
  constructor(bytesMax: number, beganMs: number, end: (body: Uint8Array | null) => void) {
    this.beganMs = beganMs;
    this.#bytesMax = bytesMax;
    this.#end = end;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.#ended) return;
    this.#bytes += end - start;
    if (this.#bytes > this.#bytesMax || this.#parts.length === PARTS_MAX) {
      this.drop();
      return;
    }
    this.#parts.push(bytes.slice(start, end));
  }

  /** The rest will not come, or is not wanted. */
  drop(): void {
    this.#parts.length = 0;
    this.#finish(null);
  }

  /** The body is whole. */
  done(): void {
    if (this.#ended) return;
    const body = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      body.set(part, at);
      at += part.length;
    }
    this.#finish(body);
  }

  #finish(body: Uint8Array | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end(body);
  }
}

/** Means nothing in a GET (RFC 9110 §9.3.1), but endpoints may read it. */
function hasBody({ framing: { kind, length } }: RequestFacts): boolean {
  return kind === 'chunked' || (kind === 'length' && length > 0);
}

/** What the client asked for, and what the endpoint was asked for: routes may rewrite it. */
function keyOf({ host, target }: RequestFacts, asked: Head): string | null {
  if (host === null || host.length + target.forwarded.length > KEY_CHARACTERS_MAX) return null;
  const proto = asked.field('x-forwarded-proto', ',') ?? '';
  return `${proto} ${host.toLowerCase()} ${target.forwarded} ${asked.field('host', ',')} ${asked.target}`;
}

function fieldsOf(head: Head): readonly Field[] {
  const fields: Field[] = [];
  for (let i = 0; i < head.count; i++) {
    const name = head.name(i);
    if (!DROPPED.has(name.toLowerCase())) fields.push({ name, value: head.value(i) });
  }
  return fields;
}

function bytesOf(fields: readonly Field[]): number {
  return fields.reduce((sum, { name, value }) => sum + 2 * (name.length + value.length) + 64, 0);
}

/** RFC 9111 §5.1, RFC 9211. */
function staleReply({ fields, body, ageSeconds }: Entry, seconds: number): FixedReply {
  const age = { name: 'Age', value: String(ageSeconds + seconds) };
  const status = { name: 'Cache-Status', value: 'meridian; hit; detail=stale-if-error' };
  return {
    status: 200,
    bytes: ({ close, toHead }) => {
      const head = responseHeadBytes(200, [...fields, age, status], body.length, close);
      if (toHead) return head;
      const all = new Uint8Array(head.length + body.length);
      all.set(head);
      all.set(body, head.length);
      return all;
    },
  };
}
