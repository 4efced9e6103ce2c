import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { failModeOf } from '../core/balance/degradation.js';
import type { PoolModel, ProxyModel } from '../core/balance/model.js';
import type { Problem } from '../sources/yaml-document.js';
import { EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { type OutputOptions, print } from './output.js';
import { printable } from './printable.js';
import { formatTable } from './table.js';

/** `meridian proxy check`: what the proxy would say of its configuration, and what each pool does when it can't serve. */
export function addProxyCheck(proxy: Command): void {
  proxy
    .command('check')
    .description('check the configuration of a proxy; lists every mistake and exits 1 if there is one')
    .argument('[file]', 'the configuration', 'proxy.yaml')
    .option('--json', 'print JSON')
    .action(check);
}

async function check(file: string, options: OutputOptions): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError(file, error);
  });
  const { config, problems, warnings } = await load(file, text);
  if (problems.length > 0) process.exitCode = EXIT.FAILED;
  const { formatProblem } = await import('../sources/yaml-document.js');
  if (!options.json) {
    for (const warning of warnings) process.stderr.write(`warning: ${printable(formatProblem(warning))}\n`);
    for (const problem of problems) process.stderr.write(`${printable(formatProblem(problem))}\n`);
  }
  const pools = config?.pools.map(poolFacts) ?? [];
  if (options.json || config) print({ pools, warnings, problems }, options, () => formatPools(pools));
}

interface Loaded {
  readonly config?: ProxyModel;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

async function load(file: string, text: string): Promise<Loaded> {
  const [{ loadProxyConfig }, { readTlsFiles }] = await Promise.all([
    import('../sources/proxy-config.js'),
    import('../sources/tls-files.js'),
  ]);
  const loaded = loadProxyConfig(file, text, { environment: process.env, cores: 1, cwd: process.cwd() });
  if ('problems' in loaded) return { problems: loaded.problems, warnings: [] };
  const { config, problemAt } = loaded;
  const tls = await readTlsFiles(config, Date.now());
  const placed = (
    found: readonly { readonly path: readonly (string | number)[]; readonly message: string }[],
  ) => found.map(({ path, message }) => problemAt(path, message));
  if ('mistakes' in tls) return { config, problems: placed(tls.mistakes), warnings: [] };
  return { config, problems: [], warnings: placed(tls.warnings) };
}

interface PoolFacts {
  readonly name: string;
  readonly endpoints: number;
  readonly balance: string;
  /** With no endpoint up: `open` tries all, `secure` none. */
  readonly fail: 'open' | 'secure';
  /** `pool NAME`, `page 503` or `none`. */
  readonly fallback: string;
  readonly maintenance: boolean;
  /** What else protects it, by its keys. */
  readonly with: readonly string[];
}

function poolFacts(pool: PoolModel): PoolFacts {
  const { name, endpoints, balance, fallback, health, outlier, breaker, retries, queue, stale, sticky } =
    pool;
  const keys = { health, outlier, breaker, retries, queue, stale_if_error: stale, sticky };
  return {
    ...{ name, endpoints: endpoints.length, balance, fail: failModeOf(pool) },
    fallback: fallbackText(fallback),
    maintenance: pool.maintenance === true,
    with: Object.entries(keys).flatMap(([key, value]) => (value === undefined ? [] : [key])),
  };
}

function fallbackText(fallback: PoolModel['fallback']): string {
  if (fallback === undefined) return 'none';
  return 'pool' in fallback ? `pool ${fallback.pool}` : `page ${fallback.respond.status}`;
}

function formatPools(pools: readonly PoolFacts[]): string {
  const rows = pools.map(({ name, endpoints, balance, fail, fallback, maintenance, with: keys }) => [
    maintenance ? `${name} (maintenance)` : name,
    ...[String(endpoints), balance, fail, fallback, keys.join(', ')],
  ]);
  return formatTable(['POOL', 'ENDPOINTS', 'BALANCE', 'FAILS', 'FALLBACK', 'WITH'], rows);
}
