import type { Command } from 'commander';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';

/** `meridian import`: a master file as a zone file. */
export function addImport(program: Command): void {
  program
    .command('import')
    .description('turn a master file (RFC 1035) into a zone file')
    .argument('<file>', 'the master file; $INCLUDE is followed inside its folder')
    .option('-z, --zone <name>', "the origin at the file's start; by default the file's name without .zone")
    .option('-o, --output <file>', 'where to write; by default stdout')
    .action(async (file: string, options: { zone?: string; output?: string }) => {
      const [{ readFile, writeFile }, { loadMasterFile, MASTER_BYTES_MAX }, { formatZoneYaml }, yaml, zones] =
        await Promise.all([
          import('node:fs/promises'),
          import('../sources/master-zone.js'),
          import('../sources/zone-yaml.js'),
          import('../sources/yaml-document.js'),
          import('../sources/zone-file.js'),
        ]);
      const bytes = await readFile(file).catch((error: Error) => {
        throw fileError(file, error);
      });
      if (bytes.length > MASTER_BYTES_MAX)
        throw new CommandError(`${file} is larger than ${MASTER_BYTES_MAX} bytes`);
      const loaded = loadMasterFile(file, bytes, options.zone === undefined ? {} : { zone: options.zone });
      if ('problems' in loaded) return fail(loaded.problems.map(yaml.formatProblem));
      for (const warning of loaded.warnings)
        process.stderr.write(`warning: ${yaml.formatProblem(warning)}\n`);
      const text = formatZoneYaml(loaded.zone);
      // What the server would say of it: a zone file holds less than a master file.
      const again = zones.loadZoneFile(options.output ?? 'zone.yaml', text);
      if ('problems' in again) return fail(again.problems.map(yaml.formatProblem));
      if (options.output === undefined) process.stdout.write(text);
      else {
        await writeFile(options.output, text).catch((error: Error) => {
          throw new CommandError(`cannot write ${options.output}: ${error.message}`);
        });
        process.stderr.write(
          `${options.output}: ${loaded.zone.rrsets.length} RRsets of ${loaded.zone.origin}\n`,
        );
      }
    });
}

function fail(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = EXIT.FAILED;
}
