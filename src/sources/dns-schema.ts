/** The section `dns` of `meridian.yaml`. */
import { Type } from 'typebox';
import { RATE_MAX, TABLE_SIZE_MAX, TABLE_SIZE_MIN } from '../core/limit/rate-limiter.js';
import { Duration } from './duration.js';
import { choice, count, Listen, Prefix, section, strict } from './schema-parts.js';

export const WORKERS_MAX = 256;

const Tcp = Type.Object(
  {
    max_connections: count(1, 65_536, 1024, 'TCP connections of one worker at once.'),
    // RFC 7766 §6.2.3 asks for "the order of seconds"; a resolver that wants longer can use keepalive.
    idle_timeout: Type.Union([...Duration.anyOf], {
      title: 'a duration from 1s to 10m',
      default: '10s',
      description: 'A TCP connection without a query is closed after this.',
    }),
    lifetime: Type.Union([...Duration.anyOf], {
      title: 'a duration from 1s to 1d',
      default: '10m',
      description: 'A TCP connection is closed after this, however busy it is.',
    }),
    max_per_client: count(
      1,
      65_536,
      64,
      'TCP connections of one IPv4 address, or of one IPv6 /56, to one worker at once.',
    ),
    max_queries: count(1, 1_000_000, 10_000, 'Queries on one TCP connection; then it is closed.'),
  },
  section,
);

const Udp = Type.Object(
  { max_size: count(512, 4096, 1232, 'Largest UDP answer in bytes, whatever the client offers (RFC 9715).') },
  section,
);

const Xdp = Type.Object(
  {
    interfaces: Type.Array(
      Type.String({ pattern: '^(?!\\.{1,2}$)[^/\\s]{1,15}$', title: 'the name of a network interface' }),
      {
        maxItems: 16,
        default: [],
        description:
          'Network interfaces whose DNS datagrams are taken before the kernel looks at them (AF_XDP).',
      },
    ),
    mode: choice(
      ['auto', 'native', 'generic'],
      'auto',
      "Where they are taken: in the card's driver (`native`), above it (`generic`, slower, every driver), or as far down as the driver can.",
    ),
  },
  section,
);

const Identity = Type.Object(
  {
    nsid: identity("Name server identifier (RFC 5001), given to who asks; by default the node's name."),
    version: identity(
      'Answer to `version.bind` in class CH; by default the name and version of this program.',
    ),
    id: identity("Answer to `id.server` and `hostname.bind` in class CH; by default the node's name."),
  },
  section,
);

const SecureListen = Type.Array(Listen, {
  minItems: 1,
  maxItems: 64,
  description: 'Addresses of this transport. The limits of `dns.tcp` hold for it too.',
});
const CertificateFile = Type.String({
  minLength: 1,
  maxLength: 4096,
  title: 'a path',
  description: 'PEM file of the certificate with its chain, watched.',
});
const KeyFile = Type.String({
  minLength: 1,
  maxLength: 4096,
  title: 'a path',
  description: 'PEM file of its private key, watched.',
});

const Tls = Type.Object(
  { listen: SecureListen, cert: CertificateFile, key: KeyFile },
  { ...strict, title: 'a map with the keys listen, cert and key' },
);

const Https = Type.Object(
  {
    listen: SecureListen,
    cert: CertificateFile,
    key: KeyFile,
    path: Type.String({
      pattern: '^/[A-Za-z0-9._~/-]{0,200}$',
      title: 'a path of a URL that starts with /',
      default: '/dns-query',
      description: 'Path of the URL that clients ask (RFC 8484).',
    }),
  },
  { ...strict, title: 'a map with the keys listen, cert, key and path' },
);

const ProxyProtocol = Type.Object(
  {
    from: Type.Array(Prefix, {
      maxItems: 256,
      default: [],
      description: 'Senders that put a PROXY header (version 2) in front of every query and connection.',
    }),
  },
  section,
);

const RateLimit = Type.Object(
  {
    enabled: Type.Boolean({
      title: 'true or false',
      default: false,
      description: 'Limit answers over UDP for each client prefix.',
    }),
    log_only: Type.Boolean({
      title: 'true or false',
      default: false,
      description: 'Only count and log what would be limited.',
    }),
    responses_per_second: count(
      0,
      RATE_MAX,
      200,
      'Answers for one name, wildcard or delegation, and NODATA of one zone; 0 for no limit.',
    ),
    nxdomains_per_second: count(0, RATE_MAX, 100, 'NXDOMAIN of one zone; 0 for no limit.'),
    errors_per_second: count(0, RATE_MAX, 50, 'Other response codes; 0 for no limit.'),
    window: Type.Union([...Duration.anyOf], {
      title: 'a duration from 1s to 1m',
      default: '15s',
      description: 'Who goes on asking is limited until so long after the end; whole seconds.',
    }),
    slip: count(0, 10, 2, 'Every so many limited answers leave truncated; 0 for none, 1 for all.'),
    ipv4_prefix: count(8, 32, 24, 'Bits of an IPv4 address that make a client.'),
    ipv6_prefix: count(16, 64, 56, 'Bits of an IPv6 address that make a client.'),
    exempt: Type.Array(Prefix, {
      maxItems: 256,
      default: [],
      description: 'Clients that are never limited.',
    }),
    table_size: count(TABLE_SIZE_MIN, TABLE_SIZE_MAX, 65_536, 'Accounts of one worker, 16 bytes each.'),
  },
  section,
);

export const Dns = Type.Object(
  {
    listen: Type.Array(Listen, {
      minItems: 1,
      maxItems: 64,
      default: ['127.0.0.1:5300', '[::1]:5300'],
      description: 'Addresses for UDP and TCP.',
    }),
    workers: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: WORKERS_MAX,
        description: 'Threads that answer queries; by default one per core.',
      }),
    ),
    io: choice(
      ['auto', 'batched', 'portable'],
      'auto',
      'How datagrams are read: `batched` needs Linux and koffi; `auto` takes it where it works.',
    ),
    xdp: Xdp,
    tcp: Tcp,
    udp: Udp,
    identity: Identity,
    cookie_secrets: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4096,
        title: 'a path, or off',
        description:
          'File of cookie secrets (RFC 9018), watched; the same on all nodes. By default a node makes its own; `off`: no cookies.',
      }),
    ),
    tls: Type.Optional(Tls),
    https: Type.Optional(Https),
    proxy_protocol: ProxyProtocol,
    rate_limit: RateLimit,
  },
  section,
);

function identity(description: string) {
  return Type.Optional(
    Type.String({
      pattern: '^[ -~]{1,63}$',
      title: 'a text of 1 to 63 ASCII characters, or off',
      description,
    }),
  );
}
