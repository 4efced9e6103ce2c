/** The form of what a proxy reports of itself and of its pools: `core/health/report-facts.ts`, with bounds. */
import { Type } from 'typebox';
import { REASON_LENGTH_MAX, SCALING_SUBJECTS_MAX } from '../core/health/report-facts.js';
import { LATENCY_BUCKETS } from '../core/tally/latency.js';

const strict = { additionalProperties: false } as const;
const ENDPOINTS_MAX = 1_000_000;

const Total = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Endpoints = Type.Integer({ minimum: 0, maximum: ENDPOINTS_MAX });
const Weight = Type.Number({ minimum: 0, maximum: 1e9 });
const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Connections = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });

export const ReasonSchema = Type.String({
  maxLength: REASON_LENGTH_MAX,
  description: 'Why the state is not up, for people.',
});

const Counters = Type.Object(
  {
    issued: Total,
    ok: Total,
    errors: Total,
    connectFailures: Total,
    timeouts: Total,
    retried: Total,
    shed: Total,
  },
  { ...strict, description: 'Totals since the start of the proxy.' },
);

export const PoolFactsSchema = Type.Object(
  {
    ejected: Endpoints,
    draining: Endpoints,
    healthyWeight: Weight,
    weight: Weight,
    panic: Type.Boolean(),
    inFlight: Total,
    queued: Total,
    counters: Counters,
    latency: Type.Optional(
      Type.Array(Total, {
        maxItems: 2 * LATENCY_BUCKETS,
        description: 'Histogram since the start: pairs of a rising bucket and a count above 0.',
      }),
    ),
  },
  { ...strict, description: 'The pool as its proxy sees it.' },
);

export const ProxyFactsSchema = Type.Object(
  {
    version: Type.String({ maxLength: 63 }),
    cpu: Type.Number({ minimum: 0, maximum: 1 }),
    loopLagMs: Type.Number({ minimum: 0, maximum: 3_600_000 }),
    memoryBytes: Bytes,
    connections: Type.Object({ open: Connections, limit: Connections }, strict),
    certificateExpires: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Milliseconds since 1970.',
      }),
    ),
    configuration: Type.String({ pattern: '^[0-9a-f]{16}$', description: 'Hash of the configuration.' }),
  },
  { ...strict, description: 'The process of a proxy.' },
);

const Action = Type.Union([Type.Literal('up'), Type.Literal('hold'), Type.Literal('down')]);
const Capacity = Type.Number({ minimum: 0, maximum: 1e9 });

const ScalingSubject = Type.Object(
  {
    subject: Type.String({ minLength: 1, maxLength: 255 }),
    action: Action,
    current: Capacity,
    desired: Capacity,
    reason: Type.String({ minLength: 1, maxLength: 63 }),
    limiting: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
    usage: Type.Optional(Capacity),
    forecast: Type.Optional(Capacity),
    forecastError: Type.Optional(Capacity),
  },
  strict,
);

export const ScalingSchema = Type.Object(
  {
    action: Action,
    factor: Type.Number({ exclusiveMinimum: 0, maximum: 1000 }),
    service: Type.String({ minLength: 1, maxLength: 255 }),
    limiting: Type.String({ minLength: 1, maxLength: 63 }),
    subjects: Type.Optional(Type.Array(ScalingSubject, { maxItems: SCALING_SUBJECTS_MAX })),
  },
  { ...strict, description: 'Whether the region should grow.' },
);
