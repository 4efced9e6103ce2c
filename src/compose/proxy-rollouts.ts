import type { ProxyModel } from '../core/balance/model.js';
import type { RolloutAdmin } from '../proxy/admin-rollouts.js';
import type { ProxyLog, Timers } from '../proxy/modules.js';
import { ProxyEvents } from '../proxy/proxy-events.js';
import { type RouteRollout, RouteRollouts } from '../proxy/route-rollouts.js';
import type { SharedControl } from '../proxy/shared-control.js';
import type { ProxyWorkers } from '../proxy/workers.js';
import { readCanaryOrder } from '../sources/canary-order.js';
import { readCookieSecrets } from '../sources/cookie-secrets.js';
import { readRolloutFile, writeRolloutFile } from '../sources/rollout-file.js';
import { formatProblem } from '../sources/yaml-document.js';

const LOOK_MS = 1_000;

export interface ProxyRollouts extends RolloutAdmin {
  /** When workers serve. */
  begin(): void;
  close(): Promise<void>;
}

/** The rollouts of a proxy's routes, whose shares hold at once: looked at every second, and kept in a file where the configuration names one. */
export async function openRollouts(
  model: ProxyModel,
  { workers, control }: { readonly workers: ProxyWorkers; readonly control: () => SharedControl },
  { log, timers }: { readonly log: ProxyLog; readonly timers: Timers },
): Promise<ProxyRollouts> {
  const file = model.rollouts?.stateFile;
  const events = new ProxyEvents(Date.now);
  const kept = await keptIn(file, log);
  const keeper = file === undefined ? null : new Keeper(file, log);
  const rollouts = new RouteRollouts(
    {
      splits: () => workers.routes.splits,
      setShare: (route, share) => workers.routes.setShare(route, share),
      counts: workers.counts,
      healthy: (pool) => healthyPart(control(), pool),
      nowMs: Date.now,
      log,
      publish: (type, data) => events.publish(type, data),
      ...(keeper && { keep: (all: readonly RouteRollout[]) => keeper.keep(all) }),
    },
    kept,
  );
  let timer: unknown;
  let closed = false;
  const arm = (): void => {
    timer = timers.set(() => {
      if (closed) return;
      rollouts.look();
      arm();
    }, LOOK_MS);
  };
  return {
    begin() {
      rollouts.adopt();
      arm();
    },
    rollouts,
    events,
    readPlan: readCanaryOrder,
    close: async () => {
      closed = true;
      timers.clear(timer);
      await keeper?.settled();
    },
  };
}

/** The secrets of split cookies; undefined where the configuration names no file. */
export async function splitSecretsOf(
  model: ProxyModel,
): Promise<{ readonly secrets?: readonly Uint8Array[] } | { readonly message: string }> {
  const file = model.rollouts?.secretsFile;
  if (file === undefined) return {};
  const read = await readCookieSecrets(file);
  return 'problems' in read ? { message: read.problems.map(formatProblem).join('\n') } : read;
}

/** By weight; what nobody checks counts as up. */
function healthyPart(control: SharedControl, name: string): number | undefined {
  const pool = control.status().pools.find((one) => one.pool === name);
  if (pool === undefined) return undefined;
  const sum = (of: typeof pool.endpoints) => of.reduce((total, { weight }) => total + weight, 0);
  const total = sum(pool.endpoints);
  return total > 0 ? sum(pool.endpoints.filter(({ state }) => state === 'up')) / total : 0;
}

async function keptIn(file: string | undefined, log: ProxyLog): Promise<readonly RouteRollout[]> {
  if (file === undefined) return [];
  const read = await readRolloutFile(file);
  if ('rollouts' in read) return read.rollouts as readonly RouteRollout[];
  log.error({ mistake: read.mistake }, 'the kept rollouts cannot be read: routes go by their configuration');
  return [];
}

/** Writes the last state, one write at a time. */
class Keeper {
  readonly #file: string;
  readonly #log: ProxyLog;
  #next: readonly RouteRollout[] | null = null;
  #work: Promise<void> | null = null;

  constructor(file: string, log: ProxyLog) {
    this.#file = file;
    this.#log = log;
  }

  keep(rollouts: readonly RouteRollout[]): void {
    this.#next = rollouts;
    this.#work ??= this.#write();
  }

  async settled(): Promise<void> {
    await this.#work;
  }

  async #write(): Promise<void> {
    while (this.#next !== null) {
      const rollouts = this.#next;
      this.#next = null;
      await writeRolloutFile(this.#file, rollouts).catch((error: unknown) =>
        this.#log.error({ error: String(error) }, 'the state of the rollouts cannot be written'),
      );
    }
    this.#work = null;
  }
}
