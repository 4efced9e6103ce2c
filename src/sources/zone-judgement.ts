/** The keys of a monitor that say how observations become a verdict, and `shed` of a pool. */
import { Type } from 'typebox';
import { JUDGEMENT_DEFAULTS, type Judgement, type ObserverScope } from '../core/health/judgement.js';
import { Duration, parseDuration } from './duration.js';

/** To be spread into the schema of a monitor. */
export const JUDGEMENT_KEYS = {
  ok_reset: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100,
      description: 'Successes in a row that make failures forgotten.',
    }),
  ),
  from: Type.Optional(
    Type.Union([Type.Literal('global'), Type.Literal('regional')], {
      description: "Whose views count: all observers', or those of this node's own region.",
    }),
  ),
  min_observers: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 64,
      description: 'With fewer fresh views than this, the last verdict holds.',
    }),
  ),
  ramp: Type.Optional(Duration),
  hold_down: Type.Optional(Duration),
};

const Load = Type.Number({ minimum: 0, maximum: 10 });

export const SHED_KEY = {
  shed: Type.Optional(
    Type.Object(
      { from: Load, to: Load },
      {
        additionalProperties: false,
        title: 'a map such as { from: 0.7, to: 0.95 }',
        description: 'Hands a growing share of the answers to the next pool when the proxies are full.',
      },
    ),
  ),
};

/** Below what a pool is down: a part of its weight, or a number of endpoints. */
export const MinUp = Type.Union(
  [
    Type.Number({ minimum: 0, maximum: 1 }),
    Type.Object({ endpoints: Type.Integer({ minimum: 1, maximum: 256 }) }, { additionalProperties: false }),
  ],
  { title: 'a number from 0 to 1, or { endpoints: 2 }' },
);

interface FileJudgement {
  readonly from?: ObserverScope;
  readonly min_observers?: number;
  readonly ramp?: number | string;
  readonly hold_down?: number | string;
}

/** What a monitor of a zone file says, with the defaults filled in. */
export function readJudgement(file: FileJudgement): Judgement {
  const { from, min_observers: minObservers, ramp, hold_down: holdDown } = file;
  return {
    from: from ?? JUDGEMENT_DEFAULTS.from,
    minObservers: minObservers ?? JUDGEMENT_DEFAULTS.minObservers,
    rampMs: milliseconds(ramp, JUDGEMENT_DEFAULTS.rampMs),
    holdDownMs: milliseconds(holdDown, JUDGEMENT_DEFAULTS.holdDownMs),
  };
}

function milliseconds(value: number | string | undefined, otherwise: number): number {
  return value === undefined ? otherwise : (parseDuration(value) ?? otherwise);
}
