/** Who would move if steering were changed, before it is. */
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { AskImpact } from '../control/impact-desk.js';
import { steeringDifference } from '../control/revision-difference.js';
import type { Steering } from '../control/steering.js';
import { proposeSteering, type SteeringProposal } from '../control/steering-proposal.js';
import { describeImpact, ImpactSchema } from './plan-schema.js';
import { sendProblem } from './problem.js';
import { PROBLEM_KINDS } from './problem-codes.js';
import { DifferenceSchema } from './revision-schemas.js';
import { etagOf, refuse } from './routes/steering.js';
import type { ProposedSteering } from './steering-proposal-schema.js';

export interface SteeringPlanModules {
  readonly steering: Steering;
  readonly impact: AskImpact;
}

export interface SteeringPlanRequest {
  readonly kind: 'steering';
  readonly proposal: SteeringProposal;
  /** Milliseconds since 1970. */
  readonly atMs?: number;
}

/** What `POST /v1/plan` answers for steering. */
export const SteeringPlanSchema = Type.Object({
  state: Type.Enum(['ready', 'empty'], { description: '`empty`: nothing would change.' }),
  at: Type.String({ description: 'The moment that was looked at.' }),
  etag: Type.String({ description: 'For `If-Match` of the orders.', examples: ['"s7"'] }),
  took_ms: Type.Integer({ description: 'Milliseconds that it took to make.' }),
  steering: DifferenceSchema.properties.steering,
  impact: ImpactSchema,
});

/** What is asked for, or the mistake in that. */
export function steeringRequestOf({
  document,
  forces,
  dials,
  maintenance,
  at,
}: ProposedSteering): SteeringPlanRequest | { readonly path: string; readonly message: string } {
  const hasOrders = forces !== undefined || dials !== undefined || maintenance !== undefined;
  if ((document !== undefined) === hasOrders) {
    const message = 'needs either document, or some of forces, dials and maintenance';
    return { path: 'body.steering', message };
  }
  const atMs = at === undefined ? undefined : Date.parse(at);
  if (Number.isNaN(atMs)) return { path: 'body.steering.at', message: 'no date of the calendar' };
  const proposal = {
    ...(document && { document }),
    ...(forces && { forces }),
    ...(dials && { dials }),
    ...(maintenance && { maintenance }),
  };
  return { kind: 'steering', proposal, ...(atMs !== undefined && { atMs }) };
}

/** Answers a plan of steering, in the name of `author`. */
export async function planSteering(
  { proposal, atMs }: SteeringPlanRequest,
  author: string,
  { steering, impact: ask }: SteeringPlanModules,
  reply: FastifyReply,
) {
  const proposed = proposeSteering(steering, proposal, author);
  if ('code' in proposed) return refuse(reply, proposed);
  const { before, after, revision } = proposed;
  const at = atMs ?? steering.nowMs;
  const changes = steeringDifference(before, after);
  const impact = await ask({ files: [], steering: { before, after, atMs: at } });
  if ('code' in impact) {
    const code = impact.code === 'plan_busy' ? 'busy' : 'plan_failed';
    return sendProblem(reply, PROBLEM_KINDS[code].status, code, impact.message);
  }
  return {
    state: changes.length > 0 ? ('ready' as const) : ('empty' as const),
    at: new Date(at).toISOString(),
    etag: etagOf(revision),
    took_ms: impact.tookMs,
    steering: [...changes],
    impact: describeImpact(impact),
  };
}
