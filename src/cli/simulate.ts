import type { Command } from 'commander';
import { type ApiOptions, postJson, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { print } from './output.js';
import { amount, bar, percent } from './share-bar.js';
import { formatTable } from './table.js';

interface Shares {
  readonly answers: readonly { readonly rdata: string; readonly pool: string; readonly share: number }[];
  readonly pools: readonly { readonly pool: string; readonly region?: string; readonly share: number }[];
  readonly empty: number;
}

interface FamilyWorld {
  readonly family: number;
  readonly addresses: number;
  readonly total: Shares;
  readonly places: readonly ({ readonly place: string; readonly addresses: number } & Shares)[];
  readonly left: { readonly places: number; readonly addresses: number };
  readonly before?: { readonly total: Shares; readonly moved: number };
}

interface World {
  readonly by: string;
  readonly records: readonly { readonly name: string; readonly type: string }[];
  readonly families: readonly FamilyWorld[];
  readonly down: readonly string[];
  readonly up: readonly string[];
}

interface SimulateOptions extends ApiOptions {
  readonly down?: string;
  readonly up?: string;
  readonly by: string;
  readonly family: string;
  readonly places: string;
  readonly plan?: string;
  readonly wholeZone?: boolean;
}

const BY = ['country', 'continent', 'province', 'network'] as const;

/** `meridian simulate`: which share of the world gets which answer, perhaps as if something were down. */
export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('say which share of the world gets which answer, perhaps as if something were down')
    .argument('<name>', 'name to ask for; with --whole-zone, the zone whose dynamic names are all taken')
    .argument('[type]', 'record type (default: A; with --whole-zone all)')
    .option('--whole-zone', 'all dynamic names of a zone')
    .option('--down <names>', 'as if these were down: region:eu, pool:eu, an address; commas between them')
    .option('--up <names>', 'as if these were up')
    .option('--plan <id>', 'as if this plan were applied')
    .option('--by <place>', `group clients by ${BY.join(', ')}`, 'country')
    .option('--family <number>', 'clients of IPv4 or of IPv6: 4, 6 or all', '4')
    .option('--places <count>', 'how many places to list', '20');
  withApiOptions(command).action(async (name: string, type: string | undefined, options: SimulateOptions) => {
    const body = bodyOf(name, type, options);
    const result = (await postJson('/v1/simulate', body, options)) as World;
    print(result, options, (world) => formatWorld(name, world));
  });
}

function bodyOf(name: string, type: string | undefined, options: SimulateOptions): object {
  const { by, family, plan } = options;
  const places = Number(options.places);
  if (!BY.some((known) => known === by)) {
    throw new CommandError(`--by: ${by} is none of ${BY.join(', ')}`, EXIT.USAGE);
  }
  if (!['4', '6', 'all'].includes(family)) {
    throw new CommandError(`--family: want 4, 6 or all, not ${family}`, EXIT.USAGE);
  }
  if (!Number.isInteger(places) || places < 0 || places > 1000) {
    throw new CommandError(`--places: want 0 to 1000, not ${options.places}`, EXIT.USAGE);
  }
  return {
    ...(options.wholeZone ? { zone: name } : { name }),
    ...(type !== undefined && { type }),
    ...(family !== 'all' && { family: Number(family) }),
    ...(plan !== undefined && { plan }),
    by,
    places,
    down: listOf(options.down),
    up: listOf(options.up),
  };
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A table of what all clients get, then one of the largest places; with bars. */
export function formatWorld(name: string, { by, records, families, down, up }: World): string {
  const only = records.length === 1 ? records[0] : undefined;
  const title = only ? `${only.name} ${only.type}` : `${records.length} dynamic records of ${name}`;
  const asIf = [
    ...(down.length > 0 ? [`${down.join(', ')} ${down.length === 1 ? 'was' : 'were'} down`] : []),
    ...(up.length > 0 ? [`${up.join(', ')} ${up.length === 1 ? 'was' : 'were'} up`] : []),
  ].join(' and ');
  const blocks = families.map((family) => formatFamily(family, by));
  return [`${title}${asIf === '' ? '' : `, as if ${asIf}`}`, ...blocks].join('\n\n');
}

const BAR_CELLS = 24;
const ANSWERS_SHOWN = 16;

function formatFamily({ family, addresses, total, places, left, before }: FamilyWorld, by: string): string {
  const unit = family === 4 ? 'addresses' : 'networks (/48)';
  const moved = before === undefined ? '' : `; ${movedText(before.moved)}`;
  const blocks = [
    `IPv${family}: ${amount(addresses)} ${unit}${moved}`,
    formatTotal(total, before?.total),
    ...(places.length > 0 ? [formatPlaces(places, by, addresses)] : []),
  ];
  const more = `and ${left.places} more with ${percent(left.addresses / addresses)} of the clients`;
  return `${blocks.join('\n\n')}${left.places > 0 ? `\n${more}` : ''}`;
}

function movedText(share: number): string {
  return share === 0 ? 'nobody would get something else' : `${percent(share)} would get something else`;
}

function formatTotal(total: Shares, before: Shares | undefined): string {
  const now = new Map(total.answers.map(({ rdata, pool, share }) => [`${rdata} ${pool}`, share]));
  const then = new Map(before?.answers.map(({ rdata, pool, share }) => [`${rdata} ${pool}`, share]));
  const keys = [...new Set([...now.keys(), ...then.keys()])];
  const row = (rdata: string, pool: string, share: number, was: number) => [
    rdata,
    pool,
    percent(share),
    ...(before ? [change(share, was)] : []),
    bar(share, BAR_CELLS),
  ];
  const rows = keys.slice(0, ANSWERS_SHOWN).map((key) => {
    const [rdata = '', ...pool] = key.split(' ');
    return row(rdata, pool.join(' '), now.get(key) ?? 0, then.get(key) ?? 0);
  });
  if (total.empty > 0 || (before?.empty ?? 0) > 0) {
    rows.push(row('no address', '', total.empty, before?.empty ?? 0));
  }
  const table = formatTable(['ANSWER', 'POOL', 'SHARE', ...(before ? ['NOW'] : []), ''], rows);
  const more = keys.length - ANSWERS_SHOWN;
  return more > 0 ? `${table}\nand ${more} more answers` : table;
}

/** What the share is now, where it is another. */
function change(share: number, was: number): string {
  return Math.abs(share - was) < 1e-9 ? '=' : percent(was);
}

function formatPlaces(places: FamilyWorld['places'], by: string, addresses: number): string {
  const rows = places.map((place) => [
    place.place === '?' ? 'unknown' : place.place,
    percent(place.addresses / addresses),
    poolsText(place),
    bar(place.pools[0]?.share ?? 0, BAR_CELLS),
  ]);
  return formatTable([by.toUpperCase(), 'CLIENTS', 'POOLS', ''], rows);
}

const POOLS_SHOWN = 3;

function poolsText({ pools, empty }: Shares): string {
  const parts = pools.slice(0, POOLS_SHOWN).map(({ pool, share }) => `${pool} ${percent(share)}`);
  if (pools.length > POOLS_SHOWN) parts.push(`${pools.length - POOLS_SHOWN} more`);
  if (empty > 0) parts.push(`no address ${percent(empty)}`);
  return parts.join(', ');
}
