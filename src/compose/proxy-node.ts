/** One regional proxy as it runs: data plane, health checks, reports and administration. */

import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { AccessRecord } from '../core/access-log/ring.js';
import { formatAddress, type ProxyModel } from '../core/balance/model.js';
import { scalingHint } from '../core/health/report-facts.js';
import type { LineLog } from '../core/tally/line-log.js';
import { loadOpenSsl } from '../io/batched/openssl.js';
import { canShare, resolveTier } from '../io/create-tier.js';
import { startAccessLog } from '../proxy/access-log.js';
import { AdminServer } from '../proxy/admin.js';
import { EndpointNames } from '../proxy/endpoint-names.js';
import { EndpointOrders } from '../proxy/endpoint-orders.js';
import { EndpointWatch } from '../proxy/endpoint-watch.js';
import type { HealthChecker } from '../proxy/health-checker.js';
import type { LimitFigures } from '../proxy/limit/limit-figures.js';
import type { ListenFailure } from '../proxy/listening.js';
import { proxyMetrics } from '../proxy/metrics.js';
import { type ProxyLog, SYSTEM_TIMERS, type Timers } from '../proxy/modules.js';
import type { Verdict } from '../proxy/protocol.js';
import { proxyFacts, proxyServices } from '../proxy/proxy-report.js';
import { SCALING_SAMPLE_MS, ScalingWatch } from '../proxy/scaling-watch.js';
import { SharedControl } from '../proxy/shared-control.js';
import { ProxyWorkers } from '../proxy/workers.js';
import type { ReportFetch } from '../report/delivery.js';
import { Reporter } from '../report/reporter.js';
import { LogFile, STDERR_SINK, STDOUT_SINK } from '../sources/log-file.js';
import { findToken, readTokenFile } from '../sources/token-file.js';
import { formatProblem } from '../sources/yaml-document.js';
import { ProcessVitals } from './process-vitals.js';
import { ProxyLimits } from './proxy-limits.js';
import { ProxyReload, type ReloadModules } from './proxy-reload.js';
import { openRollouts, type ProxyRollouts, splitSecretsOf } from './proxy-rollouts.js';
import { mistakeText, ProxyTlsKeeper } from './proxy-tls.js';
import { readScalingHistory, ScalingHistory } from './scaling-history.js';
import { StickySecrets } from './sticky-secrets.js';
import { VERSION } from './version.js';

export interface ProxyNodeModules {
  readonly log: ProxyLog;
  /** Closed by the node's `close`. */
  readonly checker: HealthChecker;
  /** For tests; the system's own if absent. */
  readonly timers?: Timers;
  readonly fetch?: ReportFetch;
  /** Where the configuration is from; absent: it never changes. */
  readonly source?: Pick<ReloadModules, 'read' | 'version' | 'load'>;
  /** Ends the proxy that serves the same addresses now; called when this one serves. */
  readonly endPredecessor?: () => void;
}

export interface ProxyNode {
  readonly ok: true;
  /** Ports that are really open, in the order of the configuration's listeners. */
  readonly ports: readonly number[];
  readonly adminPort: number | null;
  /** Reads the configuration and reopens the access log. */
  reload(): Promise<void>;
  /** Whether every worker answers. */
  alive(): Promise<boolean>;
  /** Drains: stops accepting, lets requests in progress end within `timeouts.drain`, then ends. */
  close(): Promise<void>;
}

export type ProxyStartFailure = { readonly ok: false } & (
  | { readonly code: 'listen'; readonly failures: readonly ListenFailure[] }
  /** A certificate, key or secret that can't be used. */
  | { readonly code: 'tls'; readonly failures: readonly { readonly message: string }[] }
);

/** Traffic isn't held back for longer than this by endpoints whose first check takes its time. */
const FIRST_ROUND_MS_MAX = 3_000;
const NO_SOURCE: NonNullable<ProxyNodeModules['source']> = {
  read: () => Promise.reject(new Error('it came from no file')),
  version: () => Promise.resolve(''),
  load: () => ({ problems: [] }),
};
const ADMIN_RETRY_MS = 200;
const NO_OVERLAP: ListenFailure = {
  code: 'listen_failed',
  address: '',
  key: 'io',
  message: 'only a proxy with batched io can take over from a running one: stop that one first',
};
/** The numbers of the workers that reports are made of are no older than this. */
const REFRESH_MS = 1_000;

/** Starts a proxy from a checked configuration; a port that can't be opened is a value that names its key. */
export async function startProxyNode(
  model: ProxyModel,
  modules: ProxyNodeModules,
): Promise<ProxyNode | ProxyStartFailure> {
  const { log, checker } = modules;
  const timers = modules.timers ?? SYSTEM_TIMERS;
  const io = ioOf(model, log);
  const orders = new EndpointOrders();
  const opened = await ProxyTlsKeeper.open(model, { log, nowMs: Date.now });
  if ('mistakes' in opened) {
    const failures = opened.mistakes.map((mistake) => ({ message: mistakeText(mistake) }));
    return { ok: false, code: 'tls', failures };
  }
  const replaces = modules.endPredecessor !== undefined;
  if (replaces && io !== 'batched') return { ok: false, code: 'listen', failures: [NO_OVERLAP] };
  const limits = await ProxyLimits.open(model, { log, timers, replaces });
  if (!(limits instanceof ProxyLimits)) return { ok: false, code: 'listen', failures: [limits] };
  const split = await splitSecretsOf(model);
  if ('message' in split) return { ok: false, code: 'tls', failures: [split] };
  const splitSecrets = split.secrets;
  const secrets = new StickySecrets(log);
  const noSecrets = await secrets.use(model);
  if (noSecrets.length > 0) return { ok: false, code: 'tls', failures: noSecrets };
  const workers = new ProxyWorkers(model, io, {
    ...{ log, timers, orders, replaces },
    limits: limits.store,
    sticky: secrets.memory,
    ...(splitSecrets && { splitSecrets }),
  });
  let tls = opened;
  workers.useTls(tls.tls);
  let reporter: Reporter | null = null;
  const watch = new EndpointWatch(
    model.pools,
    checker,
    (verdict) => {
      workers.judge(verdict);
      logVerdict(model, verdict, log);
      // The report is made of what the workers say.
      void workers.refresh().then(() => reporter?.changed());
    },
    (pool, endpoint) => workers.passed(pool, endpoint),
  );
  const names = new EndpointNames({
    lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    timers,
    random: Math.random,
    onAddresses: (found) => workers.useAddresses(found),
    onFailure: (host, message) => log.warn({ host, message }, 'the name of an endpoint cannot be resolved'),
  });
  const resolved = names.follow(namesOf(model));
  await atMost(Promise.all([watch.firstRound(), resolved]), FIRST_ROUND_MS_MAX, timers);

  const failed = async (failures: readonly ListenFailure[]): Promise<ProxyStartFailure> => {
    await workers.close();
    watch.close();
    names.close();
    limits.close();
    return { ok: false, code: 'listen', failures };
  };
  const rollouts = await openRollouts(model, { workers, control: () => control }, { log, timers });
  const failures = await workers.start(canShare(io, process.versions.node) ? model.workers : 1);
  if (failures.length > 0) return failed(failures);
  let draining = false;
  const startedMs = Date.now();
  const control = new SharedControl(
    { version: VERSION, startedMs, workers: workers.count },
    {
      model: () => workers.model,
      counts: workers.counts,
      orders,
      health: (pool, endpoint) => workers.healthOf(pool, endpoint),
      send: (order) => workers.order(order),
      draining: () => draining,
      configuration: () => reload.status,
      reports: () => reporter?.status() ?? [],
      limits: () => limitFigures(limits),
      log,
    },
  );
  const reload = new ProxyReload(model, {
    ...(modules.source ?? NO_SOURCE),
    apply: async (next) => {
      const nextTls = await ProxyTlsKeeper.open(next, { log, nowMs: Date.now });
      if ('mistakes' in nextTls)
        return nextTls.mistakes.map((mistake) => ({ message: mistakeText(mistake) }));
      const noSecrets = await secrets.use(next);
      if (noSecrets.length > 0) return noSecrets;
      // New endpoints are checked before anybody is sent to them.
      watch.prepare(next.pools);
      const resolving = names.follow(new Set([...namesOf(workers.model), ...namesOf(next)]));
      await atMost(Promise.all([watch.firstRound(), resolving]), FIRST_ROUND_MS_MAX, timers);
      watch.use(next.pools);
      await limits.use(next);
      const failed = await workers.apply(next, nextTls.tls, watch.verdicts);
      if (failed.length > 0) await limits.use(workers.model);
      void names.follow(namesOf(workers.model));
      if (failed.length > 0) {
        watch.use(workers.model.pools);
        return failed;
      }
      tls.close();
      tls = nextTls;
      tls.watch((changed) => workers.useTls(changed));
      rollouts.rollouts.adopt();
      await workers.refresh();
      reporter?.changed();
      return [];
    },
    nowMs: Date.now,
    timers,
    log,
  });
  rollouts.begin();
  if (modules.source !== undefined) await reload.start();
  limits.start(() => workers.protect());
  const vitals = new ProcessVitals();
  const scaling = new ScalingWatch(
    {
      model: () => workers.model,
      control,
      counts: workers.counts,
      cpu: () => Math.max(workers.busy, vitals.cpu),
      nowMs: () => performance.now(),
      wallMs: Date.now,
    },
    await readScalingHistory(model.scaling?.history, log),
  );
  const history = new ScalingHistory(
    () => workers.model.scaling?.history,
    () => scaling.forecasts,
    log,
  );
  const subject = { control, workers, limits, rollouts, scaling, certificates: () => tls.certificates };
  const accessLog = openAccessLog(model, workers, { log, timers });
  reporter = newReporter(model, { ...subject, vitals }, modules, timers);
  const admin = await newAdmin(model, subject, accessLog, log);
  if (admin !== null && 'message' in admin) return failed([admin]);
  modules.endPredecessor?.();
  const adminFailure = await startAdmin(admin, replaces, timers);
  if (adminFailure) return failed([adminFailure]);
  await workers.refresh();
  reporter.start();
  const refresh = setInterval(() => void workers.refresh(), REFRESH_MS).unref();
  scaling.sample();
  const scale = setInterval(() => scaling.sample(), SCALING_SAMPLE_MS).unref();

  tls.watch((changed) => workers.useTls(changed));
  const { ports } = workers;
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    draining = true;
    await reload.close();
    // First the word to the DNS nodes: new clients then go elsewhere while the old ones end.
    const told = reporter.drain();
    await workers.drain(model.timeouts.drainMs);
    await told;
    clearInterval(refresh);
    clearInterval(scale);
    await history.close();
    await rollouts.close();
    reporter.close();
    vitals.close();
    await accessLog?.close();
    limits.close();
    watch.close();
    names.close();
    tls.close();
    secrets.close();
    await admin?.close();
  };
  return {
    ok: true,
    ports,
    adminPort: admin?.port ?? null,
    reload: async () => {
      accessLog?.reopen();
      if (modules.source !== undefined) await reload.reload();
    },
    alive: () => workers.refresh(),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function ioOf({ io, listeners, pools }: ProxyModel, log: ProxyLog): 'batched' | 'portable' {
  const { tier, reason } = resolveTier(io);
  if (tier === 'batched' && [...listeners, ...pools].some(({ tls }) => tls !== undefined)) {
    const openSsl = loadOpenSsl();
    if ('unavailable' in openSsl) {
      log.warn({ reason: openSsl.unavailable }, 'connections go through node:net and node:tls');
      return 'portable';
    }
  }
  if (reason !== undefined) log.warn({ reason }, 'connections go through node:net');
  return tier ?? 'portable';
}

/** The predecessor has the address of the administration until it has ended. */
async function startAdmin(
  admin: AdminServer | null,
  replaces: boolean,
  timers: Timers,
): Promise<ListenFailure | null> {
  if (admin === null) return null;
  const failure = await admin.start();
  if (failure?.code !== 'address_in_use' || !replaces) return failure;
  const again = (): void => {
    timers.set(() => {
      void admin.start().then((late) => {
        if (late?.code === 'address_in_use') again();
      });
    }, ADMIN_RETRY_MS);
  };
  again();
  return null;
}

function namesOf({ pools }: ProxyModel): ReadonlySet<string> {
  const hosts = pools.flatMap(({ endpoints }) => endpoints.map(({ address }) => address.host));
  return new Set(hosts.filter((host) => isIP(host) === 0));
}

function logVerdict(model: ProxyModel, { pool, endpoint, up, detail }: Verdict, log: ProxyLog): void {
  const address = model.pools.find(({ name }) => name === pool)?.endpoints[endpoint]?.address;
  const facts = { pool, endpoint: address === undefined ? endpoint : formatAddress(address), detail };
  if (up) log.info(facts, 'an endpoint is up');
  else log.warn(facts, 'an endpoint is down');
}

interface Subject {
  readonly certificates: () => ProxyTlsKeeper['certificates'];
  readonly control: SharedControl;
  readonly workers: ProxyWorkers;
  readonly scaling: ScalingWatch;
  readonly limits: ProxyLimits;
  readonly rollouts: ProxyRollouts;
}

function newReporter(
  { node, reportTo }: ProxyModel,
  { control, workers, scaling, certificates, vitals }: Subject & { readonly vitals: ProcessVitals },
  modules: ProxyNodeModules,
  timers: Timers,
): Reporter {
  const receivers = reportTo.map(({ url, tokenFile }) => ({
    url,
    readToken: tokenFile === undefined ? null : () => readFile(tokenFile, 'utf8'),
  }));
  const limits = () => workers.model.limits;
  const cpu = () => Math.max(workers.busy, vitals.cpu);
  return new Reporter(
    { node: node.name, region: node.region, receivers },
    {
      wallMs: () => Date.now(),
      timers,
      random: Math.random,
      fetch: modules.fetch ?? fetch,
      log: modules.log,
      services: () => proxyServices({ control, counts: workers.counts, limits, cpu }),
      scaling: () => scalingHint(scaling.views),
      proxy: () => {
        const { loopLagMs, memoryBytes } = vitals;
        const ends = Math.min(...certificates().map(({ endsMs }) => endsMs));
        const vital = { cpu: cpu(), loopLagMs, memoryBytes };
        return proxyFacts(control.status(), vital, limits(), Number.isFinite(ends) ? ends : undefined);
      },
    },
  );
}

function openAccessLog(
  { accessLog }: ProxyModel,
  workers: ProxyWorkers,
  { log, timers }: { readonly log: ProxyLog; readonly timers: Timers },
): LineLog<AccessRecord> | null {
  if (accessLog === undefined) return null;
  const { to, maxBytes, client } = accessLog;
  const sink = to === 'stdout' ? STDOUT_SINK : to === 'stderr' ? STDERR_SINK : new LogFile(to.file, maxBytes);
  return startAccessLog({ sink, rings: () => workers.accessRings, timers, log }, client);
}

async function newAdmin(
  { admin }: ProxyModel,
  { control, workers, limits, scaling, rollouts, certificates }: Subject,
  accessLog: LineLog<AccessRecord> | null,
  log: ProxyLog,
): Promise<AdminServer | ListenFailure | null> {
  if (admin === null) return null;
  const { listen, tokenFile } = admin;
  const tokens = tokenFile === undefined ? null : await readTokenFile(tokenFile);
  if (tokens !== null && 'problems' in tokens) {
    const message = tokens.problems.map(formatProblem).join('\n');
    return { code: 'listen_failed', address: formatAddress(listen), key: 'admin.tokens', message };
  }
  return new AdminServer(listen, {
    log,
    metrics: proxyMetrics({
      counts: workers.counts,
      control,
      restarts: () => workers.restarts,
      certificates,
      scaling: () => scaling.views,
      limits: () => limitFigures(limits),
      routes: { routes: workers.routes, rollouts: rollouts.rollouts },
      ...(accessLog && { accessLog: () => accessLog.lines }),
    }),
    refresh: () => workers.refresh(),
    scaling: () => scaling,
    control,
    rollouts,
    ...(tokens !== null && { findToken: (presented: string) => findToken(tokens.tokens, presented) }),
  });
}

function limitFigures({ store, exchange }: ProxyLimits): LimitFigures {
  const { table } = store;
  return {
    limits: store.totals(),
    table: table === null ? null : { keys: table.keys, held: table.held, evicted: table.evicted },
    region: exchange === null ? null : { messages: exchange.counts, peers: exchange.peers() },
  };
}

async function atMost(promise: Promise<unknown>, ms: number, timers: Timers): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = timers.set(resolve, ms);
  });
  await Promise.race([promise, late]);
  timers.clear(timer);
}
