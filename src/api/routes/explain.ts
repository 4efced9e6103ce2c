import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { LOOPBACK } from '../../core/answer/ask.js';
import { SUBJECTS_MAX } from '../../core/census/as-if.js';
import type { Change as ChangeModel } from '../../core/census/changes.js';
import type { Decision as DecisionModel } from '../../core/census/decision.js';
import { typeName } from '../../core/dns/iana.js';
import { formatName } from '../../core/dns/name.js';
import { formatAddress } from '../../core/dns/rdata/address.js';
import { sendProblem } from '../problem.js';
import { readQuestion } from '../question.js';
import type { ApiModules } from '../server.js';
import { sendUnknownSubject } from '../unknown-subject.js';

const ExplainedRecord = Type.Object({
  name: Type.String(),
  type: Type.String(),
  ttl: Type.Integer(),
  rdata: Type.String(),
});

const Share = Type.Number({ description: '0 to 1.' });
const PoolShare = Type.Object({
  pool: Type.String(),
  region: Type.Optional(Type.String()),
  share: Share,
  reason: Type.Optional(Type.String()),
});

const Decision = Type.Object({
  zone: Type.String(),
  record: Type.String({
    description: 'The dynamic record: the name itself, its wildcard, or what an alias leads to.',
  }),
  type: Type.String(),
  policy: Type.String({ description: '`rules`, `nearest`, `weighted` or `failover`.' }),
  class: Type.Integer({ description: 'The geo class of the client.' }),
  rule: Type.Optional(Type.Integer({ description: 'The rule that matched, from 1.' })),
  file: Type.Optional(Type.String({ description: 'Where the rule stands, with `line`.' })),
  line: Type.Optional(Type.Integer()),
  expected: Type.Object(
    {
      pools: Type.Array(PoolShare),
      answers: Type.Array(
        Type.Object({
          rdata: Type.String(),
          pool: Type.String(),
          share: Type.Number({
            description: 'Of the clients, 0 to 1, where each takes any address of its answer.',
          }),
          presence: Type.Number({ description: 'Of the answers, 0 to 1: how many hold it.' }),
        }),
      ),
      empty: Type.Number({ description: 'Share of answers without an address.' }),
      reason: Type.String({
        description: '`first`, `fallback`, `failed_open`, `failed_closed` or `no_pool`: of most answers.',
      }),
    },
    { description: 'What all clients that share the decision get, in exact shares.' },
  ),
  ttl_why: Type.String(),
  scope_why: Type.String(),
});

const Change = Type.Object({
  kind: Type.String({
    description: '`pool_down`, `endpoints_down`, `pool_up`, `dial`, `rollout`, `forced` or `client`.',
  }),
  text: Type.String(),
  pool: Type.Optional(Type.String()),
  rule: Type.Optional(Type.Integer({ description: 'From 1.' })),
  pools: Type.Optional(Type.Array(PoolShare, { description: 'Which pools would answer then.' })),
});

const Explanation = Type.Object({
  name: Type.String(),
  type: Type.String(),
  client: Type.String(),
  location: Type.Object({
    continent: Type.Optional(Type.String()),
    country: Type.Optional(Type.String()),
    subdivision: Type.Optional(Type.String()),
    asn: Type.Optional(Type.Integer()),
  }),
  rcode: Type.String(),
  authoritative: Type.Boolean(),
  ttl: Type.Optional(Type.Integer({ description: 'The smallest of the answer.' })),
  scope: Type.Optional(Type.Integer({ description: 'ECS scope prefix length of the answer (RFC 7871).' })),
  answers: Type.Array(ExplainedRecord),
  authorities: Type.Array(ExplainedRecord),
  steps: Type.Array(
    Type.Object({ step: Type.String(), text: Type.String() }, { additionalProperties: true }),
  ),
  as_if: Type.Optional(
    Type.Object(
      { down: Type.Array(Type.String()), up: Type.Array(Type.String()) },
      { description: 'What is supposed; absent where everything is as it is.' },
    ),
  ),
  decision: Type.Optional(Decision),
  would_change: Type.Array(Change, { description: 'What would change this answer.' }),
});

const DEFAULT_TYPE = 'A';

const Subjects = (what: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      description: `As if these were ${what}, with commas between: \`region:NAME\`, \`pool:NAME\`, \`endpoint:ADDRESS\`, or a name alone for whatever is called so.`,
      examples: ['region:eu', 'eu,us', '192.0.2.1'],
    }),
  );

const Query = Type.Object(
  {
    name: Type.String({ maxLength: 1024, examples: ['www.demo.test'] }),
    type: Type.Optional(Type.String({ maxLength: 16, default: DEFAULT_TYPE, examples: ['A', 'AAAA'] })),
    subnet: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Client prefix or address, as in ECS.',
        examples: ['192.0.2.0/24'],
      }),
    ),
    down: Subjects('down'),
    up: Subjects('up'),
  },
  { additionalProperties: false },
);

export const explainRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['answers'],
    summary: 'The answer that a client gets, every step that leads to it, and what would change it.',
    security: [{ token: [] }],
    querystring: Query,
    response: { 200: Explanation, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/explain', { schema, config: { role: 'read' } }, async (request, reply) => {
    const { name: nameText, type: typeText = DEFAULT_TYPE, subnet: subnetText } = request.query;
    const question = readQuestion({ name: nameText, type: typeText, subnet: subnetText });
    if ('code' in question) return sendProblem(reply, 400, question.code, question.detail);
    const { name, type, subnet } = question;
    const asIf = { down: listOf(request.query.down), up: listOf(request.query.up) };
    if (asIf.down.length + asIf.up.length > SUBJECTS_MAX) {
      return sendProblem(
        reply,
        400,
        'invalid_request',
        `down, up: at most ${SUBJECTS_MAX} names are allowed`,
      );
    }
    const seed = Math.floor(Math.random() * 0xffff_ffff);
    const result = control.explainFully({ ...question, source: LOOPBACK, seed }, asIf);
    if ('code' in result) return sendUnknownSubject(reply, result.subject, result.known);
    const client = subnet ? formatAddress(subnet.address) : formatAddress(LOOPBACK);
    const { continent, country, subdivision, asn } = control.locate(client)?.location ?? {};
    const location = { continent, country, subdivision, asn };
    const ttls = result.answers.map(({ ttl }) => ttl);
    const { decision } = result;
    return {
      name: formatName(name),
      type: typeName(type),
      client: subnet ? `${client}/${subnet.sourcePrefix}` : client,
      location: JSON.parse(JSON.stringify(location)) as object,
      rcode: result.rcode,
      authoritative: result.authoritative,
      ...(ttls.length > 0 && { ttl: Math.min(...ttls) }),
      ...(result.scope !== undefined && { scope: result.scope }),
      answers: [...result.answers],
      authorities: [...result.authorities],
      steps: [...result.steps],
      ...(asIf.down.length + asIf.up.length > 0 && { as_if: asIf }),
      ...(decision && { decision: { ...shownDecision(decision), ...(await control.ruleLine(decision)) } }),
      would_change: (decision?.changes ?? []).map(shownChange),
    };
  });
};

function listOf(text: string | undefined): string[] {
  return [...new Set((text ?? '').split(',').map((part) => part.trim()))].filter((part) => part !== '');
}

function shownDecision(decision: DecisionModel): Static<typeof Decision> {
  const { zone, record, type, policy, cls, rule, expected, ttlWhy, scopeWhy } = decision;
  const { empty, reason } = expected;
  return {
    zone,
    record,
    type,
    policy,
    class: cls,
    ...(rule !== undefined && { rule: rule + 1 }),
    expected: { pools: [...expected.pools], answers: [...expected.answers], empty, reason },
    ttl_why: ttlWhy,
    scope_why: scopeWhy,
  };
}

function shownChange({ rule, pools, ...change }: ChangeModel): Static<typeof Change> {
  return { ...change, ...(rule !== undefined && { rule: rule + 1 }), ...(pools && { pools: [...pools] }) };
}
