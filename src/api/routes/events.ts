import type { ServerResponse } from 'node:http';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { EVENT_TYPES } from '../../control/event-bus.js';
import { transitionFacts } from '../../control/transitions.js';
import { callerOf } from '../auth.js';
import { BusStream, READERS_MAX, typesOf } from '../bus-stream.js';
import { EventStream, STREAMS_MAX } from '../event-stream.js';
import { bear, IDLE_MS_MAX } from '../patience.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

/** Shorter than the time after which a silent connection is closed. */
const BEAT_MS = 10_000;

export const eventRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (
  app,
  { control, node, findToken },
) => {
  const stream = new EventStream(node.startedMs);
  const unsubscribe = control.health.onTransition((transition) =>
    stream.send('transition', transitionFacts(transition)),
  );
  const all = new BusStream(control.events);
  const readers: Readers = new Set();
  const timer = setInterval(() => {
    stream.beat();
    all.beat();
    for (const { raw, headers } of readers) if (!callerOf({ headers }, findToken)) raw.end();
  }, BEAT_MS);
  timer.unref();
  app.addHook('preClose', async () => {
    clearInterval(timer);
    unsubscribe();
    stream.close();
    all.close();
  });
  streamAll(app, all, readers);
  const schema = {
    tags: ['health'],
    operationId: 'streamHealth',
    summary: 'Changes of verdicts as they happen: server-sent events named `transition`.',
    security: [{ token: [] }],
    produces: ['text/event-stream'],
  };
  app.get(
    '/v1/health/events',
    { schema, config: { role: 'read' }, exposeHeadRoute: false },
    async (request, reply) => {
      if (stream.size >= STREAMS_MAX) {
        return sendProblem(reply, 503, 'too_many_streams', `there are ${STREAMS_MAX} readers already`);
      }
      const raw = openStream(reply, readers);
      raw.on('close', () => stream.remove(raw));
      stream.add(raw, lastIdOf(request));
      return reply;
    },
  );
};

const Question = Type.Object(
  {
    types: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1000,
        description: `Types with commas between, or what stands before their dot; all where absent: ${Object.keys(EVENT_TYPES).join(', ')}.`,
        examples: ['health,zones.refused'],
      }),
    ),
  },
  { additionalProperties: false },
);

/** `GET /v1/events`: everything that happens. */
function streamAll(app: FastifyInstance, stream: BusStream, readers: Readers): void {
  const schema = {
    tags: ['events'],
    operationId: 'streamEvents',
    summary: 'What happens on this node, as server-sent events named by their type.',
    description:
      'Send the last `id` as `Last-Event-ID` to get what was missed; the event `missed` says that not all of it is kept.',
    security: [{ token: [] }],
    produces: ['text/event-stream'],
    querystring: Question,
  };
  app.get(
    '/v1/events',
    { schema, config: { role: 'read' }, exposeHeadRoute: false },
    async (request, reply) => {
      const types = typesOf((request.query as Static<typeof Question>).types);
      if ('mistake' in types) {
        const problems = [{ path: 'query.types', message: types.mistake }];
        return sendProblem(reply, 400, 'invalid_request', `query.types: ${types.mistake}`, { problems });
      }
      if (stream.isFull) {
        return sendProblem(reply, 503, 'too_many_streams', `there are ${READERS_MAX} readers already`);
      }
      const raw = openStream(reply, readers);
      const remove = stream.add(raw, types, lastIdOf(request));
      raw.on('close', () => remove?.());
      return reply;
    },
  );
}

/** Streams that are open. A token that ran out or was revoked ends its streams at the next beat. */
type Readers = Set<{ readonly raw: ServerResponse; readonly headers: FastifyRequest['headers'] }>;

function openStream(reply: FastifyReply, readers: Readers): ServerResponse {
  reply.hijack();
  bear(reply.request, IDLE_MS_MAX);
  const { raw } = reply;
  const reader = { raw, headers: reply.request.headers };
  readers.add(reader);
  raw.on('close', () => readers.delete(reader));
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-request-id': reply.request.id,
  });
  return raw;
}

/** The last event that a reader saw. */
function lastIdOf({ headers }: FastifyRequest): number | undefined {
  const seen = Number(headers['last-event-id']);
  return Number.isSafeInteger(seen) && seen > 0 ? seen : undefined;
}
