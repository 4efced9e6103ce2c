/** Revisions and differences as the API tells them. */
import { Type } from 'typebox';
import type { Revision } from '../control/revision.js';
import type { FilesDifference, SteeringChange } from '../control/revision-difference.js';

export const REVISION_ID_MAX = Number.MAX_SAFE_INTEGER;

export const RevisionId = Type.Integer({ minimum: 1, maximum: REVISION_ID_MAX, examples: [12] });
export const KindSchema = Type.Enum(['zones', 'steering'], { description: 'What was changed.' });

const FileChangeSchema = Type.Object({
  path: Type.String({ description: 'In the zone folder.' }),
  zone: Type.Optional(Type.String()),
  change: Type.Enum(['added', 'changed', 'removed']),
});

export const RevisionSchema = Type.Object({
  id: RevisionId,
  parent: Type.Integer({ description: 'The revision before; 0 for none.' }),
  at: Type.String({ examples: ['2026-01-02T03:04:05.000Z'] }),
  author: Type.String({ description: 'The name of a token, or the owner of a file that was edited.' }),
  message: Type.String(),
  kind: KindSchema,
  source: Type.Enum(['api', 'file', 'rollback', 'schedule']),
  files: Type.Array(FileChangeSchema, {
    description: 'Of zones: the files that changed; in lists the first 20.',
  }),
  files_total: Type.Integer(),
});

const ZoneChangeSchema = Type.Object({
  kind: Type.Enum(['added', 'removed', 'changed']),
  what: Type.Enum(['record', 'pool', 'monitor', 'region', 'soa', 'rate_limit']),
  name: Type.String(),
  type: Type.Optional(Type.String({ description: 'Of a record: `MX`, or `A, AAAA`.' })),
  before: Type.Array(Type.String(), { description: 'What was and is no longer.' }),
  after: Type.Array(Type.String(), { description: 'What is and was not.' }),
});

export const DifferenceSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  zones: Type.Array(
    Type.Object({
      zone: Type.String(),
      file: Type.String(),
      kind: Type.Enum(['added', 'removed', 'changed']),
      changes: Type.Array(ZoneChangeSchema),
      total: Type.Integer(),
    }),
  ),
  total: Type.Integer({ description: 'How many changes of zones there are; at most 5000 of them are told.' }),
  unread: Type.Array(Type.Object({ file: Type.String(), message: Type.String() }), {
    description: 'Files that differ and can not be compared.',
  }),
  steering: Type.Array(
    Type.Object({
      path: Type.String(),
      before: Type.Optional(Type.Unknown()),
      after: Type.Optional(Type.Unknown()),
    }),
  ),
});

/** Files of one revision in a list. */
const LISTED_FILES_MAX = 20;

export function revisionBody({ files, ...about }: Revision, filesMax = LISTED_FILES_MAX) {
  return {
    ...about,
    files: files.slice(0, filesMax).map(({ path, zone, change }) => {
      return zone === undefined ? { path, change } : { path, zone, change };
    }),
    files_total: files.length,
  };
}

export function differenceBody(
  from: number,
  to: number,
  { zones, total, unread }: FilesDifference,
  steering: readonly SteeringChange[],
) {
  return {
    from,
    to,
    zones: zones.map((zone) => ({
      ...zone,
      changes: zone.changes.map((change) => ({
        ...change,
        before: [...change.before],
        after: [...change.after],
      })),
    })),
    total,
    unread: [...unread],
    steering: [...steering],
  };
}
