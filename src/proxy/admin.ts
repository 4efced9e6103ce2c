import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Registry } from 'prom-client';
import type { Address } from '../core/balance/model.js';
import { type AdminAnswer, jsonAnswer, problemAnswer, textAnswer } from './admin-answer.js';
import { matchOrder, type Order, orderAnswer, readOrderBody } from './admin-orders.js';
import {
  matchRollout,
  orderRollout,
  type RolloutAdmin,
  type RolloutPath,
  readRollouts,
} from './admin-rollouts.js';
import type { ProxyControl } from './control.js';
import { boundPort, type ListenFailure, listen } from './listening.js';
import type { ProxyLog } from './modules.js';
import { type ScalingState, scalingBody } from './scaling-body.js';
import { statusBody } from './status-body.js';

export interface AdminModules {
  readonly log: ProxyLog;
  readonly metrics: Registry;
  readonly control: ProxyControl;
  /** Has the workers tell their counts of now. */
  readonly refresh: () => Promise<unknown>;
  readonly scaling: () => ScalingState;
  /**
   * Who a bearer token belongs to, null for nobody. Must compare in constant time. Absent: nothing may be changed, and
   * everybody who can connect may read.
   */
  readonly findToken?: (presented: string) => { readonly name: string; readonly role: string } | null;
  /** Rollouts of routes, and events. */
  readonly rollouts?: RolloutAdmin;
}

const CONNECTIONS_MAX = 64;
const TIMEOUT_MS = 5_000;
/** A longer header is no token of ours. */
const AUTHORIZATION_MAX = 1024;

/** The proxy's administration: health, metrics, status; and orders for single endpoints, for who has a token. */
export class AdminServer {
  readonly #address: Address;
  readonly #server: Server;
  readonly #log: ProxyLog;

  constructor(address: Address, modules: AdminModules) {
    this.#address = address;
    this.#log = modules.log;
    const limits = {
      requestTimeout: TIMEOUT_MS,
      headersTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    };
    const isOpen = modules.findToken === undefined || isLoopback(address.host);
    this.#server = createServer(limits, (request, response) => {
      answer(request, modules, isOpen)
        .catch((error: unknown) => {
          modules.log.error({ error: String(error) }, 'the administration failed to answer');
          return problemAnswer(500, 'internal', 'the proxy failed; its log says more');
        })
        .then((result) => {
          request.resume();
          send(request, response, result);
        });
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  async start(): Promise<ListenFailure | null> {
    const failure = await listen(this.#server, this.#address, 'admin.listen');
    this.#server.on('error', (error) => this.#log.error({ error: error.message }, 'administration'));
    return failure;
  }

  get port(): number {
    return boundPort(this.#server);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

/** `isOpen`: reading takes no token. */
async function answer(
  request: IncomingMessage,
  modules: AdminModules,
  isOpen: boolean,
): Promise<AdminAnswer> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const rollout = modules.rollouts && matchRollout(request.url ?? '/');
  if (rollout) return aboutRollouts(request, rollout, modules.rollouts, modules, isOpen);
  const order = matchOrder(path);
  if (order !== null) return order.ok ? change(request, order.order, modules) : order.answer;
  if (!READABLE.has(path)) {
    return problemAnswer(404, 'not_found', `there is no ${path.slice(0, 200)}: see docs/proxy.md`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return problemAnswer(405, 'method_not_allowed', 'this takes GET and HEAD', { allow: 'GET, HEAD' });
  }
  if (!OPEN.has(path) && !isOpen) {
    const refused = authorise(request, modules, 'read');
    if (refused !== null) return refused;
  }
  return read(path, modules);
}

const OPEN: ReadonlySet<string> = new Set(['/healthz', '/readyz']);
const READABLE: ReadonlySet<string> = new Set([...OPEN, '/metrics', '/v1/status', '/v1/scaling']);

async function read(
  path: string,
  { control, metrics, refresh, scaling }: AdminModules,
): Promise<AdminAnswer> {
  if (!OPEN.has(path)) await refresh();
  switch (path) {
    case '/healthz':
      return textAnswer(200, 'ok');
    case '/readyz': {
      const reason = control.notReady();
      return reason === null ? textAnswer(200, 'ready') : textAnswer(503, reason);
    }
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.metrics() };
    case '/v1/scaling':
      return jsonAnswer(200, scalingBody(control.status().node, scaling()));
    default:
      return jsonAnswer(200, statusBody(control.status()));
  }
}

async function change(request: IncomingMessage, order: Order, modules: AdminModules): Promise<AdminAnswer> {
  const refused = refuseChange(request, modules);
  if (refused !== null) return refused;
  const body = await readOrderBody(request);
  if (!body.ok) return body.answer;
  const by = callerOf(request.headers, modules.findToken)?.name ?? '';
  const answer = orderAnswer(modules.control, order, body.value, by);
  if (answer.status === 200) publish(modules, order, body.value, by);
  return answer;
}

/** For `/v1/events`: who ordered what. */
function publish({ rollouts }: AdminModules, order: Order, body: unknown, by: string): void {
  const { pool, endpoint, action } = order;
  const values = typeof body === 'object' && body !== null ? body : {};
  const of = action === 'maintenance' ? { pool } : { pool, endpoint, action };
  rollouts?.events.publish(action === 'maintenance' ? 'pool.maintenance' : 'endpoint.changed', {
    ...of,
    ...values,
    by,
  });
}

/** Null for a request that may change something. */
function refuseChange(request: IncomingMessage, modules: AdminModules): AdminAnswer | null {
  if (request.method !== 'POST') {
    return problemAnswer(405, 'method_not_allowed', 'this takes POST', { allow: 'POST' });
  }
  if (modules.findToken === undefined) {
    return problemAnswer(
      403,
      'forbidden',
      'nothing may be changed here: admin.tokens of the configuration names no token file',
    );
  }
  return authorise(request, modules, 'admin');
}

/** Null if the bearer token's role is enough (RFC 6750 §3). `admin` may do everything. */
function authorise(
  { headers }: IncomingMessage,
  { findToken }: AdminModules,
  role: 'read' | 'admin',
): AdminAnswer | null {
  const caller = callerOf(headers, findToken);
  if (caller === null) {
    const detail = 'no known token: send "Authorization: Bearer TOKEN"';
    return problemAnswer(401, 'unauthorized', detail, { 'www-authenticate': 'Bearer' });
  }
  if (caller.role === 'admin' || caller.role === role) return null;
  return problemAnswer(403, 'forbidden', `the role ${caller.role} may not do this; it takes ${role}`);
}

/** Who sent the request, by its token; null for nobody known. */
function callerOf({ authorization = '' }: IncomingHttpHeaders, findToken: AdminModules['findToken']) {
  const presented =
    authorization.length <= AUTHORIZATION_MAX ? /^bearer +(\S+) *$/i.exec(authorization)?.[1] : undefined;
  return presented === undefined ? null : (findToken?.(presented) ?? null);
}

async function aboutRollouts(
  request: IncomingMessage,
  path: RolloutPath,
  rollouts: RolloutAdmin,
  modules: AdminModules,
  isOpen: boolean,
): Promise<AdminAnswer> {
  if (path.kind !== 'order') {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return problemAnswer(405, 'method_not_allowed', 'this takes GET and HEAD', { allow: 'GET, HEAD' });
    }
    const refused = isOpen ? null : authorise(request, modules, 'read');
    if (refused !== null) return refused;
    await modules.refresh();
    return readRollouts(rollouts, path);
  }
  const refused = refuseChange(request, modules);
  if (refused !== null) return refused;
  const body = await readOrderBody(request);
  const by = callerOf(request.headers, modules.findToken)?.name ?? '';
  return body.ok ? orderRollout(rollouts, path, body.value, by) : body.answer;
}

function send(request: IncomingMessage, response: ServerResponse, answer: AdminAnswer): void {
  const { status, type, body, headers } = answer;
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}
