/**
 * `meridian.yaml` as it is written: one schema for validation, defaults, environment variables and the table in
 * `docs/configuration.md`. A default stands here and nowhere else.
 */
import { type Static, Type } from 'typebox';
import { RATE_MAX, TABLE_SIZE_MAX, TABLE_SIZE_MIN } from '../core/limit/rate-limiter.js';
import { Duration } from './duration.js';
import { LISTEN_TITLE } from './listen-address.js';

export const WORKERS_MAX = 256;

const strict = { additionalProperties: false } as const;
/** A section that may be left out: its keys then have their defaults. */
const section = { additionalProperties: false, default: {} } as const;

const Listen = Type.String({ maxLength: 64, title: LISTEN_TITLE });
const File = Type.String({ minLength: 1, maxLength: 4096, title: 'a path' });

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
    from: Type.Array(
      Type.String({ maxLength: 64, title: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32' }),
      {
        maxItems: 256,
        default: [],
        description: 'Senders that put a PROXY header (version 2) in front of every query and connection.',
      },
    ),
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
    exempt: Type.Array(
      Type.String({ maxLength: 64, title: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32' }),
      { maxItems: 256, default: [], description: 'Clients that are never limited.' },
    ),
    table_size: count(TABLE_SIZE_MIN, TABLE_SIZE_MAX, 65_536, 'Accounts of one worker, 16 bytes each.'),
  },
  section,
);

const QueryLog = Type.Object(
  {
    sample: Type.Number({
      minimum: 0,
      maximum: 1,
      title: 'a number from 0 to 1',
      default: 0,
      description: 'The part of the queries that is logged: 0 for none, 1 for all.',
    }),
    max_per_second: count(1, 10_000, 1000, 'Lines of one worker in a second.'),
    file: Type.String({
      minLength: 1,
      maxLength: 4096,
      title: 'a path, or stderr',
      default: 'stderr',
      description: 'Where the lines go. A file is opened anew on SIGHUP.',
    }),
    max_size: count(
      1,
      1_048_576,
      100,
      'Mebibytes of the file; then it is renamed to end in `.1`, and a new one begins.',
    ),
    client: choice(
      ['address', 'prefix', 'none'],
      'address',
      'Who asked: the whole address, its /24 or /56, or nothing.',
    ),
  },
  section,
);

const Dns = Type.Object(
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

const NameResolver = Type.Object(
  {
    servers: Type.Array(
      Type.String({ maxLength: 64, title: 'an IP address, or one with a port such as 192.0.2.1:53' }),
      {
        maxItems: 8,
        default: [],
        description: 'Resolvers for the targets of ALIAS records outside; by default those of the system.',
      },
    ),
    timeout: Type.Union([...Duration.anyOf], {
      title: 'a duration from 100ms to 30s',
      default: '2s',
      description: 'How long one of them may take for an answer.',
    }),
    max_age: Type.Optional(
      Type.Union([...Duration.anyOf], {
        title: 'a duration from 1m to 30d',
        description: 'Addresses that could not be refreshed for so long are given up; by default never.',
      }),
    ),
  },
  section,
);

const Geo = Type.Object(
  {
    database: Type.Union([File, Type.Array(File, { minItems: 1, maxItems: 8 })], {
      title: 'embedded, a path, or a list of 1 to 8 paths',
      default: 'embedded',
      description:
        '`embedded`, or MaxMind databases (`.mmdb`), watched. Where two say the same, the later counts.',
    }),
  },
  section,
);

const Api = Type.Object(
  {
    listen: Type.Union([Listen, Type.Null()], {
      title: `${LISTEN_TITLE}, or off`,
      default: '127.0.0.1:8300',
      description: 'Address of the admin API; `off` for none.',
    }),
    tokens: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4096,
        title: 'a path',
        description: 'Token file. Required when other machines can reach the API.',
      }),
    ),
  },
  section,
);

const Receiver = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[!-~]{1,2000}$',
      title: 'a URL that starts with http:// or https://',
    }),
    token_file: Type.Optional(File),
    node: Type.Optional(name('Name of that node: what it reports to this one counts.')),
  },
  { ...strict, title: 'a map with the keys url, token_file and node' },
);

const Prefix = Type.String({ maxLength: 64, title: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32' });

const Probes = Type.Object(
  {
    concurrency: count(1, 16_384, 1024, 'Probes that run at once; further ones wait.'),
    programs: Type.Array(File, {
      maxItems: 64,
      default: [],
      description: 'Programs that `exec` monitors may run, each by its path; no others.',
    }),
    folders: Type.Array(File, {
      maxItems: 64,
      default: [],
      description: 'Folders of files that `file` monitors may read; no others.',
    }),
    networks: Type.Object(
      {
        allow: Type.Array(Prefix, {
          minItems: 1,
          maxItems: 256,
          default: ['0.0.0.0/0', '::/0'],
          description: 'Networks that probes may reach.',
        }),
        deny: Type.Array(Prefix, {
          maxItems: 256,
          default: [],
          description: 'Networks that probes may not reach, though `allow` has them.',
        }),
      },
      section,
    ),
  },
  section,
);

export const ServerSchema = Type.Object(
  {
    node: Type.Object(
      {
        name: name('Name of this node; required, and no other node may have it.'),
        region: Type.Optional(name('Region that this node is in.')),
      },
      { ...strict, title: 'a map with the key name' },
    ),
    dns: Dns,
    zones: folder('./zones', 'Folder of zone files, watched.'),
    state: folder(
      './state',
      'Folder for the last good version of each zone file and for the tokens of this node.',
    ),
    geo: Geo,
    resolver: NameResolver,
    api: Api,
    probes: Probes,
    report_to: Type.Array(Receiver, {
      maxItems: 64,
      default: [],
      description:
        'Other DNS nodes, `{ url, token_file, node }` each: they are told what this node sees, and what those with `node` see counts here.',
    }),
    log: Type.Object(
      {
        level: choice(
          ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
          'info',
          'What is logged: this, and what is worse.',
        ),
        queries: QueryLog,
      },
      section,
    ),
  },
  { ...strict, title: 'a map' },
);

/** The file after its defaults were filled in. */
export type ServerFile = Static<typeof ServerSchema>;

function identity(description: string) {
  return Type.Optional(
    Type.String({
      pattern: '^[ -~]{1,63}$',
      title: 'a text of 1 to 63 ASCII characters, or off',
      description,
    }),
  );
}

function name(description: string) {
  return Type.String({
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
    title: 'a name of at most 63 letters, digits, "_", "-" and "."',
    description,
  });
}

function folder(fallback: string, description: string) {
  return Type.String({ minLength: 1, maxLength: 4096, title: 'a folder', default: fallback, description });
}

function count(minimum: number, maximum: number, fallback: number, description: string) {
  return Type.Integer({ minimum, maximum, default: fallback, description });
}

function choice<const T extends string>(values: readonly T[], fallback: T, description: string) {
  return Type.Enum([...values], { default: fallback, description });
}
