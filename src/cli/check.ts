import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ZoneFileOptions } from '../sources/zone-file.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { printable } from './printable.js';
import { formatTable } from './table.js';

/** `meridian check`: exactly what the server's loader says of zone files. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .description('check zone files; lists every mistake and exits 1 if there is one')
    .argument('<paths...>', 'zone files or folders')
    .option(
      '-c, --config <file>',
      'the server whose programs and folders monitors may use (without one, none), and whose observers quorums are compared with',
    )
    .option('--json', 'print JSON')
    .action(async (paths: string[], options: { config?: string; json?: boolean }) => {
      const [{ loadZones }, { formatProblem }] = await Promise.all([
        import('../sources/zone-folder.js'),
        import('../sources/yaml-document.js'),
      ]);
      const server = options.config === undefined ? {} : await optionsOf(options.config);
      const { zones, problems } = await loadZones(paths, server);
      if (problems.length > 0) process.exitCode = EXIT.FAILED;
      if (options.json) {
        const served = zones.map(({ file, zone, warnings }) => ({
          file,
          zone: zone.origin,
          records: zone.rrsets.length,
          warnings: warnings ?? [],
        }));
        process.stdout.write(`${JSON.stringify({ zones: served, problems }, null, 2)}\n`);
        return;
      }
      for (const warning of zones.flatMap(({ warnings }) => warnings ?? [])) {
        process.stderr.write(`warning: ${printable(formatProblem(warning))}\n`);
      }
      for (const problem of problems) process.stderr.write(`${printable(formatProblem(problem))}\n`);
      if (zones.length === 0 && problems.length === 0) {
        process.stderr.write('no zone files found: they end in .yaml, .yml or .zone\n');
        process.exitCode = EXIT.FAILED;
        return;
      }
      const rows = zones.map(({ file, zone }) => [
        zone.origin,
        String(zone.rrsets.length),
        String(zone.pools.size),
        file,
      ]);
      if (rows.length > 0) {
        process.stdout.write(`${formatTable(['ZONE', 'RRSETS', 'POOLS', 'FILE'], rows)}\n`);
      }
    });
}

/** What the configuration of a server lets monitors run and read, and how many observers it has. */
async function optionsOf(file: string): Promise<ZoneFileOptions> {
  const [{ loadServerConfig }, { formatProblem }] = await Promise.all([
    import('../sources/server-config.js'),
    import('../sources/yaml-document.js'),
  ]);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw fileError(file, error);
  });
  const environment = { environment: process.env, cores: 1, cwd: process.cwd() };
  const loaded = loadServerConfig(file, text, environment);
  if ('problems' in loaded) throw new CommandError(loaded.problems.map(formatProblem).join('\n'));
  const { probes, observers } = loaded.config;
  return { probes, observers };
}
