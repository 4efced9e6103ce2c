/**
 * `meridian.yaml` as it is written: one schema for validation, defaults, environment variables and the table in
 * `docs/configuration.md`. A default stands here and nowhere else.
 */
import { type Static, Type } from 'typebox';
import { Dns } from './dns-schema.js';
import { Duration } from './duration.js';
import { LISTEN_TITLE } from './listen-address.js';
import { choice, count, File, folder, Listen, name, Prefix, section, strict } from './schema-parts.js';

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

const ApiTls = Type.Object(
  {
    cert: Type.Unsafe<string>({
      ...File,
      description: 'PEM file of the certificate with its chain, watched.',
    }),
    key: Type.Unsafe<string>({ ...File, description: 'PEM file of its private key, watched.' }),
    client_ca: Type.Optional(
      Type.Unsafe<string>({
        ...File,
        description:
          'PEM file of authorities, watched: only clients with a certificate of one of them get through.',
      }),
    ),
  },
  { ...strict, title: 'a map with the keys cert, key and client_ca' },
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
        description: 'Token file, watched. Required when other machines can reach the API.',
      }),
    ),
    tls: Type.Optional(ApiTls),
    insecure: Type.Boolean({
      title: 'true or false',
      default: false,
      description:
        'Let other machines reach the API without TLS: only behind a TLS front, or in a network where nobody listens.',
    }),
  },
  section,
);

const Acme = Type.Object(
  {
    domain: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        title: 'a domain name',
        description:
          'Name in a zone of this server below which `/register` makes names; without it there is no `/register`.',
      }),
    ),
    register_from: Type.Array(Prefix, {
      maxItems: 256,
      default: [],
      description: 'Clients that may register without a token; all others need one of the role `zones`.',
    }),
    proxies: Type.Array(Prefix, {
      maxItems: 256,
      default: [],
      description: 'HTTP proxies in front of the API: their `X-Forwarded-For` says who the client is.',
    }),
    lifetime: Type.Union([...Duration.anyOf], {
      title: 'a duration from 1m to 1d',
      default: '1h',
      description: 'How long a value of a challenge is answered.',
    }),
    max_accounts: count(1, 10_000, 1000, 'Accounts; further ones are refused.'),
  },
  { ...strict, title: 'a map' },
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

const Health = Type.Object(
  {
    observers: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65,
        description:
          'DNS nodes that probe, this one among them: zones whose monitors ask for more are refused. By default this node and those with `node` in `report_to`; more where further nodes are yet to come.',
      }),
    ),
  },
  section,
);

const History = Type.Object(
  {
    max_revisions: count(10, 100_000, 10_000, 'Revisions that are kept; beyond that the oldest are dropped.'),
    max_size: count(
      1,
      65_536,
      256,
      'Mebibytes of the journal that holds them; beyond that the oldest are dropped.',
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
      'Folder for the history, the last good version of each zone file and the tokens of this node; one process at a time.',
    ),
    mode: choice(
      ['api', 'gitops'],
      'api',
      'How zones change: `api`, by their files and through the API; `gitops`, by their files only, steering stays open.',
    ),
    history: History,
    geo: Geo,
    resolver: NameResolver,
    api: Api,
    acme: Type.Optional(Acme),
    probes: Probes,
    health: Health,
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
