/** The keys of `proxy.yaml` for UDP, TLS passthrough and the PROXY protocol. */
import { type Static, Type } from 'typebox';
import { Duration } from './duration.js';

const strict = { additionalProperties: false } as const;
const PREFIXES_MAX = 256;
const NAMES_MAX = 1_000;

const PoolName = Type.String({
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
  title: 'the name of a pool',
});

export const L4_PROTOCOLS = [Type.Literal('udp'), Type.Literal('tls_passthrough')] as const;

export const L4_LISTENER_KEYS = {
  proxy_protocol: Type.Optional(
    Type.Object(
      { trusted: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: PREFIXES_MAX }) },
      { ...strict, title: 'a map with the key trusted' },
    ),
  ),
  sni: Type.Optional(
    Type.Record(Type.String({ maxLength: 255 }), PoolName, {
      maxProperties: NAMES_MAX,
      title: 'a map of host names, or *.example.com, to pools',
    }),
  ),
  udp: Type.Optional(
    Type.Object(
      {
        idle: Type.Optional(Duration),
        flows_per_source: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
        answers: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
      },
      { ...strict, title: 'a map with the keys idle, flows_per_source and answers' },
    ),
  ),
};

export const L4_POOL_KEYS = {
  proxy_protocol: Type.Optional(Type.Union([Type.Literal('v1'), Type.Literal('v2')])),
};

const Listener = Type.Object(L4_LISTENER_KEYS);

/** What a listener may have beside `listen`, `protocol` and `pool`. */
export type L4Keys = Static<typeof Listener>;
