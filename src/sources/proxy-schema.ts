/**
 * `proxy.yaml` as it is written: one schema for validation and environment variables. Unlike `meridian.yaml`
 * most of it are lists and named maps, so defaults are filled in by `proxy-config.ts`.
 */
import { type Static, Type } from 'typebox';
import { AccessLogSchema } from './access-log-config.js';
import { COMPRESSION_LISTENER_KEYS } from './compression-config.js';
import { Duration } from './duration.js';
import { HERD_LISTENER_KEYS, HERD_POOL_KEYS } from './herd-schema.js';
import { HTTP2_LISTENER_KEYS, HTTP2_POOL_KEYS } from './http2-schema.js';
import { L4_LISTENER_KEYS, L4_POOL_KEYS, L4_PROTOCOLS } from './l4-schema.js';
import { LIMIT_LISTENER_KEYS, LIMIT_TOP_KEYS } from './limit-schema.js';
import { LISTEN_TITLE } from './listen-address.js';
import { BALANCING_KEYS, ENDPOINT_BALANCING_KEYS } from './proxy-balancing-schema.js';
import { ListenerTlsSchema, PoolTlsSchema } from './proxy-tls-schema.js';
import { RESILIENCE_KEYS } from './resilience-schema.js';
import { RouteSchema } from './route-schema.js';
import { RolloutFilesSchema } from './route-split-schema.js';
import { SCALING_POOL_KEYS, ScalingFileSchema } from './scaling-config.js';
import { STICKY_POOL_KEYS } from './sticky-schema.js';

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

const Listener = Type.Object(
  {
    listen: Listen,
    protocol: Type.Union([Type.Literal('http'), Type.Literal('tcp'), ...L4_PROTOCOLS]),
    routes: Type.Optional(Type.Array(RouteSchema, { minItems: 1, maxItems: ROUTES_MAX })),
    pool: Type.Optional(Name),
    trusted: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 256 })),
    ...HTTP2_LISTENER_KEYS,
    ...COMPRESSION_LISTENER_KEYS,
    ...L4_LISTENER_KEYS,
    ...LIMIT_LISTENER_KEYS,
    ...HERD_LISTENER_KEYS,
    tls: Type.Optional(ListenerTlsSchema),
  },
  { ...strict, title: 'a map with the keys listen and protocol' },
);

const Endpoint = Type.Object(
  {
    address: Type.String({ maxLength: 300, title: 'an address and a port such as 127.0.0.1:9000' }),
    weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    ...ENDPOINT_BALANCING_KEYS,
  },
  { ...strict, title: 'a map with the keys address and weight' },
);

const Health = Type.Object(
  {
    type: Type.Union([
      Type.Literal('tcp'),
      Type.Literal('http'),
      Type.Literal('https'),
      Type.Literal('grpc'),
    ]),
    service: Type.Optional(Type.String({ pattern: '^[!-~]{0,256}$', title: 'the name of a gRPC service' })),
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
    ...BALANCING_KEYS,
    ...RESILIENCE_KEYS,
    ...STICKY_POOL_KEYS,
    endpoints: Type.Array(Endpoint, { minItems: 1, maxItems: ENDPOINTS_MAX }),
    health: Type.Optional(Health),
    ...HTTP2_POOL_KEYS,
    ...HERD_POOL_KEYS,
    ...SCALING_POOL_KEYS,
    ...L4_POOL_KEYS,
    tls: Type.Optional(PoolTlsSchema),
  },
  { ...strict, title: 'a map with the key endpoints' },
);

const Timeouts = Type.Object(
  {
    connect: Type.Optional(Duration),
    client_idle: Type.Optional(Duration),
    header: Type.Optional(Duration),
    body: Type.Optional(Duration),
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
    io: Type.Optional(Type.Union([Type.Literal('auto'), Type.Literal('batched'), Type.Literal('portable')])),
    report_to: Type.Optional(Type.Array(Receiver, { maxItems: 64 })),
    admin: Type.Optional(
      Type.Object(
        {
          listen: Type.Optional(Type.Union([Listen, Type.Null()], { title: `${LISTEN_TITLE}, or off` })),
          tokens: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, title: 'a path' })),
        },
        strict,
      ),
    ),
    listeners: Type.Optional(Type.Array(Listener, { maxItems: LISTENERS_MAX })),
    pools: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), Pool, { maxProperties: POOLS_MAX, ...strict }),
    ),
    timeouts: Type.Optional(Timeouts),
    limits: Type.Optional(Limits),
    access_log: Type.Optional(AccessLogSchema),
    scaling: Type.Optional(ScalingFileSchema),
    ...LIMIT_TOP_KEYS,
    rollouts: Type.Optional(RolloutFilesSchema),
    sticky_secrets: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, title: 'a path' })),
  },
  { ...strict, title: 'a map' },
);

export type ProxyFile = Static<typeof ProxySchema>;
