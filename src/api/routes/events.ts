import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Transition } from '../../control/health-watch.js';
import { monitorName } from '../../core/zone/targets.js';
import { EventStream, STREAMS_MAX } from '../event-stream.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

/** Shorter than the time after which a silent connection is closed. */
const BEAT_MS = 10_000;

export const eventRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control, node }) => {
  const stream = new EventStream(node.startedMs);
  const unsubscribe = control.health.onTransition((transition) =>
    stream.send('transition', describe(transition)),
  );
  const timer = setInterval(() => stream.beat(), BEAT_MS);
  timer.unref();
  app.addHook('preClose', async () => {
    clearInterval(timer);
    unsubscribe();
    stream.close();
  });
  const schema = {
    tags: ['health'],
    summary: 'Changes of verdicts as they happen: server-sent events named `transition`.',
    security: [{ token: [] }],
    produces: ['text/event-stream'],
  };
  app.get('/v1/health/events', { schema, config: { role: 'read' } }, async (request, reply) => {
    if (stream.size >= STREAMS_MAX) {
      return sendProblem(reply, 503, 'too_many_streams', `there are ${STREAMS_MAX} readers already`);
    }
    const seen = Number(request.headers['last-event-id']);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    raw.on('close', () => stream.remove(raw));
    stream.add(raw, Number.isSafeInteger(seen) && seen > 0 ? seen : undefined);
    return reply;
  });
};

function describe({ target, state, basis, atMs, reason }: Transition) {
  const name = monitorName(target);
  return {
    target: target.host,
    ...(name !== undefined && { monitor: name }),
    state,
    basis,
    at: new Date(atMs).toISOString(),
    reason,
  };
}
