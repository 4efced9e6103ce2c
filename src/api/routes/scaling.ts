import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { scalingByRegion } from '../../control/region-scaling.js';
import type { RegionScaling, RegionSubject } from '../../core/scaling/region.js';
import type { ApiModules } from '../server.js';

const Subject = Type.Object({
  action: Type.String({ description: 'up, hold or down' }),
  current: Type.Number(),
  desired: Type.Number(),
  ratio: Type.Number({ description: 'desired by current' }),
  reason: Type.String(),
  limiting: Type.Optional(Type.String({ description: 'What comes to its end first.' })),
  usage: Type.Optional(Type.Number({ description: 'Of it, as a multiple of its target.' })),
  forecast: Type.Optional(Type.Number({ description: 'Wanted in a quarter of an hour.' })),
  forecast_error: Type.Optional(
    Type.Number({ description: 'How wrong such forecasts were, as a part of what came.' }),
  ),
});

const Region = Type.Object({
  missing: Type.Integer({
    description: 'Proxies whose reports are too old: nothing is taken away meanwhile.',
  }),
  proxies: Type.Optional(Subject),
  pools: Type.Record(Type.String(), Subject),
});

const Question = Type.Object(
  { region: Type.Optional(Type.String({ maxLength: 63, examples: ['eu-west'] })) },
  { additionalProperties: false },
);

/** What the proxies of each region want, by name: for scalers that read one number by a path. */
export const scalingRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['health'],
    operationId: 'getScaling',
    summary: 'How many proxies and endpoints each region wants, by the reports of its proxies.',
    security: [{ token: [] }],
    querystring: Question,
    response: {
      200: Type.Object({ regions: Type.Record(Type.String(), Region) }),
      '4xx': Type.Ref('Problem'),
    },
  };
  app.get('/v1/scaling', { schema, config: { role: 'read' } }, (request) => {
    const found = scalingByRegion(control.health.proxyReports, request.query.region);
    return { regions: Object.fromEntries([...found].map(([name, region]) => [name, regionBody(region)])) };
  });
};

function regionBody({ missing, proxies, pools }: RegionScaling): Static<typeof Region> {
  return {
    missing,
    ...(proxies && { proxies: subjectBody(proxies) }),
    pools: Object.fromEntries([...pools].map(([name, pool]) => [name, subjectBody(pool)])),
  };
}

function subjectBody({ ratio, forecastError, ...subject }: RegionSubject): Static<typeof Subject> {
  return {
    ...subject,
    ratio: Math.round(ratio * 1000) / 1000,
    ...(forecastError !== undefined && { forecast_error: forecastError }),
  };
}
