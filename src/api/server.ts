import { createServer } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import type { Registry } from 'prom-client';
import type { AcmeService } from '../control/acme-service.js';
import type { AuditLog } from '../control/audit-log.js';
import type { ControlPlane } from '../control/control-plane.js';
import type { AskImpact } from '../control/impact-desk.js';
import type { PlanBook } from '../control/plans.js';
import type { Simulator } from '../control/simulator.js';
import type { TokenBook } from '../control/token-book.js';
import type { ZoneEditor } from '../control/zone-editor.js';
import { installAudit } from './audit.js';
import { type FindToken, installAuth } from './auth.js';
import { installIdempotency } from './idempotency.js';
import { jsonParser } from './json-body.js';
import { limitLargeBodies } from './large-bodies.js';
import { finishDescription } from './openapi.js';
import { IDLE_MS_MAX, installPatience } from './patience.js';
import { installProblems, ProblemSchema, rawProblem, sendError } from './problem.js';
import { checkRequests, refuseUnknownParameters } from './request-checks.js';
import { requestIdOf } from './request-id.js';
import { acmeRoutes } from './routes/acme.js';
import { acmeDnsRoutes } from './routes/acme-dns.js';
import { auditRoutes } from './routes/audit.js';
import { eventRoutes } from './routes/events.js';
import { explainRoutes } from './routes/explain.js';
import { healthRoutes } from './routes/health.js';
import { planRoutes } from './routes/plans.js';
import { proxyRoutes } from './routes/proxies.js';
import { reportRoutes } from './routes/reports.js';
import { type HistoryModules, revisionRoutes } from './routes/revisions.js';
import { rolloutRoutes } from './routes/rollouts.js';
import { scalingRoutes } from './routes/scaling.js';
import { simulateRoutes } from './routes/simulate.js';
import { statusRoutes } from './routes/status.js';
import { steeringRoutes } from './routes/steering.js';
import { targetRoutes } from './routes/targets.js';
import { tokenRoutes } from './routes/tokens.js';
import { type ZoneEditModules, zoneEditRoutes } from './routes/zone-edits.js';
import { zonePartRoutes } from './routes/zone-parts.js';
import { zoneRecordRoutes } from './routes/zone-records.js';
import { zoneRoutes } from './routes/zones.js';

export interface ApiModules {
  readonly control: ControlPlane;
  readonly metrics: Registry;
  readonly findToken: FindToken;
  /** Tokens that can be made and revoked; without it there are no such routes. */
  readonly tokens?: TokenBook;
  /** Where changes are written down; without it they are not. */
  readonly audit?: AuditLog;
  /** Reads and changes zone files; without it there are no such routes. */
  readonly editor?: ZoneEditor;
  /** Revisions and rollback; without it there are no such routes. */
  readonly history?: HistoryModules;
  /** Plans; without it there are no such routes. */
  readonly plans?: PlanBook;
  /** Who gets another answer; without it there are no plans of steering. */
  readonly impact?: AskImpact;
  /** TLS with this; without it plain HTTP. */
  readonly tls?: ServerOptions;
  /** Milliseconds since 1970; `Date.now` where absent. */
  readonly now?: () => number;
  /** Where simulations run; without it in the main thread. */
  readonly simulator?: Simulator;
  readonly node: NodeFacts;
  /** Wrong tokens that one address may try. */
  readonly failuresPerMinute?: number;
  /** Of each token, or address without one; 6000 where absent. */
  readonly requestsPerMinute?: number;
  /** Of all large bodies at once; for tests. */
  readonly largeBytes?: number;
  /** How silent a connection may be, unless its request is worked on. */
  readonly idleMs?: number;
  /** What the node lacks to serve, beside zones; a sentence for each. */
  readonly missing?: () => readonly string[];
  /** `/metrics` is open where only this machine can reach it. */
  readonly openMetrics: boolean;
  /** Absent: no ACME challenges. */
  readonly acme?: AcmeService;
  readonly log?: FastifyBaseLogger;
}

export interface NodeFacts {
  readonly name: string;
  readonly region: string | undefined;
  readonly version: string;
  readonly tier: string;
  /** Interfaces that are read by XDP, or should be. */
  readonly xdp: () => readonly {
    readonly interface: string;
    readonly queues: number;
    readonly problem?: string;
  }[];
  readonly listen: readonly string[];
  readonly workers: number;
  readonly startedMs: number;
}

export type Api = FastifyInstance;

/** Of all routes but the reports, which have a limit of their own. */
const BODY_BYTES_MAX = 256 * 1024;
const REQUESTS_PER_MINUTE = 6000;

/** Connections at once: readers of events, proxies with their reports, and people. */
const CONNECTIONS_MAX = 1024;
const PARAM_LENGTH_MAX = 1100;
const REQUEST_MS_MAX = 10_000;

/** Builds the admin API; the caller lets it listen. */
export async function createApi(modules: ApiModules): Promise<Api> {
  const { now = Date.now, tokens, audit } = modules;
  const app = newServer(modules);
  app.addSchema(ProblemSchema);
  app.addHook('onRequest', async (request, reply) => void reply.header('x-request-id', request.id));
  app.addHook('onResponse', async (request, reply) => {
    const { method, url, caller } = request;
    const facts = {
      method,
      url,
      status: reply.statusCode,
      who: caller?.name,
      ms: Math.round(reply.elapsedTime),
    };
    request.log.debug(facts, 'request');
  });
  refuseUnknownParameters(app);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, jsonParser(app));
  installPatience(app, modules.idleMs);
  await describe(app, modules);
  // Counted for each token, behind the check of tokens: strangers can't use up what the proxies need.
  await app.register(rateLimit, {
    max: modules.requestsPerMinute ?? REQUESTS_PER_MINUTE,
    timeWindow: 60_000,
    hook: 'preHandler',
    enableDraftSpec: true,
    keyGenerator: (request) => request.caller?.name ?? request.ip,
  });
  installProblems(app);
  const { findToken, failuresPerMinute } = modules;
  installAuth(app, { findToken, now, ...(failuresPerMinute !== undefined && { failuresPerMinute }) });
  limitLargeBodies(app, modules.largeBytes);
  installIdempotency(app, now);
  if (audit) installAudit(app, audit, now);
  await app.register(healthRoutes, modules);
  await app.register(statusRoutes, modules);
  await app.register(zoneRoutes, modules);
  await app.register(explainRoutes, modules);
  await app.register(simulateRoutes, modules);
  await app.register(reportRoutes, modules);
  await app.register(targetRoutes, modules);
  await app.register(proxyRoutes, modules);
  await app.register(scalingRoutes, modules);
  await app.register(eventRoutes, modules);
  const { acme } = modules;
  if (acme) {
    await app.register(acmeRoutes, { acme });
    await app.register(acmeDnsRoutes, { acme, findToken });
  }
  if (modules.editor) await registerZoneEdits(app, { control: modules.control, editor: modules.editor });
  if (modules.history) await app.register(revisionRoutes, modules.history);
  const { steering } = modules.control;
  if (modules.plans) {
    const { plans, impact } = modules;
    await app.register(planRoutes, { plans, ...(steering && impact && { steering: { steering, impact } }) });
  }
  const { rollouts } = modules.control;
  if (steering) await app.register(steeringRoutes, { steering });
  if (steering && rollouts) await app.register(rolloutRoutes, { steering, rollouts });
  if (tokens) await app.register(tokenRoutes, { tokens, now });
  if (audit) await app.register(auditRoutes, { audit });
  app.get('/openapi.json', { schema: { hide: true } }, () => finishDescription(app.swagger()));
  return app as unknown as Api;
}

function newServer({ log, tls, idleMs = IDLE_MS_MAX }: ApiModules) {
  return Fastify({
    ...(log ? { loggerInstance: log } : { logger: false }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    genReqId: requestIdOf,
    // Names of zones and records are parts of paths; escaped, they are up to four times as long.
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    serverFactory: (handler) => {
      const server = tls ? createHttpsServer(tls, handler) : createServer(handler);
      server.requestTimeout = REQUEST_MS_MAX;
      server.headersTimeout = REQUEST_MS_MAX;
      server.setTimeout(idleMs);
      server.maxConnections = CONNECTIONS_MAX;
      return server;
    },
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || socket.destroyed) return;
      if (socket.writable) socket.end(rawProblem(error));
      else socket.destroy();
    },
    // What can't be a URL has no route whose hooks would answer it.
    frameworkErrors: (error, request, reply) => {
      void reply.header('x-request-id', request.id);
      sendError(error, request, reply as FastifyReply);
    },
  })
    .setValidatorCompiler(checkRequests)
    .withTypeProvider<TypeBoxTypeProvider>();
}

/** What the page of the description may load and do: what is of this server. */
const DOCS_POLICY = [
  "default-src 'self'",
  "base-uri 'self'",
  "img-src 'self' data:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "frame-ancestors 'none'",
].join('; ');
async function registerZoneEdits(app: FastifyInstance, modules: ZoneEditModules): Promise<void> {
  await app.register(zoneEditRoutes, modules);
  await app.register(zoneRecordRoutes, modules);
  await app.register(zonePartRoutes, modules);
}

async function describe(app: FastifyInstance, { node }: ApiModules): Promise<void> {
  await app.register(swagger, {
    refResolver: {
      buildLocalReference: ({ $id }, _uri, _fragment, i) => (typeof $id === 'string' ? $id : `def-${i}`),
    },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Meridian admin API',
        version: node.version,
        description: 'Status, health, changes and explanations of a Meridian DNS node.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Nothing is fetched from anywhere else: it works without the internet, and the internet learns nothing.
    uiConfig: { validatorUrl: null },
    staticCSP: DOCS_POLICY,
    transformSpecification: (document) => finishDescription(document),
  });
}
