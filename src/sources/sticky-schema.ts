/** The keys of a pool in `proxy.yaml` that say where its clients stay, and what they get when it can't serve them. */
import { Type } from 'typebox';
import { Duration } from './duration.js';
import { RespondSchema } from './route-schema.js';

const strict = { additionalProperties: false } as const;

const Token = Type.String({
  pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$",
  title: 'the name of a header or cookie, at most 64 characters',
});

const Sticky = Type.Object(
  {
    by: Type.Union([
      Type.Literal('cookie'),
      Type.Literal('app_cookie'),
      Type.Literal('header'),
      Type.Literal('address'),
    ]),
    name: Type.Optional(Token),
    cookie: Type.Optional(Token),
    lifetime: Type.Optional(Duration),
    drain: Type.Optional(Duration),
    path: Type.Optional(
      Type.String({ pattern: '^/[!-:<-~]{0,255}$', title: 'a path that starts with "/", without ";"' }),
    ),
    domain: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$',
        title: 'a domain name without a leading dot',
      }),
    ),
    secure: Type.Optional(Type.Boolean()),
    http_only: Type.Optional(Type.Boolean()),
    same_site: Type.Optional(Type.Union([Type.Literal('strict'), Type.Literal('lax'), Type.Literal('none')])),
  },
  { ...strict, title: 'a map with the key by' },
);

const Fallback = Type.Object(
  {
    pool: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
        title: 'a name of at most 63 letters, digits, "_", "-" and "."',
      }),
    ),
    respond: Type.Optional(RespondSchema),
  },
  { ...strict, title: 'a map with the key pool or respond' },
);

export const STICKY_POOL_KEYS = {
  sticky: Type.Optional(Sticky),
  fallback: Type.Optional(Fallback),
  stale_if_error: Type.Optional(
    Type.Object(
      {
        for: Duration,
        size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
        body: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
      },
      { ...strict, title: 'a map with the key for' },
    ),
  ),
  fail: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('secure')])),
  maintenance: Type.Optional(Type.Boolean()),
} as const;
