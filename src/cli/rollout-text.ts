/** A rollout, as the terminal shows it. */
import { formatTable } from './table.js';
import { timeText } from './time-text.js';

interface Figures {
  readonly requests: number;
  readonly errors: number;
  readonly p99_ms?: number;
}

interface Evidence {
  readonly old?: Figures;
  readonly new?: Figures;
  readonly healthy?: number;
}

/** What the API says of a rollout. */
export interface RolloutFacts {
  readonly id: string;
  /** Absent for a route of a proxy. */
  readonly zone?: string;
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly percent: number;
  readonly step: number;
  readonly held_until?: string;
  readonly why?: string;
  readonly steps: readonly { readonly percent: number; readonly seconds: number }[];
  readonly evidence?: Evidence;
  readonly by: string;
  readonly reason?: string;
  readonly next?: string;
  readonly history: readonly {
    readonly at: string;
    readonly event: string;
    readonly percent: number;
    readonly by: string;
    readonly why?: string;
    readonly evidence?: Evidence;
  }[];
}

export function formatRollouts(rollouts: readonly RolloutFacts[]): string {
  if (rollouts.length === 0) return 'there are no rollouts';
  const rows = rollouts.map((one) => [
    ...[one.id, placeOf(one), stateText(one), stepText(one), one.by],
    one.why ?? one.reason ?? '',
  ]);
  return formatTable(['ROLLOUT', 'POOLS', 'STATE', 'STEP', 'BY', 'WHY'], rows);
}

export function formatRollout(rollout: RolloutFacts): string {
  const { id, why, reason, held_until: until, evidence, next, history } = rollout;
  const lines = [`${id}: ${placeOf(rollout)}${reason === undefined ? '' : ` (${reason})`}`];
  lines.push(
    `${stateText(rollout)}, step ${stepText(rollout)}${until === undefined ? '' : `, held until ${timeText(until)}`}`,
  );
  if (why !== undefined) lines.push(`because ${why}`);
  if (evidence) lines.push(evidenceText(evidence));
  const rows = history.map((entry) => [
    ...[timeText(entry.at), entry.event, `${entry.percent} %`, entry.by, entry.why ?? ''],
    entry.evidence ? evidenceText(entry.evidence) : '',
  ]);
  lines.push('', formatTable(['AT', 'EVENT', 'NEW POOL', 'BY', 'WHY', 'FIGURES'], rows));
  if (next !== undefined) lines.push('', next);
  return lines.join('\n');
}

function placeOf({ zone, from, to }: RolloutFacts): string {
  if (zone === undefined) return `${from} → ${to}`;
  return `${zone.replace(/(.)\.$/, '$1')}/${from} → ${to}`;
}

function stateText({ state, percent }: RolloutFacts): string {
  return `${state.replaceAll('_', ' ')} at ${percent} %`;
}

function stepText({ step, steps }: RolloutFacts): string {
  return `${step + 1}/${steps.length}`;
}

function evidenceText({ old, new: young, healthy }: Evidence): string {
  return [
    ...(old ? [`old ${figuresText(old)}`] : []),
    ...(young ? [`new ${figuresText(young)}`] : []),
    ...(healthy === undefined ? [] : [`${Math.round(healthy * 100)} % of new up`]),
  ].join('; ');
}

function figuresText({ requests, errors, p99_ms: p99 }: Figures): string {
  const rate = requests > 0 ? Math.round((errors / requests) * 10_000) / 100 : 0;
  return `${rate} % errors of ${requests}${p99 === undefined ? '' : `, p99 ${Math.round(p99)} ms`}`;
}
