import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

/** For orchestrators and Prometheus: `/healthz`, `/readyz`, `/metrics`. */
export const healthRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, modules) => {
  app.get('/healthz', { schema: { tags: ['node'], summary: 'The process runs.' } }, () => ({ status: 'ok' }));

  const ready = {
    schema: { tags: ['node'], summary: 'The node serves; else 503, and `missing` says what is.' },
  };
  app.get('/readyz', ready, (_request, reply) => {
    const missing = [...missingZones(modules), ...(modules.missing?.() ?? [])];
    if (missing.length === 0) return { status: 'ready' };
    return sendProblem(reply, 503, 'not_ready', missing.join('; '), { missing });
  });

  const metrics = {
    schema: {
      tags: ['node'],
      summary: 'Metrics in the Prometheus text format.',
      ...(!modules.openMetrics && { security: [{ token: [] }] }),
    },
    config: modules.openMetrics ? {} : { role: 'read' as const },
  };
  app.get('/metrics', metrics, async (_request, reply) => {
    const { metrics: registry } = modules;
    return reply.type(registry.contentType).send(await registry.metrics());
  });
};

function missingZones({ control }: ApiModules): readonly string[] {
  if (control.zoneCount > 0) return [];
  const mistakes = control.problems.length;
  if (mistakes === 0) return ['no zone is served: there is no zone file in the zone folder'];
  return [`no zone is served: zone files have ${mistakes} mistakes, which GET /v1/status lists`];
}
