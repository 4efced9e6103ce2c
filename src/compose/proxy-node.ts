/** One regional proxy as it runs: data plane, health checks, reports and administration. */

import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { ProxyModel } from '../core/balance/model.js';
import { AdminServer } from '../proxy/admin.js';
import type { HealthChecker } from '../proxy/health-checker.js';
import type { ListenFailure } from '../proxy/listening.js';
import { proxyMetrics } from '../proxy/metrics.js';
import { type ProxyLog, SYSTEM_TIMERS, type Timers } from '../proxy/modules.js';
import { RegionalProxy } from '../proxy/regional-proxy.js';
import type { ReportFetch } from '../report/delivery.js';
import { Reporter } from '../report/reporter.js';

export interface ProxyNodeModules {
  readonly log: ProxyLog;
  /** Closed by the node's `close`. */
  readonly checker: HealthChecker;
  /** For tests; the system's own if absent. */
  readonly timers?: Timers;
  readonly fetch?: ReportFetch;
}

export interface ProxyNode {
  readonly ok: true;
  /** Ports that are really open, in the order of the configuration's listeners. */
  readonly ports: readonly number[];
  readonly adminPort: number | null;
  /** Drains: stops accepting, lets requests in progress end within `timeouts.drain`, then ends. */
  close(): Promise<void>;
}

export interface ProxyStartFailure {
  readonly ok: false;
  readonly code: 'listen';
  readonly failures: readonly ListenFailure[];
}

/** Traffic isn't held back for longer than this by endpoints whose first check takes its time. */
const FIRST_ROUND_MS_MAX = 3_000;

/** Starts a proxy from a checked configuration; a port that can't be opened is a value that names its key. */
export async function startProxyNode(
  model: ProxyModel,
  modules: ProxyNodeModules,
): Promise<ProxyNode | ProxyStartFailure> {
  const { log, checker } = modules;
  const timers = modules.timers ?? SYSTEM_TIMERS;
  if (model.workers > 1) log.info({ workers: model.workers }, 'this version runs one worker');
  const clock = (): number => performance.now();
  let reporter: Reporter | null = null;
  const proxy = new RegionalProxy(model, {
    log,
    checker,
    clock,
    timers,
    onHealthChange: () => reporter?.changed(),
  });
  proxy.startChecks();
  await atMost(checker.firstRound(), FIRST_ROUND_MS_MAX, timers);

  const failed = async (failures: readonly ListenFailure[]): Promise<ProxyStartFailure> => {
    await proxy.close(0);
    checker.close();
    return { ok: false, code: 'listen', failures };
  };
  const failures = await proxy.listen();
  if (failures.length > 0) return failed(failures);
  reporter = newReporter(model, proxy, modules, timers);
  const admin = newAdmin(model, proxy, reporter, log);
  const adminFailure = await admin?.start();
  if (adminFailure) return failed([adminFailure]);
  reporter.start();

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    // First the word to the DNS nodes: new clients then go elsewhere while the old ones end.
    const told = reporter.drain();
    await proxy.close(model.timeouts.drainMs);
    await told;
    reporter.close();
    checker.close();
    await admin?.close();
  };
  return {
    ok: true,
    ports: proxy.listeners.map(({ port }) => port),
    adminPort: admin?.port ?? null,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function newReporter(
  model: ProxyModel,
  proxy: RegionalProxy,
  modules: ProxyNodeModules,
  timers: Timers,
): Reporter {
  const { node, reportTo } = model;
  const receivers = reportTo.map(({ url, tokenFile }) => ({
    url,
    readToken: tokenFile === undefined ? null : () => readFile(tokenFile, 'utf8'),
  }));
  // Between two reports.
  let before = performance.eventLoopUtilization();
  const busy = (): number => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
  return new Reporter(
    { node: node.name, region: node.region, receivers },
    {
      wallMs: () => Date.now(),
      timers,
      random: Math.random,
      fetch: modules.fetch ?? fetch,
      log: modules.log,
      services: () => proxy.services(busy()),
    },
  );
}

function newAdmin(
  model: ProxyModel,
  proxy: RegionalProxy,
  reporter: Reporter,
  log: ProxyLog,
): AdminServer | null {
  if (model.admin === null) return null;
  return new AdminServer(model.admin.listen, {
    log,
    metrics: proxyMetrics(proxy, reporter),
    notReady: () => (proxy.draining ? 'draining' : null),
    status: () => statusOf(model, proxy, reporter),
  });
}

function statusOf({ node }: ProxyModel, proxy: RegionalProxy, reporter: Reporter): unknown {
  return {
    node,
    draining: proxy.draining,
    pools: [...proxy.pools.values()].map((pool) => ({
      name: pool.name,
      balance: pool.model.balance,
      healthy: pool.healthy,
      endpoints: pool.endpoints.map((endpoint) => ({
        address: endpoint.name,
        weight: endpoint.weight,
        up: endpoint.up,
        detail: endpoint.detail,
        active: pool.activeOf(endpoint.index),
        connections: endpoint.connections,
        idle: endpoint.idle,
        connectFailures: endpoint.connectFailures,
      })),
    })),
    listeners: proxy.counters().map(({ listener, connections, active, refused, bytesIn, bytesOut }) => ({
      listener,
      connections,
      active,
      refused,
      bytesIn,
      bytesOut,
    })),
    reports: reporter.status(),
  };
}

async function atMost(promise: Promise<void>, ms: number, timers: Timers): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = timers.set(resolve, ms);
  });
  await Promise.race([promise, late]);
  timers.clear(timer);
}
