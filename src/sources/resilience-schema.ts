/** The keys of `proxy.yaml` for circuit breakers, retries and limits of whole pools: parts of the schemas of pools and routes. */
import { type Static, Type } from 'typebox';
import { Duration } from './duration.js';

const strict = { additionalProperties: false } as const;

const Part = Type.Number({ minimum: 0, maximum: 1, title: 'a number from 0 to 1' });
const Rate = Type.Number({ minimum: 0.01, maximum: 1, title: 'a number from 0.01 to 1' });

const BreakerSchema = Type.Object(
  {
    consecutive: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    window: Type.Optional(Duration),
    volume: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    failure_rate: Type.Optional(
      Type.Union([Type.Literal(false), Rate], { title: 'false, or a number from 0.01 to 1' }),
    ),
    slow_call: Type.Optional(Duration),
    slow_rate: Type.Optional(Rate),
    open: Type.Optional(Duration),
    open_max: Type.Optional(Duration),
    jitter: Type.Optional(Part),
    trials: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    ramp: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with keys such as consecutive, failure_rate and open' },
);

const Method = Type.String({
  pattern: "^[A-Z0-9!#$%&'*+.^_`|~-]{1,32}$",
  title: 'a method in capital letters such as GET',
});
export const RETRY_METHODS_MAX = 16;
const RETRY_CAUSE_TITLE = 'reset, timeout, gateway, 5xx, or a status from 400 to 599';

export const RetriesSchema = Type.Object(
  {
    max: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
    on: Type.Optional(
      Type.Array(
        Type.Union(
          [
            Type.Literal('reset'),
            Type.Literal('timeout'),
            Type.Literal('gateway'),
            Type.Literal('5xx'),
            Type.Integer({ minimum: 400, maximum: 599 }),
          ],
          { title: RETRY_CAUSE_TITLE },
        ),
        { maxItems: 32 },
      ),
    ),
    methods: Type.Optional(Type.Array(Method, { minItems: 1, maxItems: RETRY_METHODS_MAX })),
    body: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 65_536, title: 'a number of bytes, 0 to 65536' }),
    ),
    try_timeout: Type.Optional(Duration),
    hedge: Type.Optional(Duration),
    backoff: Type.Optional(
      Type.Object(
        { base: Type.Optional(Duration), max: Type.Optional(Duration) },
        { ...strict, title: 'a map with the keys base and max' },
      ),
    ),
    retry_after: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with keys such as max, on and try_timeout' },
);

const RetryBudgetSchema = Type.Object(
  {
    ratio: Type.Optional(Part),
    floor: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
    window: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with the keys ratio, floor and window' },
);

/** Beside the limits of each endpoint. */
export const POOL_LIMITS = Type.Object(
  {
    connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    requests: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
    pending: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  },
  { ...strict, title: 'a map with the keys connections, requests, pending and retries' },
);

export const RESILIENCE_KEYS = {
  breaker: Type.Optional(BreakerSchema),
  retries: Type.Optional(RetriesSchema),
  retry_budget: Type.Optional(RetryBudgetSchema),
} as const;

export type BreakerFile = Static<typeof BreakerSchema>;
export type RetriesFile = Static<typeof RetriesSchema>;
export type RetryBudgetFile = Static<typeof RetryBudgetSchema>;
