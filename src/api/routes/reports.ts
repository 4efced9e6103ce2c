import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { RejectedReport } from '../../control/report-book.js';
import { REPORT_SCHEMA } from '../../core/health/report.js';
import { servicesMistake } from '../../core/health/report-check.js';
import { sendProblem } from '../problem.js';
import { PoolFactsSchema, ProxyFactsSchema, ReasonSchema, ScalingSchema } from '../proxy-facts-schema.js';
import type { ApiModules } from '../server.js';

const NODE_NAME = { minLength: 1, maxLength: 63 } as const;
const SERVICES_MAX = 1000;
const PROBES_MAX = 65_536;
/** Enough for that many. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

const Load = Type.Object(
  {
    capacity: Type.Number({ exclusiveMinimum: 0, maximum: 1e12 }),
    utilisation: Type.Number({ minimum: 0, maximum: 1000, description: '1: all of the capacity is in use.' }),
    limiting: Type.String({ minLength: 1, maxLength: 63, description: 'What comes to its end first.' }),
  },
  { additionalProperties: false },
);

const ProbeIds = Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{11}$' }), { maxItems: PROBES_MAX });
const Probes = Type.Object(
  { up: ProbeIds, down: ProbeIds },
  { additionalProperties: false, description: "What a DNS node's own probes see." },
);

const Service = Type.Object(
  {
    service: Type.String({ minLength: 1, maxLength: 255 }),
    endpoints: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    healthy: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    load: Type.Optional(Load),
    pool: Type.Optional(PoolFactsSchema),
  },
  { additionalProperties: false },
);

const ReportBody = Type.Object(
  {
    schema: Type.Literal(REPORT_SCHEMA),
    node: Type.String(NODE_NAME),
    region: Type.String({ maxLength: 63, description: 'Empty where the node has none.' }),
    epoch: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Start of the reporter, milliseconds since 1970.',
    }),
    sequence: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    sent: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Milliseconds since 1970.',
    }),
    intervalMs: Type.Integer({ minimum: 100, maximum: 60_000 }),
    ttlMs: Type.Optional(
      Type.Integer({ minimum: 100, maximum: 600_000, description: 'How long the report is believed.' }),
    ),
    state: Type.Union([
      Type.Literal('up'),
      Type.Literal('degraded'),
      Type.Literal('draining'),
      Type.Literal('down'),
    ]),
    reason: Type.Optional(ReasonSchema),
    services: Type.Array(Service, { maxItems: SERVICES_MAX }),
    proxy: Type.Optional(ProxyFactsSchema),
    scaling: Type.Optional(ScalingSchema),
    probes: Type.Optional(Probes),
  },
  { additionalProperties: false },
);

/** What a refused report counts as. */
const REJECTED: Readonly<Record<number, RejectedReport>> = {
  400: 'malformed',
  401: 'wrong_identity',
  403: 'wrong_identity',
  413: 'too_large',
  415: 'malformed',
};

export const reportRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['health'],
    operationId: 'sendReport',
    summary: 'What a proxy sees of its region, or another DNS node of all.',
    description:
      'A report out of order, or of an unknown node, is ignored, counted, and answered all the same.',
    security: [{ token: [] }],
    body: ReportBody,
    response: {
      200: Type.Object({ outcome: Type.String(), code: Type.Optional(Type.String()) }),
      '4xx': Type.Ref('Problem'),
    },
  };
  const onResponse = async ({ caller, ip }: FastifyRequest, { statusCode }: FastifyReply) => {
    const code = REJECTED[statusCode];
    if (code) control.rejectReport(caller?.name ?? ip, code);
  };
  app.post(
    '/v1/reports',
    { schema, config: { role: 'report' }, bodyLimit: BODY_BYTES_MAX, onResponse },
    (request, reply) => {
      const { body, caller } = request;
      if (caller?.node !== undefined && caller.node !== body.node) {
        const detail = `the token ${caller.name} reports for ${caller.node} only, not for ${body.node}`;
        return sendProblem(reply, 403, 'forbidden', detail);
      }
      const mistake = servicesMistake(body.services);
      if (mistake !== undefined) return sendProblem(reply, 400, 'invalid_request', mistake);
      return control.report(body);
    },
  );
};
