import { type Static, Type } from 'typebox';
import { HISTORY_MAX, STEP_SECONDS_MAX, STEPS_MAX } from '../core/rollout/plan.js';
import { readOptionalFile, writePrivateFile } from './private-file.js';
import { ANALYSIS_KEYS, OnFailure } from './rollout-keys.js';
import { schemaProblems } from './schema-problems.js';

const CLOSED = { additionalProperties: false } as const;
const Name = Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' });
const Time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,3})?Z$' });
const Count = Type.Number({ minimum: 0 });
const Text = Type.String({ maxLength: 1_000 });
const Percent = Type.Number({ minimum: 0, maximum: 100 });
const Figures = Type.Object({ requests: Count, errors: Count, p99_ms: Type.Optional(Count) }, CLOSED);

const Entry = Type.Object(
  {
    at: Time,
    event: Type.Enum(['started', 'advanced', 'paused', 'resumed', 'promoted', 'rolled_back', 'aborted']),
    percent: Percent,
    by: Text,
    why: Type.Optional(Text),
    evidence: Type.Optional(
      Type.Object(
        { old: Type.Optional(Figures), new: Type.Optional(Figures), healthy: Type.Optional(Count) },
        CLOSED,
      ),
    ),
  },
  CLOSED,
);

const KeptRollout = Type.Object(
  {
    ...{ route: Name, from: Name, to: Name, by: Text, at: Time },
    steps: Type.Array(
      Type.Object(
        { percent: Percent, seconds: Type.Number({ minimum: 0, maximum: STEP_SECONDS_MAX }) },
        CLOSED,
      ),
      { minItems: 1, maxItems: STEPS_MAX },
    ),
    analysis: Type.Object(ANALYSIS_KEYS, CLOSED),
    on_failure: OnFailure,
    state: Type.Enum(['running', 'paused', 'promoted', 'rolled_back', 'aborted']),
    step: Type.Integer({ minimum: 0, maximum: STEPS_MAX - 1 }),
    step_at: Time,
    baseline: Type.Optional(Type.Object({ error_rate: Count, p99_ms: Type.Optional(Count) }, CLOSED)),
    history: Type.Array(Entry, { minItems: 1, maxItems: HISTORY_MAX }),
  },
  CLOSED,
);

const RolloutFile = Type.Object({ rollouts: Type.Array(KeptRollout, { maxItems: 1_000 }) }, CLOSED);
const FILE_BYTES_MAX = 16 * 1024 * 1024;

export type KeptRollouts = Static<typeof RolloutFile>['rollouts'];

/** The rollouts that a proxy kept over its restart; none where there is no file yet. Never throws. */
export async function readRolloutFile(
  file: string,
): Promise<{ readonly rollouts: KeptRollouts } | { readonly mistake: string }> {
  try {
    const text = await readOptionalFile(file);
    if (text === undefined) return { rollouts: [] };
    if (text.length > FILE_BYTES_MAX)
      return { mistake: `${file}: has more than ${FILE_BYTES_MAX} characters` };
    const value: unknown = JSON.parse(text);
    const [problem] = schemaProblems(RolloutFile, value);
    if (problem) return { mistake: `${file}: ${problem.path.join('.')}: ${problem.message}` };
    return { rollouts: (value as Static<typeof RolloutFile>).rollouts };
  } catch (error) {
    return { mistake: `${file}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Replaces the file as a whole. Rejects where it can't be written. */
export function writeRolloutFile(file: string, rollouts: readonly object[]): Promise<void> {
  return writePrivateFile(file, `${JSON.stringify({ rollouts })}\n`);
}
