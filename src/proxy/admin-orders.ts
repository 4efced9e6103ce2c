import type { IncomingMessage } from 'node:http';
import type { BreakerForce } from '../core/limit/breaker.js';
import { type AdminAnswer, jsonAnswer, problemAnswer } from './admin-answer.js';
import type { ProxyControl } from './control.js';

export interface Order {
  readonly pool: string;
  /** Empty for `maintenance`, which is of the pool. */
  readonly endpoint: string;
  readonly action: 'drain' | 'resume' | 'weight' | 'breaker' | 'maintenance';
}

type Found<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly answer: AdminAnswer };

const POOL_PATH = /^\/v1\/pools\/([^/]{1,200})\/maintenance$/;
const PATH = /^\/v1\/pools\/([^/]{1,200})\/endpoints\/([^/]{1,800})\/(drain|resume|weight|breaker)$/;
const BODY_BYTES_MAX = 4096;
export const WEIGHT_MAX = 1000;
export const WHY_LENGTH_MAX = 500;

/**
 * `/v1/pools/{pool}/endpoints/{endpoint}/drain|resume|weight|breaker` and `/v1/pools/{pool}/maintenance`; null for every other
 * path.
 */
export function matchOrder(path: string): Found<{ readonly order: Order }> | null {
  const match = PATH.exec(path) ?? POOL_PATH.exec(path);
  if (match === null) return null;
  const pool = decoded(match[1]!);
  const endpoint = decoded(match[2] ?? '');
  if (pool === null || endpoint === null) {
    return { ok: false, answer: problemAnswer(400, 'bad_request', 'the path has a bad percent-encoding') };
  }
  const action = (match[3] ?? 'maintenance') as Order['action'];
  return { ok: true, order: { pool, endpoint, action } };
}

/** The body of an order as JSON; an empty one is undefined. At most BODY_BYTES_MAX are kept. */
export async function readOrderBody(request: IncomingMessage): Promise<Found<{ readonly value: unknown }>> {
  const chunks: Buffer[] = [];
  let size = 0;
  // What is too large is read all the same: to break off would close the connection before the answer is sent.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (size > BODY_BYTES_MAX) {
    return { ok: false, answer: problemAnswer(413, 'too_large', `more than ${BODY_BYTES_MAX} bytes`) };
  }
  if (size === 0) return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown };
  } catch {
    return { ok: false, answer: problemAnswer(400, 'bad_request', 'the body is no JSON') };
  }
}

/** Carries out an order, in the name of who gave it, and says how the endpoint or the pool is now. */
export function orderAnswer(
  control: ProxyControl,
  { pool, endpoint, action }: Order,
  body: unknown,
  by: string,
): AdminAnswer {
  if (action === 'maintenance') return maintenanceAnswer(control, pool, body, by);
  if (action === 'weight') {
    const weight = weightOf(body);
    if (weight === undefined) {
      const detail = `want {"weight": N} with N from 0 to ${WEIGHT_MAX}, or null for that of the configuration`;
      return problemAnswer(400, 'invalid_request', detail);
    }
    const refusal = control.weight(pool, endpoint, weight);
    if (refusal !== null) return problemAnswer(404, refusal.code, refusal.message);
  } else if (action === 'breaker') {
    const wanted = forceOf(body);
    if (wanted === undefined) {
      return problemAnswer(400, 'invalid_request', 'want {"state": "open"}, "closed" or "auto"');
    }
    const refusal = control.breaker(pool, endpoint, wanted);
    if (refusal !== null) {
      return problemAnswer(refusal.code === 'no_breaker' ? 409 : 404, refusal.code, refusal.message);
    }
  } else {
    const refusal = control.drain(pool, endpoint, action === 'drain');
    if (refusal !== null) return problemAnswer(404, refusal.code, refusal.message);
  }
  const now = control
    .status()
    .pools.find((other) => other.pool === pool)
    ?.endpoints.find((other) => other.endpoint === endpoint);
  return jsonAnswer(200, {
    pool,
    endpoint,
    state: now?.state,
    weight: now?.weight,
    in_flight: now?.inFlight,
    ...(now?.breaker !== undefined && { breaker: now.breaker }),
  });
}

function maintenanceAnswer(control: ProxyControl, pool: string, body: unknown, by: string): AdminAnswer {
  const wanted = maintenanceOf(body);
  if (wanted === undefined) {
    const detail = `want {"on": true}, false, or null for what the configuration says; and perhaps "why": "…" of at most ${WHY_LENGTH_MAX} characters without control characters`;
    return problemAnswer(400, 'invalid_request', detail);
  }
  const refusal = control.maintain(pool, wanted.on, by, wanted.why);
  if (refusal !== null) return problemAnswer(404, refusal.code, refusal.message);
  const now = control.status().pools.find((other) => other.pool === pool);
  return jsonAnswer(200, { pool, maintenance: now?.maintenance, in_flight: now?.inFlight });
}

/** Undefined where the body is no order of maintenance. */
function maintenanceOf(body: unknown): { readonly on: boolean | null; readonly why?: string } | undefined {
  if (typeof body !== 'object' || body === null || !('on' in body)) return undefined;
  const { on, why, ...others } = body as { readonly on: unknown; readonly why?: unknown };
  if ((typeof on !== 'boolean' && on !== null) || Object.keys(others).length > 0) return undefined;
  if (why === undefined) return { on };
  return isReason(why) ? { on, why } : undefined;
}

/** Undefined where the body names no allowed weight. */
function weightOf(body: unknown): number | null | undefined {
  if (typeof body !== 'object' || body === null || !('weight' in body) || Object.keys(body).length !== 1) {
    return undefined;
  }
  const { weight } = body;
  if (weight === null) return null;
  const isFit = typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= WEIGHT_MAX;
  return isFit ? weight : undefined;
}

/** Undefined where the body names no state that a breaker can be kept in. */
function forceOf(body: unknown): BreakerForce | undefined {
  if (typeof body !== 'object' || body === null || !('state' in body) || Object.keys(body).length !== 1) {
    return undefined;
  }
  const { state } = body;
  return state === 'open' || state === 'closed' || state === 'auto' ? state : undefined;
}

/** Why something is done, as logs and lists can show it. */
export function isReason(why: unknown): why is string {
  return typeof why === 'string' && why.length <= WHY_LENGTH_MAX && !/\p{Cc}/u.test(why);
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
