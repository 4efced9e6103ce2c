/** The shape of rollouts: as they are kept, as they are ordered. */
import { type Static, type TSchema, Type } from 'typebox';
import { HISTORY_MAX, STEP_SECONDS_MAX, STEPS_MAX } from '../core/rollout/plan.js';
import { Duration } from '../sources/duration.js';
import { ANALYSIS_KEYS, OnFailure, StepPercent } from '../sources/rollout-keys.js';

const CLOSED = { additionalProperties: false } as const;

const POOL = { minLength: 1, maxLength: 63, pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' } as const;
const ZONE = { minLength: 1, maxLength: 300 } as const;

const Part = { minimum: 0, maximum: 1, title: 'a number from 0 to 1' } as const;

export const FiguresSchema = Type.Object(
  {
    requests: Type.Number({ minimum: 0 }),
    errors: Type.Number({ minimum: 0 }),
    p99_ms: Type.Optional(Type.Number({ minimum: 0 })),
  },
  { ...CLOSED, description: 'What the proxies of a pool reported of the window.' },
);

export const EvidenceSchema = Type.Object(
  {
    old: Type.Optional(FiguresSchema),
    new: Type.Optional(FiguresSchema),
    healthy: Type.Optional(Type.Number({ ...Part, description: 'Part of the new pool that is up.' })),
  },
  CLOSED,
);

const StateSchema = Type.Enum(['running', 'paused', 'promoted', 'rolled_back', 'aborted']);

/** An entry of `rollouts` in the steering document; parts of it are those of the other entries. */
export function rolloutSchema<T extends TSchema, R extends TSchema, B extends TSchema>({
  Time,
  Reason,
  By,
}: {
  readonly Time: T;
  readonly Reason: R;
  readonly By: B;
}) {
  const entry = Type.Object(
    {
      at: Time,
      event: Type.Enum(['started', 'advanced', 'paused', 'resumed', 'promoted', 'rolled_back', 'aborted']),
      percent: Type.Number({ minimum: 0, maximum: 100 }),
      by: By,
      why: Type.Optional(Type.String({ maxLength: WHY_LENGTH_MAX })),
      evidence: Type.Optional(EvidenceSchema),
    },
    CLOSED,
  );
  const step = Type.Object(
    { percent: StepPercent, seconds: Type.Number({ minimum: 0, maximum: STEP_SECONDS_MAX }) },
    CLOSED,
  );
  return Type.Object(
    {
      zone: Type.String(ZONE),
      from: Type.String(POOL),
      to: Type.String(POOL),
      steps: Type.Array(step, { minItems: 1, maxItems: STEPS_MAX }),
      analysis: Type.Object(ANALYSIS_KEYS, CLOSED),
      on_failure: OnFailure,
      by: By,
      at: Time,
      reason: Type.Optional(Reason),
      state: StateSchema,
      step: Type.Integer({ minimum: 0, maximum: STEPS_MAX }),
      step_at: Time,
      baseline: Type.Optional(
        Type.Object(
          { error_rate: Type.Number(Part), p99_ms: Type.Optional(Type.Number({ minimum: 0 })) },
          { ...CLOSED, description: 'What the old pool showed when it was last measured.' },
        ),
      ),
      history: Type.Array(entry, { maxItems: HISTORY_MAX }),
    },
    CLOSED,
  );
}

export const WHY_LENGTH_MAX = 500;

/** What `POST /v1/steering/rollouts` takes. */
export const RolloutOrderSchema = Type.Object(
  {
    zone: Type.String({ ...ZONE, examples: ['example.com'] }),
    from: Type.String({ ...POOL, description: 'The pool that answers now.', examples: ['blue'] }),
    to: Type.String({ ...POOL, description: 'The pool that is to take its place.', examples: ['green'] }),
    steps: Type.Optional(
      Type.Array(Type.Object({ percent: StepPercent, hold: Duration }, CLOSED), {
        minItems: 1,
        maxItems: STEPS_MAX,
        description:
          'Percentages that rise to 100, and how long each is held; a single step of 100 is blue-green. Default: 5, 25, 50 and 100 %, ten minutes each.',
        examples: [
          [
            { percent: 5, hold: '10m' },
            { percent: 100, hold: '30m' },
          ],
        ],
      }),
    ),
    analysis: Type.Optional(Type.Partial(Type.Object(ANALYSIS_KEYS), CLOSED)),
    on_failure: Type.Optional(OnFailure),
    id: Type.Optional(
      Type.String({ ...POOL, description: 'How to call it; r1, r2 … where absent.', examples: ['r1'] }),
    ),
    reason: Type.Optional(
      Type.String({
        maxLength: WHY_LENGTH_MAX,
        pattern: '^[^\\u0000-\\u001f\\u007f]*$',
        description: 'Why.',
      }),
    ),
  },
  CLOSED,
);

export type RolloutOrder = Static<typeof RolloutOrderSchema>;
