import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { ZoneContent } from '../core/answer/build.js';
import { IndexBook, type ZoneIndex } from '../core/answer/zone-index.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { HealthTarget } from '../core/zone/targets.js';
import {
  type AliasSlots,
  type LoadedSnapshot,
  type Loader,
  type StagedZones,
  snapshotNames,
  type ZoneSource,
  type ZoneSummary,
} from './loader.js';
import type { FromLoader, LoaderStart, PackedZone, StagedDifference, ToLoader } from './loader-protocol.js';
import type { PoolName } from './snapshot-slots.js';
import { ZoneList } from './zone-list.js';

/** A million records take seconds; what takes longer than this does not end. */
const JOB_MS_MAX = 600_000;
/** Three million records with some room; the thread fails then, and the node goes on with what it has. */
const HEAP_MB_MAX = 8192;

type NamedZone = ZoneIndex & { readonly names: readonly PoolName[] };

interface Job {
  readonly resolve: (reply: FromLoader) => void;
  readonly reject: (error: Error) => void;
}

/** A Loader in a thread of its own. A thread that fails is replaced with the next job, and its job rejects. */
export class LoaderThread implements Loader {
  readonly #start: LoaderStart;
  readonly #entry: URL;
  #worker: Worker | undefined;
  #job: Job | undefined;
  #geo: LocationTrie | undefined;
  /** What a new thread reads to hold what is served. */
  #source: ZoneSource | undefined;
  /** What the thread takes for served. */
  #served: readonly ZoneSummary[] = [];
  /** What was served last. */
  #list = new ZoneList();
  #targets: ReadonlyMap<string, HealthTarget> = new Map();
  #staged: StagedZones | undefined;
  /** The health slots that the thread knows of. */
  #slots: ReadonlyMap<string, number> = new Map();
  /** By their numbers in the tables that were compiled last. */
  #zones: ReadonlyMap<number, NamedZone> = new Map();
  #closed = false;

  /** `entry`: for tests, another module in the place of the thread's own. */
  constructor(start: LoaderStart, entry: URL = new URL('./loader-worker.js', import.meta.url)) {
    this.#start = start;
    this.#entry = entry;
  }

  async useGeo(geo: LocationTrie): Promise<void> {
    this.#geo = shared(geo);
    if (this.#worker) await this.#ask({ type: 'geo', geo: this.#geo });
  }

  async stage(source: ZoneSource | 'served', served: readonly ZoneSummary[]): Promise<StagedZones> {
    // A new thread holds nothing yet.
    const again = this.#worker ? source : wholeOf(source === 'served' ? this.#source : source);
    if (source !== 'served') this.#source = source;
    if (!this.#worker && this.#geo) {
      this.#launch();
      await this.#ask({ type: 'geo', geo: this.#geo });
    }
    const isKnown = this.#worker !== undefined && served === this.#served;
    this.#staged = undefined;
    const reply = await this.#ask({ type: 'stage', source: again ?? 'served', ...(!isKnown && { served }) });
    if (reply.type !== 'stage') throw outOfStep(reply);
    this.#served = served;
    const known = this.#list.list === served ? this.#list : new ZoneList(served);
    this.#staged = joined(known, this.#targets, reply.staged);
    return this.#staged;
  }

  async compile(
    id: number,
    slots: ReadonlyMap<string, number>,
    aliases?: AliasSlots,
  ): Promise<LoadedSnapshot> {
    const fresh =
      slots === this.#slots ? [] : [...slots].filter(([key, slot]) => this.#slots.get(key) !== slot);
    const reply = await this.#ask({
      type: 'compile',
      id,
      slots: new Map(fresh),
      ...(aliases && { aliases }),
    });
    if (reply.type !== 'compile') throw outOfStep(reply);
    this.#slots = slots;
    const before = this.#zones;
    const zones = reply.isFresh ? new Map<number, NamedZone>() : new Map(before);
    for (const number of reply.gone) zones.delete(number);
    const put = reply.put.map(unpacked);
    for (const zone of put) zones.set(zone.number, zone);
    this.#zones = zones;
    const index = new IndexBook(zones, reply.outside);
    const gone = reply.gone.flatMap((number) => before.get(number) ?? []);
    const all = () => snapshotNames(zones.values());
    const names = reply.isFresh
      ? all()
      : { ...snapshotNames(put), since: { gone: snapshotNames(gone), all } };
    return { snapshot: reply.snapshot, index: () => index, names };
  }

  async settle(
    outcome: 'served' | 'unchanged' | 'refused',
    isHeld = false,
  ): Promise<{ readonly saveError?: string }> {
    const reply = await this.#ask({ type: 'settle', outcome, isHeld });
    if (reply.type !== 'settle') throw outOfStep(reply);
    if (outcome === 'served' && this.#staged) {
      this.#served = this.#staged.zones;
      this.#list = this.#staged.list ?? new ZoneList(this.#staged.zones);
      this.#targets = this.#staged.targets;
    }
    const { type: _, ...rest } = reply;
    return rest;
  }

  /** Ends the thread; a job that is under way rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  #ask(message: ToLoader): Promise<FromLoader> {
    if (this.#closed) return Promise.reject(new Error('the loader is closed'));
    if (this.#job) return Promise.reject(new Error('the loader does one thing at a time'));
    const worker = this.#worker ?? this.#launch();
    worker.ref();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(worker, new Error(`the loader thread took longer than ${JOB_MS_MAX / 1000} s`));
        void worker.terminate();
      }, JOB_MS_MAX);
      const done = () => {
        clearTimeout(timer);
        worker.unref();
        this.#job = undefined;
      };
      this.#job = {
        resolve: (reply) => {
          done();
          if (reply.type === 'failed') reject(reply.error);
          else resolve(reply);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      worker.postMessage(message);
    });
  }

  #launch(): Worker {
    const worker = new Worker(this.#entry, {
      workerData: this.#start,
      name: 'loader',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    worker.on('message', (reply: FromLoader) => {
      if (worker === this.#worker) this.#job?.resolve(reply);
    });
    worker.on('error', (error: Error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new Error('the loader thread ended')));
    this.#worker = worker;
    this.#served = [];
    this.#targets = new Map();
    this.#slots = new Map();
    return worker;
  }

  #fail(worker: Worker, error: Error): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#job?.reject(error);
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    this.#fail(worker, new Error('the loader is closed'));
    await worker.terminate();
  }
}

function wholeOf(source: ZoneSource | undefined): ZoneSource | undefined {
  return source && 'paths' in source ? { paths: source.paths } : source;
}

/** What is staged: what is served, with what differs from it. */
function joined(
  served: ZoneList,
  before: ReadonlyMap<string, HealthTarget>,
  { put, gone, targets: changed, ...rest }: StagedDifference,
): StagedZones {
  const list = served.with(put, gone);
  const targets = changed ? targetsOf(before, changed) : before;
  return { ...rest, zones: list.list, list, difference: { put, gone }, targets };
}

function targetsOf(
  before: ReadonlyMap<string, HealthTarget>,
  { put, gone }: NonNullable<StagedDifference['targets']>,
): ReadonlyMap<string, HealthTarget> {
  const targets = new Map(before);
  for (const key of gone) targets.delete(key);
  for (const target of put) {
    // Behind what it may be made from.
    targets.delete(target.key);
    targets.set(target.key, target);
  }
  return targets;
}

function unpacked({ content: bytes, ...zone }: PackedZone): NamedZone {
  let content: ZoneContent | undefined = bytes ? undefined : NOTHING;
  let packed = bytes;
  return {
    ...zone,
    content: () => {
      content ??= deserialize(packed!) as ZoneContent;
      packed = undefined;
      return content;
    },
  };
}

const NOTHING: ZoneContent = { pools: [], endpoints: [], steerings: new Map() };

/** So that a new thread costs no copy of a million nodes. */
function shared(geo: LocationTrie): LocationTrie {
  if (geo.nodes.buffer instanceof SharedArrayBuffer) return geo;
  const nodes = new Int32Array(new SharedArrayBuffer(geo.nodes.byteLength));
  nodes.set(geo.nodes);
  return { ...geo, nodes };
}

function outOfStep(reply: FromLoader): Error {
  return new Error(`the loader thread answered ${reply.type}`);
}
