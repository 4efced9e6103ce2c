/** `listeners[].routes[]` of `proxy.yaml` as it is written. What it means is checked in `route-config.ts`. */
import { type Static, Type } from 'typebox';
import { FIXED_BODY_BYTES_MAX } from '../core/http/route-action.js';
import { CoalesceSchema } from './coalesce-config.js';
import { COMPRESSION_ROUTE_KEYS } from './compression-config.js';
import { Duration } from './duration.js';
import { LIMIT_ROUTE_KEYS } from './limit-schema.js';
import { RetriesSchema } from './resilience-schema.js';
import { SPLIT_KEYS } from './route-split-schema.js';

export const VALUE_MATCHES_MAX = 16;
export const FIELD_CHANGES_MAX = 32;
export const PATTERN_LENGTH_MAX = 512;

const strict = { additionalProperties: false } as const;

const HOST_NAME = '[A-Za-z0-9._-]{1,250}';
const MatchHost = Type.String({
  pattern: `^(\\*\\.)?${HOST_NAME}$`,
  title: 'a host name without port, or "*." and a host name',
});
const Path = Type.String({ pattern: '^/[!-~]{0,2000}$', title: 'a path that starts with "/"' });
const Pattern = Type.String({
  minLength: 1,
  maxLength: PATTERN_LENGTH_MAX,
  title: `a pattern of 1 to ${PATTERN_LENGTH_MAX} characters`,
});
const Method = Type.String({
  pattern: "^[A-Z0-9!#$%&'*+.^_`|~-]{1,32}$",
  title: 'a method in capital letters such as GET',
});

/** Tokens (RFC 9110 §5.6.2): names of header fields and cookies. */
export const FIELD_NAME = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";
export const PARAMETER_NAME = '^[A-Za-z0-9._~:@!$\\[\\]-]{1,64}$';
const VALUE = '^([!-~]([ -~]{0,1022}[!-~])?)?$';
const VALUE_TITLE = 'text of at most 1024 visible ASCII characters, with spaces only inside';
const Value = Type.String({ pattern: VALUE, title: VALUE_TITLE });

const Test = Type.Union(
  [
    Value,
    Type.Object(
      {
        exact: Type.Optional(Value),
        prefix: Type.Optional(Value),
        pattern: Type.Optional(Pattern),
        present: Type.Optional(Type.Boolean()),
      },
      { ...strict, title: 'a text, or a map with one of the keys exact, prefix, pattern, present' },
    ),
  ],
  { title: 'a text, or a map with one of the keys exact, prefix, pattern, present' },
);

/** Names are checked in route-config.ts, which can say what is wrong with one. */
const Tests = Type.Optional(Type.Record(Type.String(), Test, { maxProperties: VALUE_MATCHES_MAX }));
const Fields = Type.Record(Type.String(), Value, { maxProperties: FIELD_CHANGES_MAX });

export const Match = Type.Object(
  {
    host: Type.Optional(MatchHost),
    path: Type.Optional(Path),
    path_prefix: Type.Optional(Path),
    path_pattern: Type.Optional(Pattern),
    methods: Type.Optional(Type.Array(Method, { minItems: 1, maxItems: 16 })),
    headers: Tests,
    cookies: Tests,
    query: Tests,
  },
  strict,
);

const Changes = Type.Object(
  {
    set: Type.Optional(Fields),
    add: Type.Optional(Fields),
    remove: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: FIELD_CHANGES_MAX })),
  },
  { ...strict, title: 'a map with the keys set, add, remove' },
);

/** `to` of a pattern: a path, and `$` with a digit. */
const Template = Type.String({ pattern: '^[/$][!-~]{0,2000}$', title: 'a path, which may hold $1 to $9' });
const pathEdits = {
  path: Type.Optional(Path),
  prefix: Type.Optional(Path),
  pattern: Type.Optional(Pattern),
  to: Type.Optional(Template),
} as const;

/** A name or an address in brackets. */
const HOST_ONLY = `(${HOST_NAME}|\\[[0-9A-Fa-f:.]{2,45}\\])`;
const Rewrite = Type.Object(
  {
    ...pathEdits,
    host: Type.Optional(
      Type.String({ pattern: `^${HOST_ONLY}(:\\d{1,5})?$`, title: 'a host name, with a port or without' }),
    ),
  },
  { ...strict, title: 'a map with the keys path, prefix, pattern and to, host' },
);

const RedirectStatus = Type.Union([
  Type.Literal(301),
  Type.Literal(302),
  Type.Literal(303),
  Type.Literal(307),
  Type.Literal(308),
]);
const Redirect = Type.Object(
  {
    status: Type.Optional(RedirectStatus),
    scheme: Type.Optional(Type.Union([Type.Literal('http'), Type.Literal('https')])),
    host: Type.Optional(Type.String({ pattern: `^${HOST_ONLY}$`, title: 'a host name without port' })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    ...pathEdits,
    query: Type.Optional(Type.Union([Type.Literal('keep'), Type.Literal('drop')])),
    headers: Type.Optional(Fields),
  },
  { ...strict, title: 'a map with the keys status, scheme, host, port, path, prefix, pattern and to, query' },
);

export const RespondSchema = Type.Object(
  {
    status: Type.Integer({ minimum: 200, maximum: 599 }),
    body: Type.Optional(Type.String({ maxLength: FIXED_BODY_BYTES_MAX })),
    file: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, title: 'a path' })),
    type: Type.Optional(Type.String({ pattern: '^[!-~]([ -~]{0,126}[!-~])?$', title: 'a media type' })),
    headers: Type.Optional(Fields),
  },
  { ...strict, title: 'a map with the keys status, body or file, type, headers' },
);

const PRIORITY_MAX = 1_000_000;

export const RouteSchema = Type.Object(
  {
    match: Type.Optional(Match),
    priority: Type.Optional(Type.Integer({ minimum: -PRIORITY_MAX, maximum: PRIORITY_MAX })),
    pool: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
        title: 'a name of at most 63 letters, digits, "_", "-" and "."',
      }),
    ),
    ...SPLIT_KEYS,
    redirect: Type.Optional(Redirect),
    respond: Type.Optional(RespondSchema),
    rewrite: Type.Optional(Rewrite),
    headers: Type.Optional(
      Type.Object(
        { request: Type.Optional(Changes), response: Type.Optional(Changes) },
        { ...strict, title: 'a map with the keys request and response' },
      ),
    ),
    retries: Type.Optional(RetriesSchema),
    ...LIMIT_ROUTE_KEYS,
    coalesce: Type.Optional(CoalesceSchema),
    timeouts: Type.Optional(
      Type.Object({ response: Type.Optional(Duration) }, { ...strict, title: 'a map with the key response' }),
    ),
    ...COMPRESSION_ROUTE_KEYS,
  },
  { ...strict, title: 'a map with the keys match and pool, redirect or respond' },
);

export type RouteFile = Static<typeof RouteSchema>;
