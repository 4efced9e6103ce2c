/** Keys of a rollout that its orders at a DNS node and the configuration of a proxy have in common. */
import { Type } from 'typebox';
import { ANALYSIS_DEFAULT, STEPS_MAX, WINDOW_SECONDS_MAX, WINDOW_SECONDS_MIN } from '../core/rollout/plan.js';
import { Duration } from './duration.js';

const CLOSED = { additionalProperties: false } as const;

export const StepPercent = Type.Number({
  exclusiveMinimum: 0,
  maximum: 100,
  title: 'a number above 0, at most 100',
  description: 'What part of the clients the new pool gets.',
});

const Part = { minimum: 0, maximum: 1, title: 'a number from 0 to 1' } as const;

export const ANALYSIS_KEYS = {
  min_requests: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    description: `Before the new pool has had so many requests, nothing is concluded from them; 0: health alone counts. Default: ${ANALYSIS_DEFAULT.min_requests}, or 0 where no endpoint of the new pool has a proxy that could tell.`,
  }),
  window_seconds: Type.Number({
    minimum: WINDOW_SECONDS_MIN,
    maximum: WINDOW_SECONDS_MAX,
    description: `Figures are those of so many seconds. Default: ${ANALYSIS_DEFAULT.window_seconds}.`,
  }),
  error_increase: Type.Number({
    ...Part,
    description: `How far its error rate may be above that of the old pool; 0.01 is one percentage point. Default: ${ANALYSIS_DEFAULT.error_increase}.`,
  }),
  latency_ratio: Type.Number({
    minimum: 0,
    maximum: 1_000,
    description: `How many times the old pool's 99th percentile its own may be; 0: latency is not looked at. Default: ${ANALYSIS_DEFAULT.latency_ratio}.`,
  }),
  min_healthy: Type.Number({
    ...Part,
    description: `What part of its endpoints, by weight, has to be up. Default: ${ANALYSIS_DEFAULT.min_healthy}.`,
  }),
};

export const OnFailure = Type.Union([Type.Literal('rollback'), Type.Literal('pause')], {
  title: 'rollback or pause',
  description: 'When the new pool is worse: back to 0 % (the default), or stay until somebody decides.',
});

/** `steps`, `analysis` and `on_failure`, each of which may be absent. */
export const ROLLOUT_KEYS = {
  steps: Type.Optional(
    Type.Array(
      Type.Object(
        { percent: StepPercent, hold: Duration },
        { ...CLOSED, title: 'a map with percent and hold' },
      ),
      { minItems: 1, maxItems: STEPS_MAX },
    ),
  ),
  analysis: Type.Optional(
    Type.Partial(Type.Object(ANALYSIS_KEYS), {
      ...CLOSED,
      title: 'a map with the keys min_requests, window_seconds, error_increase, latency_ratio, min_healthy',
    }),
  ),
  on_failure: Type.Optional(OnFailure),
} as const;
