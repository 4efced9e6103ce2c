/** What the API says of a plan. */
import { Type } from 'typebox';
import type { PlanImpact } from '../control/plan-job.js';
import type { Plan } from '../control/plans.js';
import type { ImpactGroup, Move, Portion } from '../core/impact/impact.js';
import type { Side } from '../core/impact/moves.js';
import { MESSAGE_TEXT } from './message-schema.js';
import { MistakeSchema } from './problem.js';
import { ProposedSteeringSchema } from './steering-proposal-schema.js';

const strict = { additionalProperties: false } as const;

/** As `YAML_BYTES_MAX` and `FILES_MAX` of zone files. */
const TEXT_CHARS_MAX = 16 * 1024 * 1024;
const FILES_MAX = 10_000;
export const PLAN_BODY_BYTES_MAX = 32 * 1024 * 1024;

const Message = Type.String({
  ...MESSAGE_TEXT,
  maxLength: 1000,
  description: 'Why; it becomes that of the revision.',
});

/** Exactly one of `text`, `document`, `files`, `revision` and `steering`. */
export const NewPlan = Type.Object(
  {
    text: Type.Optional(
      Type.String({
        maxLength: TEXT_CHARS_MAX,
        description: 'One zone, as YAML. Its file is the one that it has, or a new one.',
        examples: ['zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\n'],
      }),
    ),
    document: Type.Optional(
      Type.Object(
        {},
        { additionalProperties: true, description: 'One zone, as JSON with the keys of a zone file.' },
      ),
    ),
    name: Type.Optional(
      Type.String({
        maxLength: 512,
        description: 'With `text` or `document`: the name of the file where the zone has none yet.',
        examples: ['example.com.yaml'],
      }),
    ),
    files: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String({ maxLength: TEXT_CHARS_MAX }), Type.Null()]), {
        maxProperties: FILES_MAX,
        description: 'Texts by their paths in the zone folder; null for a file that goes.',
      }),
    ),
    complete: Type.Optional(
      Type.Boolean({ description: 'With `files`: all other zone files go. False where absent.' }),
    ),
    revision: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'All zones as they were after this revision: what a rollback would do.',
      }),
    ),
    steering: Type.Optional(ProposedSteeringSchema),
    message: Type.Optional(Message),
  },
  strict,
);

export const ApplyQuery = Type.Object({ message: Type.Optional(Message) }, strict);

const SharesOf = {
  v4: Type.Number({ description: 'Share of IPv4 addresses, 0 to 1.' }),
  v6: Type.Number({ description: 'Share of IPv6 networks (/48), 0 to 1.' }),
};
const PortionSchema = Type.Object({ code: Type.String({ examples: ['DE'] }), ...SharesOf });
const SideSchema = Type.Object({
  pool: Type.Optional(Type.String()),
  region: Type.Optional(Type.String()),
  reason: Type.Optional(
    Type.String({
      description:
        'How it came to it where not by first choice: `fallback`, `failed_open`, `failed_closed`, `no_pool`.',
    }),
  ),
  answers: Type.Array(Type.String(), {
    description: 'Values that clients lose or get, the first of them; none: no answer.',
  }),
});

const MoveSchema = Type.Object({
  from: SideSchema,
  to: SideSchema,
  ...SharesOf,
  countries: Type.Array(PortionSchema),
  countries_total: Type.Integer(),
  continents: Type.Array(PortionSchema),
  networks: Type.Array(PortionSchema, { description: 'Autonomous systems, where the database knows them.' }),
  prefixes: Type.Array(Type.String(), { description: 'Subnets of rules in which clients move.' }),
  unplaced: Type.Number({ description: 'Share of the answers to clients that the database does not place.' }),
  samples: Type.Array(Type.String(), { description: 'Such clients; for `subnet` of `/v1/explain`.' }),
});

export const ImpactSchema = Type.Object({
  compared: Type.Integer({ description: 'Names and types that were compared.' }),
  changed: Type.Integer({ description: 'Of these: some client gets another answer.' }),
  ...SharesOf,
  unchecked: Type.Integer({ description: 'Endpoints that nobody checks yet: they count as up.' }),
  placed: Type.Boolean({ description: 'False: there is no geo database, all addresses count.' }),
  groups: Type.Array(
    Type.Object({
      names: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
      names_total: Type.Integer(),
      ...SharesOf,
      unplaced: Type.Number(),
      moves: Type.Array(MoveSchema),
      moves_total: Type.Integer(),
    }),
    { description: 'Names that change alike, those with most clients first.' },
  ),
  groups_total: Type.Integer(),
});

const ChangeSchema = Type.Object({
  kind: Type.Enum(['added', 'removed', 'changed']),
  what: Type.Enum(['record', 'pool', 'monitor', 'region', 'soa', 'rate_limit']),
  name: Type.String(),
  type: Type.Optional(Type.String()),
  before: Type.Array(Type.String()),
  after: Type.Array(Type.String()),
});

export const PlanSummary = Type.Object({
  id: Type.String(),
  state: Type.Enum(['ready', 'invalid', 'empty', 'applied'], {
    description: '`invalid`: there are mistakes. `empty`: nothing would change.',
  }),
  at: Type.String(),
  expires: Type.String(),
  author: Type.String(),
  message: Type.String(),
  rollback_to: Type.Optional(Type.Integer({ description: 'The revision that it would bring back.' })),
  base: Type.Object({
    revision: Type.Optional(Type.Integer({ description: 'The newest revision of zones when it was made.' })),
    files: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]), {
      description: 'ETags of the files that it changes, as they were; null for no file.',
    }),
  }),
  applied: Type.Optional(
    Type.Object({ at: Type.String(), author: Type.String(), revision: Type.Optional(Type.Integer()) }),
  ),
  zones_changed: Type.Integer(),
  problems_total: Type.Integer(),
});

export const PlanSchema = Type.Object({
  ...PlanSummary.properties,
  took_ms: Type.Integer({ description: 'Milliseconds that it took to make.' }),
  files: Type.Array(Type.Object({ file: Type.String(), kind: Type.Enum(['added', 'removed', 'changed']) })),
  problems: Type.Array(MistakeSchema),
  warnings: Type.Array(MistakeSchema),
  zones: Type.Array(
    Type.Object({
      zone: Type.String(),
      file: Type.String(),
      kind: Type.Enum(['added', 'removed', 'changed']),
      changes: Type.Array(ChangeSchema),
      changes_total: Type.Integer(),
    }),
  ),
  impact: Type.Optional(ImpactSchema),
});

export function describeSummary(plan: Plan) {
  const { id, state, atMs, expiresMs, author, message, base, of, applied, findings } = plan;
  return {
    id,
    state,
    at: iso(atMs),
    expires: iso(expiresMs),
    author,
    message,
    ...(of !== undefined && { rollback_to: of }),
    base: {
      ...(base.revision !== undefined && { revision: base.revision }),
      files: Object.fromEntries(base.etags),
    },
    ...(applied && {
      applied: {
        at: iso(applied.atMs),
        author: applied.author,
        ...(applied.revision !== undefined && { revision: applied.revision }),
      },
    }),
    zones_changed: findings.zones.length,
    problems_total: findings.problems.length,
  };
}

export function describePlan(plan: Plan) {
  const { files, etags, problems, warnings, zones, impact, tookMs } = plan.findings;
  return {
    ...describeSummary(plan),
    took_ms: tookMs,
    files: [...files].map(([file, text]) => ({ file, kind: kindOf(text, etags.get(file) ?? null) })),
    problems: problems.map((problem) => ({ ...problem })),
    warnings: warnings.map((warning) => ({ ...warning })),
    zones: zones.map(({ changes, changesTotal, ...zone }) => ({
      ...zone,
      changes: changes.map((change) => ({ ...change, before: [...change.before], after: [...change.after] })),
      changes_total: changesTotal,
    })),
    ...(impact && { impact: describeImpact(impact) }),
  };
}

function kindOf(text: string | null, etag: string | null): 'added' | 'removed' | 'changed' {
  if (text === null) return 'removed';
  return etag === null ? 'added' : 'changed';
}

/** Also for the difference of two revisions. */
export function describeImpact({
  compared,
  changed,
  mean,
  unchecked,
  isPlaced,
  groups,
  groupsTotal,
}: PlanImpact) {
  return {
    compared,
    changed,
    ...shares(mean),
    unchecked,
    placed: isPlaced,
    groups: groups.map(describeGroup),
    groups_total: groupsTotal,
  };
}

function describeGroup({ names, namesTotal, unplaced, moves, movesTotal, ...group }: ImpactGroup) {
  return {
    names: [...names],
    names_total: namesTotal,
    ...shares(group),
    unplaced: rounded(unplaced),
    moves: moves.map(describeMove),
    moves_total: movesTotal,
  };
}

function describeMove(move: Move) {
  const { from, to, countries, countriesTotal, continents, networks, prefixes, unplaced, samples } = move;
  return {
    from: describeSide(from),
    to: describeSide(to),
    ...shares(move),
    countries: countries.map(describePortion),
    countries_total: countriesTotal,
    continents: continents.map(describePortion),
    networks: networks.map(describePortion),
    prefixes: [...prefixes],
    unplaced: rounded(unplaced),
    samples: [...samples],
  };
}

function describeSide({ pool, region, reason, answers }: Side) {
  return {
    ...(pool !== '' && { pool }),
    ...(region !== undefined && { region }),
    ...(reason !== undefined && { reason }),
    answers: [...answers],
  };
}

function describePortion({ code, ...portion }: Portion) {
  return { code, ...shares(portion) };
}

function shares({ v4, v6 }: { readonly v4: number; readonly v6: number }) {
  return { v4: rounded(v4), v6: rounded(v6) };
}

/** A millionth of the world is a thousand addresses: finer is noise for people. */
function rounded(share: number): number {
  return Math.round(share * 1e9) / 1e9;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
