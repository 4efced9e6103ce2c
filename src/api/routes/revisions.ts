import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { AskImpact, ImpactSides } from '../../control/impact-desk.js';
import { steeringDifference } from '../../control/revision-difference.js';
import type { RevisionBook } from '../../control/revisions.js';
import {
  isRefused,
  planRollback,
  type RollbackModules,
  type RollbackPart,
  type RollbackPlan,
  type RollbackRefusal,
  rollBack,
  steeringAt,
  unknownRevision,
} from '../../control/rollback.js';
import type { WriteResult } from '../../control/zone-write.js';
import { type Caller, mayChange } from '../auth.js';
import { MESSAGE_TEXT } from '../message-schema.js';
import { decodeCursor, encodeCursor, linkNext, PAGE_ANSWER, PAGE_QUERY } from '../page.js';
import { describeImpact, ImpactSchema } from '../plan-schema.js';
import { parseEtags } from '../preconditions.js';
import { sendProblem } from '../problem.js';
import { PROBLEM_KINDS, type ProblemCode } from '../problem-codes.js';
import {
  DifferenceSchema,
  differenceBody,
  KindSchema,
  REVISION_ID_MAX,
  RevisionId,
  RevisionSchema,
  revisionBody,
} from '../revision-schemas.js';

export interface HistoryModules extends RollbackModules {
  /** Who gets another answer on one side than on the other; absent: that is not told. */
  readonly impact?: AskImpact;
}

const strict = { additionalProperties: false } as const;
const common = { tags: ['history'], security: [{ token: [] }] };
const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };
const Params = Type.Object({ id: RevisionId }, strict);
const FILES_MAX = 10_000;

/** The history: list, show, compare, roll back. */
export const revisionRoutes: FastifyPluginAsyncTypebox<HistoryModules> = async (app, modules) => {
  const { book, desk } = modules;
  const noRevision = (reply: FastifyReply, id: number) =>
    sendProblem(reply, 404, 'not_found', unknownRevision(book, id), { oldest: book.oldest, head: book.head });

  const list = {
    ...common,
    operationId: 'listRevisions',
    summary: 'Changes of zones and steering, newest first. The ETag is what a rollback names in If-Match.',
    querystring: Type.Object(
      {
        before: Type.Optional(
          Type.Integer({ minimum: 1, maximum: REVISION_ID_MAX, description: 'Only older ones than this.' }),
        ),
        ...PAGE_QUERY,
        kind: Type.Optional(KindSchema),
        author: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
        zone: Type.Optional(
          Type.String({ minLength: 1, maxLength: 256, description: 'Only changes of this zone.' }),
        ),
      },
      strict,
    ),
    response: {
      200: Type.Object({
        head: Type.Integer({ description: 'The newest; 0 where there is none.' }),
        oldest: Type.Integer({ description: 'The oldest that is kept.' }),
        revisions: Type.Array(RevisionSchema),
        ...PAGE_ANSWER,
      }),
      ...problems,
    },
  };
  app.get('/v1/revisions', { schema: list, config: { role: 'read' } }, (request, reply) => {
    const { cursor, before: given, ...query } = request.query;
    const at = cursor === undefined ? undefined : revisionOf(cursor);
    if (at === null) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const before = Math.min(at ?? REVISION_ID_MAX, given ?? REVISION_ID_MAX);
    const { revisions, total, next: last } = book.list({ ...query, before });
    const next = last === undefined ? undefined : encodeCursor([last]);
    void reply.header('etag', etagOf(book.head));
    linkNext(request, reply, next);
    const { head, oldest } = book;
    const page = { head, oldest, revisions: revisions.map((revision) => revisionBody(revision)), total };
    return next === undefined ? page : { ...page, next };
  });

  const show = {
    ...common,
    operationId: 'showRevision',
    summary: 'One change: who, when, why, and which files.',
    params: Params,
    response: { 200: RevisionSchema, ...problems },
  };
  app.get('/v1/revisions/:id', { schema: show, config: { role: 'read' } }, ({ params }, reply) => {
    const revision = book.get(params.id);
    return revision ? revisionBody(revision, FILES_MAX) : noRevision(reply, params.id);
  });

  const file = {
    ...common,
    operationId: 'showRevisionFile',
    summary: 'The text of a zone file as it was after a revision.',
    params: Params,
    querystring: Type.Object(
      { path: Type.String({ minLength: 1, maxLength: 1024, description: 'In the zone folder.' }) },
      strict,
    ),
    produces: ['text/plain'],
    response: { 200: Type.String(), ...problems },
  };
  app.get('/v1/revisions/:id/file', { schema: file, config: { role: 'read' } }, (request, reply) => {
    const { id } = request.params;
    const { path } = request.query;
    if (!book.get(id)) return noRevision(reply, id);
    const text = book.textAt(id, path);
    if (text === null) {
      return sendProblem(reply, 404, 'not_found', `there was no file ${path} at revision ${id}`);
    }
    if (text === undefined) {
      const detail = `the history does not hold ${path}: it is too large, or not UTF-8`;
      return sendProblem(reply, 409, 'not_kept', detail, { files: [path] });
    }
    if (typeof text === 'object') return refuse(reply, text);
    return reply.type('text/plain; charset=utf-8').send(text);
  });

  const diff = {
    ...common,
    operationId: 'compareRevisions',
    summary: 'What a revision changed, record by record; or with `to`, the way from it to another one.',
    params: Params,
    description:
      '`impact`: also which clients get another answer, with health as it is now. Where steering differs, what of both documents counted at the newer revision is compared, with ramps at their end; else both sides are steered as now.',
    querystring: Type.Object(
      {
        to: Type.Optional(RevisionId),
        impact: Type.Optional(
          Type.Boolean({ description: 'Also who gets another answer. False where absent.' }),
        ),
      },
      strict,
    ),
    response: {
      200: Type.Object({
        ...DifferenceSchema.properties,
        impact: Type.Optional(Type.Unsafe<object>(ImpactSchema)),
      }),
      ...problems,
    },
  };
  app.get('/v1/revisions/:id/diff', { schema: diff, config: { role: 'read' } }, async (request, reply) => {
    const { id } = request.params;
    const shown = book.get(id);
    if (!shown) return noRevision(reply, id);
    const { to: other } = request.query;
    const [from, to] = other === undefined ? [shown.parent, id] : [id, other];
    if (!book.get(to)) return noRevision(reply, to);
    const files = book.filesBetween(from, to) ?? [];
    if ('code' in files) return refuse(reply, files);
    const difference = await desk.compare(files);
    if ('code' in difference) return refuse(reply, difference);
    const [before, after] = [steeringAt(book, from), steeringAt(book, to)];
    if ('code' in before) return refuse(reply, before);
    if ('code' in after) return refuse(reply, after);
    const steering = steeringDifference(before.document, after.document);
    const body = differenceBody(from, to, difference, steering);
    if (request.query.impact !== true) return body;
    if (!modules.impact) return sendProblem(reply, 409, 'unsupported', 'this node can not tell the impact');
    const newer = book.get(Math.max(from, to));
    const atMs = newer ? Date.parse(newer.at) : Date.now();
    const sides = { before: before.document, after: after.document, atMs };
    const impact = await modules.impact({ files, ...(steering.length > 0 && { steering: sides }) });
    if (!('code' in impact)) return { ...body, impact: describeImpact(impact) };
    const code = impact.code === 'plan_busy' ? 'busy' : 'plan_failed';
    return sendProblem(reply, PROBLEM_KINDS[code].status, code, impact.message);
  });

  const rollback = {
    ...common,
    operationId: 'rollBack',
    summary: 'Goes back to how things were after a revision, by a new revision.',
    description:
      'Takes the role `zones` for zones, `operate` for steering, `admin` for `all`. `dry_run` changes nothing and needs no If-Match.',
    params: Params,
    querystring: Type.Object(
      {
        what: Type.Optional(
          Type.Enum(['zones', 'steering', 'all'], { default: 'zones', description: '`zones` where absent.' }),
        ),
        dry_run: Type.Optional(Type.Boolean({ description: 'Only tell what would change.' })),
        message: Type.Optional(
          Type.String({ ...MESSAGE_TEXT, maxLength: 2000, description: 'Why, for the history.' }),
        ),
      },
      strict,
    ),
    headers: Type.Object({
      'if-match': Type.Optional(
        Type.String({
          maxLength: 200,
          description: 'ETag of `GET /v1/revisions` as you saw it, or `*`.',
          examples: ['"r12"'],
        }),
      ),
    }),
    response: {
      200: Type.Object({
        ...DifferenceSchema.properties,
        dry_run: Type.Boolean(),
        revisions: Type.Array(RevisionId, { description: 'That were made.' }),
        published: Type.Optional(
          Type.Boolean({ description: 'False: zones are on the disk, and not answered from yet.' }),
        ),
        impact: Type.Optional(Type.Unsafe<object>(ImpactSchema)),
      }),
      ...problems,
    },
  };
  const config = { role: 'zones', alsoRoles: ['operate'], checksZones: true } as const;
  app.post('/v1/revisions/:id/rollback', { schema: rollback, config }, async (request, reply) => {
    const { what = 'zones', dry_run: isDry = false, message = '' } = request.query;
    const caller = request.caller as Caller;
    const missing = missingRole(caller, what);
    if (missing !== undefined) return sendProblem(reply, 403, 'forbidden', missing);
    const refused = isDry ? undefined : refuseIfMatch(reply, request.headers['if-match'], book.head);
    if (refused) return refused;
    const plan = await planRollback(request.params.id, what, modules);
    if (isRefused(plan)) {
      return plan.code === 'unknown_revision' ? noRevision(reply, request.params.id) : refuse(reply, plan);
    }
    const foreign = plan.files
      .flatMap(({ zone = '', zoneBefore = zone, path }) => [zone, zoneBefore].map((name) => ({ name, path })))
      .find(({ name }) => !mayChange(caller, name));
    if (foreign) {
      const detail = `the token ${caller.name} may not change ${foreign.name || foreign.path}`;
      return sendProblem(reply, 403, 'forbidden', detail);
    }
    const difference = differenceBody(plan.head, plan.to, plan.difference, plan.steering);
    const body = { ...difference, dry_run: isDry, revisions: [] };
    if (isDry) {
      void reply.header('etag', etagOf(plan.head));
      const impact = await modules.impact?.(sidesOf(plan, book));
      return impact && !('code' in impact) ? { ...body, impact: describeImpact(impact) } : body;
    }
    const done = await rollBack(plan, { author: caller.name, message }, modules);
    if (isRefused(done)) return refuse(reply, done);
    void reply.header('etag', etagOf(book.head));
    const revisions = [done.zones?.revision, done.steering?.revision].flatMap((id) => id ?? []);
    return { ...body, revisions, ...(done.zones && { published: done.zones.published }) };
  });
};

/** What a rollback goes from and to, at present. */
function sidesOf({ files, steering, head, document }: RollbackPlan, book: RevisionBook): ImpactSides {
  if (steering.length === 0) return { files };
  const now = steeringAt(book, head);
  if ('code' in now) return { files };
  return { files, steering: { before: now.document, after: document, atMs: Date.now() } };
}

/** The revision that a page ended with; null for a cursor that is none. */
function revisionOf(cursor: string): number | null {
  const [id, ...rest] = decodeCursor(cursor) ?? [];
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 && rest.length === 0 ? id : null;
}

/** The strong ETag of the whole history: its newest revision. */
export function etagOf(head: number): string {
  return `"r${head}"`;
}

function missingRole({ role }: Caller, what: RollbackPart): string | undefined {
  const takes = what === 'zones' ? 'zones' : what === 'steering' ? 'operate' : 'admin';
  return role === 'admin' || role === takes
    ? undefined
    : `the role ${role} may not roll back ${what}; it takes ${takes}`;
}

function refuseIfMatch(reply: FastifyReply, given: string | undefined, head: number) {
  if (given === undefined) {
    const detail = `If-Match is missing: send the ETag of GET /v1/revisions as you saw it, now ${etagOf(head)}`;
    return sendProblem(reply, 428, 'precondition_required', detail, { head });
  }
  const tags = parseEtags(given) ?? [];
  if (tags === '*' || tags.includes(etagOf(head))) return undefined;
  const detail = `the newest revision is ${head}, and If-Match says ${given}`;
  void reply.header('etag', etagOf(head));
  return sendProblem(reply, 412, 'precondition_failed', detail, {
    expected: given,
    actual: etagOf(head),
    head,
  });
}

function refuse(reply: FastifyReply, refusal: RollbackRefusal): FastifyReply {
  const { code, detail, ...facts } = refusal;
  if ('result' in facts) return refuseWrite(reply, facts.result);
  const known = codeOf(code);
  return sendProblem(reply, PROBLEM_KINDS[known].status, known, detail, facts);
}

function codeOf(code: RollbackRefusal['code']): ProblemCode {
  switch (code) {
    case 'unknown_revision':
      return 'not_found';
    case 'storage_io':
    case 'locked':
    case 'newer':
    case 'closed':
    case 'write_refused':
      return 'storage_failed';
    default:
      return code;
  }
}

function refuseWrite(reply: FastifyReply, result: WriteResult): FastifyReply {
  switch (result.outcome) {
    case 'problems':
      return sendProblem(reply, 422, 'invalid_zones', 'the zones as they were have mistakes today', {
        problems: result.problems,
      });
    case 'conflict': {
      const { outcome: _, message, ...facts } = result;
      return sendProblem(reply, 409, 'conflict', message, facts);
    }
    case 'failed': {
      const known = result.code in PROBLEM_KINDS ? (result.code as ProblemCode) : 'storage_failed';
      return sendProblem(reply, PROBLEM_KINDS[known].status, known, result.message);
    }
    default:
      return sendProblem(reply, 500, 'internal', 'the server failed; its log says more');
  }
}
