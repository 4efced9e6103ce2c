import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import { OWN_TOKENS } from '../sources/own-tokens.js';
import { CommandError, EXIT } from './exit.js';

/** `meridian init`: a folder to begin with. */
export function addInit(program: Command): void {
  program
    .command('init')
    .description('write a folder to begin with: server, proxy, zone and tokens, commented and ready to run')
    .argument('[folder]', 'where', '.')
    .option('-z, --zone <name>', 'the zone that is served', 'gslb.example.com')
    .action(async (folder: string, { zone }: { zone: string }) => {
      const origin = await originOf(zone);
      const { starterFiles } = await import('./starter-files.js');
      const files = starterFiles(origin).map(({ path, text }) => ({ path: join(folder, path), text }));
      await refuseExisting(files.map(({ path }) => path));
      for (const { path, text } of files) await write(path, text);
      const state = join(folder, 'state');
      const { ownTokens } = await import('../sources/node-tokens.js');
      try {
        await ownTokens(state);
      } catch (error) {
        throw new CommandError(`cannot make tokens in ${state}: ${(error as Error).message}`);
      }
      const written = [
        ...files.map(({ path }) => path),
        ...Object.values(OWN_TOKENS).map((name) => join(state, name)),
      ];
      process.stdout.write(introduction(folder, origin, written));
    });
}

/** The zone's name in lower case without the last dot. Only names that are good file names are taken. */
async function originOf(zone: string): Promise<string> {
  const { formatName, isNameError, lowerName, parseName } = await import('../core/dns/name.js');
  const name = parseName(zone.endsWith('.') ? zone : `${zone}.`);
  const origin = isNameError(name) ? '' : formatName(lowerName(name)).replace(/\.$/, '');
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(origin)) {
    throw new CommandError(`--zone: ${zone} is not a name such as gslb.example.com`, EXIT.USAGE);
  }
  return origin;
}

/** Nothing that somebody wrote is lost. */
async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found) throw new CommandError(`${path} is there already: choose another folder, or move it away`);
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`cannot write ${path}: ${code}`);
  }
}

function introduction(folder: string, origin: string, written: readonly string[]): string {
  const into = relative(process.cwd(), folder);
  const lines = [
    ...written.map((path) => `  wrote ${path}`),
    '',
    'Next, each in a terminal of its own:',
    ...(into === '' ? [] : [`  cd ${into}`]),
    '  meridian check zones',
    '  meridian serve                                   # the DNS node',
    '  meridian proxy                                   # a proxy, for servers on 127.0.0.1:9000',
    `  dig @127.0.0.1 -p 5300 www.${origin} +short`,
    `  meridian explain www.${origin}`,
    '  meridian status',
    '',
    `Then make zones/${origin}.yaml yours: it is taken up as soon as you save it.`,
  ];
  return `${lines.join('\n')}\n`;
}
