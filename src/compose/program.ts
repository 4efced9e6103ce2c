import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { addCheck } from '../cli/check.js';
import { CommandError, EXIT } from '../cli/exit.js';
import { addExplain } from '../cli/explain.js';
import { addExport } from '../cli/export.js';
import { addGeo } from '../cli/geo.js';
import { addImport } from '../cli/import.js';
import { addQuery } from '../cli/query.js';
import { addStatus } from '../cli/status.js';
import type { Problem } from '../sources/yaml-document.js';
import { DEMO_DEFAULTS, type DemoOptions } from './demo-options.js';
import type { StartProblem } from './dns-node.js';
import { VERSION } from './version.js';

// What only one command needs is loaded by that command: the others start in half the time.

/** What a command that goes on running hands back: how to end it. */
export interface Running {
  close(): Promise<void>;
  /** Reads again what is watched anyway; absent where there is nothing to read. */
  reload?(): Promise<void>;
}

/**
 * The command line. Runs one command; `onRunning` is told of what goes on after it. Sets process.exitCode.
 */
export async function runProgram(
  argv: readonly string[],
  onRunning: (running: Running) => void,
): Promise<void> {
  const program = buildProgram(onRunning);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    } else if (error instanceof CommandError) {
      process.stderr.write(`meridian: ${error.message}\n`);
      process.exitCode = error.exitCode;
    } else throw error;
  }
}

/** Every command with its options. `onRunning` is told of what goes on after a command. */
export function buildProgram(onRunning: (running: Running) => void): Command {
  const program = new Command('meridian')
    .description('A global server load balancer: DNS by geography, weight and health; regional proxies.')
    .version(VERSION)
    .showHelpAfterError('(--help says more)')
    .exitOverride()
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 server not reachable.');
  addDemo(program, onRunning);
  addServe(program, onRunning);
  addProxy(program, onRunning);
  for (const add of [addCheck, addImport, addExport, addExplain, addStatus, addGeo, addQuery]) add(program);
  return program;
}

function addServe(program: Command, onRunning: (running: Running) => void): void {
  program
    .command('serve')
    .description('run a DNS node')
    .option(
      '-c, --config <file>',
      'configuration; without one, defaults and MERIDIAN_… variables',
      'meridian.yaml',
    )
    .action(async ({ config: file }: { config: string }, command: Command) => {
      const text = await readConfig(file, command.getOptionValueSource('config') === 'default');
      const { loadServerConfig } = await import('../sources/server-config.js');
      const loaded = loadServerConfig(file, text, environment());
      if ('problems' in loaded) throw await problemsError(loaded.problems);
      const [{ startDnsNode }, { createLog }] = await Promise.all([
        import('./dns-node.js'),
        import('./log.js'),
      ]);
      const log = createLog(loaded.config.log.level, loaded.config.node.name);
      const node = await startDnsNode(loaded.config, log);
      if ('code' in node)
        throw startError(node, {
          dns: 'dns.listen or MERIDIAN_DNS_LISTEN',
          cookies: 'dns.cookie_secrets or MERIDIAN_DNS_COOKIE_SECRETS',
          api: 'api.listen or MERIDIAN_API_LISTEN',
          zones: 'zones or MERIDIAN_ZONES',
          state: 'state or MERIDIAN_STATE',
        });
      log.info(
        { listen: node.listen, dot: node.dot, doh: node.doh, api: node.api, io: node.tier },
        'serving',
      );
      onRunning(node);
    });
}

function addProxy(program: Command, onRunning: (running: Running) => void): void {
  program
    .command('proxy')
    .description('run a regional proxy')
    .option('-c, --config <file>', 'configuration', 'proxy.yaml')
    .action(async ({ config: file }: { config: string }) => {
      const text = await readConfig(file, false);
      const { loadProxyConfig } = await import('../sources/proxy-config.js');
      const loaded = loadProxyConfig(file, text, environment());
      if ('problems' in loaded) throw await problemsError(loaded.problems);
      const [{ startProxyNode }, { newChecker }, { createLog }] = await Promise.all([
        import('./proxy-node.js'),
        import('./proxy-checker.js'),
        import('./log.js'),
      ]);
      const log = createLog('info', loaded.config.node.name);
      const started = await startProxyNode(loaded.config, { log, checker: newChecker() });
      if (!started.ok) {
        throw new CommandError(started.failures.map(({ message }) => `${message} in ${file}`).join('\n'));
      }
      log.info({ ports: started.ports, admin: started.adminPort }, 'proxying');
      onRunning(started);
    });
}

function addDemo(program: Command, onRunning: (running: Running) => void): void {
  const command = program.command('demo').description('run three regions and a DNS node on loopback');
  for (const [flag, key] of Object.entries(DEMO_PORTS)) {
    command.option(`--${flag} <port>`, `default ${DEMO_DEFAULTS[key]}`, parsePort, DEMO_DEFAULTS[key]);
  }
  command
    .option('--zones <folder>', 'zone files', DEMO_DEFAULTS.zones)
    .option('--state <folder>', 'state and tokens', DEMO_DEFAULTS.state)
    .action(async (options: DemoOptions) => {
      const [{ startDemo }, { createLog }] = await Promise.all([import('./demo.js'), import('./log.js')]);
      const log = createLog('warn', 'demo');
      const demo = await startDemo(options, log);
      if ('code' in demo) throw startError(demo, { dns: '--dns-port', api: '--api-port' });
      process.stdout.write(demo.introduction);
      onRunning(demo);
    });
}

const DEMO_PORTS = {
  'dns-port': 'dnsPort',
  'api-port': 'apiPort',
  'http-port': 'httpPort',
  'endpoint-port': 'endpointPort',
  'proxy-admin-port': 'proxyAdminPort',
  'switch-port': 'switchPort',
} as const;

function environment() {
  return { environment: process.env, cores: availableParallelism(), cwd: process.cwd() };
}

async function readConfig(file: string, optional: boolean): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (optional && code === 'ENOENT') return '';
    throw new CommandError(`cannot read ${file}: ${code}; name a configuration with --config`);
  }
}

async function problemsError(problems: readonly Problem[]): Promise<CommandError> {
  const { formatProblem } = await import('../sources/yaml-document.js');
  return new CommandError(problems.map(formatProblem).join('\n'));
}

function startError(
  { code, message, setting }: StartProblem,
  settings: Readonly<Record<string, string>>,
): CommandError {
  const reason = code === 'EADDRINUSE' ? ' (another program uses it)' : '';
  const named = setting === undefined ? undefined : (settings[setting] ?? `--${setting}`);
  return new CommandError(`${message}${reason}${named === undefined ? '' : `: change ${named}`}`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('want 1 to 65535.');
  return port;
}
