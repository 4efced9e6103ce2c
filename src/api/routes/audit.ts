import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { AuditEntry, AuditLog } from '../../control/audit-log.js';
import { decodeCursor, encodeCursor, LIMIT_DEFAULT, linkNext, PAGE_ANSWER, PAGE_QUERY } from '../page.js';
import { sendProblem } from '../problem.js';

const EntrySchema = Type.Object({
  id: Type.Integer(),
  at: Type.String(),
  request_id: Type.String(),
  who: Type.Union([Type.String(), Type.Null()], {
    description: 'Name of the token; null where nobody is known.',
  }),
  role: Type.Union([Type.String(), Type.Null()]),
  address: Type.String(),
  method: Type.String(),
  path: Type.String(),
  status: Type.Integer(),
  code: Type.Optional(Type.String({ description: 'Of the problem, where it was refused.' })),
  revision: Type.Optional(Type.Integer({ description: 'That it made.' })),
  replayed: Type.Optional(
    Type.Boolean({ description: 'A repetition with the same `Idempotency-Key`: nothing was done.' }),
  ),
  omitted: Type.Optional(
    Type.Integer({
      description: 'Refusals that were left out before this: so many in a minute are written.',
    }),
  ),
  facts: Type.Optional(Type.Object({}, { additionalProperties: true })),
});

const Question = Type.Object(
  {
    who: Type.Optional(Type.String({ maxLength: 63, examples: ['alice'] })),
    outcome: Type.Optional(
      Type.Enum(['done', 'refused'], { description: 'With a status below 400, or not.' }),
    ),
    path: Type.Optional(
      Type.String({ maxLength: 200, description: 'How the path begins.', examples: ['/v1/tokens'] }),
    ),
    ...PAGE_QUERY,
  },
  { additionalProperties: false },
);

/** The audit log, the newest entries first. */
export const auditRoutes: FastifyPluginAsyncTypebox<{ readonly audit: AuditLog }> = async (
  app,
  { audit },
) => {
  const { next } = PAGE_ANSWER;
  const schema = {
    tags: ['tokens'],
    operationId: 'listAudit',
    summary:
      'Every request that changed something, or was refused to: who, what, and how it ended. The newest first.',
    security: [{ token: [] }],
    querystring: Question,
    response: { 200: Type.Object({ entries: Type.Array(EntrySchema), next }), '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/audit', { schema, config: { role: 'admin' } }, async (request, reply) => {
    const { who, outcome, path = '', limit = LIMIT_DEFAULT, cursor } = request.query;
    const before = cursor === undefined ? undefined : beforeOf(cursor);
    if (before === null) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const fits = (entry: AuditEntry) =>
      (who === undefined || entry.who === who) &&
      (outcome === undefined || entry.status < 400 === (outcome === 'done')) &&
      entry.path.startsWith(path);
    // One more than asked for tells whether there is another page.
    const found = await audit.read({ limit: limit + 1, fits, ...(before !== undefined && { before }) });
    const entries = found.slice(0, limit);
    const more = found.length > limit ? encodeCursor([entries.at(-1)?.id ?? 0]) : undefined;
    linkNext(request, reply, more);
    return { entries: entries.map((entry) => ({ ...entry })), ...(more !== undefined && { next: more }) };
  });
};

function beforeOf(cursor: string): number | null {
  const [id, ...rest] = decodeCursor(cursor) ?? [];
  return Number.isSafeInteger(id) && rest.length === 0 ? (id as number) : null;
}
