import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { ControlPlane } from '../../control/control-plane.js';
import type { ZoneEditor } from '../../control/zone-editor.js';
import type { ZoneText } from '../../control/zone-write.js';
import { YAML_BYTES_MAX } from '../../sources/yaml-document.js';
import { jsonParser } from '../json-body.js';
import { isKnown } from '../preconditions.js';
import { sendProblem } from '../problem.js';
import {
  readOptions,
  sendEdit,
  sendFailure,
  WRITE_QUERY,
  WriteHeaders,
  WriteQuery,
  WrittenZone,
} from '../zone-answers.js';

export interface ZoneEditModules {
  readonly control: ControlPlane;
  readonly editor: ZoneEditor;
}

/** A zone file with JSON's escapes. */
const BODY_BYTES_MAX = YAML_BYTES_MAX + 1024 * 1024;
const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml'];
const strict = { additionalProperties: false } as const;

export const ZoneParams = Type.Object({
  zone: Type.String({
    minLength: 1,
    maxLength: 1024,
    description: 'With or without a dot at its end.',
    examples: ['example.com'],
  }),
});

const ZoneFacts = Type.Object({
  zone: Type.String(),
  file: Type.String({ description: 'In the zone folder.' }),
  etag: Type.String({ description: 'Of the file on disk.', examples: ['"0123456789abcdef"'] }),
  served: Type.Boolean({ description: 'Whether any version of it is answered from.' }),
  serial: Type.Optional(Type.Integer()),
  records: Type.Optional(Type.Integer({ description: 'RRsets that are served.' })),
  pools: Type.Optional(Type.Integer()),
  loaded: Type.Optional(Type.String()),
  state: Type.Optional(
    Type.String({ description: '`stale`: the file has mistakes and the last good version is served.' }),
  ),
  problems: Type.Array(Type.String()),
});

const ZoneBody = Type.Unsafe<Readonly<Record<string, unknown>>>(
  Type.Object(
    {},
    {
      additionalProperties: true,
      description:
        'As a zone file, see docs/zone-files.md; `zone` may be left out. Or the text of the file, with `Content-Type: application/yaml`.',
      examples: [
        {
          nameservers: { ns1: { A: '192.0.2.53' } },
          soa: { contact: 'hostmaster.example.com' },
          records: { www: { type: 'A', value: '192.0.2.1' } },
        },
      ],
    },
  ),
);

/** A body that was sent as YAML. */
class YamlText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Whole zones: read, made, changed and deleted. */
export const zoneEditRoutes: FastifyPluginAsyncTypebox<ZoneEditModules> = async (
  app,
  { control, editor },
) => {
  app.addContentTypeParser(YAML_TYPES, { parseAs: 'buffer' }, async (_: FastifyRequest, body: Buffer) => {
    try {
      return new YamlText(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      throw Object.assign(new Error('the body is not UTF-8'), { statusCode: 400 });
    }
  });
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, jsonParser(app));
  const common = { tags: ['zones'], security: [{ token: [] }], params: ZoneParams };
  const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };

  const get = {
    ...common,
    operationId: 'getZone',
    summary: 'A zone: a summary with the ETag of its file, or the file.',
    querystring: Type.Object(
      {
        format: Type.Optional(
          Type.Enum(['summary', 'yaml', 'json'], {
            description:
              '`yaml`: the text of the file, as with `Accept: application/yaml`. `json`: the same as data.',
            examples: ['summary'],
          }),
        ),
      },
      strict,
    ),
    response: { 200: ZoneFacts, ...problems },
  };
  app.get('/v1/zones/:zone', { schema: get, config: { role: 'read' } }, async (request, reply) => {
    const { zone } = request.params;
    const found = await editor.file(zone);
    if ('outcome' in found) return sendFailure(reply, found);
    const { etag } = found;
    reply.header('etag', etag).header('vary', 'accept');
    if (isKnown(request, etag)) return reply.code(304).send();
    const accepted = request.headers.accept?.split(';')[0]?.trim() ?? '';
    const format = request.query.format ?? (YAML_TYPES.includes(accepted) ? 'yaml' : 'summary');
    if (format === 'yaml') {
      const whole = await editor.text(zone);
      if ('outcome' in whole) return sendFailure(reply, whole);
      return reply.header('etag', whole.etag).type('application/yaml; charset=utf-8').send(whole.text);
    }
    if (format === 'json') {
      const whole = await editor.part(zone, []);
      return whole.outcome === 'read'
        ? reply.type('application/json').send(JSON.stringify(whole.part))
        : sendFailure(reply, whole);
    }
    return summaryOf(control, zone, found);
  });

  const put = {
    ...common,
    operationId: 'putZone',
    summary: 'Makes a zone, or replaces all of it. Comments of a file stay where JSON comes.',
    description: 'Send `If-None-Match: *` for a new zone, `If-Match` for one that is there.',
    querystring: WriteQuery,
    headers: WriteHeaders,
    body: ZoneBody,
    response: { 200: WrittenZone, 201: WrittenZone, ...problems },
  };
  app.put(
    '/v1/zones/:zone',
    { schema: put, config: { role: 'zones' }, bodyLimit: BODY_BYTES_MAX },
    async (request, reply) => {
      const options = readOptions(request, reply, request.query, { created: true });
      if (!options) return reply;
      const { zone } = request.params;
      const body: unknown = request.body;
      const content = body instanceof YamlText ? { text: body.text } : { value: body };
      return sendEdit(request, reply, zone, await editor.put(zone, content, options));
    },
  );

  const patch = {
    ...common,
    operationId: 'patchZone',
    summary: 'Changes keys of a zone by a JSON merge patch (RFC 7396).',
    querystring: WriteQuery,
    headers: WriteHeaders,
    body: Type.Unsafe<Readonly<Record<string, unknown>>>(
      Type.Object(
        {},
        {
          additionalProperties: true,
          description: 'Keys of a zone file; null takes one away.',
          examples: [{ ttl: 60 }],
        },
      ),
    ),
    response: { 200: WrittenZone, ...problems },
  };
  app.patch(
    '/v1/zones/:zone',
    { schema: patch, config: { role: 'zones' }, bodyLimit: BODY_BYTES_MAX },
    async (request, reply) => {
      const options = readOptions(request, reply, request.query);
      if (!options) return reply;
      const { zone } = request.params;
      const value: unknown = request.body;
      if (value instanceof YamlText) {
        return sendProblem(
          reply,
          415,
          'unsupported_media_type',
          'a patch is JSON: send Content-Type: application/merge-patch+json',
        );
      }
      return sendEdit(
        request,
        reply,
        zone,
        await editor.edit(zone, { kind: 'zone', action: 'patch', value }, options),
      );
    },
  );

  const remove = {
    ...common,
    operationId: 'deleteZone',
    summary: 'Deletes a zone and its file.',
    querystring: Type.Object(WRITE_QUERY, strict),
    headers: WriteHeaders,
    response: { 200: WrittenZone, ...problems },
  };
  app.delete('/v1/zones/:zone', { schema: remove, config: { role: 'zones' } }, async (request, reply) => {
    const options = readOptions(request, reply, request.query);
    if (!options) return reply;
    const { zone } = request.params;
    return sendEdit(request, reply, zone, await editor.remove(zone, options));
  });
};

/** What is served of a zone, and what is wrong with its file. */
function summaryOf(control: ControlPlane, zone: string, { file, etag }: Pick<ZoneText, 'file' | 'etag'>) {
  const name = `${zone.toLowerCase().replace(/\.$/, '')}.`;
  const served = control.zoneList.get(name);
  if (!served) {
    const problems = control.problems.filter(
      (text) => text.startsWith(`${file}:`) || text.includes(`/${file}:`),
    );
    return { zone: name, file, etag, served: false, problems };
  }
  const status = control.statusOf(served);
  const { serial, records, pools, loaded, state, problems } = status;
  return {
    zone: status.zone,
    file,
    etag,
    served: true,
    serial,
    records,
    pools,
    loaded,
    state,
    problems: [...problems],
  };
}
