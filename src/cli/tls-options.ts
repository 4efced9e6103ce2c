import type { Command } from 'commander';
import { TLS_VARIABLES } from './api-client.js';

/** Options of the whole program, for each command that asks a server: what https needs. They win over variables. */
export function addTlsOptions(program: Command): void {
  program
    .option('--ca <file>', 'authorities of a server that is asked by https, PEM (or MERIDIAN_CA)')
    .option('--cert <file>', 'certificate to show to that server, PEM (or MERIDIAN_CERT)')
    .option('--key <file>', 'its private key, PEM (or MERIDIAN_KEY)')
    .hook('preAction', (root) => {
      const given: Readonly<Record<string, string | undefined>> = root.opts();
      for (const [option, variable] of Object.entries(TLS_VARIABLES)) {
        const file = given[option];
        if (file !== undefined) process.env[variable] = file;
      }
    });
}
