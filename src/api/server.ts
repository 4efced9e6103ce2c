import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Registry } from 'prom-client';
import type { ControlPlane } from '../control/control-plane.js';
import { type FindToken, installAuth } from './auth.js';
import { installProblems, ProblemSchema } from './problem.js';
import { eventRoutes } from './routes/events.js';
import { explainRoutes } from './routes/explain.js';
import { healthRoutes } from './routes/health.js';
import { reportRoutes } from './routes/reports.js';
import { statusRoutes } from './routes/status.js';
import { targetRoutes } from './routes/targets.js';
import { zoneRoutes } from './routes/zones.js';

export interface ApiModules {
  readonly control: ControlPlane;
  readonly metrics: Registry;
  readonly findToken: FindToken;
  readonly node: NodeFacts;
  /** `/metrics` is open where only this machine can reach it. */
  readonly openMetrics: boolean;
  readonly log?: FastifyBaseLogger;
}

export interface NodeFacts {
  readonly name: string;
  readonly region: string | undefined;
  readonly version: string;
  readonly tier: string;
  readonly listen: readonly string[];
  readonly workers: number;
  readonly startedMs: number;
}

export type Api = FastifyInstance;

/** Of all routes but the reports, which have a limit of their own. */
const BODY_BYTES_MAX = 256 * 1024;
const REQUESTS_PER_MINUTE = 6000;

/** Builds the admin API; the caller lets it listen. */
export async function createApi(modules: ApiModules): Promise<Api> {
  const app = Fastify({
    ...(modules.log ? { loggerInstance: modules.log } : { logger: false }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
  })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>();
  app.addSchema(ProblemSchema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Meridian admin API',
        version: modules.node.version,
        description: 'Status, health and explanations of a Meridian DNS node.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  // Counted for each token, behind the check of tokens: strangers can't use up what the proxies need.
  await app.register(rateLimit, {
    max: REQUESTS_PER_MINUTE,
    timeWindow: 60_000,
    hook: 'preHandler',
    keyGenerator: (request) => request.caller?.name ?? request.ip,
  });
  installProblems(app);
  await installAuth(app, modules.findToken);
  await app.register(healthRoutes, modules);
  await app.register(statusRoutes, modules);
  await app.register(zoneRoutes, modules);
  await app.register(explainRoutes, modules);
  await app.register(reportRoutes, modules);
  await app.register(targetRoutes, modules);
  await app.register(eventRoutes, modules);
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app as unknown as Api;
}
