/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a change that is sent again with the same key is not made
 * again; the client gets the first answer. The table is in memory: it ends with the process, and then preconditions
 * (`If-Match`) are what keeps a change from being made twice.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem.js';

export const KEPT_MS = 24 * 3_600_000;
export const KEYS_MAX = 10_000;
const BYTES_MAX = 32 * 1024 * 1024;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** A handler that has not answered for so long never will. */
const IN_FLIGHT_MS_MAX = 600_000;
/** Visible ASCII; a structured string (RFC 8941 §3.3.3) or the bare text. */
const KEY = /^(?:"[!#-[\]-~]{1,255}"|[!#-[\]-~]{1,255})$/;
const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
/** What a repeated answer needs besides its body. */
const HEADERS = ['content-type', 'etag', 'location', 'link'] as const;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer holds a secret: it is not kept, and who asks again is told that it was done. */
    secret?: boolean;
  }
  interface FastifyRequest {
    idempotent?: Entry;
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null where it is not kept. */
  readonly body: Buffer | null;
}

interface Entry {
  readonly key: string;
  readonly fingerprint: string;
  readonly startMs: number;
  answer?: Answer;
}

/** Lets clients of all changing routes send the same change twice. `now`: milliseconds since 1970. */
export function installIdempotency(app: FastifyInstance, now: () => number): void {
  const table = new AnswerTable(now);
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat();
    if (!route.config?.role || route.config.role === 'report' || !methods.some((m) => UNSAFE.has(m))) return;
    const before = route.preHandler ?? [];
    const look = async (request: FastifyRequest, reply: FastifyReply) => recall(request, reply, table);
    route.preHandler = [...(Array.isArray(before) ? before : [before]), look];
  });
  app.addHook('onSend', async (request, reply, payload) => {
    if (request.idempotent) table.finish(request.idempotent, answerOf(request, reply, payload));
    return payload;
  });
}

function recall(request: FastifyRequest, reply: FastifyReply, table: AnswerTable): FastifyReply | undefined {
  const given = request.headers['idempotency-key'];
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || !KEY.test(given)) {
    const detail = 'Idempotency-Key: want 1 to 255 visible ASCII characters, in quotes or without';
    return sendProblem(reply, 400, 'invalid_idempotency_key', detail);
  }
  // Another token of the same name, made after one was revoked, may have other rights.
  const { name = '', role = '', zones = [] } = request.caller ?? {};
  const key = JSON.stringify([name, role, zones, given.replaceAll('"', '')]);
  const fingerprint = fingerprintOf(request);
  if (fingerprint === undefined) {
    return sendProblem(reply, 400, 'invalid_request', 'body: is nested too deeply');
  }
  const known = table.get(key);
  if (!known) {
    const entry = table.begin(key, fingerprint);
    if (entry) request.idempotent = entry;
    return undefined;
  }
  if (known.fingerprint !== fingerprint) {
    const detail = 'this Idempotency-Key came with another request: take a new key for each change';
    return sendProblem(reply, 422, 'key_reused', detail);
  }
  if (!known.answer) {
    void reply.header('retry-after', '1');
    return sendProblem(reply, 409, 'in_flight', 'the same request is being worked on: ask again in a second');
  }
  return replay(reply, known.answer);
}

function replay(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  if (body === null) {
    const detail = `it was done before, with status ${status}, and its answer is not kept`;
    return sendProblem(reply, 409, 'already_done', detail);
  }
  void reply.code(status).headers({ ...headers, 'idempotent-replayed': 'true' });
  // As bytes: it is not to be checked against the schema and written anew.
  return reply.send(body);
}

/** What makes two requests the same: all that a handler may look at. Undefined where the body is nested too deeply for that. */
function fingerprintOf({ method, url, headers, body }: FastifyRequest): string | undefined {
  const hash = createHash('sha256');
  const conditions = [headers['if-match'] ?? '', headers['if-none-match'] ?? ''];
  hash.update(JSON.stringify([method, url, conditions, headers['content-type'] ?? '']));
  const text = Buffer.isBuffer(body) || typeof body === 'string' ? body : textOf(body);
  if (text === undefined) return undefined;
  hash.update(text);
  return hash.digest('base64');
}

function textOf(body: unknown): string | undefined {
  try {
    return JSON.stringify(body ?? null);
  } catch (error) {
    // The stack of JSON.stringify; JSON.parse has none.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Undefined where the change may be tried again: the server failed, or the answer is a stream. */
function answerOf(request: FastifyRequest, reply: FastifyReply, payload: unknown): Answer | undefined {
  const { statusCode: status } = reply;
  const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload) || payload == null;
  if (status >= 500 || !isWhole) return undefined;
  const headers = HEADERS.flatMap((name) => {
    const value = reply.getHeader(name);
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  const bytes =
    typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.from(payload) : Buffer.alloc(0);
  const isKept = bytes.length <= ANSWER_BYTES_MAX && !(request.routeOptions.config.secret && status < 300);
  return { status, headers: Object.fromEntries(headers), body: isKept ? bytes : null };
}

/** Answers by key, the oldest first. */
class AnswerTable {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const ageMs = this.#now() - entry.startMs;
    if (ageMs < (entry.answer ? KEPT_MS : IN_FLIGHT_MS_MAX)) return entry;
    this.#drop(entry);
    return undefined;
  }

  /** Undefined where the table is full of requests that are being worked on. */
  begin(key: string, fingerprint: string): Entry | undefined {
    if (!this.#makeRoom()) return undefined;
    const entry: Entry = { key, fingerprint, startMs: this.#now() };
    this.#entries.set(key, entry);
    return entry;
  }

  finish(entry: Entry, answer: Answer | undefined): void {
    if (this.#entries.get(entry.key) !== entry || entry.answer) return;
    if (!answer) {
      this.#drop(entry);
      return;
    }
    entry.answer = answer;
    this.#bytes += answer.body?.length ?? 0;
    while (this.#bytes > BYTES_MAX && this.#makeRoom(0)) {
      // Older answers give way.
    }
  }

  /** Drops the oldest answers until there are fewer than `entriesMax`; with 0, one of them. */
  #makeRoom(entriesMax: number = KEYS_MAX): boolean {
    if (entriesMax > 0 && this.#entries.size < entriesMax) return true;
    for (const entry of this.#entries.values()) {
      if (!entry.answer && this.#now() - entry.startMs < IN_FLIGHT_MS_MAX) continue;
      this.#drop(entry);
      return true;
    }
    return false;
  }

  #drop(entry: Entry): void {
    if (this.#entries.delete(entry.key)) this.#bytes -= entry.answer?.body?.length ?? 0;
  }
}
