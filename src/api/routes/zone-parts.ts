import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { SECTIONS, type Section, type ZoneEdit } from '../../sources/zone-edit.js';
import { isKnown } from '../preconditions.js';
import { sendProblem } from '../problem.js';
import {
  readOptions,
  sendEdit,
  sendFailure,
  WriteHeaders,
  WriteQuery,
  WrittenZone,
} from '../zone-answers.js';
import { type ZoneEditModules, ZoneParams } from './zone-edits.js';

const BODY_BYTES_MAX = 2 * 1024 * 1024;

const EXAMPLES: Readonly<Record<Section, object>> = {
  regions: { location: [53.35, -6.26] },
  monitors: { type: 'https', host: 'www.example.com', path: '/healthz' },
  calculated: { all: ['web', 'db'] },
  pools: { monitor: 'web', endpoints: [{ A: '192.0.2.10', weight: 3 }], fallback: 'us' },
};

const ONE: Readonly<Record<Section, string>> = {
  regions: 'Region',
  monitors: 'Monitor',
  calculated: 'Calculated',
  pools: 'Pool',
};

const PartName = Type.String({ minLength: 1, maxLength: 64, examples: ['eu'] });
const EndpointAddress = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: 'One of its addresses, or its CNAME.',
  examples: ['192.0.2.10'],
});

/** As in a zone file: what it may hold is checked together with the rest of the zone. */
function partBody(description: string, example: object) {
  return Type.Unsafe<Readonly<Record<string, unknown>>>(
    Type.Object({}, { additionalProperties: true, description, examples: [example] }),
  );
}

/** Regions, monitors, pools and endpoints of a zone. */
export const zonePartRoutes: FastifyPluginAsyncTypebox<ZoneEditModules> = async (app, { editor }) => {
  const common = { tags: ['zones'], security: [{ token: [] }] };
  const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };
  const writing = { ...common, querystring: WriteQuery, headers: WriteHeaders };
  const written = { 200: WrittenZone, 201: WrittenZone, ...problems };
  const PartParams = Type.Object({ ...ZoneParams.properties, name: PartName });
  const EndpointParams = Type.Object({ ...ZoneParams.properties, pool: PartName, address: EndpointAddress });

  for (const section of SECTIONS) {
    const one = ONE[section];
    const body = partBody(`As under \`${section}\` in a zone file.`, EXAMPLES[section]);
    const Parts = Type.Object({
      zone: Type.String(),
      etag: Type.String(),
      [section]: Type.Unsafe<unknown>(
        Type.Object({}, { additionalProperties: true, examples: [{ eu: EXAMPLES[section] }] }),
      ),
    });
    const list = {
      ...common,
      operationId: `list${one}${section === 'calculated' ? '' : 's'}`,
      summary: `The ${section} of a zone, as its file has them.`,
      params: ZoneParams,
      response: { 200: Parts, ...problems },
    };
    app.get(
      `/v1/zones/:zone/${section}`,
      { schema: list, config: { role: 'read' } },
      async (request, reply) => {
        const { zone } = request.params;
        const found = await editor.part(zone, [section]);
        if (found.outcome !== 'read') return sendFailure(reply, found);
        reply.header('etag', found.etag);
        if (isKnown(request, found.etag)) return reply.code(304).send();
        return { zone, etag: found.etag, [section]: found.part ?? {} };
      },
    );

    const get = {
      ...common,
      operationId: `get${one}`,
      summary: `One of the ${section} of a zone.`,
      params: PartParams,
      response: {
        200: Type.Object({ zone: Type.String(), etag: Type.String(), name: Type.String(), value: body }),
        ...problems,
      },
    };
    app.get(
      `/v1/zones/:zone/${section}/:name`,
      { schema: get, config: { role: 'read' } },
      async (request, reply) => {
        const { zone, name } = request.params;
        const found = await editor.part(zone, [section, name]);
        if (found.outcome !== 'read') return sendFailure(reply, found);
        const { etag, part } = found;
        if (typeof part !== 'object' || part === null) {
          return sendProblem(reply, 404, 'not_found', `${zone} has no ${name} in ${section}`);
        }
        reply.header('etag', etag);
        if (isKnown(request, etag)) return reply.code(304).send();
        return { zone, etag, name, value: part as Readonly<Record<string, unknown>> };
      },
    );

    for (const [method, action, verb] of WRITES) {
      const summary = `${verb} one of the ${section}.`;
      const schema = {
        ...writing,
        operationId: `${action}${one}`,
        summary,
        params: PartParams,
        response: written,
      };
      app.route({
        method,
        url: `/v1/zones/:zone/${section}/:name`,
        schema: action === 'delete' ? schema : { ...schema, body },
        config: { role: 'zones' },
        bodyLimit: BODY_BYTES_MAX,
        handler: async (request, reply) => {
          const { zone, name } = request.params;
          const options = readOptions(request, reply, request.query);
          if (!options) return reply;
          const target = { kind: 'part', section, name } as const;
          const edit: ZoneEdit =
            action === 'delete' ? { ...target, action } : { ...target, action, value: request.body };
          return sendEdit(request, reply, zone, await editor.edit(zone, edit, options));
        },
      });
    }
  }

  for (const [method, action, verb] of WRITES) {
    const schema = {
      ...writing,
      operationId: `${action}Endpoint`,
      summary: `${verb} an endpoint of a pool.`,
      params: EndpointParams,
      response: written,
    };
    const body = partBody('As in `endpoints` of a pool: `weight`, `status`, `priority` …', {
      weight: 5,
      status: 'down',
    });
    app.route({
      method,
      url: '/v1/zones/:zone/pools/:pool/endpoints/:address',
      schema: action === 'delete' ? schema : { ...schema, body },
      config: { role: 'zones' },
      bodyLimit: BODY_BYTES_MAX,
      handler: async (request, reply) => {
        const { zone, pool, address } = request.params;
        const options = readOptions(request, reply, request.query);
        if (!options) return reply;
        const target = { kind: 'endpoint', pool, address } as const;
        const edit: ZoneEdit =
          action === 'delete' ? { ...target, action } : { ...target, action, value: request.body };
        return sendEdit(request, reply, zone, await editor.edit(zone, edit, options));
      },
    });
  }
};

const WRITES = [
  ['PUT', 'put', 'Makes or replaces'],
  ['PATCH', 'patch', 'Changes keys, by a JSON merge patch (RFC 7396), of'],
  ['DELETE', 'delete', 'Deletes'],
] as const;
