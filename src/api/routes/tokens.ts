import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import type { TokenBook, TokenFacts, TokenRefusal } from '../../control/token-book.js';
import { Duration, parseDuration } from '../../sources/duration.js';
import { ROLES, TokenExpiry, TokenName, TokenZones } from '../../sources/token-file.js';
import type { Caller } from '../auth.js';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import { sendProblem } from '../problem.js';
import { PROBLEM_KINDS } from '../problem-codes.js';

const EXPIRES_MS_MAX = 100 * 365 * 86_400_000;
const strict = { additionalProperties: false } as const;

const RoleSchema = Type.Enum([...ROLES], { description: 'What the token may do.' });

const TokenSchema = Type.Object({
  name: Type.String(),
  role: RoleSchema,
  state: Type.Enum(['valid', 'expired', 'revoked']),
  source: Type.Enum(['file', 'node', 'api'], {
    description: '`file`: the token file; `node`: made at the first start; `api`: made here.',
  }),
  fingerprint: Type.String({ description: 'The first 12 digits of its SHA-256.' }),
  node: Type.Optional(Type.String({ description: 'The only node that it reports for.' })),
  zones: Type.Optional(Type.Array(Type.String(), { description: 'The only zones that it may change.' })),
  created: Type.Optional(Type.String()),
  by: Type.Optional(Type.String({ description: 'The token that made it.' })),
  expires: Type.Optional(Type.String()),
  last_used: Type.Optional(Type.String({ description: 'To the minute.' })),
});

const TokenList = Type.Object({ tokens: Type.Array(TokenSchema), ...PAGE_ANSWER });

const MadeToken = Type.Object({
  ...TokenSchema.properties,
  token: Type.String({ description: 'The token. It is shown this once, and kept nowhere.' }),
});

const NewToken = Type.Object(
  {
    name: TokenName,
    role: RoleSchema,
    expires: Type.Optional(
      Type.Union([TokenExpiry, ...Duration.anyOf], {
        title: 'a date, a time such as 2030-01-31T12:00:00Z, or a duration such as 90d',
        description: 'When it runs out; never where absent.',
      }),
    ),
    node: Type.Optional(
      Type.Unsafe<string>({
        ...TokenName,
        description: 'Role `report`: the node that it reports for; its own name where absent.',
      }),
    ),
    zones: Type.Optional(
      Type.Unsafe<string[]>({
        ...TokenZones,
        description: 'Role `zones`: the only zones that it may change.',
      }),
    ),
  },
  strict,
);

const Whoami = Type.Object({
  name: Type.String(),
  role: RoleSchema,
  node: Type.Optional(Type.String()),
  zones: Type.Optional(Type.Array(Type.String())),
  expires: Type.Optional(Type.String()),
});

export interface TokenRouteModules {
  readonly tokens: TokenBook;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const common = { tags: ['tokens'], security: [{ token: [] }] };

/** Makes, lists and revokes tokens. */
export const tokenRoutes: FastifyPluginAsyncTypebox<TokenRouteModules> = async (app, { tokens, now }) => {
  const list = {
    ...common,
    operationId: 'listTokens',
    summary: 'All tokens: whose, what they may do, until when, and when they were used last.',
    querystring: Type.Object(
      {
        role: Type.Optional(RoleSchema),
        state: Type.Optional(Type.Enum(['valid', 'expired', 'revoked'])),
        source: Type.Optional(Type.Enum(['file', 'node', 'api'])),
        ...PAGE_QUERY,
      },
      strict,
    ),
    response: { 200: TokenList, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/tokens', { schema: list, config: { role: 'admin' } }, (request, reply) => {
    const { role, state, source } = request.query;
    const fits = (token: TokenFacts) =>
      (role ?? token.role) === token.role &&
      (state ?? token.state) === token.state &&
      (source ?? token.source) === token.source;
    const page = pageOf(tokens.list().filter(fits), ({ fingerprint }) => fingerprint, request.query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    linkNext(request, reply, page.next);
    const { total, next } = page;
    return { tokens: page.items.map(describe), total, ...(next !== undefined && { next }) };
  });

  const create = {
    ...common,
    operationId: 'createToken',
    summary: 'Makes a token. The answer shows it; it is shown this once.',
    body: NewToken,
    response: { 201: MadeToken, '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') },
  };
  app.post(
    '/v1/tokens',
    { schema: create, config: { role: 'admin', secret: true } },
    async (request, reply) => {
      const { name, role, expires, node, zones } = request.body;
      const nowMs = now();
      const expiresMs = expires === undefined ? undefined : timeOf(expires, nowMs);
      const mistake = mistakeOf(request.body, expiresMs, nowMs);
      if (mistake) {
        return sendProblem(reply, 400, 'invalid_request', `${mistake.path}: ${mistake.message}`, {
          problems: [mistake],
        });
      }
      const draft = {
        name,
        role,
        ...(node !== undefined && { node }),
        ...(zones && { zones }),
        ...(expiresMs !== undefined && { expiresMs }),
      };
      const made = await tokens.create(draft, request.caller as Caller);
      if ('code' in made) return refuse(reply, made);
      request.auditFacts = { name, role, fingerprint: made.facts.fingerprint };
      void reply.code(201).header('cache-control', 'no-store');
      return { ...describe(made.facts), token: made.secret };
    },
  );

  const revoke = {
    ...common,
    operationId: 'revokeToken',
    summary: 'Revokes the token of a name, at once and for ever.',
    params: Type.Object({ name: TokenName }, strict),
    querystring: Type.Object(
      { force: Type.Optional(Type.Boolean({ description: 'Even the last token of the role admin.' })) },
      strict,
    ),
    response: {
      200: Type.Object({
        name: Type.String(),
        revoked: Type.Integer({ description: 'How many had the name.' }),
      }),
      '4xx': Type.Ref('Problem'),
      '5xx': Type.Ref('Problem'),
    },
  };
  app.delete('/v1/tokens/:name', { schema: revoke, config: { role: 'admin' } }, async (request, reply) => {
    const { name } = request.params;
    const by = request.caller as Caller;
    const done = await tokens.revoke(name, { by, force: request.query.force ?? false });
    return 'code' in done ? refuse(reply, done) : { name, ...done };
  });

  const whoami = {
    ...common,
    operationId: 'whoami',
    summary: 'The token that asks: its name, and what it may do.',
    response: { 200: Whoami, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/whoami', { schema: whoami, config: { role: 'read' } }, ({ caller }) => {
    const { name, role, node, zones, expiresMs } = caller as Caller;
    return {
      name,
      role,
      ...(node !== undefined && { node }),
      ...(zones && { zones: [...zones] }),
      ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
    };
  });
};

function refuse(reply: Parameters<typeof sendProblem>[0], { code, message }: TokenRefusal) {
  return sendProblem(reply, PROBLEM_KINDS[code].status, code, message);
}

/** Milliseconds since 1970; NaN for a day that no calendar has. */
function timeOf(expires: string | number, nowMs: number): number {
  const durationMs = parseDuration(expires);
  return durationMs === undefined ? Date.parse(String(expires)) : nowMs + durationMs;
}

function mistakeOf(
  { role, node, zones }: Static<typeof NewToken>,
  expiresMs: number | undefined,
  nowMs: number,
) {
  if (node !== undefined && role !== 'report')
    return { path: 'body.node', message: 'is for the role report only' };
  if (zones && role !== 'zones') return { path: 'body.zones', message: 'is for the role zones only' };
  if (expiresMs === undefined) return undefined;
  const isTime = expiresMs > nowMs && expiresMs < nowMs + EXPIRES_MS_MAX;
  return isTime ? undefined : { path: 'body.expires', message: 'must be in the next 100 years' };
}

function describe({
  name,
  role,
  state,
  source,
  fingerprint,
  node,
  zones,
  created,
  by,
  expires,
  lastUsed,
}: TokenFacts) {
  return {
    name,
    role,
    state,
    source,
    fingerprint,
    ...(node !== undefined && { node }),
    ...(zones && { zones: [...zones] }),
    ...(created !== undefined && { created }),
    ...(by !== undefined && { by }),
    ...(expires !== undefined && { expires }),
    ...(lastUsed !== undefined && { last_used: lastUsed }),
  };
}
