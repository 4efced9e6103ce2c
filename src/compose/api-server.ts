import { join } from 'node:path';
import type { HistoryModules } from '../api/routes/revisions.js';
import { type Api, createApi } from '../api/server.js';
import type { AcmeService } from '../control/acme-service.js';
import { AuditLog } from '../control/audit-log.js';
import type { ControlPlane } from '../control/control-plane.js';
import type { AskImpact } from '../control/impact-desk.js';
import type { PlanBook } from '../control/plans.js';
import { scalingByRegion } from '../control/region-scaling.js';
import { SimulatorThread } from '../control/simulator-thread.js';
import { steeringRows } from '../control/steering-view.js';
import type { ZoneEditor } from '../control/zone-editor.js';
import { monitorName } from '../core/zone/targets.js';
import type { WorkerPool } from '../dataplane/pool.js';
import type { SocketAddress } from '../io/tier.js';
import { createDnsMetrics, type MetricSources } from '../metrics/dns-metrics.js';
import { formatListen, isLoopback } from '../sources/listen-address.js';
import type { ServerConfig } from '../sources/server-config.js';
import { openApiTls } from './api-tls.js';
import { type ApiTokens, openTokens } from './api-tokens.js';
import type { StartProblem } from './dns-node.js';
import type { XdpService } from './dns-xdp.js';
import type { Log } from './log.js';
import { VERSION } from './version.js';

export interface ApiHandle {
  readonly address: SocketAddress;
  close(): Promise<void>;
}

export interface ApiParts {
  /** What the node lacks to serve, a sentence for each. */
  readonly missing: () => readonly string[];
  readonly control: ControlPlane;
  readonly pool: WorkerPool;
  readonly tier: string;
  readonly xdp: XdpService | null;
  readonly listen: readonly SocketAddress[];
  readonly certificates: () => { readonly applied: number; readonly refused: number };
  readonly log: Log;
  readonly zoneTallies: NonNullable<MetricSources['zoneTallies']>;
  readonly queryLog?: NonNullable<MetricSources['queryLog']>;
  readonly acme?: AcmeService;
  readonly history: HistoryModules;
  readonly plans?: PlanBook;
  readonly impact?: AskImpact;
  readonly editor?: ZoneEditor;
}

/** Lets the admin API listen where the configuration says; null where it says `off`. */
export async function startApi(
  config: ServerConfig,
  parts: ApiParts,
): Promise<ApiHandle | StartProblem | null> {
  if (!config.api) return null;
  const { listen } = config.api;
  const tokens = await openTokens(config, parts.control.events, parts.log);
  if ('code' in tokens) return tokens;
  const tls = config.api.tls && (await openApiTls(config.api.tls));
  if (tls && 'code' in tls) return tls;
  const audit = await openAudit(config.state, parts.log);
  if ('code' in audit) return audit;
  const app = await createApi({
    control: parts.control,
    simulator: new SimulatorThread({
      probes: { programs: config.probes.programs, folders: config.probes.folders },
      observers: config.observers,
    }),
    metrics: createDnsMetrics({
      ...metricSources(parts.control, parts.pool, parts.certificates),
      zoneTallies: parts.zoneTallies,
      ...(parts.queryLog && { queryLog: parts.queryLog }),
      acme: () => parts.acme?.book.counts,
      xdp: () => parts.xdp?.facts() ?? [],
      journal: () => parts.history.book.journal,
    }),
    findToken: (presented) => tokens.book.find(presented),
    tokens: tokens.book,
    audit,
    history: parts.history,
    ...(parts.plans && { plans: parts.plans }),
    ...(parts.impact && { impact: parts.impact }),
    ...(parts.editor && { editor: parts.editor }),
    ...(tls && { tls: tls.options }),
    node: {
      name: config.node.name,
      region: config.node.region,
      version: VERSION,
      tier: parts.tier,
      xdp: () => parts.xdp?.facts() ?? [],
      listen: parts.listen.map(formatListen),
      workers: parts.pool.workers,
      startedMs: Date.now(),
    },
    missing: parts.missing,
    openMetrics: isLoopback(listen),
    ...(parts.acme && { acme: parts.acme }),
    log: parts.log,
  });
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (error) {
    await app.close();
    await closeBooks(tokens, audit);
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return { code, message: `cannot listen on ${formatListen(listen)}: ${code}`, setting: 'api' };
  }
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound ? bound.port : listen.port;
  const watch = tls?.follow(app.server, parts.control.events, parts.log);
  return {
    address: { host: listen.host, port },
    async close() {
      watch?.close();
      await closeSoon(app);
      await closeBooks(tokens, audit);
    },
  };
}

/** In the state folder. */
const AUDIT_FILE = 'audit.log';

async function openAudit(state: string, log: Log): Promise<AuditLog | StartProblem> {
  try {
    return await AuditLog.open(join(state, AUDIT_FILE), { log });
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { code, message: `cannot open ${join(state, AUDIT_FILE)}: ${code}`, setting: 'state' };
  }
}

async function closeBooks(tokens: ApiTokens, audit: AuditLog): Promise<void> {
  await tokens.close();
  await audit.close();
}

/** Lets requests in progress end, but not for long: one that never arrives whole must not keep the node from ending. */
async function closeSoon(app: Api): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS_MAX);
  await app.close();
  clearTimeout(late);
}

const CLOSE_MS_MAX = 1000;

const NO_STEERING = { endpoints: [], pools: [], entries: [], rollouts: [] } as const;

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
      control.zones.map(({ origin, file, loadedMs }) => ({
        zone: origin,
        stale: control.isStale(file),
        loadedMs,
      })),
    zoneProblems: () => control.problems.length,
    reloads: () => control.reloads,
    targets: () => health.counts,
    healthChanges: () => health.changes,
    probes: () => health.probeCounters,
    reports: () => health.reportCounters,
    reporters: () => [...health.reporters, ...health.peers],
    verdicts: () => verdictsOf(health),
    steering: () => (control.steering ? steeringRows(control.steering) : NO_STEERING),
    shedding: () => health.shedding,
    scaling: () => scalingByRegion(health.proxyReports),
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
