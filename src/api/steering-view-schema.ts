import { Type } from 'typebox';

/** What an entry names at present. */
export const ReachSchema = Type.Object(
  {
    pools: Type.Integer(),
    endpoints: Type.Integer({ description: 'Addresses: one with A and AAAA counts twice.' }),
  },
  { description: 'What it names at present.' },
);

/** The entry behind what holds. */
export const CauseSchema = Type.Object({
  kind: Type.String({ description: 'force, dial or maintenance' }),
  id: Type.String(),
  target: Type.String(),
  by: Type.String(),
  at: Type.String(),
  reason: Type.Optional(Type.String()),
  until: Type.Optional(Type.String()),
  text: Type.String({ description: 'For people.' }),
});

export const SteeredEndpointSchema = Type.Object({
  zone: Type.String(),
  pool: Type.String(),
  region: Type.Optional(Type.String()),
  endpoint: Type.String(),
  state: Type.String({ description: 'What counts: up, down or drain.' }),
  real: Type.String({
    description:
      'What it really is: up, down or unknown; `fixed_up` where nobody watches it, `fixed_down` where the zone file sets it down.',
  }),
  steering: Type.Array(CauseSchema),
});

export const DialledPoolSchema = Type.Object({
  zone: Type.String(),
  pool: Type.String(),
  region: Type.Optional(Type.String()),
  percent: Type.Number({ description: 'What it keeps of its answers: the product of its dials.' }),
  steering: Type.Array(CauseSchema),
});

const NOTE = {
  by: Type.String(),
  at: Type.String(),
  reason: Type.Optional(Type.String()),
  until: Type.Optional(Type.String()),
  holds: Type.Boolean({ description: 'Whether it counts now.' }),
  reaches: ReachSchema,
};

const Loose = Type.Unsafe<object>({ type: 'object', additionalProperties: true });

/** The answer of `GET /v1/steering`. */
export const SteeringView = Type.Object({
  revision: Type.Integer(),
  next_change: Type.Optional(Type.String({ description: 'When something changes by itself.' })),
  forces: Type.Array(Type.Object({ target: Type.String(), state: Type.String(), ...NOTE })),
  dials: Type.Array(
    Type.Object({
      target: Type.String(),
      percent: Type.Number(),
      ramp: Type.Optional(Type.Object({ from: Type.Number(), start: Type.String(), seconds: Type.Number() })),
      now: Type.Number({ description: 'How far it is.' }),
      ...NOTE,
    }),
  ),
  maintenance: Type.Array(
    Type.Object({
      id: Type.String(),
      target: Type.String(),
      action: Type.String(),
      window: Loose,
      open: Type.Boolean(),
      opens: Type.Optional(Type.String()),
      closes: Type.Optional(Type.String()),
      ...NOTE,
    }),
  ),
  rollouts: Loose,
  document: Type.Unsafe<object>({
    ...Loose,
    description: 'The document itself: what `PUT /v1/steering` takes.',
  }),
  endpoints: Type.Array(SteeredEndpointSchema, { description: 'What is steered, at most 1000.' }),
  pools: Type.Array(DialledPoolSchema, { description: 'What is dialled, at most 1000.' }),
});
