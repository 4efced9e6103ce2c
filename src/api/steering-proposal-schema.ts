/** Orders of steering that somebody thinks of. */
import { type Static, Type } from 'typebox';
import {
  DialOrderSchema,
  ForceOrderSchema,
  MaintenanceOrderSchema,
  SentDocumentSchema,
  Time,
} from '../control/steering-schema.js';
import { TARGET_LENGTH_MAX } from '../core/steering/target.js';

const strict = { additionalProperties: false } as const;
const ORDERS_MAX = 1000;
const Key = Type.String({ minLength: 1, maxLength: TARGET_LENGTH_MAX });
const orders = { maxProperties: ORDERS_MAX };

/** As those that `/v1/steering` takes, by the targets (or names of windows) in its paths. */
export const ProposedSteeringSchema = Type.Object(
  {
    document: Type.Optional(SentDocumentSchema),
    forces: Type.Optional(
      Type.Record(Key, Type.Union([ForceOrderSchema, Type.Null()]), {
        ...orders,
        description: 'As `PUT /v1/steering/forces/{target}`; null takes one back.',
        examples: [{ 'example.com/eu': { state: 'drain' } }],
      }),
    ),
    dials: Type.Optional(
      Type.Record(Key, Type.Union([DialOrderSchema, Type.Null()]), {
        ...orders,
        description: 'As `PUT /v1/steering/dials/{target}`; null takes one back.',
        examples: [{ 'region:eu': { percent: 50 } }],
      }),
    ),
    maintenance: Type.Optional(
      Type.Record(Key, Type.Union([MaintenanceOrderSchema, Type.Null()]), {
        ...orders,
        description: 'As `PUT /v1/steering/maintenance/{id}`; null takes one back.',
      }),
    ),
    at: Type.Optional(
      Type.Unsafe<string>({ ...Time, description: 'The moment that is looked at; now where absent.' }),
    ),
  },
  {
    ...strict,
    description:
      'Steering: a whole `document` as `PUT /v1/steering` takes it, or orders upon what there is. Nothing is kept: to do it, give the orders.',
  },
);

export type ProposedSteering = Static<typeof ProposedSteeringSchema>;
