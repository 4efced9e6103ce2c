/** The keys of a route in `proxy.yaml` that share its requests between pools, or copy them to another one. */
import { Type } from 'typebox';
import { MIRROR_BODY_MAX, MIRROR_IN_FLIGHT_MAX } from '../core/http/mirror.js';
import { SPLIT_ARMS_MAX } from '../core/http/split.js';
import { Duration } from './duration.js';
import { ROLLOUT_KEYS } from './rollout-keys.js';

const strict = { additionalProperties: false } as const;

const NAME_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$';
const Name = Type.String({
  pattern: NAME_PATTERN,
  title: 'a name of at most 63 letters, digits, "_", "-" and "."',
});

const Stick = Type.Object(
  {
    by: Type.Union(
      [Type.Literal('cookie'), Type.Literal('address'), Type.Literal('header'), Type.Literal('draw')],
      { title: 'one of cookie, address, header and draw' },
    ),
    name: Type.Optional(
      Type.String({
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$",
        title: 'the name of a header or cookie, at most 64 characters',
      }),
    ),
    lifetime: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with the key by' },
);

const Canary = Type.Object(
  {
    pool: Name,
    ...ROLLOUT_KEYS,
    start: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('manual')], { title: 'auto or manual' }),
    ),
  },
  { ...strict, title: 'a map with the key pool' },
);

const Mirror = Type.Object(
  {
    pool: Name,
    sample: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 1, title: 'a number above 0, at most 1' }),
    ),
    max_in_flight: Type.Optional(Type.Integer({ minimum: 1, maximum: MIRROR_IN_FLIGHT_MAX })),
    max_body: Type.Optional(Type.Integer({ minimum: 0, maximum: MIRROR_BODY_MAX })),
  },
  { ...strict, title: 'a map with the key pool' },
);

export const SPLIT_KEYS = {
  name: Type.Optional(Name),
  pools: Type.Optional(
    Type.Record(Type.String({ pattern: NAME_PATTERN }), Type.Integer({ minimum: 0, maximum: 10_000 }), {
      ...strict,
      minProperties: 2,
      maxProperties: SPLIT_ARMS_MAX,
      title: 'a map of 2 to 8 pools and their weights, such as { blue: 95, green: 5 }',
    }),
  ),
  stick: Type.Optional(Stick),
  canary: Type.Optional(Canary),
  mirror: Type.Optional(Mirror),
} as const;

const File = Type.String({ minLength: 1, maxLength: 4096, title: 'a path' });

/** `rollouts` of `proxy.yaml`. */
export const RolloutFilesSchema = Type.Object(
  { state: Type.Optional(File), secrets: Type.Optional(File) },
  { ...strict, title: 'a map with the keys state and secrets' },
);

/** What `POST /v1/rollouts/{route}/start` of a proxy takes. */
export const CanaryOrderSchema = Type.Object(ROLLOUT_KEYS, {
  ...strict,
  title: 'a map with the keys steps, analysis and on_failure',
});
