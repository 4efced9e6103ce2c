import type { Command } from 'commander';
import { CommandError } from './exit.js';

/** `meridian geo lookup`: where a database sees an address, without a server. */
export function addGeo(program: Command): void {
  const geo = program.command('geo').description('look into geo databases');
  geo
    .command('lookup')
    .description('say where an address is')
    .argument('<address>', 'IPv4 or IPv6 address')
    .option('-d, --database <file...>', 'MaxMind databases; the embedded one without this')
    .option('--json', 'print JSON')
    .action(async (address: string, options: { database?: string[]; json?: boolean }) => {
      const { EMBEDDED, loadGeoDatabase, lookupLocation } = await import('../sources/geo-database.js');
      const database = await loadGeoDatabase(options.database ?? [EMBEDDED], { nowMs: Date.now });
      if ('length' in database) {
        throw new CommandError(database.map(({ path, message }) => `${path}: ${message}`).join('\n'));
      }
      const found = lookupLocation(database, address);
      if (!found) throw new CommandError(`${address} is not an IP address`);
      const { location, prefix } = found;
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ address, prefix, location }, null, 2)}\n`);
        return;
      }
      const facts = Object.entries(location).map(([key, value]) => `${key} ${value}`);
      process.stdout.write(`${address} in ${prefix}: ${facts.join(', ') || 'unknown'}\n`);
    });
}
