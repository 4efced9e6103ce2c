import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { OrderContext, OrderDone, OrderRefusal } from '../../control/order-outcome.js';
import type { Steering } from '../../control/steering.js';
import {
  DialOrderSchema,
  ForceOrderSchema,
  MaintenanceOrderSchema,
  Reason,
  SentDocumentSchema,
} from '../../control/steering-schema.js';
import { describeSteering, type Kind, reachOf } from '../../control/steering-view.js';
import { TARGET_LENGTH_MAX, TARGET_TITLE } from '../../core/steering/target.js';
import { parseEtags } from '../preconditions.js';
import { sendProblem } from '../problem.js';
import { PROBLEM_KINDS } from '../problem-codes.js';
import { ReachSchema, SteeringView } from '../steering-view-schema.js';

export interface SteeringRouteModules {
  readonly steering: Steering;
}

const strict = { additionalProperties: false } as const;
const common = { tags: ['steering'], security: [{ token: [] }] };
const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };

const TargetParam = Type.Object(
  {
    target: Type.String({
      minLength: 1,
      maxLength: TARGET_LENGTH_MAX,
      title: TARGET_TITLE,
      description: 'Percent-encoded: each `/` in it is `%2F`.',
      examples: ['example.com/eu', 'example.com/eu/192.0.2.1', 'region:eu'],
    }),
  },
  strict,
);

const IdParam = Type.Object({ id: Type.String({ minLength: 1, maxLength: 63, examples: ['m1'] }) }, strict);

const Done = Type.Object({
  revision: Type.Integer({ description: 'The number of the revision that holds it.' }),
  changed: Type.Boolean({ description: 'False where everything was so already.' }),
  id: Type.String({ description: 'The key of the entry.' }),
  reaches: Type.Optional(ReachSchema),
});

const Preconditions = Type.Object(
  {
    'if-match': Type.Optional(
      Type.String({
        maxLength: 1024,
        description: 'The ETag that this is based on: refused with 412 where there is a newer one.',
        examples: ['"s7"'],
      }),
    ),
  },
  { additionalProperties: true },
);

/** What operators steer: forces, dials, maintenance windows. */
export const steeringRoutes: FastifyPluginAsyncTypebox<SteeringRouteModules> = async (app, { steering }) => {
  const read = {
    ...common,
    operationId: 'getSteering',
    summary: 'All that is steered: entries, whether they hold now, and what they do.',
    response: { 200: SteeringView, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/steering', { schema: read, config: { role: 'read' } }, (_request, reply) => {
    void reply.header('etag', etagOf(steering.revision));
    return describeSteering(steering);
  });

  const replace = {
    ...common,
    operationId: 'replaceSteering',
    summary: 'Sets the whole document; `If-Match` is required. Rollouts stay as they are.',
    headers: Preconditions,
    querystring: Type.Object({ reason: Type.Optional(Reason) }, strict),
    body: SentDocumentSchema,
    response: { 200: Done, ...problems },
  };
  app.put('/v1/steering', { schema: replace, config: { role: 'operate' } }, async (request, reply) => {
    const context = contextOf(request);
    if (!context.expected && request.headers['if-match'] === undefined) {
      const detail = `send If-Match with the ETag of what this is based on, such as ${etagOf(steering.revision)}`;
      return sendProblem(reply, 428, 'precondition_required', detail);
    }
    const message = request.query.reason ?? 'the whole document';
    return answer(reply, await steering.replace(request.body, message, context));
  });

  const force = {
    ...common,
    operationId: 'forceTarget',
    summary: 'Forces an endpoint, a pool or a region up or down, or drains it.',
    params: TargetParam,
    headers: Preconditions,
    body: ForceOrderSchema,
    response: { 200: Done, ...problems },
  };
  app.put(
    '/v1/steering/forces/:target',
    { schema: force, config: { role: 'operate' } },
    async (request, reply) => {
      const { params, body } = request;
      return answer(reply, await steering.force(params.target, body, contextOf(request)), reaching('force'));
    },
  );

  const dial = {
    ...common,
    operationId: 'dialTarget',
    summary:
      'Sets what part of its answers a pool, or each pool of a region, keeps; at once, or over some time.',
    params: TargetParam,
    headers: Preconditions,
    body: DialOrderSchema,
    response: { 200: Done, ...problems },
  };
  app.put(
    '/v1/steering/dials/:target',
    { schema: dial, config: { role: 'operate' } },
    async (request, reply) => {
      const { params, body } = request;
      return answer(reply, await steering.dial(params.target, body, contextOf(request)), reaching('dial'));
    },
  );

  const maintain = {
    ...common,
    operationId: 'addMaintenance',
    summary: 'Adds a maintenance window: once, or every week.',
    headers: Preconditions,
    body: MaintenanceOrderSchema,
    response: { 201: Done, ...problems },
  };
  app.post(
    '/v1/steering/maintenance',
    { schema: maintain, config: { role: 'operate' } },
    async (request, reply) => {
      const done = await steering.maintain(undefined, request.body, contextOf(request));
      if (done.code === 'done') {
        void reply.code(201).header('location', `/v1/steering/maintenance/${encodeURIComponent(done.id)}`);
      }
      return answer(reply, done, reaching('force', request.body.target));
    },
  );

  const maintainAs = {
    ...maintain,
    operationId: 'setMaintenance',
    params: IdParam,
    response: { 200: Done, ...problems },
  };
  app.put(
    '/v1/steering/maintenance/:id',
    {
      schema: { ...maintainAs, summary: 'Sets the maintenance window of a name.' },
      config: { role: 'operate' },
    },
    async (request, reply) => {
      const done = await steering.maintain(request.params.id, request.body, contextOf(request));
      return answer(reply, done, reaching('force', request.body.target));
    },
  );

  for (const [kind, params, operationId] of [
    ['forces', TargetParam, 'releaseTarget'],
    ['dials', TargetParam, 'undialTarget'],
    ['maintenance', IdParam, 'removeMaintenance'],
  ] as const) {
    const schema = {
      ...common,
      operationId,
      summary: `Takes an entry of ${kind} back.`,
      params,
      headers: Preconditions,
      response: { 200: Done, ...problems },
    };
    const url = `/v1/steering/${kind}/:${kind === 'maintenance' ? 'id' : 'target'}`;
    app.delete(url, { schema, config: { role: 'operate' } }, async (request, reply) => {
      const [key = ''] = Object.values(request.params as Readonly<Record<string, string>>);
      return answer(reply, await steering.remove(kind, key, contextOf(request)));
    });
  }

  function reaching(kind: Kind, target?: string) {
    return ({ id }: OrderDone) => ({ reaches: reachOf(steering, kind, target ?? id) });
  }

  function answer(
    reply: FastifyReply,
    done: OrderDone | OrderRefusal,
    more: (done: OrderDone) => object = () => ({}),
  ): FastifyReply {
    void reply.header('etag', etagOf(steering.revision));
    if (done.code !== 'done') return refuse(reply, done);
    const { revision, changed, id } = done;
    return reply.send({ revision, changed, id, ...more(done) });
  }
};

export function etagOf(revision: number): string {
  return `"s${revision}"`;
}

/** Who orders what, and on which document; a header that can't be read matches nothing. */
export function contextOf({ caller, headers }: FastifyRequest): OrderContext {
  const by = caller?.name ?? 'unknown';
  const given = headers['if-match'];
  const etags = given === undefined ? '*' : (parseEtags(given) ?? []);
  if (etags === '*') return { by };
  // A weak ETag never matches (RFC 9110 §13.1.1).
  return { by, expected: etags.flatMap((etag) => (ETAG.test(etag) ? [Number(etag.slice(2, -1))] : [])) };
}

const ETAG = /^"s\d{1,15}"$/;

export function refuse(reply: FastifyReply, refusal: OrderRefusal): FastifyReply {
  const { code } = refusal;
  switch (code) {
    case 'invalid_request': {
      const [first] = refusal.mistakes;
      const list = refusal.mistakes
        .slice(0, MISTAKES_MAX)
        .map(({ path, message }) => ({ path: `body.${path}`, message }));
      return sendProblem(reply, 400, code, `${first?.path}: ${first?.message}`, { problems: list });
    }
    case 'no_such_target':
    case 'not_steered':
      return sendProblem(reply, PROBLEM_KINDS[code].status, code, refusal.detail);
    case 'rollout_refused':
      return sendProblem(reply, 409, code, refusal.detail);
    case 'too_many':
      return sendProblem(reply, 409, 'limit_reached', refusal.detail);
    case 'conflict': {
      const current = etagOf(refusal.revision);
      const expected = refusal.expected.map(etagOf);
      const detail = `somebody has steered since: this was based on ${expected.join(', ') || 'something else'}, now it is ${current}; look at GET /v1/steering and send it again`;
      return sendProblem(reply, 412, 'precondition_failed', detail, { expected, current });
    }
    case 'storage': {
      const { reason, detail } = refusal;
      const storage = reason === 'storage_full' || reason === 'read_only' ? reason : 'storage_failed';
      return sendProblem(reply, PROBLEM_KINDS[storage].status, storage, `${detail}; nothing was changed`);
    }
    default:
      throw new Error(`unexpected ${code satisfies never}`);
  }
}

const MISTAKES_MAX = 100;
