/** Differences of zones and of steering as lines for people, as plans show them. */
import { type Impact, impactLines, type Paint, type PlannedZone, painter, zoneLines } from './plan-text.js';

export interface Difference {
  readonly from: number;
  readonly to: number;
  readonly zones: readonly (Omit<PlannedZone, 'changes_total'> & { readonly total: number })[];
  readonly total: number;
  readonly unread: readonly { readonly file: string; readonly message: string }[];
  readonly steering: readonly {
    readonly path: string;
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
  readonly impact?: Impact;
}

export function formatDifference(
  { zones, unread, steering, from, to, impact }: Difference,
  paint: Paint,
): string {
  const parts = zones.map((zone) => {
    const lines = zoneLines({ ...zone, changes_total: zone.total }, paint);
    return zone.total === 0 ? [...lines, '  only comments, order or the serial differ'] : lines;
  });
  if (unread.length > 0) parts.push(unread.map(({ file, message }) => `? ${file}: ${message}`));
  if (steering.length > 0) parts.push(steeringLines(steering, paint));
  if (parts.length === 0) return `revisions ${from} and ${to} do not differ`;
  if (impact) parts.push(impactLines(impact, paint));
  return parts.map((lines) => lines.join('\n')).join('\n\n');
}

/** What differs of steering, entry by entry. */
export function steeringLines(steering: Difference['steering'], paint: Paint): string[] {
  const lines = [`${paint('yellow', '~')} ${paint('bold', 'steering')}`];
  for (const { path, before, after } of steering) {
    const sign = before === undefined ? '+' : after === undefined ? '-' : '~';
    lines.push(`  ${sign} ${path || 'the whole document'}`);
    if (before !== undefined) lines.push(paint('red', `      - ${JSON.stringify(before)}`));
    if (after !== undefined) lines.push(paint('green', `      + ${JSON.stringify(after)}`));
  }
  return lines;
}

/** Colours of the terminal that this runs in. */
export function terminalPaint(): Paint {
  return painter(process.stdout.isTTY ?? false, process.env);
}
