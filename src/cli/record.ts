import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, getList, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { formatTable } from './table.js';
import { type WatchOptions, watch, withWatch } from './watch.js';
import { type ChangeOptions, sendChange, withChangeOptions } from './zone-change.js';

interface ListOptions extends ApiOptions, WatchOptions {
  readonly type?: string;
}

interface ZoneRecord {
  readonly name: string;
  readonly types: string;
  readonly record: Readonly<Record<string, unknown>>;
}

/** `meridian record list`, `set` and `delete`. */
export function addRecord(program: Command): void {
  const record = program.command('record').description('records of a running server: list, set, delete');
  const list = record
    .command('list')
    .description('list the records of a zone, or of one name, as its file has them')
    .argument('<zone>')
    .argument('[name]', 'relative to the zone, or with a dot at its end; @ is the zone itself')
    .option('-t, --type <type>', 'only those of a type');
  withApiOptions(withWatch(list)).action(
    async (zone: string, name: string | undefined, options: ListOptions) => {
      const query = new URLSearchParams();
      if (name !== undefined) query.set('name', name);
      if (options.type !== undefined) query.set('type', options.type);
      const path = `${pathOf(zone)}?${query}`;
      const read = async () => ({
        records: (await getList(path, 'records', options)) as readonly ZoneRecord[],
      });
      await watch(read, options, ({ records }) => tableOf(records));
    },
  );
  const set = record
    .command('set')
    .description('make a record, or replace it, with these values')
    .argument('<zone>')
    .argument('<name>', 'relative to the zone, or with a dot at its end; @ is the zone itself')
    .argument('<type>', 'A, MX …')
    .argument(
      '<values...>',
      'as in a zone file: 192.0.2.1, or "{ preference: 10, exchange: mail.example.com. }"',
    )
    .option('--ttl <ttl>', 'seconds, or 5m, 1h', parseTtl);
  withChangeOptions(set).action(setRecord);
  const remove = record
    .command('delete')
    .description('delete a record, or all of a name')
    .argument('<zone>')
    .argument('<name>')
    .argument('[type]', 'all types without it');
  withChangeOptions(remove).action(
    async (zone: string, name: string, type: string | undefined, options: ChangeOptions) =>
      sendChange('DELETE', pathOf(zone, name, type), undefined, options),
  );
}

async function setRecord(
  zone: string,
  name: string,
  type: string,
  values: readonly string[],
  options: ChangeOptions & { readonly ttl?: string | number },
): Promise<void> {
  const { ttl } = options;
  const data = await Promise.all(values.map(readValue));
  const body = {
    ...(ttl !== undefined && { ttl }),
    ...(data.length === 1 ? { value: data[0] } : { values: data }),
  };
  await sendChange('PUT', pathOf(zone, name, type), body, options);
}

/** A map or a list is written in braces or brackets; anything else is a text. */
async function readValue(text: string): Promise<unknown> {
  if (!/^[{[]/.test(text)) return text;
  const { parseYaml } = await import('../sources/yaml-document.js');
  const document = parseYaml('value', text);
  if ('value' in document) return document.value;
  throw new CommandError(`${text}: ${document.problems[0]?.message ?? 'is no YAML'}`, EXIT.USAGE);
}

function parseTtl(text: string): string | number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  if (/^\d{1,6}[smhd]$/.test(text)) return text;
  throw new InvalidArgumentError('want seconds, or 5m, 1h.');
}

function tableOf(records: readonly ZoneRecord[]): string {
  const rows = records.map(({ name, types, record }) => {
    const { type: _, ttl, value, values, dynamic } = record;
    const data = values ?? value ?? rulesOf(dynamic);
    const list = Array.isArray(data) ? data : [data];
    const texts = list.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
    return [name, types, ttl === undefined ? '' : ttlText(ttl), shortened(texts.join('; '))];
  });
  return formatTable(['NAME', 'TYPE', 'TTL', 'DATA'], rows);
}

/** The rules of a dynamic record in a line, as plans show them: `EU, AF -> eu`, `default -> us`. */
function rulesOf(dynamic: unknown): unknown {
  if (typeof dynamic !== 'object' || dynamic === null) return '';
  const { rules } = dynamic as { readonly rules?: unknown };
  if (!Array.isArray(rules)) return dynamic;
  return (rules as readonly Readonly<Record<string, unknown>>[]).map((rule) => {
    const { pool, geos, subnets, ...rest } = rule;
    const isKnown = typeof pool === 'string' && Object.keys(rest).length === 0;
    if (!isKnown) return JSON.stringify(rule);
    const clients = [geos, subnets].flatMap((list) => (Array.isArray(list) ? list : []));
    return `${clients.length === 0 ? 'default' : clients.join(', ')} -> ${pool}`;
  });
}

const DATA_CHARS_MAX = 120;

function shortened(text: string): string {
  return text.length > DATA_CHARS_MAX ? `${text.slice(0, DATA_CHARS_MAX - 1)}…` : text;
}

function ttlText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function pathOf(zone: string, ...rest: readonly (string | undefined)[]): string {
  const parts = [zone, 'records', ...rest.filter((part) => part !== undefined)];
  return `/v1/zones/${parts.map(encodeURIComponent).join('/')}`;
}
