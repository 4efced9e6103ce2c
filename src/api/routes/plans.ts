import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Plan, PlanBook, PlanRefusal, PlanRequest } from '../../control/plans.js';
import { isTooDeep } from '../../control/zone-editor.js';
import type { WriteResult } from '../../control/zone-write.js';
import { type Caller, mayChange } from '../auth.js';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import {
  ApplyQuery,
  describePlan,
  describeSummary,
  NewPlan,
  PLAN_BODY_BYTES_MAX,
  PlanSchema,
  PlanSummary,
} from '../plan-schema.js';
import { sendProblem } from '../problem.js';
import { PROBLEM_KINDS, type ProblemCode } from '../problem-codes.js';
import {
  planSteering,
  type SteeringPlanModules,
  type SteeringPlanRequest,
  SteeringPlanSchema,
  steeringRequestOf,
} from '../steering-plan.js';

export interface PlanRouteModules {
  readonly plans: PlanBook;
  /** Absent: zones can be planned, steering can't. */
  readonly steering?: SteeringPlanModules;
}

const strict = { additionalProperties: false } as const;
const common = { tags: ['plans'], security: [{ token: [] }] };
const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };
const PlanId = Type.Object({ id: Type.String({ maxLength: 64, examples: ['p3f9a1c2b4d5e'] }) }, strict);

/** Says what a change of zones would do, and does it. */
export const planRoutes: FastifyPluginAsyncTypebox<PlanRouteModules> = async (app, { plans, steering }) => {
  const create = {
    ...common,
    operationId: 'createPlan',
    summary:
      'What a change of zones, or of steering, would do: mistakes, what differs, and which clients get another answer.',
    body: NewPlan,
    response: { 200: Type.Union([PlanSchema, SteeringPlanSchema]), ...problems },
  };
  app.post(
    '/v1/plan',
    { schema: create, config: { role: 'read' }, bodyLimit: PLAN_BODY_BYTES_MAX },
    async (request, reply) => {
      const asked = requestOf(request.body);
      if ('message' in asked) {
        return sendProblem(reply, 400, 'invalid_request', `${asked.path}: ${asked.message}`, {
          problems: [asked],
        });
      }
      const { name: author } = request.caller as Caller;
      if (asked.kind === 'steering') {
        if (steering) return planSteering(asked, author, steering, reply);
        return sendProblem(reply, 409, 'unsupported', 'this node does not plan steering');
      }
      const plan = await plans.create(asked, { author, message: request.body.message ?? '' });
      return 'code' in plan ? refuse(reply, plan) : describePlan(plan);
    },
  );

  const list = {
    ...common,
    operationId: 'listPlans',
    summary: 'The plans of the last hour, the newest first.',
    querystring: Type.Object(
      { state: Type.Optional(Type.Enum(['ready', 'invalid', 'empty', 'applied'])), ...PAGE_QUERY },
      strict,
    ),
    response: { 200: Type.Object({ plans: Type.Array(PlanSummary), ...PAGE_ANSWER }), ...problems },
  };
  app.get('/v1/plans', { schema: list, config: { role: 'read' } }, (request, reply) => {
    const { state } = request.query;
    const found = plans.list().filter((plan) => (state ?? plan.state) === plan.state);
    const page = pageOf(found, ({ id }) => id, request.query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    linkNext(request, reply, page.next);
    const { total, next } = page;
    return { plans: page.items.map(describeSummary), total, ...(next !== undefined && { next }) };
  });

  const get = {
    ...common,
    operationId: 'getPlan',
    summary: 'A plan of the last hour.',
    params: PlanId,
    response: { 200: PlanSchema, ...problems },
  };
  app.get('/v1/plans/:id', { schema: get, config: { role: 'read' } }, (request, reply) => {
    const plan = plans.get(request.params.id);
    return plan ? describePlan(plan) : refuse(reply, notFound(request.params.id));
  });

  const apply = {
    ...common,
    operationId: 'applyPlan',
    summary: 'Does what a plan says, if its files and the history are as they were when it was made.',
    params: PlanId,
    querystring: ApplyQuery,
    response: {
      200: Type.Object({
        id: Type.String(),
        revision: Type.Optional(Type.Integer()),
        published: Type.Boolean({
          description: 'All answering threads use it. False: it is on disk, and follows soon.',
        }),
        etags: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()])),
        zones_changed: Type.Integer(),
      }),
      ...problems,
    },
  };
  app.post(
    '/v1/plans/:id/apply',
    { schema: apply, config: { role: 'zones', checksZones: true } },
    async (request, reply) => {
      const { id } = request.params;
      const caller = request.caller as Caller;
      const plan = plans.get(id);
      if (!plan) return refuse(reply, notFound(id));
      const isClosed = (zone: string | null) =>
        zone === null ? caller.zones !== undefined : !mayChange(caller, zone);
      const closed = plan.findings.touched.find(isClosed);
      if (closed !== undefined) {
        const what = closed ?? 'files of which nobody can say what zone they have';
        return sendProblem(reply, 403, 'forbidden', `the token ${caller.name} may not change ${what}`);
      }
      const done = await plans.apply(id, { author: caller.name, message: request.query.message ?? '' });
      if ('code' in done) return refuse(reply, done);
      const { result } = done;
      if (result.outcome !== 'written') return notWritten(reply, done.plan, result);
      return {
        id,
        ...(result.revision !== undefined && { revision: result.revision }),
        published: result.published,
        etags: Object.fromEntries(result.etags),
        zones_changed: result.zones.length,
      };
    },
  );
};

type Asked = Static<typeof NewPlan>;
const KINDS = ['text', 'document', 'files', 'revision', 'steering'] as const;

/** What a plan is asked of, or the mistake in that. */
function requestOf(
  body: Asked,
): PlanRequest | SteeringPlanRequest | { readonly path: string; readonly message: string } {
  const given = KINDS.filter((key) => body[key] !== undefined);
  if (given.length !== 1) {
    return {
      path: 'body',
      message: `needs exactly one of ${KINDS.join(', ')}; it has ${given.join(' and ') || 'none'}`,
    };
  }
  const { text, document, files, revision, steering, name, complete } = body;
  const zone = text !== undefined ? { text } : document && { document };
  if (name !== undefined && !zone) return { path: 'body.name', message: 'is for text and document only' };
  if (complete !== undefined && !files) return { path: 'body.complete', message: 'is for files only' };
  if (zone) {
    if (isTooDeep(document)) return { path: 'body.document', message: 'is nested too deeply for a zone' };
    return { kind: 'zone', ...zone, ...(name !== undefined && { name }) };
  }
  if (revision !== undefined) return { kind: 'revision', revision };
  if (steering !== undefined) return steeringRequestOf(steering);
  const changes = new Map(Object.entries(files ?? {}));
  if (complete && changes.size === 0) {
    return {
      path: 'body.files',
      message: 'is empty: with complete that would remove every zone; name the files with null',
    };
  }
  return { kind: 'files', files: changes, complete: complete ?? false };
}

const CODES: Readonly<Record<PlanRefusal['code'], ProblemCode>> = {
  plan_busy: 'busy',
  plan_timeout: 'plan_failed',
  plan_failed: 'plan_failed',
  plan_not_found: 'not_found',
  plan_applied: 'plan_applied',
  plan_invalid: 'plan_invalid',
  revision_not_found: 'not_found',
  not_writable: 'unsupported',
};

function refuse(reply: FastifyReply, { code, message }: PlanRefusal): FastifyReply {
  const known = CODES[code];
  return sendProblem(reply, PROBLEM_KINDS[known].status, known, message);
}

function notFound(id: string): PlanRefusal {
  return { code: 'plan_not_found', message: `there is no plan ${id.slice(0, 64)}, or it is no longer kept` };
}

/** The world moved since the plan was made, or the disk does not want it. */
function notWritten(
  reply: FastifyReply,
  plan: Plan,
  result: Exclude<WriteResult, { readonly outcome: 'written' }>,
): FastifyReply {
  switch (result.outcome) {
    case 'conflict': {
      const { what, message, expected, actual, file } = result;
      const detail = `the plan ${plan.id} is of another state: ${message}; make a new plan`;
      const facts = { expected, actual, ...(file !== undefined && { file }) };
      return what === 'file'
        ? sendProblem(reply, 412, 'precondition_failed', detail, facts)
        : sendProblem(reply, 409, 'conflict', detail, facts);
    }
    case 'problems':
      return sendProblem(reply, 422, 'invalid_zones', 'the zone files have mistakes now', {
        problems: result.problems,
      });
    case 'failed': {
      const code = result.code in PROBLEM_KINDS ? (result.code as ProblemCode) : 'storage_failed';
      return sendProblem(reply, PROBLEM_KINDS[code].status, code, result.message);
    }
    default: {
      const never: never = result;
      return never;
    }
  }
}
