import type { Command } from 'commander';
import { CommandError, EXIT } from './exit.js';

/** `meridian export`: a zone file as a master file. */
export function addExport(program: Command): void {
  program
    .command('export')
    .description('turn a zone file into a master file (RFC 1035); exits 1 if records had to be left out')
    .argument('<file>', 'the zone file')
    .option('-o, --output <file>', 'where to write; by default stdout')
    .action(async (file: string, options: { output?: string }) => {
      const [{ writeFile }, { loadZones }, { formatProblem }, { formatMasterFile, isWritable }] =
        await Promise.all([
          import('node:fs/promises'),
          import('../sources/zone-folder.js'),
          import('../sources/yaml-document.js'),
          import('../core/zone/master/format.js'),
        ]);
      const { zones, problems } = await loadZones([file]);
      if (problems.length > 0) {
        for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
        process.exitCode = EXIT.FAILED;
        return;
      }
      const [loaded, ...others] = zones;
      if (!loaded || others.length > 0) {
        throw new CommandError(`${file} holds ${zones.length} zones; export takes one zone file`);
      }
      const text = formatMasterFile(loaded.zone);
      if (options.output === undefined) process.stdout.write(text);
      else {
        await writeFile(options.output, text).catch((error: Error) => {
          throw new CommandError(`cannot write ${options.output}: ${error.message}`);
        });
      }
      const leftOut = loaded.zone.rrsets.filter((rrset) => !isWritable(rrset));
      if (leftOut.length === 0) return;
      const names = leftOut.slice(0, 5).map(({ name }) => name);
      const more = leftOut.length > names.length ? ' …' : '';
      process.stderr.write(
        `${file}: ${leftOut.length} dynamic records left out, they stand as comments: ${names.join(', ')}${more}\n`,
      );
      process.exitCode = EXIT.FAILED;
    });
}
