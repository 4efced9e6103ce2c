/** The keys of `proxy.yaml` that keep a listener and its pools from being overrun: a part of their schemas. */
import { type Static, Type } from 'typebox';
import { Duration } from './duration.js';
import { Match } from './route-schema.js';

const strict = { additionalProperties: false } as const;

export const ADMISSION_CLASSES_MAX = 64;
const PLACES_MAX = 1_000_000;

const PriorityName = Type.Union(
  [Type.Literal('critical'), Type.Literal('high'), Type.Literal('normal'), Type.Literal('low')],
  { title: 'one of critical, high, normal and low' },
);
const Share = Type.Number({ minimum: 0.01, maximum: 1, title: 'a number from 0.01 to 1' });

const Admission = Type.Object(
  {
    max_in_flight: Type.Integer({ minimum: 1, maximum: PLACES_MAX }),
    classes: Type.Optional(
      Type.Array(
        Type.Object(
          { match: Match, priority: PriorityName },
          { ...strict, title: 'a map with the keys match and priority' },
        ),
        { minItems: 1, maxItems: ADMISSION_CLASSES_MAX },
      ),
    ),
    default: Type.Optional(PriorityName),
    shares: Type.Optional(
      Type.Object(
        {
          high: Type.Optional(Share),
          normal: Type.Optional(Share),
          low: Type.Optional(Share),
        },
        { ...strict, title: 'a map with the keys high, normal and low' },
      ),
    ),
    retry_after: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with the key max_in_flight' },
);

const Handshakes = Type.Object(
  {
    per_second: Type.Integer({ minimum: 1, maximum: PLACES_MAX }),
    burst: Type.Optional(Type.Integer({ minimum: 1, maximum: PLACES_MAX })),
  },
  { ...strict, title: 'a map with the keys per_second and burst' },
);

const Concurrency = Type.Object(
  {
    min: Type.Optional(Type.Integer({ minimum: 1, maximum: PLACES_MAX })),
    max: Type.Optional(Type.Integer({ minimum: 1, maximum: PLACES_MAX })),
    tolerance: Type.Optional(Type.Number({ minimum: 0.01, maximum: 10, title: 'a number from 0.01 to 10' })),
  },
  { ...strict, title: 'a map with the keys min, max and tolerance' },
);

export const HERD_LISTENER_KEYS = {
  admission: Type.Optional(Admission),
  handshakes: Type.Optional(Handshakes),
} as const;

export const HERD_POOL_KEYS = { concurrency: Type.Optional(Concurrency) } as const;

export type AdmissionFile = Static<typeof Admission>;
export type HandshakesFile = Static<typeof Handshakes>;
export type ConcurrencyFile = Static<typeof Concurrency>;
