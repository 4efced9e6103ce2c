import type { Command } from 'commander';
import { type ApiOptions, getJson, withApiOptions } from './api-client.js';
import { EXIT } from './exit.js';
import { percent } from './share-bar.js';
import { withTimes } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface Explanation {
  readonly name: string;
  readonly type: string;
  readonly client: string;
  readonly location: Readonly<Record<string, string | number>>;
  readonly rcode: string;
  readonly ttl?: number;
  readonly scope?: number;
  readonly answers: readonly { name: string; type: string; ttl: number; rdata: string }[];
  readonly steps: readonly {
    readonly step?: string;
    readonly text: string;
    readonly endpoints?: readonly Endpoint[];
  }[];
  readonly as_if?: { readonly down: readonly string[]; readonly up: readonly string[] };
  readonly decision?: Decision;
  readonly would_change?: readonly { readonly text: string }[];
}

interface Decision {
  readonly rule?: number;
  readonly file?: string;
  readonly line?: number;
  readonly expected: {
    readonly answers: readonly { rdata: string; pool: string; share: number; presence: number }[];
    readonly empty: number;
  };
  readonly ttl_why: string;
  readonly scope_why: string;
}

interface Endpoint {
  readonly endpoint: string;
  readonly health: string;
  readonly basis?: string;
  /** What it is without that which is forced upon it, or supposed. */
  readonly real?: string;
  readonly share?: number;
  readonly observers?: readonly string[];
  readonly drained?: boolean;
  readonly steering?: readonly { readonly text: string }[];
}

interface ExplainOptions extends ApiOptions, WatchOptions {
  readonly subnet?: string;
  readonly down?: string;
  readonly up?: string;
}

/** `meridian explain`: what a client would get from a running server, and why. */
export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .description('say what a client gets from a running server, and why')
    .argument('<name>', 'name to ask for')
    .argument('[type]', 'record type', 'A')
    .option('-s, --subnet <prefix>', 'client address or prefix, as a resolver sends it (ECS)')
    .option('--down <names>', 'as if these were down: region:eu, pool:eu, an address; commas between them')
    .option('--up <names>', 'as if these were up');
  withApiOptions(withWatch(command)).action(async (name: string, type: string, options: ExplainOptions) => {
    const query = new URLSearchParams({ name, type });
    for (const key of ['subnet', 'down', 'up'] as const) {
      const value = options[key];
      if (value !== undefined) query.set(key, value);
    }
    const read = async () => {
      const result = (await getJson(`/v1/explain?${query}`, options)) as Explanation;
      process.exitCode = result.rcode === 'NOERROR' ? EXIT.OK : EXIT.FAILED;
      return result;
    };
    await watch(read, options, formatExplanation);
  });
}

/** The answer first, since that is what one looks for; then the way to it, and what would change it. */
export function formatExplanation(result: Explanation): string {
  return withTimes(explanationText(result));
}

function explanationText(result: Explanation): string {
  const where = Object.values(result.location).join(' ') || 'unknown place';
  const lines = [`${result.name} ${result.type} for ${result.client} (${where})`];
  if (result.as_if) lines.push(`  AS IF ${supposition(result.as_if)}; the real answer may be another`);
  const { decision } = result;
  const place = decision?.line === undefined ? '' : ` (${decision.file}:${decision.line})`;
  for (const { step, text, endpoints = [] } of result.steps) {
    lines.push(`  - ${text}${step === 'rule' ? place : ''}`);
    lines.push(...endpoints.filter(isRemarkable).map((one) => `      ${remark(one)}`));
  }
  lines.push(`= ${result.rcode}${result.scope === undefined ? '' : `, scope /${result.scope}`}`);
  for (const { name, type, ttl, rdata } of result.answers) lines.push(`  ${name} ${ttl} ${type} ${rdata}`);
  if (decision) lines.push(...decisionLines(decision));
  const changes = result.would_change ?? [];
  if (changes.length > 0) lines.push('what would change it:', ...changes.map(({ text }) => `  - ${text}`));
  return lines.join('\n');
}

/** Rows of the expected answers. */
const ANSWERS_SHOWN = 8;

function decisionLines({ expected, ttl_why, scope_why }: Decision): readonly string[] {
  const { answers, empty } = expected;
  const lines: string[] = [];
  if (answers.length > 1 || (answers.length > 0 && empty > 0)) {
    lines.push('clients like this one get:');
    const width = Math.max(...answers.slice(0, ANSWERS_SHOWN).map(({ rdata }) => rdata.length));
    for (const { rdata, pool, share } of answers.slice(0, ANSWERS_SHOWN)) {
      lines.push(`  ${rdata.padEnd(width)}  ${percent(share).padStart(6)}  pool ${pool}`);
    }
    if (answers.length > ANSWERS_SHOWN) lines.push(`  and ${answers.length - ANSWERS_SHOWN} more`);
    if (empty > 0) lines.push(`  ${'no address'.padEnd(width)}  ${percent(empty).padStart(6)}`);
  }
  return [...lines, `TTL: ${ttl_why}`, `scope: ${scope_why}`];
}

function supposition({ down, up }: NonNullable<Explanation['as_if']>): string {
  const parts = [
    ...(down.length > 0 ? [`${down.join(', ')} ${down.length === 1 ? 'was' : 'were'} down`] : []),
    ...(up.length > 0 ? [`${up.join(', ')} ${up.length === 1 ? 'was' : 'were'} up`] : []),
  ];
  return parts.join(' and ');
}

/** Endpoints that are up for all who look at them need no words. */
function isRemarkable(endpoint: Endpoint): boolean {
  const { health, basis = 'observers', share = 1, real = health, drained, steering = [] } = endpoint;
  return (
    health !== 'up' || basis !== 'observers' || share < 1 || real !== health || drained || steering.length > 0
  );
}

function remark(endpoint: Endpoint): string {
  const { endpoint: name, health, basis, share = 1, observers = [], drained, steering = [] } = endpoint;
  const { real = health } = endpoint;
  const steered = drained || steering.length > 0;
  const forced = drained ? 'drained' : `forced ${health}`;
  const notes = [
    ...(steered ? [`${forced}, really ${real}`, ...steering.map(({ text }) => text)] : []),
    ...(steered || real === health ? [] : [`really ${real}`]),
    ...(basis === undefined || basis === 'observers' ? [] : [basis]),
    ...(share < 1 ? [`takes ${Math.round(share * 100)} % of its weight`] : []),
    ...observers,
  ];
  return `${name} is ${health}${notes.length > 0 ? `: ${notes.join(', ')}` : ''}`;
}
