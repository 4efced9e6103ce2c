/** The keys of `proxy.yaml` for rate limits, lists of clients, connections of one source, and the proxies of a region. */
import { type Static, Type } from 'typebox';
import { BUCKET_KEYS_MAX, BUCKET_KEYS_MIN } from '../core/limit/bucket-table.js';
import { Duration } from './duration.js';
import { LISTEN_TITLE } from './listen-address.js';

const strict = { additionalProperties: false } as const;

export const NAMED_LIMITS_MAX = 200;
export const ACCESS_LISTS_MAX = 64;
const LIMITS_OF_ONE_MAX = 8;
const KEYS_OF_LIMIT_MAX = 4;
const PREFIXES_MAX = 10_000;
const PEERS_MAX = 32;
export const BURST_MAX = 1_000_000;

const NAME_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$';
const Name = Type.String({
  pattern: NAME_PATTERN,
  title: 'a name of at most 63 letters, digits, "_", "-" and "."',
});
const FilePath = Type.String({ minLength: 1, maxLength: 4096, title: 'a path' });
const prefixes = {
  prefix4: Type.Optional(Type.Integer({ minimum: 8, maximum: 32 })),
  prefix6: Type.Optional(Type.Integer({ minimum: 16, maximum: 128 })),
} as const;

const KEY_TITLE = 'address, host, route, or a map with the key header';
const Key = Type.Union(
  [
    Type.Literal('address'),
    Type.Literal('host'),
    Type.Literal('route'),
    Type.Object(
      {
        header: Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", title: 'the name of a header' }),
      },
      { ...strict, title: KEY_TITLE },
    ),
  ],
  { title: KEY_TITLE },
);

const RateLimit = Type.Object(
  {
    requests: Type.Integer({ minimum: 1, maximum: 100_000_000 }),
    per: Type.Optional(Duration),
    burst: Type.Optional(Type.Integer({ minimum: 1, maximum: BURST_MAX })),
    key: Type.Optional(Type.Array(Key, { minItems: 1, maxItems: KEYS_OF_LIMIT_MAX })),
    ...prefixes,
    missing: Type.Optional(Type.Union([Type.Literal('address'), Type.Literal('pass')])),
    dry_run: Type.Optional(Type.Boolean()),
  },
  { ...strict, title: 'a map with the keys requests, per, burst and key' },
);

const AccessSide = Type.Object(
  {
    prefixes: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: PREFIXES_MAX })),
    countries: Type.Optional(Type.Array(Type.String({ maxLength: 16 }), { maxItems: 300 })),
    asns: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 4_294_967_295 }), { maxItems: PREFIXES_MAX }),
    ),
  },
  { ...strict, title: 'a map with the keys prefixes, countries and asns' },
);

const AccessList = Type.Object(
  { allow: Type.Optional(AccessSide), deny: Type.Optional(AccessSide) },
  { ...strict, title: 'a map with the keys allow and deny' },
);

export const LIMIT_TOP_KEYS = {
  rate_limits: Type.Optional(
    Type.Record(Type.String({ pattern: NAME_PATTERN }), RateLimit, {
      ...strict,
      maxProperties: NAMED_LIMITS_MAX,
      title: 'a map of names to rate limits',
    }),
  ),
  rate_limit_keys: Type.Optional(Type.Integer({ minimum: BUCKET_KEYS_MIN, maximum: BUCKET_KEYS_MAX })),
  access_lists: Type.Optional(
    Type.Record(Type.String({ pattern: NAME_PATTERN }), AccessList, {
      ...strict,
      maxProperties: ACCESS_LISTS_MAX,
      title: 'a map of names to lists of clients',
    }),
  ),
  geo: Type.Optional(
    Type.Object(
      { databases: Type.Array(FilePath, { minItems: 1, maxItems: 8 }) },
      { ...strict, title: 'a map with the key databases' },
    ),
  ),
  peers: Type.Optional(
    Type.Object(
      {
        listen: Type.String({ maxLength: 64, title: LISTEN_TITLE }),
        secret_file: FilePath,
        addresses: Type.Array(Type.String({ maxLength: 64, title: 'an IP address and a port' }), {
          minItems: 1,
          maxItems: PEERS_MAX,
        }),
      },
      { ...strict, title: 'a map with the keys listen, addresses and secret_file' },
    ),
  ),
};

const LimitNames = Type.Array(Name, { minItems: 1, maxItems: LIMITS_OF_ONE_MAX });

export const LIMIT_LISTENER_KEYS = {
  rate_limits: Type.Optional(LimitNames),
  access: Type.Optional(Name),
  sources: Type.Optional(
    Type.Object(
      {
        connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
        per_second: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
        ...prefixes,
      },
      { ...strict, title: 'a map with the keys connections and per_second' },
    ),
  ),
};

export const LIMIT_ROUTE_KEYS = {
  rate_limits: Type.Optional(LimitNames),
  access: Type.Optional(Name),
};

const Top = Type.Object(LIMIT_TOP_KEYS);
const OfListener = Type.Object(LIMIT_LISTENER_KEYS);
const OfRoute = Type.Object(LIMIT_ROUTE_KEYS);

export type LimitTopKeys = Static<typeof Top>;
export type LimitListenerKeys = Static<typeof OfListener>;
export type LimitRouteKeys = Static<typeof OfRoute>;
