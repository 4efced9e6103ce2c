import { type Api, createApi } from '../../src/api/server.js';
import { metricSources } from '../../src/compose/api-server.js';
import { ControlPlane } from '../../src/control/control-plane.js';
import { HealthWatch } from '../../src/control/health-watch.js';
import { ZoneLoader } from '../../src/control/zone-loader.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import { createDnsMetrics } from '../../src/metrics/dns-metrics.js';
import { EMBEDDED, loadGeoDatabase } from '../../src/sources/geo-database.js';
import { findToken, hashToken, type Role } from '../../src/sources/token-file.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';

const QUIET = { info() {}, warn() {}, error() {} };

/** A control plane without sockets: zones from texts, probes that find every host in `down` down. */
export interface ControlRig {
  readonly control: ControlPlane;
  readonly health: HealthWatch;
  readonly down: Set<string>;
  /** Loads zone files given as texts by name; bad ones become problems. */
  load(files: Readonly<Record<string, string>>): Promise<void>;
  close(): void;
}

export function controlRig(): ControlRig {
  const down = new Set<string>();
  const health = new HealthWatch({
    probe: async (host) =>
      down.has(host)
        ? { ok: false, detail: 'refused', elapsedMs: 1 }
        : { ok: true, detail: 'status 200', elapsedMs: 1 },
    now: Date.now,
    monotonic: () => performance.now(),
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    random: () => 0.5,
    log: QUIET,
  });
  const control = new ControlPlane({
    health,
    loader: new ZoneLoader({ now: Date.now }),
    publish: async () => {},
    now: Date.now,
    log: QUIET,
  });
  return {
    control,
    health,
    down,
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
    close: () => health.close(),
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
  ...(['read', 'report', 'admin'] as const).map((role: Role) => ({
    name: role,
    role,
    digest: hashToken(role),
  })),
  { name: 'bound', role: 'report' as const, node: 'bound', digest: hashToken('bound') },
];

/** The admin API on a rig, for `inject`. */
export async function apiOn(rig: ControlRig, options: { openMetrics?: boolean } = {}): Promise<Api> {
  const { control } = rig;
  const workers = { counters: [new Float64Array(COUNTER.SIZE)], restarts: 0 };
  const metrics = createDnsMetrics(metricSources(control, workers));
  return createApi({
    control,
    metrics,
    findToken: (presented) => findToken(TOKENS, presented),
    node: {
      name: 'dns-test',
      region: 'eu',
      version: '1.2.3',
      tier: 'portable',
      listen: ['127.0.0.1:5300'],
      workers: 1,
      startedMs: Date.now(),
    },
    openMetrics: options.openMetrics ?? false,
  });
}
