import { type Api, type ApiModules, createApi } from '../../src/api/server.js';
import { metricSources } from '../../src/compose/api-server.js';
import { ControlPlane } from '../../src/control/control-plane.js';
import { HealthWatch } from '../../src/control/health-watch.js';
import { memoryRevisions } from '../../src/control/revisions.js';
import { RolloutPools } from '../../src/control/rollout-pools.js';
import { Rollouts } from '../../src/control/rollouts.js';
import { Steering } from '../../src/control/steering.js';
import { SteeringMarks } from '../../src/control/steering-marks.js';
import { TokenBook } from '../../src/control/token-book.js';
import { ZoneLoader } from '../../src/control/zone-loader.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import { createDnsMetrics } from '../../src/metrics/dns-metrics.js';
import { EMBEDDED, loadGeoDatabase } from '../../src/sources/geo-database.js';
import { hashToken, type Role } from '../../src/sources/token-file.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import { planBook } from './plan-rig.js';

/** A control plane without sockets: zones from texts, probes that find every host in `down` down. */
export interface ControlRig {
  readonly control: ControlPlane;
  readonly health: HealthWatch;
  readonly down: Set<string>;
  /** Lines of the log. */
  readonly logged: readonly string[];
  /** Loads zone files given as texts by name; bad ones become problems. */
  load(files: Readonly<Record<string, string>>): Promise<void>;
  close(): void;
}

export function controlRig(options: { readonly challenges?: Int32Array } = {}): ControlRig {
  const down = new Set<string>();
  const logged: string[] = [];
  const note = (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`);
  const log = { info: note, warn: note, error: note };
  const health = new HealthWatch({
    probe: async (host) =>
      down.has(host)
        ? { ok: false, detail: 'refused', elapsedMs: 1 }
        : { ok: true, detail: 'status 200', elapsedMs: 1 },
    now: Date.now,
    monotonic: () => performance.now(),
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    random: () => 0.5,
    log,
  });
  const steering = new Steering({
    book: memoryRevisions({ now: Date.now }),
    marks: new SteeringMarks(),
    words: health.table,
    now: Date.now,
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    log,
  });
  const rollouts = new Rollouts({
    steering,
    pools: new RolloutPools(steering.marks, health),
    reports: () => health.proxyReports,
    now: Date.now,
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    log,
  });
  const control = new ControlPlane({
    health,
    steering,
    rollouts,
    loader: new ZoneLoader({ now: Date.now }),
    ...options,
    publish: async () => {},
    now: Date.now,
    log,
  });
  return {
    control,
    health,
    down,
    logged,
    async load(files) {
      const results = Object.entries(files).map(([file, text]) => ({
        file,
        text,
        ...loadZoneFile(file, text),
      }));
      await control.loadZones({
        files: Object.keys(files),
        unreadable: [],
        zones: results.flatMap((result) =>
          'zone' in result
            ? [{ file: result.file, zone: result.zone, text: result.text, version: result.text }]
            : [],
        ),
        problems: results.flatMap((result) => ('problems' in result ? result.problems : [])),
      });
    },
    close: () => {
      rollouts.close();
      steering.close();
      health.close();
    },
  };
}

/** With the embedded geo database. */
export async function useEmbeddedGeo(rig: ControlRig): Promise<void> {
  const database = await loadGeoDatabase([EMBEDDED], { nowMs: Date.now });
  if (!('trie' in database)) throw new Error(database.map(({ message }) => message).join());
  await rig.control.useGeo(database);
}

/** Each role's token is the role's own name; `bound` reports for the node `bound` only. */
const TOKENS = [
  ...(['read', 'operate', 'zones', 'report', 'admin'] as const).map((role: Role) => ({
    name: role,
    role,
    digest: hashToken(role),
  })),
  { name: 'bound', role: 'report' as const, node: 'bound', digest: hashToken('bound') },
];

/** Nothing is there: all zones of a plan are new. */
const NO_FOLDER = '/nowhere/zones';

/** The admin API on a rig, for `inject`. */
export async function apiOn(
  rig: ControlRig,
  options: { openMetrics?: boolean; modules?: Partial<ApiModules> } = {},
): Promise<Api> {
  const { control } = rig;
  const tokens = tokenBook(rig);
  const workers = { counters: [new Float64Array(COUNTER.SIZE)], restarts: 0 };
  const metrics = createDnsMetrics(metricSources(control, workers));
  return createApi({
    control,
    metrics,
    findToken: (presented) => tokens.find(presented),
    tokens,
    node: {
      name: 'dns-test',
      region: 'eu',
      version: '1.2.3',
      tier: 'portable',
      xdp: () => [],
      listen: ['127.0.0.1:5300'],
      workers: 1,
      startedMs: Date.now(),
    },
    failuresPerMinute: 1_000_000,
    openMetrics: options.openMetrics ?? false,
    plans: planBook(rig, NO_FOLDER),
    ...options.modules,
  });
}

/** The tokens of the rig, in a store that forgets. */
export function tokenBook({ control }: ControlRig): TokenBook {
  let made = 0;
  const tokens = new TokenBook({
    store: { save: async () => {} },
    events: control.events,
    now: Date.now,
    newSecret: () => `secret-${++made}`,
    log: { error() {} },
  });
  tokens.give(TOKENS, 'file');
  return tokens;
}
