import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
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

export const zoneRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['zones'],
    summary: 'The zones that are served.',
    security: [{ token: [] }],
    response: { 200: Type.Object({ zones: Type.Array(ZoneSummary) }), '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/zones', { schema, config: { role: 'read' } }, () => ({
    zones: control.zoneStatus().map((zone) => ({ ...zone, problems: [...zone.problems] })),
  }));
};
