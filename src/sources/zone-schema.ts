/**
 * The zone file as it is written: one schema for validation, the TypeScript types below, and
 * `schema/zone.schema.json` for editors. What it means is decided in `zone-file.ts`.
 */
import { type Static, Type } from 'typebox';
import { RATE_MAX } from '../core/limit/rate-limiter.js';
import { Duration } from './duration.js';
import { JUDGEMENT_KEYS, MinUp, SHED_KEY } from './zone-judgement.js';
import { CheckKeys, MonitorType } from './zone-monitor-schema.js';

export const TTL_MAX = 604_800;
export const LIMITS = {
  records: 250_000,
  recordsPerName: 100,
  valuesPerRecord: 1000,
  nameservers: 16,
  addressesPerNameserver: 8,
  regions: 1000,
  monitors: 1000,
  pools: 1000,
  endpointsPerPool: 256,
  membersPerPool: 16,
  calculated: 100,
  monitorsPerCalculated: 8,
  rulesPerRecord: 1000,
  targetsPerRule: 10_000,
  poolsPerRecord: 100,
} as const;

const strict = { additionalProperties: false } as const;

/** Regions, monitors and pools. No "/": pools that come from octoDNS records are named with it. */
const NAME_TITLE = 'a name of at most 63 letters, digits, "_", "-" and "."';
const Name = Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$', title: NAME_TITLE });
const Label = Type.String({ maxLength: 1024, title: 'a domain name' });
const TTL_TITLE = `a TTL: a whole number of seconds from 0 to ${TTL_MAX}, or 5m, 1h`;
const Ttl = Type.Union(
  [Type.Integer({ minimum: 0, maximum: TTL_MAX }), Type.String({ pattern: '^\\d{1,6}[smhd]$' })],
  { title: TTL_TITLE },
);
/** A record's own, or a range from which health chooses. */
const RecordTtl = Type.Union([...Ttl.anyOf, Type.Object({ min: Ttl, max: Ttl }, strict)], {
  title: `${TTL_TITLE}; or { min: 5, max: 60 } for a dynamic record`,
});
const Seconds = Type.Union(
  [Type.Integer({ minimum: 1, maximum: 2_419_200 }), Type.String({ pattern: '^\\d{1,7}[smhd]$' })],
  { title: 'a whole number of seconds from 1 to 2419200, or 5m, 1h' },
);
const Fail = Type.Union([Type.Literal('open'), Type.Literal('closed')], {
  description: 'When every pool is down: answer all the same (open) or with no address (closed).',
});
const RecordFail = Type.Union([...Fail.anyOf, Type.Object({ pool: Type.String() }, strict)], {
  title: 'open, closed, or { pool: NAME }',
  description: 'When every pool is down: answer all the same, with no address, or from another pool.',
});
const Weight = Type.Integer({ minimum: 0, maximum: 65_535 });
const Address = Type.String({ maxLength: 64, title: 'an IP address' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const names = (title: string, maxItems: number) =>
  Type.Array(Type.String({ maxLength: 64, title }), { minItems: 1, maxItems });

const Addresses = Type.Union(
  [Address, Type.Array(Address, { minItems: 1, maxItems: LIMITS.addressesPerNameserver })],
  { title: 'an IP address or a list of them' },
);
const Nameserver = Type.Union(
  [Type.Null(), Type.Object({ A: Type.Optional(Addresses), AAAA: Type.Optional(Addresses) }, strict)],
  { title: 'a map with the keys A and AAAA, or nothing' },
);

const Soa = Type.Object(
  {
    contact: Type.Optional(
      Type.String({ maxLength: 255, description: 'hostmaster.example.com or hostmaster@example.com' }),
    ),
    mname: Type.Optional(Type.String({ maxLength: 1024, description: 'default: the first name server' })),
    refresh: Type.Optional(Seconds),
    retry: Type.Optional(Seconds),
    expire: Type.Optional(Seconds),
    minimum: Type.Optional(Ttl),
    ttl: Type.Optional(Ttl),
  },
  strict,
);

const Region = Type.Object(
  {
    location: Type.Optional(
      Type.Array(Type.Number(), {
        minItems: 2,
        maxItems: 2,
        title: 'a list of latitude and longitude, such as [53.35, -6.26]',
      }),
    ),
  },
  strict,
);

const Monitor = Type.Object(
  {
    type: MonitorType,
    port: Type.Optional(Port),
    ...CheckKeys,
    interval: Type.Optional(Duration),
    timeout: Type.Optional(Duration),
    retry_interval: Type.Optional(Duration),
    fall: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    rise: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    quorum: Type.Optional(
      Type.Union(
        [
          Type.Literal('any'),
          Type.Literal('majority'),
          Type.Literal('all'),
          Type.Integer({ minimum: 1, maximum: 64 }),
        ],
        { title: 'any, majority, all, or a number of observers from 1 to 64' },
      ),
    ),
    ...JUDGEMENT_KEYS,
  },
  strict,
);

const Monitors = names('the name of a monitor', LIMITS.monitorsPerCalculated);

/** A monitor that is made from others: exactly one of `all`, `any`, `not`, `record`, and `at_least` with `of`. */
const Calculated = Type.Object(
  {
    all: Type.Optional(Monitors),
    any: Type.Optional(Monitors),
    not: Type.Optional(Type.String({ maxLength: 64, title: 'the name of a monitor' })),
    at_least: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.monitorsPerCalculated })),
    of: Type.Optional(Monitors),
    record: Type.Optional(
      Type.String({
        maxLength: 1024,
        title: 'the name of a dynamic record of this zone',
        description: 'Up while any pool of this record is up.',
      }),
    ),
  },
  {
    ...strict,
    title:
      'a map such as { all: [web, db] }, { any: [a, b] }, { at_least: 2, of: [a, b, c] }, { not: a } or { record: db }',
  },
);

const AdminStatus = Type.Union([Type.Literal('obey'), Type.Literal('up'), Type.Literal('down')]);

const Endpoint = Type.Object(
  {
    A: Type.Optional(Address),
    AAAA: Type.Optional(Address),
    CNAME: Type.Optional(Label),
    weight: Type.Optional(Weight),
    status: Type.Optional(AdminStatus),
    priority: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    proxy: Type.Optional(Name),
    service: Type.Optional(Name),
  },
  strict,
);

const Pool = Type.Object(
  {
    region: Type.Optional(Type.String()),
    monitor: Type.Optional(Type.String()),
    pick: Type.Optional(
      Type.Union([
        Type.Literal('weighted'),
        Type.Literal('all'),
        Type.Literal('first'),
        Type.Literal('hash'),
      ]),
    ),
    answers: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 8, description: 'endpoints in one answer at most' }),
    ),
    shuffle: Type.Optional(Type.Boolean({ description: 'false keeps endpoints in their order' })),
    min_up: Type.Optional(MinUp),
    endpoints: Type.Optional(Type.Array(Endpoint, { minItems: 1, maxItems: LIMITS.endpointsPerPool })),
    pools: Type.Optional(names('the name of a pool', LIMITS.membersPerPool)),
    fallback: Type.Optional(Type.String()),
    ...SHED_KEY,
  },
  strict,
);

/** `dynamic.pools` of one octoDNS record. */
const OctodnsPool = Type.Object(
  {
    fallback: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    values: Type.Array(
      Type.Object(
        { value: Label, weight: Type.Optional(Weight), status: Type.Optional(AdminStatus) },
        strict,
      ),
      { minItems: 1, maxItems: LIMITS.endpointsPerPool },
    ),
  },
  strict,
);

const Rule = Type.Object(
  {
    subnets: Type.Optional(names('a prefix such as 192.0.2.0/24', LIMITS.targetsPerRule)),
    asns: Type.Optional(
      Type.Array(Type.Integer({ minimum: 0, maximum: 0xffff_ffff }), {
        minItems: 1,
        maxItems: LIMITS.targetsPerRule,
      }),
    ),
    geos: Type.Optional(names('a place such as EU, NA-US or NA-US-CA', LIMITS.targetsPerRule)),
    pool: Type.String({ title: 'the name of a pool' }),
  },
  strict,
);

const Dynamic = Type.Object(
  {
    rules: Type.Optional(Type.Array(Rule, { minItems: 1, maxItems: LIMITS.rulesPerRecord })),
    steering: Type.Optional(
      Type.Union([Type.Literal('nearest'), Type.Literal('failover'), Type.Literal('weighted')]),
    ),
    regions: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 8, description: 'nearest: regions in one answer' }),
    ),
    pools: Type.Optional(
      Type.Union(
        [
          Type.Array(Type.String(), { minItems: 1, maxItems: LIMITS.poolsPerRecord }),
          Type.Record(Type.String(), Type.Union([Weight, OctodnsPool], { title: 'a weight' }), {
            minProperties: 1,
            maxProperties: LIMITS.poolsPerRecord,
          }),
        ],
        { title: 'a list of pools, or a map of pool: weight' },
      ),
    ),
  },
  strict,
);

const RecordType = Type.String({ maxLength: 16, title: 'an RR type such as A, MX or TYPE65280' });

/** `values` fit the type; their codecs in `core/dns/rdata` check them. */
const ZoneRecord = Type.Object(
  {
    type: Type.Union([RecordType, Type.Array(RecordType, { minItems: 1, maxItems: 2 })], {
      title: 'an RR type such as A, or [A, AAAA] for a dynamic record',
    }),
    ttl: Type.Optional(RecordTtl),
    value: Type.Optional(Type.Unknown()),
    values: Type.Optional(Type.Array(Type.Unknown(), { maxItems: LIMITS.valuesPerRecord })),
    dynamic: Type.Optional(Dynamic),
    fail: Type.Optional(RecordFail),
    octodns: Type.Optional(Type.Unknown({ description: 'octodns.healthcheck is used, the rest ignored' })),
  },
  strict,
);

const Records = Type.Record(
  Type.String(),
  Type.Union([ZoneRecord, Type.Array(ZoneRecord, { minItems: 1, maxItems: LIMITS.recordsPerName })], {
    title: 'a record (a map with a type) or a list of records',
  }),
  { maxProperties: LIMITS.records },
);

const named = <T extends Parameters<typeof Type.Record>[1]>(item: T, maxProperties: number) =>
  Type.Record(Name, item, { ...strict, maxProperties, title: NAME_TITLE });

const Rate = Type.Integer({ minimum: 0, maximum: RATE_MAX });

/** What is left out is as in `dns.rate_limit` of the node. */
const RateLimit = Type.Union(
  [
    Type.Literal('off'),
    Type.Object(
      {
        responses_per_second: Type.Optional(Rate),
        nxdomains_per_second: Type.Optional(Rate),
        slip: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
      },
      strict,
    ),
  ],
  { title: 'off, or a map with responses_per_second, nxdomains_per_second and slip' },
);

/** The native form of a zone file. */
export const ZoneFile = Type.Object(
  {
    zone: Type.String({ maxLength: 1024, title: 'the name of the zone, such as gslb.example.com' }),
    ttl: Type.Optional(Ttl),
    fail: Type.Optional(Fail),
    nameservers: Type.Optional(
      Type.Record(Type.String(), Nameserver, { minProperties: 1, maxProperties: LIMITS.nameservers }),
    ),
    soa: Type.Optional(Soa),
    rate_limit: Type.Optional(RateLimit),
    regions: Type.Optional(named(Region, LIMITS.regions)),
    monitors: Type.Optional(named(Monitor, LIMITS.monitors)),
    calculated: Type.Optional(named(Calculated, LIMITS.calculated)),
    pools: Type.Optional(named(Pool, LIMITS.pools)),
    records: Type.Optional(Records),
  },
  { ...strict, $schema: 'http://json-schema.org/draft-07/schema#', description: 'A zone of Meridian.' },
);

/** A zone as octoDNS writes it: the records alone. */
export const OctodnsFile = Records;

/** `octodns.healthcheck`; further keys are for other providers. */
export const OctodnsHealthcheck = Type.Object({
  protocol: Type.Optional(Type.Union([Type.Literal('HTTP'), Type.Literal('HTTPS'), Type.Literal('TCP')])),
  host: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  path: Type.Optional(Monitor.properties.path),
  port: Type.Optional(Port),
});

export type ZoneFile = Static<typeof ZoneFile>;
export type ZoneRecords = Static<typeof Records>;
export type ZoneRecord = Static<typeof ZoneRecord>;
export type FileMonitor = Static<typeof Monitor>;
export type FileCalculated = Static<typeof Calculated>;
export type FilePool = Static<typeof Pool>;
export type FileDynamic = Static<typeof Dynamic>;
export type FileOctodnsPool = Static<typeof OctodnsPool>;
export type FileRateLimit = Static<typeof RateLimit>;
export type FileSoa = Static<typeof Soa>;
export type OctodnsHealthcheck = Static<typeof OctodnsHealthcheck>;

/** The text of `schema/zone.schema.json`. */
export function zoneSchemaJson(): string {
  return `${JSON.stringify(ZoneFile, null, 2)}\n`;
}
