import type { Command } from 'commander';
import { type ApiOptions, getJson, withApiOptions } from './api-client.js';
import { EXIT } from './exit.js';

interface Explanation {
  readonly name: string;
  readonly type: string;
  readonly client: string;
  readonly location: Readonly<Record<string, string | number>>;
  readonly rcode: string;
  readonly scope?: number;
  readonly answers: readonly { name: string; type: string; ttl: number; rdata: string }[];
  readonly steps: readonly { readonly text: string; readonly endpoints?: readonly Endpoint[] }[];
}

interface Endpoint {
  readonly endpoint: string;
  readonly health: string;
  readonly basis?: string;
  readonly share?: number;
  readonly observers?: readonly string[];
}

/** `meridian explain`: what a client would get from a running server, and why. */
export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .description('say what a client gets from a running server, and why')
    .argument('<name>', 'name to ask for')
    .argument('[type]', 'record type', 'A')
    .option('-s, --subnet <prefix>', 'client address or prefix, as a resolver sends it (ECS)');
  withApiOptions(command).action(
    async (name: string, type: string, options: ApiOptions & { subnet?: string; json?: boolean }) => {
      const query = new URLSearchParams({ name, type });
      if (options.subnet !== undefined) query.set('subnet', options.subnet);
      const result = (await getJson(`/v1/explain?${query}`, options)) as Explanation;
      if (result.rcode !== 'NOERROR') process.exitCode = EXIT.FAILED;
      process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : `${format(result)}\n`);
    },
  );
}

function format(result: Explanation): string {
  const place = Object.values(result.location).join(' ') || 'unknown place';
  const lines = [`${result.name} ${result.type} for ${result.client} (${place})`];
  for (const { text, endpoints = [] } of result.steps) {
    lines.push(`  - ${text}`, ...endpoints.filter(isRemarkable).map((one) => `      ${remark(one)}`));
  }
  lines.push(`= ${result.rcode}${result.scope === undefined ? '' : `, scope /${result.scope}`}`);
  for (const { name, type, ttl, rdata } of result.answers) lines.push(`  ${name} ${ttl} ${type} ${rdata}`);
  return lines.join('\n');
}

/** Endpoints that are up for all who look at them need no words. */
function isRemarkable({ health, basis = 'observers', share = 1 }: Endpoint): boolean {
  return health !== 'up' || basis !== 'observers' || share < 1;
}

function remark({ endpoint, health, basis, share = 1, observers = [] }: Endpoint): string {
  const notes = [
    ...(basis === undefined || basis === 'observers' ? [] : [basis]),
    ...(share < 1 ? [`takes ${Math.round(share * 100)} % of its weight`] : []),
    ...observers,
  ];
  return `${endpoint} is ${health}${notes.length > 0 ? `: ${notes.join(', ')}` : ''}`;
}
