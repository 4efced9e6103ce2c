/** The keys of a monitor that belong to its kind, as they are written in a zone file. */
import { Type } from 'typebox';
import { Duration } from './duration.js';

const strict = { additionalProperties: false } as const;

export const PROBE_LIMITS = { headers: 16, args: 32, textBytes: 512, minDays: 3650 } as const;

export const MonitorType = Type.Union([
  Type.Literal('tcp'),
  Type.Literal('tls'),
  Type.Literal('http'),
  Type.Literal('https'),
  Type.Literal('http2'),
  Type.Literal('grpc'),
  Type.Literal('dns'),
  Type.Literal('icmp'),
  Type.Literal('udp'),
  Type.Literal('exec'),
  Type.Literal('file'),
]);

const StatusCode = Type.Integer({ minimum: 100, maximum: 599 });
const Status = Type.Union([StatusCode, Type.String({ pattern: '^[1-5]\\d\\d(-[1-5]\\d\\d)?$' })], {
  title: 'an HTTP status such as 200, or a range such as "200-399"',
});

const Contains = Type.String({ minLength: 1, maxLength: 256, title: 'a text of 1 to 256 characters' });
const Body = Type.Union(
  [Contains, Type.Object({ matches: Type.String({ minLength: 1, maxLength: 256 }) }, strict)],
  { title: 'a text of 1 to 256 characters, or { matches: PATTERN }' },
);

const HexDigits = Type.String({
  pattern: '^([0-9A-Fa-f]{2}){1,512}$',
  title: '1 to 512 bytes in hexadecimal digits',
});
const Bytes = Type.Union(
  [Type.String({ minLength: 1, maxLength: PROBE_LIMITS.textBytes }), Type.Object({ hex: HexDigits }, strict)],
  { title: 'a text of 1 to 512 characters, or { hex: … }' },
);

const Expect = Type.Object(
  {
    status: Type.Optional(Type.Union([Status, Type.Array(Status, { minItems: 1, maxItems: 32 })])),
    body: Type.Optional(Body),
    rcode: Type.Optional(Type.String({ pattern: '^[A-Z0-9]{1,16}$', title: 'an rcode such as NOERROR' })),
    value: Type.Optional(Type.Unknown()),
    bytes: Type.Optional(Bytes),
  },
  { ...strict, minProperties: 1 },
);

const LocalAddress = Type.String({ maxLength: 64, title: 'an IP address of this host' });

/** Spread into the schema of a monitor. Which kind has which of them says `zone-checks.ts`. */
export const CheckKeys = {
  path: Type.Optional(
    Type.String({ pattern: '^/[!-~]{0,1023}$', title: 'a path such as /healthz, without spaces' }),
  ),
  method: Type.Optional(
    Type.Union([Type.Literal('GET'), Type.Literal('HEAD'), Type.Literal('OPTIONS'), Type.Literal('POST')]),
  ),
  host: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._:\\[\\]-]{1,255}$', title: 'a host name' })),
  headers: Type.Optional(
    Type.Record(
      Type.String(),
      Type.String({
        pattern: '^([!-~]([ -~]{0,510}[!-~])?)?$',
        title: 'a header value of at most 512 ASCII characters',
      }),
      { maxProperties: PROBE_LIMITS.headers },
    ),
  ),
  expect: Type.Optional(Expect),
  verify: Type.Optional(Type.Boolean({ description: 'check the certificate' })),
  tls: Type.Optional(Type.Boolean({ description: 'http2 and grpc: with TLS' })),
  min_days: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: PROBE_LIMITS.minDays,
      description: 'tls: the certificate must be valid for so many days more',
    }),
  ),
  service: Type.Optional(
    Type.String({ pattern: '^[!-~]{0,200}$', title: 'the name of a gRPC service', description: 'grpc' }),
  ),
  query: Type.Optional(Type.String({ maxLength: 1024, title: 'a domain name', description: 'dns' })),
  query_type: Type.Optional(
    Type.String({ maxLength: 16, title: 'an RR type such as A', description: 'dns: the type to ask for' }),
  ),
  protocol: Type.Optional(Type.Union([Type.Literal('udp'), Type.Literal('tcp')])),
  send: Type.Optional(Bytes),
  program: Type.Optional(
    Type.String({
      pattern: '^/[!-~]{1,1023}$',
      title: 'an absolute path, without spaces',
      description: 'exec',
    }),
  ),
  args: Type.Optional(
    Type.Array(Type.String({ pattern: '^[^\\u0000]{0,1024}$', title: 'a text of at most 1024 characters' }), {
      maxItems: PROBE_LIMITS.args,
    }),
  ),
  max_age: Type.Optional(Duration),
  source: Type.Optional(
    Type.Union([LocalAddress, Type.Array(LocalAddress, { minItems: 1, maxItems: 2 })], {
      title: 'an IP address of this host, or one of each family',
    }),
  ),
} as const;
