/**
 * `meridian.yaml` as it is written: one schema for validation, defaults, environment variables and the table in
 * `docs/configuration.md`. A default stands here and nowhere else.
 */
import { type Static, Type } from 'typebox';
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
    api: Api,
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
