import { mkdir, stat } from 'node:fs/promises';
import type { AcmeBook } from '../control/acme-book.js';
import { AcmeService } from '../control/acme-service.js';
import { AliasWatch } from '../control/alias-watch.js';
import { ControlPlane } from '../control/control-plane.js';
import { EventBus } from '../control/event-bus.js';
import { HealthWatch } from '../control/health-watch.js';
import { LoaderThread } from '../control/loader-thread.js';
import { revisionFacts } from '../control/revision-facts.js';
import type { RevisionBook } from '../control/revisions.js';
import { RolloutPools } from '../control/rollout-pools.js';
import { Rollouts } from '../control/rollouts.js';
import { Steering } from '../control/steering.js';
import { SteeringMarks } from '../control/steering-marks.js';
import { steeringRestorer } from '../control/steering-restorer.js';
import { ZoneFileRecorder } from '../control/zone-file-recorder.js';
import type { Identity } from '../core/answer/identity.js';
import { WorkerPool } from '../dataplane/pool.js';
import { canShare, resolveTier } from '../io/create-tier.js';
import { claimAddress, isMissingAddress } from '../io/free-port.js';
import { collectSoon } from '../io/garbage.js';
import { ListenError, type SocketAddress } from '../io/tier.js';
import { createProbe } from '../probe/probe.js';
import type { Reporter } from '../report/reporter.js';
import { EMBEDDED, openGeoDatabase, watchGeoDatabase } from '../sources/geo-database.js';
import { createNameResolver } from '../sources/name-resolver.js';
import type { ServerConfig } from '../sources/server-config.js';
import { watchZones } from '../sources/zone-folder.js';
import { openAcmeBook, startAcmeSync } from './acme.js';
import { type ApiHandle, startApi } from './api-server.js';
import { openXdp, type XdpService } from './dns-xdp.js';
import { type EncryptedListening, openEncrypted } from './encrypted.js';
import { historyModules, openHistory } from './history.js';
import { openIdentity } from './identity.js';
import { createLedgers } from './ledgers.js';
import type { Log } from './log.js';
import { startReporter } from './node-reporter.js';
import { openPlans } from './plans.js';
import { answersDns } from './self-check.js';
import { openZoneWriting } from './zone-writing.js';

/** A node that can't start: what is wrong, and which setting changes it. */
export interface StartProblem {
  readonly code: string;
  readonly message: string;
  /** Which setting changes it: `dns`, `api`, or an option of the demo. */
  readonly setting?: string;
}

export interface DnsNode {
  readonly listen: readonly SocketAddress[];
  /** Addresses of DNS over TLS and HTTPS. */
  readonly dot: readonly SocketAddress[];
  readonly doh: readonly SocketAddress[];
  readonly api: SocketAddress | null;
  readonly tier: 'batched' | 'portable';
  readonly control: ControlPlane;
  /** Loads the zone files again, without waiting for a change to be noticed. */
  reload(): Promise<void>;
  /** Whether every address answers. */
  alive(): Promise<boolean>;
  close(): Promise<void>;
}

/** How long the start waits for the first probe of every target; then it serves with what is known. */
const FIRST_ROUND_MS = 10_000;

/** Starts a DNS node: geo database, zones, first round of probes, and only then the sockets. */
export async function startDnsNode(config: ServerConfig, log: Log): Promise<DnsNode | StartProblem> {
  const folders = await checkFolders(config);
  if (folders) return folders;
  const io = resolveTier(config.dns.io);
  if (!io.tier) return { code: 'io', message: `dns.io is batched, but ${io.reason}` };
  if (io.reason) log.warn({ reason: io.reason }, 'the portable tier is used');
  const listen = await claimAll(config.dns.listen, log);
  if ('code' in listen) return listen;
  const encrypted = await openEncrypted(config, (wanted) => claimAll(wanted, log, 'tcp'));
  if ('code' in encrypted) return encrypted;

  const identity = await openIdentity(config, log);
  if ('code' in identity) return identity;
  const acme = await openAcmeBook(config, log);
  if (acme && 'code' in acme) return acme;
  const book = await openHistory(config, log);
  if ('code' in book) return book;
  const xdp = openXdp(config.dns, listen.addresses, io.tier, log);
  const parts = wire(config, log, {
    ...(acme && { acme }),
    xdp,
    tier: io.tier,
    listen: listen.addresses,
    identity: identity.identity,
    encrypted,
    book,
  });
  const { control, health, pool, ledgers } = parts;
  const paths = config.geo.database === 'embedded' ? [EMBEDDED] : config.geo.database;
  const geo = await openGeoDatabase(paths, { nowMs: Date.now });
  await control.useGeo(geo.database);
  for (const problem of geo.problems) control.refuseGeo(problem);
  let stopping = false;
  const queryLog = ledgers.openLog(pool);
  const read = (only?: readonly string[]) =>
    control.loadZones({ paths: [config.zones], ...(only && { only }) });
  const reload = () => {
    queryLog?.reopen();
    return read();
  };
  await parts.zones.recover();
  // Watched before they are read, so that no change falls between.
  const watches: { close(): void }[] = [
    identity,
    watchZones([config.zones], (files) => void read(files)),
    watchGeoDatabase(
      {
        paths,
        onChange: (database) => void control.useGeo(database),
        onError: (refused) => control.refuseGeo(refused),
      },
      { nowMs: Date.now },
    ),
  ];
  watches.push(encrypted.watch(pool, log));
  await read();
  await health.firstRound(FIRST_ROUND_MS);
  const problem = await parts.serve();
  const api = problem
    ? null
    : await startApi(config, {
        missing: () => [
          ...(stopping ? ['the node is stopping'] : []),
          ...pool.ended.map((name) => `the thread ${name} ended and is being replaced`),
        ],
        control,
        pool,
        tier: io.tier,
        xdp,
        listen: listen.addresses,
        certificates: () => encrypted.reloads,
        zoneTallies: () => ({
          memory: pool.ledgers,
          zones: ledgers.slots.zones(),
          pools: ledgers.slots.pools(),
        }),
        ...(queryLog && { queryLog: () => queryLog.lines }),
        ...(acme && { acme: acmeService(config, acme, control) }),
        history: {
          ...historyModules(config, parts.book, {
            zones: parts.zones.writer,
            steering: steeringRestorer(parts.steering),
          }),
          impact: parts.plans.impact,
        },
        plans: parts.plans.book,
        impact: parts.plans.impact,
        editor: parts.zones.editor,
        log,
      });
  if (problem || (api && 'code' in api)) {
    await closeAll(watches, null, null, parts);
    await queryLog?.close();
    return problem ?? (api as StartProblem);
  }
  if (api) parts.zones.warmLater();
  const reporter = parts.report();
  if (acme) watches.push(startAcmeSync(config.node.name, config.reportTo, acme, log));
  return {
    listen: listen.addresses,
    dot: encrypted.options?.dot?.listen ?? [],
    doh: encrypted.options?.doh?.listen ?? [],
    api: api?.address ?? null,
    tier: io.tier,
    control,
    reload,
    alive: async () => !(await Promise.all(listen.addresses.map(answersDns))).includes(false),
    async close() {
      stopping = true;
      await closeAll(watches, api, reporter, parts);
      await queryLog?.close();
    },
  };
}

interface Sockets {
  readonly tier: 'batched' | 'portable';
  readonly listen: readonly SocketAddress[];
  readonly identity: Identity;
  readonly encrypted: EncryptedListening;
  readonly acme?: AcmeBook;
  readonly xdp: XdpService | null;
  readonly book: RevisionBook;
}

function acmeService({ acme, reportTo }: ServerConfig, book: AcmeBook, control: ControlPlane): AcmeService {
  const { domain, registerFrom = [], proxies = [] } = acme ?? {};
  const peers = reportTo.flatMap(({ node }) => node ?? []);
  const epoch = Date.now();
  return new AcmeService(
    book,
    { ...(domain !== undefined && { domain }), registerFrom, proxies, peers, epoch },
    control,
  );
}

/** The zone folder must be there; the state folder is made. */
async function checkFolders({ zones, state }: ServerConfig): Promise<StartProblem | undefined> {
  try {
    await stat(zones);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { code, message: `cannot read the zone folder ${zones}: ${code}`, setting: 'zones' };
  }
  try {
    await mkdir(state, { recursive: true });
    return undefined;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { code, message: `cannot make the state folder ${state}: ${code}`, setting: 'state' };
  }
}

/** The parts of a node and how they know of each other. */
function wire(config: ServerConfig, log: Log, sockets: Sockets) {
  const { name, region } = config.node;
  const health = new HealthWatch(
    {
      probe: createProbe({ clock: () => performance.now(), limits: config.probes }),
      probesMax: config.probes.concurrency,
      now: Date.now,
      monotonic: () => performance.now(),
      timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
      random: Math.random,
      log,
    },
    {
      ...(region !== undefined && { region }),
      peers: config.reportTo.flatMap(({ node }) => node ?? []),
    },
  );
  const { maxAgeMs } = config.resolver;
  const aliases = new AliasWatch(maxAgeMs === undefined ? {} : { maxAgeMs }, {
    resolver: createNameResolver(config.resolver),
    now: Date.now,
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    random: Math.random,
    log,
  });
  let serving = false;
  const { programs, folders } = config.probes;
  const { state, observers } = config;
  const loader = new LoaderThread({ state, probes: { programs, folders }, observers });
  const ledgers = createLedgers(config, () => pool, log);
  const { book } = sockets;
  const recorder = new ZoneFileRecorder(config.zones, { book, log });
  const events = new EventBus(Date.now);
  // What was steered before the start holds before the first answer.
  const steering = new Steering({
    book,
    marks: new SteeringMarks(),
    words: health.table,
    now: Date.now,
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    log,
    events,
  });
  const rollouts = new Rollouts({
    steering,
    pools: new RolloutPools(steering.marks, health),
    reports: () => health.proxyReports,
    now: Date.now,
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    log,
    events,
  });
  const control = new ControlPlane({
    health,
    loader,
    aliases,
    ...(sockets.acme && { challenges: sockets.acme.table }),
    steering,
    rollouts,
    events,
    slots: ledgers.slots,
    collect: collectSoon,
    served: (zones) => recorder.served(zones),
    publish: (snapshot) => (serving ? pool.publish(snapshot) : Promise.resolve()),
    now: Date.now,
    log,
  });
  const workers = workersFor(config, sockets.tier, log);
  const pool = new WorkerPool(
    {
      listen: sockets.listen,
      io: sockets.tier,
      shared: workers > 1,
      datagramMax: config.dns.udp.maxSize,
      tcp: config.dns.tcp,
      proxies: config.dns.proxies,
    },
    control.snapshot,
    health.table,
    {
      log,
      identity: sockets.identity,
      ...(sockets.xdp && { gates: sockets.xdp.gates }),
      ledger: ledgers.ledger,
      seed: () => Math.floor(Math.random() * 0x1_0000_0000),
    },
  );
  const serve = async (): Promise<StartProblem | undefined> => {
    serving = true;
    try {
      const published = pool.publish(control.snapshot);
      await pool.start(workers, sockets.encrypted.options);
      await published;
      return undefined;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return listenProblem(error);
    }
  };
  const report = () => startReporter({ name, region: region ?? '' }, config.reportTo, health, log);
  book.subscribe((revision) =>
    control.events.publish({ type: 'revision.created', data: revisionFacts(revision) }),
  );
  const zones = openZoneWriting(config, { control, book, recorder, log });
  const plans = openPlans(config, { control, history: book, writer: zones.writer });
  return {
    control,
    health,
    aliases,
    pool,
    loader,
    ledgers,
    book,
    recorder,
    xdp: sockets.xdp,
    zones,
    plans,
    steering,
    rollouts,
    serve,
    report,
  };
}

function workersFor(config: ServerConfig, tier: 'batched' | 'portable', log: Log): number {
  const { workers } = config.dns;
  if (workers === 1 || canShare(tier, process.versions.node)) return workers;
  log.warn({ asked: workers }, 'one DNS worker: in the portable tier more need Linux and Node 22.12');
  return 1;
}

async function claimAll(
  wanted: readonly SocketAddress[],
  log: Log,
  transports: 'udp+tcp' | 'tcp' = 'udp+tcp',
): Promise<{ readonly addresses: readonly SocketAddress[] } | StartProblem> {
  const addresses: SocketAddress[] = [];
  for (const address of wanted) {
    try {
      addresses.push(await claimAddress(address, transports));
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      // The default listens on ::1 too, and machines without IPv6 should start all the same.
      if (!isMissingAddress(error) || address.host !== '::1' || wanted.length === 1)
        return listenProblem(error);
      log.warn({ address: address.host }, 'this machine has no IPv6 loopback address: not listening on it');
    }
  }
  return { addresses };
}

function listenProblem({ code, message }: ListenError): StartProblem {
  return { code, message, setting: 'dns' };
}

async function closeAll(
  watches: readonly { close(): void }[],
  api: ApiHandle | null,
  reporter: Reporter | null,
  parts: Pick<
    ReturnType<typeof wire>,
    | 'pool'
    | 'health'
    | 'loader'
    | 'aliases'
    | 'book'
    | 'recorder'
    | 'plans'
    | 'zones'
    | 'steering'
    | 'rollouts'
    | 'xdp'
  >,
): Promise<void> {
  for (const watch of watches) watch.close();
  // The others learn that this node probes no more, before its views get old.
  await reporter?.drain();
  reporter?.close();
  await api?.close();
  await parts.plans.close();
  await parts.zones.close();
  await parts.pool.close();
  parts.xdp?.close();
  await parts.loader.close();
  parts.rollouts.close();
  await parts.rollouts.settled();
  parts.steering.close();
  await parts.steering.settled();
  await parts.recorder.settled();
  await parts.book.close();
  parts.health.close();
  parts.aliases.close();
}
