/** A plan as people read it: line by line what changes, then who gets another answer. */
import { styleText } from 'node:util';

export interface Plan {
  readonly id: string;
  readonly state: 'ready' | 'invalid' | 'empty' | 'applied';
  readonly expires: string;
  readonly took_ms: number;
  readonly base: { readonly revision?: number };
  readonly rollback_to?: number;
  readonly problems: readonly Mistake[];
  readonly warnings: readonly Mistake[];
  readonly zones: readonly PlannedZone[];
  readonly impact?: Impact;
  readonly applied?: { readonly at: string; readonly author: string; readonly revision?: number };
}

export interface Mistake {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly path: string;
  readonly message: string;
}

export interface PlannedZone {
  readonly zone: string;
  readonly file: string;
  readonly kind: ChangeKind;
  readonly changes: readonly Change[];
  readonly changes_total: number;
}

type ChangeKind = 'added' | 'removed' | 'changed';

interface Change {
  readonly kind: ChangeKind;
  readonly what: string;
  readonly name: string;
  readonly type?: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

interface Shares {
  readonly v4: number;
  readonly v6: number;
}

interface Portion extends Shares {
  readonly code: string;
}

interface Side {
  readonly pool?: string;
  readonly region?: string;
  readonly reason?: string;
  readonly answers: readonly string[];
}

interface Move extends Shares {
  readonly from: Side;
  readonly to: Side;
  readonly countries: readonly Portion[];
  readonly countries_total: number;
  readonly prefixes: readonly string[];
  readonly unplaced: number;
  readonly samples: readonly string[];
}

interface ImpactGroup extends Shares {
  readonly names: readonly { readonly name: string; readonly type: string }[];
  readonly names_total: number;
  readonly unplaced: number;
  readonly moves: readonly Move[];
  readonly moves_total: number;
}

export interface Impact extends Shares {
  readonly compared: number;
  readonly changed: number;
  readonly unchecked: number;
  readonly placed: boolean;
  readonly groups: readonly ImpactGroup[];
  readonly groups_total: number;
}

type Style = 'green' | 'red' | 'yellow' | 'cyan' | 'bold' | 'dim';
export type Paint = (style: Style, text: string) => string;

/** Colours where a terminal shows them: https://no-color.org, and FORCE_COLOR for pipes. */
export function painter(
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): Paint {
  const { NO_COLOR: no = '', FORCE_COLOR: force = '' } = environment;
  const isOn =
    no === '' && ((force !== '' && force !== '0') || (isTerminal && environment['TERM'] !== 'dumb'));
  return isOn ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
}

const ZONES_SHOWN = 100;
const CHANGES_SHOWN = 200;
const FACTS_SHOWN = 12;
const GROUPS_SHOWN = 10;
const MOVES_SHOWN = 8;
const COUNTRIES_SHOWN = 6;
const NAMES_SHOWN = 3;

const MARKS: Readonly<Record<ChangeKind, readonly [mark: string, style: Style]>> = {
  added: ['+', 'green'],
  removed: ['-', 'red'],
  changed: ['~', 'yellow'],
};

export function formatPlan(plan: Plan, paint: Paint): string {
  const lines = plan.warnings.map((warning) => paint('yellow', `warning: ${place(warning)}`));
  if (plan.problems.length > 0) {
    const count = plan.problems.length;
    lines.push(...plan.problems.map((problem) => `${paint('red', 'error:')} ${place(problem)}`));
    lines.push('', paint('bold', `${number(count, 'mistake')}. Nothing can be applied.`));
    return lines.join('\n');
  }
  if (plan.state === 'empty') return [...lines, 'No changes: the files are as they are served.'].join('\n');
  for (const zone of plan.zones.slice(0, ZONES_SHOWN)) lines.push(...zoneLines(zone, paint), '');
  if (plan.zones.length > ZONES_SHOWN) lines.push(more(plan.zones.length - ZONES_SHOWN, 'zone', paint), '');
  if (plan.zones.length === 0)
    lines.push('Only comments, or the order of lines, differ: no record changes.', '');
  if (plan.impact) lines.push(...impactLines(plan.impact, paint), '');
  lines.push(summary(plan, paint));
  return lines.join('\n');
}

/** `zones/a.yaml:3:4: records.www: text`. */
export function place({ file = '', line, column, path, message }: Mistake): string {
  const at = [file, ...(line === undefined ? [] : [line, column ?? 1])].join(':');
  return [at, path, message].filter((part) => part !== '').join(': ');
}

/** What changes in a zone, a line or a few for each change. */
export function zoneLines(
  { zone, file, kind, changes, changes_total: total }: PlannedZone,
  paint: Paint,
): string[] {
  const [mark, style] = MARKS[kind];
  const note = kind === 'added' ? ' (new)' : kind === 'removed' ? ' (removed)' : '';
  const lines = [`${paint(style, mark)} ${paint('bold', `zone ${zone}`)}${note}  ${paint('dim', file)}`];
  for (const change of changes.slice(0, CHANGES_SHOWN)) lines.push(...changeLines(change, paint));
  const shown = Math.min(changes.length, CHANGES_SHOWN);
  if (total > shown) lines.push(`  ${more(total - shown, 'change', paint)}`);
  return lines;
}

function changeLines({ kind, what, name, type, before, after }: Change, paint: Paint): string[] {
  const [mark, style] = MARKS[kind];
  const title =
    what === 'record'
      ? `${name} ${type ?? ''}`
      : what === 'soa'
        ? 'SOA'
        : `${what.replace('_', ' ')} ${name}`;
  // What is short stands in one line: `~ www.example.com. A  ttl 60 => ttl 300`.
  if (kind === 'changed' && before.length === 1 && after.length === 1) {
    return [`  ${paint(style, mark)} ${title}  ${paint('red', before[0]!)} => ${paint('green', after[0]!)}`];
  }
  if (kind !== 'changed' && before.length + after.length <= 2) {
    return [`  ${paint(style, `${mark} ${title}`)}  ${[...before, ...after].join(', ')}`];
  }
  const facts = [
    ...before.map((fact) => paint('red', `      - ${fact}`)),
    ...after.map((fact) => paint('green', `      + ${fact}`)),
  ];
  const lines = [`  ${paint(style, mark)} ${title}`, ...facts.slice(0, FACTS_SHOWN)];
  if (facts.length > FACTS_SHOWN) lines.push(`      ${more(facts.length - FACTS_SHOWN, 'line', paint)}`);
  return lines;
}

/** Which clients would get another answer. */
export function impactLines(
  { compared, changed, unchecked, placed, groups, groups_total: total }: Impact,
  paint: Paint,
): string[] {
  const names = `${changed} of ${number(compared, 'name')}`;
  if (changed === 0) return [paint('bold', 'Impact: no client gets another answer.')];
  const lines = [paint('bold', `Impact: clients of ${names} get other answers`)];
  if (!placed) lines.push(paint('yellow', '  without a geo database: shares are of all addresses'));
  if (unchecked > 0) {
    lines.push(paint('yellow', `  ${number(unchecked, 'endpoint')} not checked yet: counted as up`));
  }
  for (const group of groups.slice(0, GROUPS_SHOWN)) lines.push('', ...groupLines(group, paint));
  if (total > GROUPS_SHOWN)
    lines.push('', `  ${more(total - GROUPS_SHOWN, 'group', paint)} of names that change in other ways`);
  return lines;
}

function groupLines(
  { names, names_total: total, moves, moves_total: movesTotal, ...moved }: ImpactGroup,
  paint: Paint,
): string[] {
  const shown = names.slice(0, NAMES_SHOWN).map(({ name, type }) => `${name} ${type}`);
  const rest = total > shown.length ? ` and ${total - shown.length} more` : '';
  const lines = [
    `  ${paint('cyan', shown.join(', '))}${rest}`,
    `    ${paint('bold', `${percent(moved.v4)} of IPv4 and ${percent(moved.v6)} of IPv6 clients`)} get another answer${unplacedNote(moved.unplaced)}:`,
  ];
  const rows = moves
    .slice(0, MOVES_SHOWN)
    .map((move) => [
      percent(move.v4),
      percent(move.v6),
      `${side(move.from, move.to)} -> ${side(move.to, move.from)}`,
      where(move),
    ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length), 6));
  lines.push(paint('dim', `    ${'IPv4'.padStart(widths[0]!)}  ${'IPv6'.padStart(widths[1]!)}  FROM -> TO`));
  for (const [v4, v6, way, countries] of rows) {
    lines.push(
      `    ${v4!.padStart(widths[0]!)}  ${v6!.padStart(widths[1]!)}  ${way!.padEnd(widths[2]!)}  ${paint('dim', countries!)}`.trimEnd(),
    );
  }
  if (movesTotal > rows.length) lines.push(`    ${more(movesTotal - rows.length, 'move', paint)}`);
  const [name] = names;
  const sample = moves[0]?.samples[0];
  if (name && sample !== undefined) {
    lines.push(paint('dim', `    see: meridian explain ${name.name} ${name.type} --subnet ${sample}`));
  }
  return lines;
}

function unplacedNote(unplaced: number): string {
  return unplaced < 0.0005 ? '' : `, and ${percent(unplaced)} of those without a known place`;
}

/** The pool, and its addresses where those are all that differs. */
function side({ pool, region, reason, answers }: Side, other: Side): string {
  const values = answers.length > 0 ? answers.join('+') : 'no answer';
  if (pool === undefined) return values;
  const name = region !== undefined && region !== pool ? `${pool} (${region})` : pool;
  const note = reason === undefined ? '' : ` [${reason.replace('_', ' ')}]`;
  return pool === other.pool && reason === other.reason ? `${name} ${values}` : `${name}${note}`;
}

function where({ countries, countries_total: total, prefixes }: Move): string {
  const shown = countries.slice(0, COUNTRIES_SHOWN).map(({ code }) => code);
  const rest = total > shown.length ? ` … (${total})` : '';
  const networks =
    prefixes.length > 0 ? ` in ${prefixes.slice(0, 3).join(', ')}${prefixes.length > 3 ? ' …' : ''}` : '';
  return shown.length + prefixes.length === 0 ? '' : `${shown.join(', ')}${rest}${networks}`.trim();
}

function summary({ id, zones, state, applied, rollback_to: to, took_ms: ms }: Plan, paint: Paint): string {
  const counts = { added: 0, changed: 0, removed: 0 };
  for (const { kind, changes, changes_total: total } of zones) {
    for (const change of changes) counts[change.kind]++;
    counts[kind] += total - changes.length;
  }
  const { added, changed, removed } = counts;
  const back = to === undefined ? '' : `, back to revision ${to}`;
  const head = paint('bold', `Plan ${id}${back}:`);
  const parts = `${added} to add, ${changed} to change, ${removed} to remove in ${number(zones.length, 'zone')}`;
  if (state === 'applied') {
    const revision = applied?.revision === undefined ? '' : ` as revision ${applied.revision}`;
    return `${head} ${parts}. It was applied by ${applied?.author ?? 'somebody'}${revision}.`;
  }
  return `${head} ${parts}  ${paint('dim', `(${ms} ms)`)}`;
}

function more(count: number, what: string, paint: Paint): string {
  return paint('dim', `… and ${number(count, `more ${what}`)}`);
}

function number(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** `8.1 %`, `100 %`, `<0.1 %`. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '<0.1 %';
  if (share < 1 && share > 0.9995) return '>99.9 %';
  const text = (share * 100).toFixed(1);
  return `${text.endsWith('.0') ? text.slice(0, -2) : text} %`;
}
