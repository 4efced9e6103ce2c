import { setPriority } from 'node:os';
import { serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import type { ZoneIndex } from '../core/answer/zone-index.js';
import type { HealthTarget } from '../core/zone/targets.js';
import { LastGoodZones } from '../sources/last-good.js';
import { giveBack } from './give-back.js';
import { poolNames, type StagedZones } from './loader.js';
import type { FromLoader, LoaderStart, PackedZone, StagedDifference, ToLoader } from './loader-protocol.js';
import { WARM_UP_AFTER_MS, warmLoader } from './warm-up.js';
import { KEEP_RECORDS_MAX, ZoneLoader } from './zone-loader.js';

/** Of the thread: it may use what those that answer leave. */
const NICE = 10;

/** The loader thread: a ZoneLoader behind a port, which hears and tells only what differs. It ends when its port is closed. */
function main({ state, probes, observers }: LoaderStart): void {
  // On Linux a priority belongs to a thread, and 0 is the one that calls (setpriority(2), "C library/kernel differences").
  if (process.platform === 'linux') setPriority(0, NICE);
  const port = parentPort!;
  const options = probes ? { probes } : {};
  // Without `observers`: what was good with more nodes is better than nothing after one was taken away.
  const lastGood = new LastGoodZones(state, options);
  const counted = observers !== undefined && { observers };
  const work = new Work(new ZoneLoader({ now: Date.now, lastGood, ...options, ...counted }));
  let isWarm = false;
  port.on('message', async (message: ToLoader) => {
    port.postMessage(await work.answerTo(message));
    if (isWarm || message.type !== 'settle') return;
    isWarm = true;
    setTimeout(() => void warmLoader(), WARM_UP_AFTER_MS).unref();
  });
}

class Work {
  readonly #loader: ZoneLoader;
  readonly #slots = new Map<string, number>();
  #served: Pick<StagedZones, 'zones' | 'targets'> = { zones: [], targets: new Map() };
  #staged: StagedZones | undefined;

  constructor(loader: ZoneLoader) {
    this.#loader = loader;
  }

  async answerTo(message: ToLoader): Promise<FromLoader> {
    const { type } = message;
    try {
      switch (type) {
        case 'geo':
          await this.#loader.useGeo(message.geo);
          return { type };
        case 'stage':
          return { type, staged: await this.#stage(message) };
        case 'compile':
          return this.#compile(message);
        case 'settle':
          return { type, ...(await this.#settle(message)) };
        default: {
          const never: never = type;
          return never;
        }
      }
    } catch (error) {
      return { type: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  async #stage({ source, served }: Extract<ToLoader, { type: 'stage' }>): Promise<StagedDifference> {
    if (served) this.#served = { ...this.#served, zones: served };
    const staged = await this.#loader.stage(source, this.#served.zones);
    this.#staged = staged;
    return stagedDifference(this.#served, staged);
  }

  #compile({ id, slots, aliases }: Extract<ToLoader, { type: 'compile' }>): FromLoader {
    for (const [key, slot] of slots) this.#slots.set(key, slot);
    const { world, isFresh, changed } = this.#loader.compileZones(id, this.#slots, aliases);
    const { put, gone } = changed;
    const outside = world.outside();
    return { type: 'compile', snapshot: world.snapshot, isFresh, put: put.map(packed), gone, outside };
  }

  async #settle({
    outcome,
    isHeld,
  }: Extract<ToLoader, { type: 'settle' }>): Promise<{ readonly saveError?: string }> {
    const settled = await this.#loader.settle(outcome, isHeld);
    const staged = this.#staged;
    this.#staged = undefined;
    if (outcome === 'served' && staged) this.#served = staged;
    if (this.#loader.dropped > KEEP_RECORDS_MAX) setImmediate(giveBack);
    return settled;
  }
}

function stagedDifference(
  served: Pick<StagedZones, 'targets'>,
  { zones: _, list: __, difference, targets, forced, ...rest }: StagedZones,
): StagedDifference {
  return {
    ...rest,
    ...difference!,
    ...(forced && { forced }),
    ...(targets !== served.targets && { targets: targetDifference(served.targets, targets) }),
  };
}

function targetDifference(
  before: ReadonlyMap<string, HealthTarget>,
  after: ReadonlyMap<string, HealthTarget>,
): NonNullable<StagedDifference['targets']> {
  return {
    put: [...after.values()].filter((target) => before.get(target.key) !== target),
    gone: [...before.keys()].filter((key) => !after.has(key)),
  };
}

function packed({ content, ...zone }: ZoneIndex): PackedZone {
  const names = poolNames({ ...zone, content });
  if (names.length === 0 && zone.steerings === 0) return { ...zone, names };
  // A copy of its own: a small Buffer shares its memory with others.
  return { ...zone, names, content: new Uint8Array(serialize(content())) };
}

main(workerData as LoaderStart);
