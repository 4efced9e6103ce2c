/** The keys of a pool in `proxy.yaml` that say how it balances: a part of the schema of a pool. */
import { Type } from 'typebox';
import { Duration } from './duration.js';
import { POOL_LIMITS } from './resilience-schema.js';

const strict = { additionalProperties: false } as const;

const Part = Type.Number({ minimum: 0, maximum: 1, title: 'a number from 0 to 1' });
const CookieOrHeader = Type.String({
  pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$",
  title: 'the name of a header or cookie, at most 64 characters',
});

const Balance = Type.Union(
  [
    Type.Literal('round_robin'),
    Type.Literal('least_connections'),
    Type.Literal('random'),
    Type.Literal('p2c'),
    Type.Literal('ip_hash'),
    Type.Literal('maglev'),
    Type.Literal('least_time'),
    Type.Literal('first'),
  ],
  {
    title: 'one of round_robin, least_connections, random, p2c, ip_hash, maglev, least_time and first',
  },
);

const Hash = Type.Object(
  {
    key: Type.Union([
      Type.Literal('address'),
      Type.Literal('path'),
      Type.Literal('header'),
      Type.Literal('cookie'),
    ]),
    name: Type.Optional(CookieOrHeader),
    bound: Type.Optional(Type.Number({ minimum: 1.01, maximum: 100, title: 'a number from 1.01 to 100' })),
  },
  { ...strict, title: 'a map with the key key' },
);

const Panic = Type.Object(
  {
    threshold: Type.Optional(Part),
    mode: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('secure')])),
  },
  { ...strict, title: 'a map with the keys threshold and mode' },
);

const SlowStart = Type.Object(
  {
    duration: Duration,
    aggression: Type.Optional(Type.Number({ minimum: 0.1, maximum: 10, title: 'a number from 0.1 to 10' })),
  },
  { ...strict, title: 'a map with the key duration' },
);

const Outlier = Type.Object(
  {
    consecutive: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    interval: Type.Optional(Duration),
    ejection: Type.Optional(Duration),
    ejection_max: Type.Optional(Duration),
    max_ejected: Type.Optional(Part),
    success_rate: Type.Optional(
      Type.Union(
        [
          Type.Literal(false),
          Type.Object(
            {
              hosts: Type.Optional(Type.Integer({ minimum: 3, maximum: 1000 })),
              requests: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
              deviations: Type.Optional(Type.Number({ minimum: 0.1, maximum: 10 })),
            },
            strict,
          ),
        ],
        { title: 'false, or a map with the keys hosts, requests and deviations' },
      ),
    ),
  },
  { ...strict, title: 'a map with keys such as consecutive and ejection' },
);

const Limits = Type.Object(
  {
    connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 60_000 })),
    requests: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    pending: Type.Optional(Type.Integer({ minimum: 1, maximum: 60_000 })),
    pool: Type.Optional(POOL_LIMITS),
  },
  { ...strict, title: 'a map with the keys connections, requests, pending and pool' },
);

const Standing = Type.Union([Type.Literal('off'), Duration], { title: 'a time such as 500ms, or off' });
const Queue = Type.Object(
  {
    size: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    timeout: Type.Optional(Duration),
    standing: Type.Optional(Standing),
  },
  { ...strict, title: 'a map with the keys size, timeout and standing' },
);

export const BALANCING_KEYS = {
  balance: Type.Optional(Balance),
  hash: Type.Optional(Hash),
  overprovisioning: Type.Optional(Type.Number({ minimum: 1, maximum: 100, title: 'a number from 1 to 100' })),
  panic: Type.Optional(Panic),
  slow_start: Type.Optional(SlowStart),
  outlier: Type.Optional(Outlier),
  limits: Type.Optional(Limits),
  queue: Type.Optional(Queue),
} as const;

export const ENDPOINT_BALANCING_KEYS = {
  priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 15 })),
  backup: Type.Optional(Type.Boolean()),
} as const;
