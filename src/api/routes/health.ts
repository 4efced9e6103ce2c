import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

/** For orchestrators and Prometheus: `/healthz`, `/readyz`, `/metrics`. */
export const healthRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, modules) => {
  app.get('/healthz', { schema: { tags: ['node'], summary: 'The process runs.' } }, () => ({ status: 'ok' }));

  const ready = { schema: { tags: ['node'], summary: 'The node answers from at least one zone.' } };
  app.get('/readyz', ready, (_request, reply) => {
    if (modules.control.zoneStatus().length > 0) return { status: 'ready' };
    return sendProblem(
      reply,
      503,
      'not_ready',
      'no zone is served: see GET /v1/status for mistakes in zone files',
    );
  });

  const metrics = {
    schema: { tags: ['node'], summary: 'Metrics in the Prometheus text format.' },
    config: modules.openMetrics ? {} : { role: 'read' as const },
  };
  app.get('/metrics', metrics, async (_request, reply) => {
    const { metrics: registry } = modules;
    return reply.type(registry.contentType).send(await registry.metrics());
  });
};
