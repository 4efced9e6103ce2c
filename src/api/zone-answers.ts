/** What reading or changing a zone gives, as answers of the API. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { EditedZone, EditProblems, RefusedEdit } from '../control/zone-editor.js';
import type { FailedWrite, WriteConflict, WriteFailure } from '../control/zone-write.js';
import { MESSAGE_TEXT } from './message-schema.js';
import { readPrecondition } from './preconditions.js';
import { sendProblem } from './problem.js';
import type { ProblemCode } from './problem-codes.js';

export const MESSAGE_CHARS_MAX = 2000;
/** Changes that one answer tells. */
const CHANGES_MAX = 1000;
const PROBLEMS_MAX = 100;
const strict = { additionalProperties: false } as const;

export const WRITE_QUERY = {
  message: Type.Optional(
    Type.String({
      maxLength: MESSAGE_CHARS_MAX,
      ...MESSAGE_TEXT,
      description: 'Why, for the history. The header `Meridian-Message` says the same.',
      examples: ['more capacity in Dublin'],
    }),
  ),
  dry_run: Type.Optional(
    Type.Boolean({ description: 'Check it, say what would change, and change nothing.', examples: [true] }),
  ),
};
export const WriteQuery = Type.Object(WRITE_QUERY, strict);

/** For the description; `readPrecondition` looks at them. */
export const WriteHeaders = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'ETag of the zone, or `*`.', examples: ['"0123456789abcdef"'] }),
  ),
  'if-none-match': Type.Optional(Type.String({ description: '`*`: for a new zone.', examples: ['*'] })),
  'meridian-message': Type.Optional(Type.String({ ...MESSAGE_TEXT, description: 'Why, for the history.' })),
});

const Change = Type.Object({
  kind: Type.Enum(['added', 'removed', 'changed']),
  what: Type.String({
    description: '`record`, `pool`, `monitor`, `region`, `soa` or `rate_limit`.',
    examples: ['record'],
  }),
  name: Type.String(),
  type: Type.Optional(Type.String({ description: 'Of a record.', examples: ['A'] })),
  before: Type.Array(Type.String(), { description: 'What was and is no longer.' }),
  after: Type.Array(Type.String(), { description: 'What is and was not.' }),
});

export const WrittenZone = Type.Object({
  zone: Type.String(),
  file: Type.String({ description: 'In the zone folder.' }),
  etag: Type.Union([Type.String(), Type.Null()], { description: 'Null where the zone is gone.' }),
  revision: Type.Optional(Type.Integer({ description: 'Absent where the file says the same as before.' })),
  published: Type.Boolean({
    description: 'All answering threads use it. False: it is on disk, and is loaded behind this answer.',
  }),
  created: Type.Boolean(),
  dry_run: Type.Optional(Type.Boolean({ description: 'Nothing was changed.' })),
  changes: Type.Array(Change, { description: 'The difference, record by record.' }),
  changes_total: Type.Integer({ description: 'How many there are; 1000 are told.' }),
});

type Failure = RefusedEdit | EditProblems | WriteConflict | FailedWrite;

const REFUSED: Readonly<Record<RefusedEdit['code'], ProblemCode>> = {
  not_found: 'not_found',
  not_alone: 'not_alone',
  not_editable: 'not_editable',
  bad_name: 'invalid_name',
  bad_value: 'invalid_zones',
};

const FAILED: Readonly<Record<WriteFailure, number>> = {
  gitops: 403,
  outside_folder: 409,
  bad_file_name: 409,
  too_large: 413,
  storage_full: 507,
  read_only: 503,
  storage_failed: 503,
  busy: 503,
  edit_failed: 503,
};

const REFUSED_STATUS: Readonly<Record<RefusedEdit['code'], number>> = {
  not_found: 404,
  not_alone: 409,
  not_editable: 409,
  bad_name: 400,
  bad_value: 422,
};

/** Answers with what went wrong. */
export function sendFailure(reply: FastifyReply, failure: Failure): FastifyReply {
  switch (failure.outcome) {
    case 'refused':
      return sendProblem(reply, REFUSED_STATUS[failure.code], REFUSED[failure.code], failure.message);
    case 'problems': {
      const { problems } = failure;
      const [first] = problems;
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
      const place = first ? `${first.file}:${first.line}:${first.column}: ` : '';
      const path = first && first.path !== '' ? `${first.path}: ` : '';
      const detail = `${place}${path}${first?.message ?? 'the zone has mistakes'}${more}; nothing was changed`;
      return sendProblem(reply, 422, 'invalid_zones', detail, { problems: problems.slice(0, PROBLEMS_MAX) });
    }
    case 'conflict': {
      const { what, message, expected, actual, file } = failure;
      if (what === 'revision') return sendProblem(reply, 409, 'conflict', message, { expected, actual });
      if (typeof actual === 'string') reply.header('etag', actual);
      return sendProblem(reply, 412, 'precondition_failed', `${message}: read it again`, {
        file,
        expected,
        actual,
      });
    }
    case 'failed':
      if (failure.code === 'busy') reply.header('retry-after', '1');
      return sendProblem(reply, FAILED[failure.code], failure.code, failure.message);
    default: {
      const never: never = failure;
      return never;
    }
  }
}

/** Answers a change: 201 where something new came, else 200. */
export function sendEdit(
  request: FastifyRequest,
  reply: FastifyReply,
  zone: string,
  result: EditedZone | Failure,
): FastifyReply {
  if (result.outcome !== 'written') return sendFailure(reply, result);
  const { file, etag, revision, published, created, dryRun, zones } = result;
  if (etag !== null) reply.header('etag', etag);
  const changes = zones.flatMap((one) => one.changes);
  const total = zones.reduce((sum, one) => sum + (one.total ?? one.changes.length), 0);
  request.auditFacts = { zone, changes: total, ...(dryRun && { dry_run: true }) };
  return reply.code(created && !dryRun ? 201 : 200).send({
    zone,
    file,
    etag,
    published,
    created,
    ...(revision !== undefined && { revision }),
    ...(dryRun && { dry_run: true }),
    changes: changes.slice(0, CHANGES_MAX),
    changes_total: total,
  });
}

/** Who changes, why and upon what; undefined after an answer that says what is missing. */
export function readOptions(
  request: FastifyRequest,
  reply: FastifyReply,
  { message, dry_run: dryRun = false }: { readonly message?: string; readonly dry_run?: boolean },
  precondition: { readonly created?: boolean } = {},
) {
  const found = readPrecondition(request, reply, precondition);
  if (!found) return undefined;
  const header = request.headers['meridian-message'];
  const text = message ?? (typeof header === 'string' ? header.slice(0, MESSAGE_CHARS_MAX) : '');
  return { author: request.caller?.name ?? 'unknown', message: text, ifMatch: found.ifMatch, dryRun };
}
