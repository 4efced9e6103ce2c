import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, askJson, getList, withApiOptions } from './api-client.js';
import { print } from './output.js';
import { formatTable } from './table.js';
import { timeFromNow, timeText } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface Token {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly source: string;
  readonly fingerprint: string;
  readonly by?: string;
  readonly expires?: string;
  readonly last_used?: string;
  readonly zones?: readonly string[];
  readonly node?: string;
}

interface CreateOptions extends ApiOptions {
  readonly role: string;
  readonly expires?: string;
  readonly zone?: readonly string[];
  readonly node?: string;
}

const ROLES = ['read', 'operate', 'zones', 'report', 'admin'];

/** `meridian token create`, `list` and `revoke`. */
export function addToken(program: Command): void {
  const token = program.command('token').description('make, list and revoke tokens of a running server');
  addCreate(token);
  const list = token.command('list').description('list tokens: whose, what they may do, until when');
  withApiOptions(withWatch(list)).action(async (options: ApiOptions & WatchOptions) => {
    const read = async () => ({
      tokens: (await getList('/v1/tokens', 'tokens', options)) as readonly Token[],
    });
    await watch(read, options, ({ tokens }) => tableOf(tokens));
  });
  const revoke = token
    .command('revoke')
    .description('revoke the token of a name, at once and for ever')
    .argument('<name>')
    .option('--force', 'even the last token of the role admin');
  withApiOptions(revoke).action(async (name: string, options: ApiOptions & { readonly force?: boolean }) => {
    const query = options.force ? '?force=true' : '';
    const done = await askJson(
      'DELETE',
      `/v1/tokens/${encodeURIComponent(name)}${query}`,
      undefined,
      options,
    );
    print(done, options, () => `${name} is revoked`);
  });
}

function addCreate(token: Command): void {
  const create = token
    .command('create')
    .description('make a token, and print it this once')
    .argument('<name>', 'letters, digits, "_", "-" and "."')
    .option('-r, --role <role>', `one of ${ROLES.join(', ')}`, parseRole, 'read')
    .option('-e, --expires <time>', 'a date, a time or a duration such as 90d; never without it')
    .option('-z, --zone <name...>', 'role zones: the only zones that it may change')
    .option('--node <name>', 'role report: the node that it reports for, if it is not the name of the token');
  withApiOptions(create).action(async (name: string, options: CreateOptions) => {
    const { role, expires, zone: zones, node } = options;
    const body = {
      name,
      role,
      ...(expires !== undefined && { expires }),
      ...(zones && { zones }),
      ...(node !== undefined && { node }),
    };
    const made = (await askJson('POST', '/v1/tokens', body, options)) as Token & { readonly token: string };
    // The token alone on stdout: `meridian token create ci > ci.token`.
    print(made, options, ({ token: secret }) => secret);
    if (options.json) return;
    const until = made.expires === undefined ? 'for ever' : `until ${timeText(made.expires)}`;
    process.stderr.write(`${name} (${made.role}, ${until}): keep it now, it is not shown again\n`);
  });
}

function parseRole(text: string): string {
  if (!ROLES.includes(text)) throw new InvalidArgumentError(`want one of ${ROLES.join(', ')}.`);
  return text;
}

function tableOf(tokens: readonly Token[]): string {
  const rows = tokens.map(({ name, role, state, source, by, expires, last_used: used, zones, node }) => [
    ...[name, role, state, by === undefined ? source : `${source} (${by})`],
    expires === undefined ? 'never' : timeFromNow(expires, Date.now()),
    used === undefined ? '' : timeText(used),
    ...[zones?.join(',') ?? node ?? ''],
  ]);
  return formatTable(['NAME', 'ROLE', 'STATE', 'FROM', 'EXPIRES', 'LAST USED', 'FOR'], rows);
}
