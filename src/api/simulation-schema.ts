import { Type } from 'typebox';
import { SUBJECTS_MAX } from '../core/census/as-if.js';
import { CLIENTS_MAX, type ClientAnswer, type WorldAnswer } from '../core/census/simulate.js';

const NameText = Type.String({ minLength: 1, maxLength: 1024, examples: ['www.demo.test'] });
const TypeText = Type.String({ maxLength: 16, examples: ['A', 'AAAA'] });
const SubnetText = Type.String({
  maxLength: 64,
  description: 'Client prefix or address, as in ECS.',
  examples: ['192.0.2.0/24'],
});

/** `region:eu`, `pool:eu`, `endpoint:192.0.2.1`, or a name alone. */
const Subjects = (what: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      maxItems: SUBJECTS_MAX,
      description: `As if these were ${what}: \`region:NAME\`, \`pool:NAME\`, \`endpoint:ADDRESS\`, or a name alone for whatever is called so.`,
      examples: [['region:eu']],
    }),
  );

export const SimulationBody = Type.Object(
  {
    clients: Type.Optional(
      Type.Array(
        Type.Object(
          { name: NameText, type: Type.Optional(TypeText), subnet: Type.Optional(SubnetText) },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: CLIENTS_MAX, description: 'One answer for each.' },
      ),
    ),
    name: Type.Optional(NameText),
    zone: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: 'All of its dynamic names.',
        examples: ['demo.test'],
      }),
    ),
    type: Type.Optional(TypeText),
    by: Type.Optional(
      Type.Union(
        [
          Type.Literal('country'),
          Type.Literal('continent'),
          Type.Literal('province'),
          Type.Literal('network'),
        ],
        { default: 'country', description: 'What clients are grouped by.' },
      ),
    ),
    family: Type.Optional(
      Type.Union([Type.Literal(4), Type.Literal(6)], {
        description: 'Clients of this address family only; without it of both.',
      }),
    ),
    places: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1000,
        default: 300,
        description: 'How many places are listed at most.',
      }),
    ),
    down: Subjects('down'),
    up: Subjects('up'),
    plan: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'As if this plan were applied.' }),
    ),
    seed: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 0xffff_ffff,
        description: 'Of the weighted choices of `clients`: the same seed gives the same answers.',
      }),
    ),
  },
  { additionalProperties: false },
);

const Share = Type.Number({ description: '0 to 1.' });

const SharesFields = {
  answers: Type.Array(Type.Object({ rdata: Type.String(), pool: Type.String(), share: Share })),
  pools: Type.Array(Type.Object({ pool: Type.String(), region: Type.Optional(Type.String()), share: Share })),
  regions: Type.Array(Type.Object({ region: Type.String(), share: Share })),
  empty: Type.Number({ description: 'Share of clients that get no address.' }),
};
const Shares = Type.Object(SharesFields);

const Addresses = Type.Number({ description: 'IPv4 addresses, or /48 prefixes of IPv6.' });

interface AskedAnswer extends ClientAnswer {
  readonly name: string;
  readonly type: string;
  readonly subnet?: string;
}

export const SimulationAnswer = Type.Object({
  kind: Type.Union([Type.Literal('clients'), Type.Literal('world')]),
  down: Type.Array(Type.String()),
  up: Type.Array(Type.String()),
  answers: Type.Optional(
    Type.Unsafe<readonly AskedAnswer[]>(
      Type.Array(
        Type.Object({
          name: Type.String(),
          type: Type.String(),
          subnet: Type.Optional(Type.String()),
          rcode: Type.String(),
          ttl: Type.Optional(Type.Integer()),
          scope: Type.Optional(Type.Integer()),
          pool: Type.Optional(Type.String()),
          answers: Type.Array(Type.Object({ type: Type.String(), rdata: Type.String() })),
        }),
        { description: 'Of `clients`, in their order.' },
      ),
    ),
  ),
  by: Type.Optional(Type.String()),
  records: Type.Optional(
    Type.Unsafe<WorldAnswer['records']>(
      Type.Array(Type.Object({ name: Type.String(), type: Type.String() }), {
        description:
          'The dynamic records that were counted, the first thousand of them; each weighs the same.',
      }),
    ),
  ),
  families: Type.Optional(
    Type.Unsafe<WorldAnswer['families']>(
      Type.Array(
        Type.Object({
          family: Type.Integer({ description: '4 or 6: of the clients.' }),
          addresses: Addresses,
          total: Shares,
          places: Type.Array(
            Type.Object({
              place: Type.String({ description: '`?`: not known.' }),
              addresses: Addresses,
              ...SharesFields,
            }),
          ),
          left: Type.Object(
            { places: Type.Integer(), addresses: Addresses },
            { description: 'Places that are not listed.' },
          ),
          before: Type.Optional(
            Type.Object({
              total: Shares,
              moved: Type.Number({ description: 'Share of clients that would get something else than now.' }),
            }),
          ),
        }),
      ),
    ),
  ),
});
