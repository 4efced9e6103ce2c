import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import type { Static } from 'typebox';
import type { PlannedZones } from '../../control/planned-simulation.js';
import type { Plan } from '../../control/plans.js';
import { InlineSimulator, type SimulationReply, type SimulatorBusy } from '../../control/simulator.js';
import type { AsIf } from '../../core/census/as-if.js';
import type { SimulationProblem, SimulationQuestion, WorldScope } from '../../core/census/simulate.js';
import { typeNumber } from '../../core/dns/iana.js';
import { formatName } from '../../core/dns/name.js';
import { sendProblem } from '../problem.js';
import { type Question, type QuestionError, readName, readQuestion } from '../question.js';
import type { ApiModules } from '../server.js';
import { SimulationAnswer, SimulationBody } from '../simulation-schema.js';
import { sendUnknownSubject } from '../unknown-subject.js';

type Body = Static<typeof SimulationBody>;

const DEFAULT_TYPE = 'A';
const PLACES_DEFAULT = 300;

/** `POST /v1/simulate`: what many clients would get, or the world, perhaps as if something were down or up. */
export const simulateRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, modules) => {
  const { control, plans, simulator = new InlineSimulator() } = modules;
  app.addHook('onClose', () => simulator.close());
  const schema = {
    tags: ['answers'],
    summary:
      'What many clients would get, or what share of the world gets which answer; as if something were down or up.',
    security: [{ token: [] }],
    body: SimulationBody,
    response: { 200: SimulationAnswer, '4xx': { $ref: 'Problem#' }, '5xx': { $ref: 'Problem#' } },
  };
  app.post('/v1/simulate', { schema, config: { role: 'read' } }, async (request, reply) => {
    const { body } = request;
    const question = questionOf(body);
    if ('code' in question) return sendProblem(reply, 400, question.code, question.detail);
    const plan = body.plan === undefined ? undefined : plans?.get(body.plan);
    if (body.plan !== undefined && !plan) {
      return sendProblem(reply, 404, 'not_found', `plan: there is no plan ${body.plan}, or not any more`);
    }
    if (plan && plan.state !== 'ready') {
      return sendProblem(
        reply,
        400,
        'invalid_request',
        `plan: ${plan.id} is ${plan.state}: there is nothing to suppose`,
      );
    }
    const planned = plan && { planned: plannedBy(plan, control.health) };
    const { base, release } = control.holdBase();
    const result = await simulator.run({ ...base, ...planned }, question).finally(release);
    if ('code' in result) return sendRefusal(reply, body, result);
    const { down = [], up = [] } = body;
    return { ...shown(body, result), down, up };
  });
};

function plannedBy({ id, findings }: Plan, health: ApiModules['control']['health']): PlannedZones {
  const removed = findings.zones.flatMap(({ kind, zone }) => (kind === 'removed' ? [zone] : []));
  const slots = new Map([...health.targets.keys()].map((key) => [key, health.slotOf(key)]));
  return { id, files: findings.files, removed, slots };
}

interface BadBody {
  readonly code: QuestionError['code'] | 'invalid_request';
  readonly detail: string;
}

function questionOf(body: Body): SimulationQuestion | BadBody {
  const asIf: AsIf = { down: body.down ?? [], up: body.up ?? [] };
  const asked = [body.clients, body.name, body.zone].filter((part) => part !== undefined);
  if (asked.length !== 1) {
    return { code: 'invalid_request', detail: 'body: give one of clients, name and zone' };
  }
  if (body.clients) {
    const seed = body.seed ?? Math.floor(Math.random() * 0xffff_ffff) + 1;
    const nowSeconds = Math.floor(Date.now() / 1000);
    const clients: Question[] = [];
    for (const [i, { name, type = body.type ?? DEFAULT_TYPE, subnet }] of body.clients.entries()) {
      const client = readQuestion({ name, type, subnet });
      if ('code' in client) return { code: client.code, detail: `clients[${i}].${client.detail}` };
      clients.push(client);
    }
    return { kind: 'clients', clients, asIf, seed, nowSeconds };
  }
  const scope = scopeOf(body);
  if ('code' in scope) return scope;
  const { by = 'country', family, places: placesMax = PLACES_DEFAULT } = body;
  return { kind: 'world', scope, by, families: family ? [family] : [4, 6], placesMax, asIf };
}

function scopeOf({ name, zone, type }: Body): WorldScope | BadBody {
  if (name !== undefined) return readQuestion({ name, type: type ?? DEFAULT_TYPE });
  const number = type === undefined ? undefined : typeNumber(type);
  if (type !== undefined && number === undefined) {
    return { code: 'invalid_type', detail: `type: ${type} is no RR type; use A, AAAA, … or TYPE123` };
  }
  const origin = readName(zone!);
  if ('code' in origin) return { code: origin.code, detail: origin.detail.replace(/^name/, 'zone') };
  return { zone: formatName(origin).toLowerCase(), ...(number !== undefined && { type: number }) };
}

function shown(
  body: Body,
  result: Exclude<SimulationReply, { readonly code: string }>,
): Omit<Static<typeof SimulationAnswer>, 'down' | 'up'> {
  if (result.kind === 'world') {
    const { kind, records, families } = result;
    return { kind, by: body.by ?? 'country', records, families };
  }
  const clients = body.clients ?? [];
  const answers = result.answers.map((answer, i) => {
    const { name, type = body.type ?? DEFAULT_TYPE, subnet } = clients[i]!;
    return { name, type, ...(subnet !== undefined && { subnet }), ...answer };
  });
  return { kind: result.kind, answers };
}

function sendRefusal(
  reply: FastifyReply,
  { name, zone, type = DEFAULT_TYPE }: Body,
  problem: SimulationProblem | SimulatorBusy,
): FastifyReply {
  switch (problem.code) {
    case 'unknown_subject':
      return sendUnknownSubject(reply, problem.subject, problem.known);
    case 'unknown_zone':
      return sendProblem(reply, 404, 'not_found', `zone: this server has no zone ${zone}`);
    case 'unknown_name':
      return sendProblem(reply, 404, 'not_found', `name: no zone of this server has ${name}`);
    case 'static':
      return sendProblem(
        reply,
        422,
        'static_answer',
        name === undefined
          ? `zone: ${zone} has no dynamic records${type === DEFAULT_TYPE ? '' : ` of type ${type}`}: every client gets the same`
          : `name: ${name} ${type} is not dynamic: every client gets the same; GET /v1/explain shows it`,
      );
    case 'too_many_records':
      return sendProblem(
        reply,
        422,
        'too_many_records',
        'zone: has more than 10000 dynamic records; ask for names',
      );
    case 'busy':
      return sendProblem(reply, 503, 'busy', `${problem.message}; ask again in a second`);
    case 'failed':
      reply.log.error({ error: problem.message }, 'a simulation failed');
      return sendProblem(reply, 503, 'simulation_failed', problem.message);
    default: {
      const never: never = problem;
      return never;
    }
  }
}
