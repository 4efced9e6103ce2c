import type { Command } from 'commander';
import { EXIT } from './exit.js';
import { formatTable } from './table.js';

/** `meridian check`: exactly what the server's loader says of zone files. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .description('check zone files; lists every mistake and exits 1 if there is one')
    .argument('<paths...>', 'zone files or folders')
    .option('--json', 'print JSON')
    .action(async (paths: string[], options: { json?: boolean }) => {
      const [{ loadZones }, { formatProblem }] = await Promise.all([
        import('../sources/zone-folder.js'),
        import('../sources/yaml-document.js'),
      ]);
      const { zones, problems } = await loadZones(paths);
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
        process.stderr.write(`warning: ${formatProblem(warning)}\n`);
      }
      for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
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
