import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

const ZoneSummary = Type.Object({
  zone: Type.String(),
  file: Type.String(),
  serial: Type.Integer(),
  records: Type.Integer({ description: 'RRsets, static and dynamic.' }),
  pools: Type.Integer(),
  loaded: Type.String(),
  state: Type.String({ description: '`stale`: the file has mistakes and the last good version is served.' }),
  problems: Type.Array(Type.String()),
});

const Question = Type.Object(
  {
    zone: Type.Optional(
      Type.String({ maxLength: 255, description: 'A part of the name.', examples: ['example'] }),
    ),
    state: Type.Optional(Type.Enum(['current', 'stale'])),
    ...PAGE_QUERY,
  },
  { additionalProperties: false },
);

export const zoneRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['zones'],
    operationId: 'listZones',
    summary: 'The zones that are served.',
    security: [{ token: [] }],
    querystring: Question,
    response: {
      200: Type.Object({ zones: Type.Array(ZoneSummary), ...PAGE_ANSWER }),
      '4xx': Type.Ref('Problem'),
    },
  };
  app.get('/v1/zones', { schema, config: { role: 'read' } }, (request, reply) => {
    const { zone, state } = request.query;
    const part = zone?.toLowerCase().replace(/\.$/, '');
    const isStale = state && state === 'stale';
    const fitting =
      part === undefined && state === undefined
        ? control.zones
        : control.zones.filter(
            ({ origin, file }) =>
              (part === undefined || origin.includes(part)) &&
              (isStale === undefined || control.isStale(file) === isStale),
          );
    const page = pageOf(fitting, ({ origin }) => origin, request.query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const { items, total, next } = page;
    linkNext(request, reply, next);
    const zones = items.map((one) => {
      const status = control.statusOf(one);
      return { ...status, problems: [...status.problems] };
    });
    return { zones, total, ...(next !== undefined && { next }) };
  });
};
