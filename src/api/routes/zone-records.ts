import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { ZoneEdit } from '../../sources/zone-edit.js';
import { decodeCursor, encodeCursor, LIMIT_DEFAULT, linkNext, PAGE_ANSWER, PAGE_QUERY } from '../page.js';
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

const strict = { additionalProperties: false } as const;
/** A record with all the values that it may have. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

const Name = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: 'Relative to the zone, or absolute with a dot at its end; `@` is the zone itself.',
  examples: ['www'],
});
const Types = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'An RR type, or two of one record: `A,AAAA`.',
  examples: ['A'],
});

const RecordValue = Type.Unsafe<Readonly<Record<string, unknown>>>(
  Type.Object(
    {},
    {
      additionalProperties: true,
      description:
        'A record as in a zone file, see docs/zone-files.md. `type` may be left out where the URL has it.',
      examples: [{ ttl: 60, values: ['192.0.2.1', '192.0.2.2'] }],
    },
  ),
);

const RecordFacts = Type.Object({
  name: Type.String({ description: 'In full.' }),
  types: Type.String({ description: '`A`, or `A,AAAA`.', examples: ['A'] }),
  record: Type.Unsafe<unknown>(
    Type.Object(
      {},
      {
        additionalProperties: true,
        examples: [{ type: 'A', value: '192.0.2.1' }],
        description: 'As in the zone file.',
      },
    ),
  ),
});

const ZoneRecords = Type.Object({
  zone: Type.String(),
  etag: Type.String(),
  records: Type.Array(RecordFacts),
  ...PAGE_ANSWER,
});
const OneRecord = Type.Object({ zone: Type.String(), etag: Type.String(), ...RecordFacts.properties });

/** Records of a zone, by name and type. */
export const zoneRecordRoutes: FastifyPluginAsyncTypebox<ZoneEditModules> = async (app, { editor }) => {
  const common = { tags: ['zones'], security: [{ token: [] }] };
  const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };
  const writing = { ...common, querystring: WriteQuery, headers: WriteHeaders };
  const NameParams = Type.Object({ ...ZoneParams.properties, name: Name });
  const RecordParams = Type.Object({ ...NameParams.properties, type: Types });
  const written = { 200: WrittenZone, 201: WrittenZone, ...problems };

  const list = {
    ...common,
    operationId: 'listRecords',
    summary: 'Records of a zone as its file has them, in its order.',
    params: ZoneParams,
    querystring: Type.Object(
      { name: Type.Optional(Name), type: Type.Optional(Types), ...PAGE_QUERY },
      strict,
    ),
    response: { 200: ZoneRecords, ...problems },
  };
  app.get('/v1/zones/:zone/records', { schema: list, config: { role: 'read' } }, async (request, reply) => {
    const { zone } = request.params;
    const { name, type, limit = LIMIT_DEFAULT, cursor } = request.query;
    const offset = cursor === undefined ? 0 : offsetOf(cursor);
    if (offset === undefined) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const query = {
      offset,
      limit,
      ...(name !== undefined && { name }),
      ...(type !== undefined && { types: type }),
    };
    const found = await editor.records(zone, query);
    if (found.outcome !== 'read') return sendFailure(reply, found);
    const { etag, total, records } = found;
    reply.header('etag', etag);
    const end = offset + records.length;
    const next = end < total && records.length > 0 ? encodeCursor([end]) : undefined;
    linkNext(request, reply, next);
    return { zone, etag, records: [...records], total, ...(next !== undefined && { next }) };
  });

  const getName = {
    ...common,
    operationId: 'getName',
    summary: 'All records of a name.',
    params: NameParams,
    response: { 200: ZoneRecords, ...problems },
  };
  app.get(
    '/v1/zones/:zone/records/:name',
    { schema: getName, config: { role: 'read' } },
    async (request, reply) => {
      const { zone, name } = request.params;
      const found = await editor.records(zone, { name, offset: 0, limit: NAME_RECORDS_MAX });
      if (found.outcome !== 'read') return sendFailure(reply, found);
      const { etag, total, records } = found;
      if (total === 0) return sendProblem(reply, 404, 'not_found', `${name} has no records in ${zone}`);
      reply.header('etag', etag);
      if (isKnown(request, etag)) return reply.code(304).send();
      return { zone, etag, records: [...records], total };
    },
  );

  const getOne = {
    ...common,
    operationId: 'getRecord',
    summary: 'The record of a name that has a type.',
    params: RecordParams,
    response: { 200: OneRecord, ...problems },
  };
  app.get(
    '/v1/zones/:zone/records/:name/:type',
    { schema: getOne, config: { role: 'read' } },
    async (request, reply) => {
      const { zone, name, type } = request.params;
      const found = await editor.records(zone, { name, types: type, offset: 0, limit: 1 });
      if (found.outcome !== 'read') return sendFailure(reply, found);
      const [record] = found.records;
      if (!record) return sendProblem(reply, 404, 'not_found', `${name} has no ${type} in ${zone}`);
      const { etag } = found;
      reply.header('etag', etag);
      if (isKnown(request, etag)) return reply.code(304).send();
      return { zone, etag, ...record };
    },
  );

  for (const [method, action, summary] of [
    ['PUT', 'put', 'Makes a record, or replaces it.'],
    ['PATCH', 'patch', 'Changes keys of a record by a JSON merge patch (RFC 7396).'],
    ['DELETE', 'delete', 'Deletes a record.'],
  ] as const) {
    const schema = {
      ...writing,
      operationId: `${action}Record`,
      summary,
      params: RecordParams,
      response: written,
    };
    app.route({
      method,
      url: '/v1/zones/:zone/records/:name/:type',
      schema: action === 'delete' ? schema : { ...schema, body: RecordValue },
      config: { role: 'zones' },
      bodyLimit: BODY_BYTES_MAX,
      handler: async (request, reply) => {
        const { zone, name, type: types } = request.params;
        const options = readOptions(request, reply, request.query);
        if (!options) return reply;
        const edit: ZoneEdit =
          action === 'delete'
            ? { kind: 'record', action, name, types }
            : { kind: 'record', action, name, types, value: request.body };
        return sendEdit(request, reply, zone, await editor.edit(zone, edit, options));
      },
    });
  }

  const putName = {
    ...writing,
    operationId: 'putName',
    summary: 'Replaces all records of a name.',
    params: NameParams,
    body: Type.Object(
      {
        records: Type.Array(RecordValue, {
          minItems: 1,
          maxItems: NAME_RECORDS_MAX,
          examples: [[{ type: 'A', value: '192.0.2.1' }]],
        }),
      },
      strict,
    ),
    response: written,
  };
  app.put(
    '/v1/zones/:zone/records/:name',
    { schema: putName, config: { role: 'zones' }, bodyLimit: BODY_BYTES_MAX },
    async (request, reply) => {
      const { zone, name } = request.params;
      const options = readOptions(request, reply, request.query);
      if (!options) return reply;
      const edit: ZoneEdit = { kind: 'name', action: 'put', name, value: request.body.records };
      return sendEdit(request, reply, zone, await editor.edit(zone, edit, options));
    },
  );

  const deleteName = {
    ...writing,
    operationId: 'deleteName',
    summary: 'Deletes all records of a name.',
    params: NameParams,
    response: written,
  };
  app.delete(
    '/v1/zones/:zone/records/:name',
    { schema: deleteName, config: { role: 'zones' } },
    async (request, reply) => {
      const { zone, name } = request.params;
      const options = readOptions(request, reply, request.query);
      if (!options) return reply;
      return sendEdit(
        request,
        reply,
        zone,
        await editor.edit(zone, { kind: 'name', action: 'delete', name }, options),
      );
    },
  );
};

/** Of one name in a file. */
const NAME_RECORDS_MAX = 100;

function offsetOf(cursor: string): number | undefined {
  const [offset, ...rest] = decodeCursor(cursor) ?? [];
  return Number.isSafeInteger(offset) && (offset as number) > 0 && rest.length === 0
    ? (offset as number)
    : undefined;
}
