import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { OrderDone, OrderRefusal } from '../../control/order-outcome.js';
import { EvidenceSchema, RolloutOrderSchema } from '../../control/rollout-schema.js';
import { heldUntil, type Rollouts } from '../../control/rollouts.js';
import type { Steering } from '../../control/steering.js';
import { Reason } from '../../control/steering-schema.js';
import { isLive, percentOf } from '../../core/rollout/plan.js';
import type { Rollout } from '../../core/steering/document.js';
import { sendProblem } from '../problem.js';
import { contextOf, etagOf, refuse } from './steering.js';

export interface RolloutRouteModules {
  readonly steering: Steering;
  readonly rollouts: Rollouts;
}

const strict = { additionalProperties: false } as const;
const common = { tags: ['steering'], security: [{ token: [] }] };
const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };

const IdParam = Type.Object({ id: Type.String({ minLength: 1, maxLength: 63, examples: ['r1'] }) }, strict);

const Entry = Type.Object({
  at: Type.String(),
  event: Type.String({
    description: 'started, advanced, paused, resumed, promoted, rolled_back or aborted',
  }),
  percent: Type.Number({ description: 'What the new pool gets from then on.' }),
  by: Type.String({ description: 'Name of the token, or `rollout` for what happened by itself.' }),
  why: Type.Optional(Type.String()),
  evidence: Type.Optional(EvidenceSchema),
});

const RolloutView = Type.Object({
  id: Type.String(),
  zone: Type.String(),
  from: Type.String(),
  to: Type.String(),
  state: Type.String({
    description: 'running, waiting_for_volume, paused, promoted, rolled_back or aborted',
  }),
  percent: Type.Number({ description: 'What part of the clients of the old pool the new one gets.' }),
  step: Type.Integer({ description: 'Which of the steps, from 0.' }),
  step_at: Type.String({ description: 'When it began.' }),
  held_until: Type.Optional(Type.String({ description: 'When the step may end, if nothing holds it.' })),
  why: Type.Optional(Type.String({ description: 'Why it does not go on, or why it ended.' })),
  steps: Type.Array(Type.Object({ percent: Type.Number(), seconds: Type.Number() })),
  analysis: Type.Object({
    min_requests: Type.Integer(),
    window_seconds: Type.Number(),
    error_increase: Type.Number(),
    latency_ratio: Type.Number(),
    min_healthy: Type.Number(),
  }),
  on_failure: Type.String(),
  evidence: Type.Optional(EvidenceSchema),
  baseline: Type.Optional(Type.Object({ error_rate: Type.Number(), p99_ms: Type.Optional(Type.Number()) })),
  by: Type.String(),
  at: Type.String(),
  reason: Type.Optional(Type.String()),
  next: Type.Optional(Type.String({ description: 'What is left for somebody to do.' })),
  history: Type.Array(Entry, { description: 'Oldest first, at most 50.' }),
});

const Done = Type.Object({
  revision: Type.Integer({ description: 'The number of the revision that holds it.' }),
  changed: Type.Boolean({ description: 'False where everything was so already.' }),
  id: Type.String(),
  rollout: Type.Optional(RolloutView),
});

const Preconditions = Type.Object(
  {
    'if-match': Type.Optional(
      Type.String({
        maxLength: 1024,
        description: 'The ETag of the steering document that this is based on.',
        examples: ['"s7"'],
      }),
    ),
  },
  { additionalProperties: true },
);

const SUMMARIES = {
  promote: 'Gives the new pool everything now; it keeps it until the zone file says so itself.',
  pause: 'Stays where it is, and judges nothing.',
  resume: 'Goes on; the step begins anew.',
  abort: 'Gives the old pool everything again, also after it was promoted.',
} as const;

/** Canary and blue-green between two pools of a zone. */
export const rolloutRoutes: FastifyPluginAsyncTypebox<RolloutRouteModules> = async (
  app,
  { steering, rollouts },
) => {
  const start = {
    ...common,
    operationId: 'startRollout',
    summary:
      'Lets the clients of a pool go over to another one by steps, with an eye on errors, latency and health.',
    headers: Preconditions,
    body: RolloutOrderSchema,
    response: { 201: Done, ...problems },
  };
  app.post(
    '/v1/steering/rollouts',
    { schema: start, config: { role: 'operate' } },
    async (request, reply) => {
      const done = await rollouts.start(request.body, contextOf(request));
      if (done.code === 'done') {
        void reply.code(201).header('location', `/v1/steering/rollouts/${encodeURIComponent(done.id)}`);
      }
      return answer(reply, done);
    },
  );

  const list = {
    ...common,
    operationId: 'listRollouts',
    summary: 'All rollouts, those that run first, else the newest first; at most 100.',
    response: { 200: Type.Object({ rollouts: Type.Array(RolloutView) }), '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/steering/rollouts', { schema: list, config: { role: 'read' } }, (_request, reply) => {
    void reply.header('etag', etagOf(steering.revision));
    return { rollouts: rollouts.list().map(([id, rollout]) => view(id, rollout)) };
  });

  const show = {
    ...common,
    operationId: 'getRollout',
    summary: 'One rollout, with every step and the figures it was decided on.',
    params: IdParam,
    response: { 200: RolloutView, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/steering/rollouts/:id', { schema: show, config: { role: 'read' } }, (request, reply) => {
    const { id } = request.params;
    const rollout = rollouts.get(id);
    if (!rollout) return sendProblem(reply, 404, 'not_steered', `there is no rollout ${id}`);
    void reply.header('etag', etagOf(steering.revision));
    return reply.send(view(id, rollout));
  });

  for (const command of ['promote', 'pause', 'resume', 'abort'] as const) {
    const schema = {
      ...common,
      operationId: `${command}Rollout`,
      summary: SUMMARIES[command],
      params: IdParam,
      headers: Preconditions,
      querystring: Type.Object({ reason: Type.Optional(Reason) }, strict),
      response: { 200: Done, ...problems },
    };
    const url = `/v1/steering/rollouts/:id/${command}`;
    app.post(url, { schema, config: { role: 'operate' } }, async (request, reply) => {
      const { id } = request.params;
      return answer(reply, await rollouts.command(id, command, request.query.reason, contextOf(request)));
    });
  }

  const remove = {
    ...common,
    operationId: 'removeRollout',
    summary:
      'Forgets a rollout that has ended. A promoted one has no effect then: let the zone file say it first.',
    params: IdParam,
    headers: Preconditions,
    response: { 200: Done, ...problems },
  };
  app.delete(
    '/v1/steering/rollouts/:id',
    { schema: remove, config: { role: 'operate' } },
    async (request, reply) => answer(reply, await rollouts.remove(request.params.id, contextOf(request))),
  );

  function view(id: string, rollout: Rollout): Static<typeof RolloutView> {
    const { zone, from, to, steps, analysis, on_failure, by, at, reason, step, step_at, baseline, history } =
      rollout;
    const now = rollouts.nowOf(id);
    const last = history.at(-1);
    const why = now.why ?? (rollout.state === 'running' ? undefined : last?.why);
    const { old, new: young, healthy } = now.seen ?? last?.evidence ?? {};
    const evidence = {
      ...(old && { old }),
      ...(young && { new: young }),
      ...(healthy !== undefined && { healthy }),
    };
    return {
      id,
      zone,
      from,
      to,
      state: now.state,
      percent: percentOf(rollout),
      step,
      step_at,
      ...(isLive(rollout) && { held_until: heldUntil(rollout) }),
      ...(why !== undefined && { why }),
      steps: [...steps],
      analysis,
      on_failure,
      ...(Object.keys(evidence).length > 0 && { evidence }),
      ...(baseline && { baseline }),
      by,
      at,
      ...(reason !== undefined && { reason }),
      ...(rollout.state === 'promoted' && { next: edit(id, rollout) }),
      history: [...history],
    };
  }

  function answer(reply: FastifyReply, done: OrderDone | OrderRefusal): FastifyReply {
    void reply.header('etag', etagOf(steering.revision));
    if (done.code !== 'done') return refuse(reply, done);
    const { revision, changed, id } = done;
    const rollout = rollouts.get(id);
    return reply.send({ revision, changed, id, ...(rollout && { rollout: view(id, rollout) }) });
  }
};

/** How to make a promoted rollout last. */
function edit(id: string, { zone, from, to }: Rollout): string {
  return `in the file of ${zone}: let the rules, weights and fallbacks of records and pools that name ${from} name ${to}; then DELETE /v1/steering/rollouts/${id}`;
}
