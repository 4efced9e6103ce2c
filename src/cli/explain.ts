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
  readonly steps: readonly { text: string }[];
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
  for (const { text } of result.steps) lines.push(`  - ${text}`);
  lines.push(`= ${result.rcode}${result.scope === undefined ? '' : `, scope /${result.scope}`}`);
  for (const { name, type, ttl, rdata } of result.answers) lines.push(`  ${name} ${ttl} ${type} ${rdata}`);
  return lines.join('\n');
}
