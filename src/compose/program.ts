import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { addAcme } from '../cli/acme.js';
import { addAudit } from '../cli/audit.js';
import { addCheck } from '../cli/check.js';
import { addCompletion } from '../cli/completion.js';
import { addEvents } from '../cli/events.js';
import { CommandError, EXIT } from '../cli/exit.js';
import { addExplain } from '../cli/explain.js';
import { addExport } from '../cli/export.js';
import { fileError } from '../cli/file-error.js';
import { addGeo } from '../cli/geo.js';
import { addHistory } from '../cli/history.js';
import { addImport } from '../cli/import.js';
import { addInit } from '../cli/init.js';
import { addPlan } from '../cli/plan.js';
import { printable } from '../cli/printable.js';
import { addProxyCommands } from '../cli/proxy.js';
import { addQuery } from '../cli/query.js';
import { addRecord } from '../cli/record.js';
import { addRollback } from '../cli/rollback.js';
import { addRollout } from '../cli/rollout.js';
import { addSimulate } from '../cli/simulate.js';
import { addStatus } from '../cli/status.js';
import { addSteering } from '../cli/steering.js';
import { addTlsOptions } from '../cli/tls-options.js';
import { addToken } from '../cli/token.js';
import { addZone } from '../cli/zone.js';
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
  /** Whether the threads that serve still do; absent where nobody else does it. */
  alive?(): Promise<boolean>;
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
      process.stderr.write(`meridian: ${printable(error.message)}\n`);
      process.exitCode = error.exitCode;
    } else throw error;
  }
}

/** Commands in the order and under the headings of the help. */
const GROUPS = {
  'Run:': [addInit],
  'Look:': [addStatus, addExplain, addSimulate, addQuery, addGeo],
  'Change zones:': [addCheck, addPlan, addZone, addRecord, addImport, addExport],
  'Look back, go back:': [addHistory, addRollback, addEvents, addAudit],
  'Steer:': [addSteering, addRollout],
  'Let in:': [addToken, addAcme],
  'More:': [addCompletion],
} as const;

/** Every command with its options. `onRunning` is told of what goes on after a command. */
export function buildProgram(onRunning: (running: Running) => void): Command {
  const program = new Command('meridian')
    .description('A global server load balancer: DNS by geography, weight and health; regional proxies.')
    .version(VERSION)
    .showHelpAfterError('(--help says more)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'meridian:')) })
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage (of plan: there are changes), 3 server not reachable or token refused.',
    );
  program.commandsGroup('Run:');
  addDemo(program, onRunning);
  addServe(program, onRunning);
  addProxy(program, onRunning);
  for (const [title, commands] of Object.entries(GROUPS)) {
    program.commandsGroup(title);
    for (const add of commands) add(program);
  }
  program.helpCommand('help [command]', 'the help of a command');
  addTlsOptions(program);
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
          api_tls: 'api.tls',
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
  const command = program.command('proxy').description('run a regional proxy, or look after a running one');
  addProxyCommands(command);
  command
    .option('-c, --config <file>', 'configuration', 'proxy.yaml')
    .option('--replace <pid>', 'take over from a running proxy, without refusing a client', parsePid)
    .action(async ({ config: file, replace }: { config: string; replace?: number }) => {
      if (replace !== undefined) checkAlive(replace);
      const text = await readConfig(file, false);
      const { loadProxyConfig } = await import('../sources/proxy-config.js');
      const loaded = loadProxyConfig(file, text, environment());
      if ('problems' in loaded) throw await problemsError(loaded.problems);
      const [{ startProxyNode }, { newChecker }, { createLog }] = await Promise.all([
        import('./proxy-node.js'),
        import('./proxy-checker.js'),
        import('./log.js'),
      ]);
      const { readTlsFiles } = await import('../sources/tls-files.js');
      const tls = await readTlsFiles(loaded.config, Date.now());
      if ('mistakes' in tls) {
        throw await problemsError(tls.mistakes.map(({ path, message }) => loaded.problemAt(path, message)));
      }
      const log = createLog('info', loaded.config.node.name);
      const started = await startProxyNode(loaded.config, {
        log,
        checker: newChecker(),
        ...(replace !== undefined && { endPredecessor: () => process.kill(replace, 'SIGTERM') }),
        source: {
          read: () => readFile(file, 'utf8'),
          version: async () => {
            const { ino, size, mtimeMs, ctimeMs } = await stat(file);
            return [ino, size, mtimeMs, ctimeMs].join();
          },
          load: (now) => loadProxyConfig(file, now, environment()),
        },
      });
      if (!started.ok) {
        throw new CommandError(started.failures.map(({ message }) => `${message} in ${file}`).join('\n'));
      }
      log.info({ ports: started.ports, admin: started.adminPort }, 'proxying');
      onRunning(started);
    });
}

function checkAlive(pid: number): void {
  try {
    process.kill(pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`there is no process ${pid} that can be replaced: ${code}`);
  }
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
    if (optional && (error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    const { message } = fileError(file, error);
    throw new CommandError(`${message}; name a configuration with --config`);
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

function parsePid(text: string): number {
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid < 2) throw new InvalidArgumentError('want the number of a process.');
  return pid;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('want 1 to 65535.');
  return port;
}
