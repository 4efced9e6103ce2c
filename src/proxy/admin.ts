import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { Address } from '../core/balance/model.js';
import { boundPort, type ListenFailure, listen } from './listening.js';
import type { ProxyLog } from './modules.js';

export interface AdminModules {
  readonly log: ProxyLog;
  readonly metrics: Registry;
  /** Null if traffic is welcome, otherwise the reason why not. */
  readonly notReady: () => string | null;
  /** Body of `GET /v1/status`. */
  readonly status: () => unknown;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const CONNECTIONS_MAX = 64;
const TIMEOUT_MS = 5_000;

/** The proxy's administration: `/healthz`, `/readyz`, `/metrics` and `/v1/status`. It only reads. */
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
    this.#server = createServer(limits, (request, response) => {
      request.resume();
      answer(request, modules)
        .catch((error: unknown) => {
          modules.log.error({ error: String(error) }, 'the administration failed to answer');
          return text(500, 'internal error');
        })
        .then((result) => send(request, response, result));
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

async function answer(request: IncomingMessage, modules: AdminModules): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD');
  const path = (request.url ?? '/').split('?', 1)[0];
  switch (path) {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz': {
      const reason = modules.notReady();
      return reason === null ? text(200, 'ready') : text(503, reason);
    }
    case '/metrics':
      return { status: 200, type: modules.metrics.contentType, body: await modules.metrics.metrics() };
    case '/v1/status':
      return { status: 200, type: 'application/json', body: JSON.stringify(modules.status()) };
    default:
      return text(404, 'there are /healthz, /readyz, /metrics and /v1/status');
  }
}

function text(status: number, line: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
