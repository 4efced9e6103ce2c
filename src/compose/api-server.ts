import { type Api, createApi } from '../api/server.js';
import type { ControlPlane } from '../control/control-plane.js';
import { monitorName } from '../core/zone/targets.js';
import type { WorkerPool } from '../dataplane/pool.js';
import type { SocketAddress } from '../io/tier.js';
import { createDnsMetrics, type MetricSources } from '../metrics/dns-metrics.js';
import { formatListen, isLoopback } from '../sources/listen-address.js';
import { ownTokens } from '../sources/node-tokens.js';
import type { ServerConfig } from '../sources/server-config.js';
import { findToken, readTokenFile, type Token } from '../sources/token-file.js';
import { formatProblem } from '../sources/yaml-document.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';
import { VERSION } from './version.js';

export interface ApiHandle {
  readonly address: SocketAddress;
  close(): Promise<void>;
}

export interface ApiParts {
  readonly control: ControlPlane;
  readonly pool: WorkerPool;
  readonly tier: string;
  readonly listen: readonly SocketAddress[];
  readonly certificates: () => { readonly applied: number; readonly refused: number };
  readonly log: Log;
  readonly zoneTallies: NonNullable<MetricSources['zoneTallies']>;
  readonly queryLog?: NonNullable<MetricSources['queryLog']>;
}

/** Lets the admin API listen where the configuration says; null where it says `off`. */
export async function startApi(
  config: ServerConfig,
  parts: ApiParts,
): Promise<ApiHandle | StartProblem | null> {
  if (!config.api) return null;
  const { listen } = config.api;
  const tokens = await tokensOf(config);
  if ('code' in tokens) return tokens;
  const app = await createApi({
    control: parts.control,
    metrics: createDnsMetrics({
      ...metricSources(parts.control, parts.pool, parts.certificates),
      zoneTallies: parts.zoneTallies,
      ...(parts.queryLog && { queryLog: parts.queryLog }),
    }),
    findToken: (presented) => findToken(tokens.list, presented),
    node: {
      name: config.node.name,
      region: config.node.region,
      version: VERSION,
      tier: parts.tier,
      listen: parts.listen.map(formatListen),
      workers: parts.pool.workers,
      startedMs: Date.now(),
    },
    openMetrics: isLoopback(listen),
    log: parts.log,
  });
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (error) {
    await app.close();
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return { code, message: `cannot listen on ${formatListen(listen)}: ${code}`, setting: 'api' };
  }
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound ? bound.port : listen.port;
  return { address: { host: listen.host, port }, close: () => closeSoon(app) };
}

/** Lets requests in progress end, but not for long: one that never arrives whole must not keep the node from ending. */
async function closeSoon(app: Api): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS_MAX);
  await app.close();
  clearTimeout(late);
}

const CLOSE_MS_MAX = 1000;

async function tokensOf(config: ServerConfig): Promise<{ readonly list: readonly Token[] } | StartProblem> {
  const file = config.api?.tokens;
  if (file === undefined) {
    try {
      return { list: await ownTokens(config.state) };
    } catch (error) {
      return { code: 'tokens', message: error instanceof Error ? error.message : String(error) };
    }
  }
  const result = await readTokenFile(file);
  if ('tokens' in result) return { list: result.tokens };
  return { code: 'tokens', message: result.problems.map(formatProblem).join('\n') };
}

/** Where the metrics of a node come from. */
export function metricSources(
  control: ControlPlane,
  pool: Pick<WorkerPool, 'counters' | 'restarts'>,
  certificates: MetricSources['certificates'] = () => ({ applied: 0, refused: 0 }),
): MetricSources {
  const { health } = control;
  return {
    workers: () => pool.counters,
    workerRestarts: () => pool.restarts,
    certificates,
    zones: () =>
      control.zoneStatus().map(({ zone, state, loaded }) => ({
        zone,
        stale: state === 'stale',
        loadedMs: Date.parse(loaded),
      })),
    zoneProblems: () => control.problems.length,
    reloads: () => control.reloads,
    targets: () => health.counts,
    healthChanges: () => health.changes,
    probes: () => health.probeCounters,
    reports: () => health.reportCounters,
    reporters: () => [...health.reporters, ...health.peers],
    verdicts: () => verdictsOf(health),
    shedding: () => health.shedding,
    geo: () => control.geoStatus(),
    aliases: () => control.aliases?.status,
    snapshot: () => ({ id: control.snapshot.id, publishedMs: control.publishedMs }),
  };
}

/** With more targets than this, rows for each would be more than a scraper should keep. */
const ROWS_TARGETS_MAX = 1_000;

function verdictsOf(health: ControlPlane['health']): ReturnType<MetricSources['verdicts']> {
  if (health.targets.size > ROWS_TARGETS_MAX) return [];
  return [...health.targets.values()].flatMap((target) => {
    const { key, host } = target;
    const found = health.describe(key);
    if (!found) return [];
    const { verdict, observers } = found;
    return [{ target: host, monitor: monitorName(target) ?? '', up: verdict.state === 'up', observers }];
  });
}
