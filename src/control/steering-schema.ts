/** The shape of the steering document, and of the orders that change it. */
import { type Static, Type } from 'typebox';
import {
  AUTHOR_LENGTH_MAX,
  DAYS,
  DIALS_MAX,
  FORCES_MAX,
  MAINTENANCE_MAX,
  RAMP_SECONDS_MAX,
  REASON_LENGTH_MAX,
  ROLLOUTS_MAX,
  WEEKLY_SECONDS_MAX,
} from '../core/steering/document.js';
import { TARGET_LENGTH_MAX, TARGET_TITLE } from '../core/steering/target.js';
import { Duration } from '../sources/duration.js';
import { rolloutSchema } from './rollout-schema.js';

const CLOSED = { additionalProperties: false } as const;

/** ISO 8601 with a time zone; whether it is a date of the calendar is checked apart. */
export const Time = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,9})?)?(Z|[+-]\\d\\d:\\d\\d)$',
  title: 'a time such as 2026-05-01T03:00:00Z',
  examples: ['2026-05-01T03:00:00Z'],
});

export const Reason = Type.String({
  maxLength: REASON_LENGTH_MAX,
  pattern: '^[^\\u0000-\\u001f\\u007f]*$',
  title: `one line of at most ${REASON_LENGTH_MAX} characters`,
  description: 'Why; shown wherever the entry has an effect.',
});

const Target = Type.String({
  minLength: 1,
  maxLength: TARGET_LENGTH_MAX,
  title: TARGET_TITLE,
  examples: ['example.com/eu'],
});

const UNTIL_NOTE = {
  reason: Type.Optional(Reason),
  until: Type.Optional(
    Type.Unsafe<string>({ ...Time, description: 'Absent: until somebody takes it back.' }),
  ),
};

const BY = Type.String({ minLength: 1, maxLength: AUTHOR_LENGTH_MAX, description: 'Name of the token.' });

const NOTE = { by: BY, at: Time, ...UNTIL_NOTE };

/** In a document that somebody sends: what is new gets the sender and the time. */
const SENT_NOTE = { by: Type.Optional(BY), at: Type.Optional(Time), ...UNTIL_NOTE };

const State = Type.Union([Type.Literal('up'), Type.Literal('down'), Type.Literal('drain')], {
  title: 'up, down or drain',
  description:
    '`up`: used, whatever probes say. `down`: never used. `drain`: no new answers, but usable where everything is down.',
});

const Percent = Type.Number({
  minimum: 0,
  maximum: 100,
  title: 'a number from 0 to 100',
  description: 'What part of its answers the pool keeps; 0 drains.',
});

const FORCE = { state: State };

const DIAL = {
  percent: Percent,
  ramp: Type.Optional(
    Type.Object(
      {
        from: Percent,
        start: Time,
        seconds: Type.Number({ exclusiveMinimum: 0, maximum: RAMP_SECONDS_MAX }),
      },
      { ...CLOSED, description: 'The way to `percent`, in a straight line.' },
    ),
  ),
};

const Days = Type.Array(Type.Enum([...DAYS], { title: 'a day such as mon' }), { minItems: 1, maxItems: 7 });

const TimeOfDay = Type.String({
  pattern: '^([01]\\d|2[0-3]):[0-5]\\d$',
  title: 'a time of day such as 03:30',
  examples: ['03:30'],
});

const Timezone = Type.String({
  minLength: 1,
  maxLength: 64,
  title: 'a time zone such as Europe/Berlin',
  examples: ['Europe/Berlin'],
});

const Window = Type.Union([
  Type.Object({ start: Time, end: Time }, CLOSED),
  Type.Object(
    {
      days: Days,
      time: TimeOfDay,
      seconds: Type.Number({ exclusiveMinimum: 0, maximum: WEEKLY_SECONDS_MAX }),
      timezone: Timezone,
    },
    CLOSED,
  ),
]);

const Action = Type.Union([Type.Literal('drain'), Type.Literal('down')], { title: 'drain or down' });

const MAINTENANCE = { target: Target, action: Action, window: Window };

const Key = Type.String({ minLength: 1, maxLength: TARGET_LENGTH_MAX });
const Name = Type.String({ minLength: 1, maxLength: 63 });

const RolloutSchema = rolloutSchema({ Time, Reason, By: BY });

/** The document as it is kept. */
export const SteeringDocumentSchema = Type.Object(
  {
    forces: Type.Record(Key, Type.Object({ ...FORCE, ...NOTE }, CLOSED), { maxProperties: FORCES_MAX }),
    dials: Type.Record(Key, Type.Object({ ...DIAL, ...NOTE }, CLOSED), { maxProperties: DIALS_MAX }),
    maintenance: Type.Record(Name, Type.Object({ ...MAINTENANCE, ...NOTE }, CLOSED), {
      maxProperties: MAINTENANCE_MAX,
    }),
    rollouts: Type.Record(Name, RolloutSchema, { maxProperties: ROLLOUTS_MAX }),
  },
  CLOSED,
);

/** What `PUT /v1/steering` takes. */
export const SentDocumentSchema = Type.Object(
  {
    forces: Type.Record(Key, Type.Object({ ...FORCE, ...SENT_NOTE }, CLOSED), { maxProperties: FORCES_MAX }),
    dials: Type.Record(Key, Type.Object({ ...DIAL, ...SENT_NOTE }, CLOSED), { maxProperties: DIALS_MAX }),
    maintenance: Type.Record(Name, Type.Object({ ...MAINTENANCE, ...SENT_NOTE }, CLOSED), {
      maxProperties: MAINTENANCE_MAX,
    }),
    rollouts: Type.Record(Name, Type.Unknown(), { maxProperties: ROLLOUTS_MAX }),
  },
  CLOSED,
);

export type SentDocument = Static<typeof SentDocumentSchema>;

const UNTIL = {
  for: Type.Optional(Duration),
  until: Type.Optional(Type.Unsafe<string>({ ...Time, description: 'In place of `for`.' })),
};

/** What `PUT /v1/steering/forces/TARGET` takes. */
export const ForceOrderSchema = Type.Object(
  { state: State, ...UNTIL, reason: Type.Optional(Reason) },
  CLOSED,
);

/** What `PUT /v1/steering/dials/TARGET` takes. */
export const DialOrderSchema = Type.Object(
  { percent: Percent, over: Type.Optional(Duration), ...UNTIL, reason: Type.Optional(Reason) },
  CLOSED,
);

/** What `POST /v1/steering/maintenance` takes: a window once, or one of every week. */
export const MaintenanceOrderSchema = Type.Object(
  {
    target: Target,
    action: Type.Optional(Action),
    start: Type.Optional(Type.Unsafe<string>({ ...Time, description: 'Once; default: now.' })),
    end: Type.Optional(Type.Unsafe<string>({ ...Time, description: 'Once; in place of `duration`.' })),
    days: Type.Optional(Days),
    time: Type.Optional(TimeOfDay),
    timezone: Type.Optional(Timezone),
    duration: Type.Optional(Duration),
    until: Type.Optional(Type.Unsafe<string>({ ...Time, description: 'Weekly: when it ends for good.' })),
    reason: Type.Optional(Reason),
  },
  CLOSED,
);

export type ForceOrder = Static<typeof ForceOrderSchema>;
export type DialOrder = Static<typeof DialOrderSchema>;
export type MaintenanceOrder = Static<typeof MaintenanceOrderSchema>;
