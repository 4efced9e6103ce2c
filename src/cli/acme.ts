import { readFile, rename, writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, askJson, getList, postJson, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { print } from './output.js';
import { formatTable } from './table.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface Account {
  readonly username: string;
  readonly fulldomain: string;
  readonly allowfrom: readonly string[];
  readonly note: string;
  readonly values: readonly { readonly txt: string; readonly expires: string }[];
}

interface NewAccount {
  readonly username: string;
  readonly password: string;
  readonly fulldomain: string;
  readonly subdomain: string;
  readonly allowfrom: readonly string[];
}

/** `meridian acme`: who may set ACME challenges. */
export function addAcme(program: Command): void {
  const acme = program.command('acme').description('accounts of ACME clients, for certificates by DNS-01');
  addList(acme);
  addAdd(acme);
  addRemove(acme);
}

function addList(acme: Command): void {
  const list = acme.command('list').description('list accounts, and what is answered for them');
  withApiOptions(withWatch(list)).action(async (options: ApiOptions & WatchOptions) => {
    const read = async () => ({
      accounts: (await hinted(getList('/v1/acme/accounts', 'accounts', options))) as readonly Account[],
    });
    await watch(read, options, ({ accounts }) => format(accounts));
  });
}

interface AddOptions extends ApiOptions {
  readonly allowFrom?: readonly string[];
  readonly note?: string;
  readonly storage?: string;
}

function addAdd(acme: Command): void {
  const command = acme
    .command('add')
    .description('make an account, for a name of a zone or one below acme.domain')
    .argument('[name]', 'the name that is to get a certificate, or *. and that name')
    .option('--allow-from <network...>', 'networks that may use it; by default any')
    .option('--note <text>', 'who it is for', parseNote)
    .option('--storage <file>', "adds it to the storage file of lego, certbot's hook or cert-manager");
  withApiOptions(command).action(async (name: string | undefined, options: AddOptions) => {
    const { storage, allowFrom, note } = options;
    if (storage !== undefined && name === undefined) {
      throw new CommandError('--storage: say which name, the file is sorted by names', EXIT.USAGE);
    }
    // A file that can't be used must not cost an account whose password nobody has.
    const stored = storage === undefined ? {} : await readStorage(storage);
    const body = {
      ...(name !== undefined && { domain: name }),
      ...(allowFrom && { allow_from: allowFrom }),
      ...(note !== undefined && { note }),
    };
    const account = (await hinted(postJson('/v1/acme/accounts', body, options))) as NewAccount;
    if (storage === undefined) return print(account, { json: true }, String);
    const key = name!.replace(/^\*\./, '').replace(/\.$/, '').toLowerCase();
    await writeStorage(storage, { ...stored, [key]: { ...account, server_url: options.api } });
    const { password: _, ...shown } = account;
    print(shown, options, ({ username, fulldomain }) => {
      return `${key}: account ${username} sets ${fulldomain}; stored in ${storage}`;
    });
  });
}

function addRemove(acme: Command): void {
  const command = acme
    .command('remove')
    .description('end an account: what it set is gone at once')
    .argument('<username>', 'as `meridian acme list` shows it');
  withApiOptions(command).action(async (username: string, options: ApiOptions) => {
    await askJson('DELETE', `/v1/acme/accounts/${encodeURIComponent(username)}`, undefined, options);
    print({ removed: username }, options, ({ removed }) => `${removed} is removed`);
  });
}

/** A server without ACME has none of its routes. */
async function hinted<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof CommandError) || error.status !== 404) throw error;
    throw new CommandError('this server keeps no ACME accounts: give its meridian.yaml a section acme');
  }
}

function format(accounts: readonly Account[]): string {
  if (accounts.length === 0) return 'no accounts: meridian acme add NAME makes one';
  return formatTable(
    ['NAME', 'USERNAME', 'VALUES', 'ALLOWED FROM', 'NOTE'],
    accounts.map(({ username, fulldomain, allowfrom, note, values }) => {
      const networks = allowfrom.length === 0 ? 'anywhere' : allowfrom.join(' ');
      return [fulldomain, username, String(values.length), networks, note];
    }),
  );
}

async function readStorage(file: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw fileError(file, error);
  }
  try {
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new CommandError(`${file} is no storage of accounts: it must hold a JSON object`);
}

async function writeStorage(file: string, accounts: object): Promise<void> {
  const draft = `${file}.${process.pid}`;
  try {
    await writeFile(draft, `${JSON.stringify(accounts, null, 2)}\n`, { mode: 0o600 });
    await rename(draft, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`the account is made, but ${file} cannot be written: ${code}; remove it again`);
  }
}

function parseNote(text: string): string {
  if (text.length > 200) throw new InvalidArgumentError('want at most 200 characters.');
  return text;
}
