import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../control/audit-log.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Facts of a change for the audit log, where the status does not say all. No secrets. */
    auditFacts?: Readonly<Record<string, unknown>>;
    /** Of the client, as long as anybody asks: a socket that was closed has none. */
    sentFrom?: string;
  }
}

/** Refused before anything was looked at: strangers could push everything else out of the log. */
const TURNED_AWAY = new Set([401, 403, 429]);
const TURNED_AWAY_PER_MINUTE = 60;

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const PATH_LENGTH_MAX = 500;
const ANSWER_LENGTH_MAX = 256 * 1024;

/**
 * Writes down every request that may change something, refused ones too, before its answer leaves. Reports are left
 * out: they are observations, and many. The revision is the
 * `revision` of the answer (a number, or an object with `id`).
 */
export function installAudit(app: FastifyInstance, audit: AuditLog, now: () => number): void {
  app.addHook('onRequest', async (request) => {
    request.sentFrom = request.ip;
  });
  const refusals = new Budget(TURNED_AWAY_PER_MINUTE);
  app.addHook('onSend', async (request, reply, payload) => {
    if (!isChange(request)) return payload;
    const nowMs = now();
    if (TURNED_AWAY.has(reply.statusCode) && !refusals.take(nowMs)) return payload;
    const omitted = refusals.omitted(nowMs);
    await audit.append({ ...entryOf(request, reply, payload, nowMs), ...(omitted > 0 && { omitted }) });
    return payload;
  });
}

/** So many in a minute; those beyond are counted. */
class Budget {
  readonly #perMinute: number;
  #minute = 0;
  #count = 0;
  #omitted = 0;

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  take(nowMs: number): boolean {
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) this.#count = 0;
    this.#minute = minute;
    if (++this.#count <= this.#perMinute) return true;
    this.#omitted++;
    return false;
  }

  /** How many were left out of minutes that are over; told once. */
  omitted(nowMs: number): number {
    if (Math.floor(nowMs / 60_000) === this.#minute) return 0;
    const omitted = this.#omitted;
    this.#omitted = 0;
    return omitted;
  }
}

function isChange({ method, routeOptions, is404 }: FastifyRequest): boolean {
  const role = routeOptions.config.role;
  return UNSAFE.has(method) && !is404 && role !== 'read' && role !== 'report';
}

function entryOf(request: FastifyRequest, reply: FastifyReply, payload: unknown, nowMs: number) {
  const { code, revision } = answerFacts(payload);
  const facts = request.auditFacts;
  return {
    at: new Date(nowMs).toISOString(),
    request_id: request.id,
    who: request.caller?.name ?? null,
    role: request.caller?.role ?? null,
    address: request.sentFrom ?? request.ip,
    method: request.method,
    path: request.url.slice(0, PATH_LENGTH_MAX),
    status: reply.statusCode,
    ...(code !== undefined && { code }),
    ...(revision !== undefined && { revision }),
    ...(reply.getHeader('idempotent-replayed') !== undefined && { replayed: true }),
    ...(facts && { facts }),
  };
}

/** The code of a problem, or the revision of a change. */
function answerFacts(payload: unknown): { readonly code?: string; readonly revision?: number } {
  if (typeof payload !== 'string' || payload.length > ANSWER_LENGTH_MAX || !payload.startsWith('{'))
    return {};
  try {
    const { code, revision } = JSON.parse(payload) as {
      readonly code?: unknown;
      readonly revision?: unknown;
    };
    const id = typeof revision === 'object' && revision !== null && 'id' in revision ? revision.id : revision;
    return {
      ...(typeof code === 'string' && { code }),
      ...(typeof id === 'number' && { revision: id }),
    };
  } catch {
    return {};
  }
}
