/**
 * `proxy.yaml` as it is written: one schema for validation and environment variables. Unlike `meridian.yaml`
 * most of it are lists and named maps, so defaults are filled in by `proxy-config.ts`.
 */
import { type Static, Type } from 'typebox';
import { Duration } from './duration.js';
import { LISTEN_TITLE } from './listen-address.js';

export const LISTENERS_MAX = 256;
export const POOLS_MAX = 1_000;
export const ENDPOINTS_MAX = 1_000;
export const ROUTES_MAX = 1_000;

const strict = { additionalProperties: false } as const;

const NAME_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$';
const Name = Type.String({
  pattern: NAME_PATTERN,
  title: 'a name of at most 63 letters, digits, "_", "-" and "."',
});
const Listen = Type.String({ maxLength: 64, title: LISTEN_TITLE });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Host = Type.String({ pattern: '^[A-Za-z0-9._-]{1,253}$', title: 'a host name without port' });
const Path = Type.String({ pattern: '^/[!-~]{0,2000}$', title: 'a path that starts with "/"' });
const StatusCode = Type.Integer({ minimum: 100, maximum: 599 });
const Status = Type.Union([StatusCode, Type.String({ pattern: '^[1-5]\\d\\d(-[1-5]\\d\\d)?$' })], {
  title: 'an HTTP status such as 200, or a range such as "200-399"',
});

const Receiver = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[!-~]{1,2000}$',
      title: 'a URL that starts with http:// or https://',
    }),
    token_file: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, title: 'a path' })),
  },
  { ...strict, title: 'a map with the keys url and token_file' },
);

const Route = Type.Object(
  {
    match: Type.Optional(
      Type.Object({ host: Type.Optional(Host), path_prefix: Type.Optional(Path) }, strict),
    ),
    pool: Name,
  },
  { ...strict, title: 'a map with the keys match and pool' },
);

const Listener = Type.Object(
  {
    listen: Listen,
    protocol: Type.Union([Type.Literal('http'), Type.Literal('tcp')]),
    routes: Type.Optional(Type.Array(Route, { minItems: 1, maxItems: ROUTES_MAX })),
    pool: Type.Optional(Name),
    trusted: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 256 })),
  },
  { ...strict, title: 'a map with the keys listen and protocol' },
);

const Endpoint = Type.Object(
  {
    address: Type.String({ maxLength: 300, title: 'an address and a port such as 127.0.0.1:9000' }),
    weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  },
  { ...strict, title: 'a map with the keys address and weight' },
);

const Health = Type.Object(
  {
    type: Type.Union([Type.Literal('tcp'), Type.Literal('http'), Type.Literal('https')]),
    port: Type.Optional(Port),
    path: Type.Optional(Path),
    host: Type.Optional(Host),
    expect: Type.Optional(
      Type.Object(
        { status: Type.Union([Status, Type.Array(Status, { minItems: 1, maxItems: 32 })]) },
        strict,
      ),
    ),
    verify: Type.Optional(Type.Boolean()),
    interval: Type.Optional(Duration),
    timeout: Type.Optional(Duration),
    fall: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    rise: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  },
  { ...strict, title: 'a map with the key type' },
);

const Pool = Type.Object(
  {
    balance: Type.Optional(Type.Union([Type.Literal('round_robin'), Type.Literal('least_connections')])),
    endpoints: Type.Array(Endpoint, { minItems: 1, maxItems: ENDPOINTS_MAX }),
    health: Type.Optional(Health),
  },
  { ...strict, title: 'a map with the key endpoints' },
);

const Timeouts = Type.Object(
  {
    connect: Type.Optional(Duration),
    client_idle: Type.Optional(Duration),
    header: Type.Optional(Duration),
    response: Type.Optional(Duration),
    upstream_idle: Type.Optional(Duration),
    tunnel_idle: Type.Optional(Duration),
    drain: Type.Optional(Duration),
  },
  strict,
);

const Limits = Type.Object(
  {
    connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    upstream_connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 60_000 })),
    upstream_idle: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
  },
  strict,
);

export const ProxySchema = Type.Object(
  {
    node: Type.Object(
      { name: Name, region: Name },
      { ...strict, title: 'a map with the keys name and region' },
    ),
    workers: Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
    report_to: Type.Optional(Type.Array(Receiver, { maxItems: 64 })),
    admin: Type.Optional(
      Type.Object(
        { listen: Type.Union([Listen, Type.Null()], { title: `${LISTEN_TITLE}, or off` }) },
        strict,
      ),
    ),
    listeners: Type.Optional(Type.Array(Listener, { maxItems: LISTENERS_MAX })),
    pools: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), Pool, { maxProperties: POOLS_MAX, ...strict }),
    ),
    timeouts: Type.Optional(Timeouts),
    limits: Type.Optional(Limits),
  },
  { ...strict, title: 'a map' },
);

export type ProxyFile = Static<typeof ProxySchema>;
