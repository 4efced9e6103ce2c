import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { accessRingBytes } from '../core/access-log/ring.js';
import { formatAddress, type ProxyModel } from '../core/balance/model.js';
import type { WorkerPlace } from '../core/balance/worker-share.js';
import { SPLIT_SECRET_BYTES } from '../core/http/split-cookie.js';
import { copyDescriptor } from '../io/batched/copy-descriptor.js';
import { CellBook } from './cell-book.js';
import { EncoderHost } from './compression/encoder-host.js';
import type { NameAddresses } from './endpoint-names.js';
import type { EndpointOrders, ProxyOrder } from './endpoint-orders.js';
import { type ServedKinds, speaksHttp2 } from './h2/http2-listener.js';
import type { LimitStore } from './limit/limit-store.js';
import { ListenerClaims } from './listener-claims.js';
import type { ListenFailure } from './listening.js';
import type { ProxyLog, Timers } from './modules.js';
import type { ProxyWorkerStart, Verdict } from './protocol.js';
import { type EndpointChange, ProxyWorker } from './proxy-worker.js';
import { RouteBook } from './route-book.js';
import { newStickyMemory, type StickyMemory } from './sticky.js';
import { NO_TLS, type ProxyTls } from './tls.js';

export interface WorkersModules {
  /** For workers that start later. */
  readonly orders: EndpointOrders;
  readonly log: ProxyLog;
  readonly timers: Timers;
  /** Another proxy still listens on the same addresses: it goes when this one serves. */
  readonly replaces?: boolean;
  /** Limits and lists; absent where there are none. */
  readonly limits?: LimitStore;
  /** For the cookies of splits, SPLIT_SECRET_BYTES each; absent: one that is forgotten at the end. */
  readonly splitSecrets?: readonly Uint8Array[];
  /** Of sessions; with a random secret where absent. */
  readonly sticky?: StickyMemory;
}

const UNCHECKED = { up: true, detail: '' } as const;
/** A worker that dies again at once is started again no faster than this. */
const RESTART_DELAY_MS = 1_000;
/** A worker that is busy for longer takes another configuration when it has time. */
const APPLY_MS_MAX = 10_000;
/** A worker that is busy for longer than this is not waited for by a refresh. */
const PUBLISH_MS_MAX = 1_000;

/** What one thread does: number `index` of all. */
interface Job {
  readonly index: number;
  readonly place: WorkerPlace;
  readonly io: 'batched' | 'portable';
  readonly serves: ServedKinds;
}

/** The data plane's threads: each runs all listeners and pools. A thread that dies is replaced, the others go on. */
export class ProxyWorkers {
  /** What all of them count. */
  readonly counts: CellBook = new CellBook();
  /** Splits and mirrors of routes. */
  readonly routes: RouteBook;
  #model: ProxyModel;
  readonly #io: 'batched' | 'portable';
  readonly #modules: WorkersModules;
  readonly #sticky: StickyMemory;
  readonly #workers: ProxyWorker[] = [];
  readonly #claims: ListenerClaims;
  readonly #encoders: EncoderHost;
  /** A worker that takes the place of another goes on with its ring. */
  readonly #accessRings: SharedArrayBuffer[] = [];
  /** The last word on each endpoint, for workers that start later. */
  readonly #verdicts = new Map<string, Verdict>();
  #tls: ProxyTls = NO_TLS;
  readonly #names = new Map<string, NameAddresses>();
  #restarts = 0;
  #publishId = 0;
  #applyId = 0;
  #closing = false;

  constructor(model: ProxyModel, io: 'batched' | 'portable', modules: WorkersModules) {
    this.routes = new RouteBook(modules.splitSecrets ?? [randomBytes(SPLIT_SECRET_BYTES)]);
    this.#model = this.routes.place(model);
    this.#claims = new ListenerClaims(modules.replaces === true);
    this.#io = io;
    this.#modules = modules;
    const { log, timers } = modules;
    const onLost = (): void => this.#linkEncoders();
    this.#encoders = new EncoderHost({ log, timers, copyDescriptor, onLost });
    this.#sticky = modules.sticky ?? newStickyMemory();
  }

  /** Starts `count` threads; the failures of listeners that can't be opened. */
  async start(count: number): Promise<readonly ListenFailure[]> {
    const claimed = await this.#claims.claim(this.#model, []);
    if (claimed.failures.length > 0) return claimed.failures;
    this.#model = claimed.model;
    if (compresses(this.#model)) this.#encoders.want();
    for (const job of this.#jobs(this.#model, count)) {
      const failures = await this.#launch(job);
      if (failures.length > 0) {
        await this.close();
        return failures;
      }
    }
    return [];
  }

  get ports(): readonly number[] {
    const { listeners } = this.#model;
    return listeners.map((_, i) => this.#workers.find(({ ports }) => ports[i])?.ports[i] ?? 0);
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Tells every worker what the checks say of an endpoint. */
  judge(verdict: Verdict): void {
    this.#verdicts.set(`${verdict.pool} ${verdict.endpoint}`, verdict);
    for (const worker of this.#workers) worker.send({ type: 'verdict', verdict });
  }

  /** Has every worker carry out an order. */
  order(order: ProxyOrder): void {
    for (const worker of this.#workers) worker.send({ type: 'order', order });
  }

  /**
   * Has every worker take another configuration. Where a listener can't be opened the former one stays in use.
   *
   * @param verdicts of the endpoints of `model`.
   */
  async apply(
    model: ProxyModel,
    tls: ProxyTls,
    verdicts: readonly Verdict[],
  ): Promise<readonly ListenFailure[]> {
    const claimed = await this.#claims.claim(model, this.#model.listeners);
    if (claimed.failures.length > 0) return claimed.failures;
    if (this.#jobs(claimed.model, 1).length > this.#jobs(this.#model, 1).length) {
      return [noThread(model)];
    }
    const before = { model: this.#model, tls: this.#tls, verdicts: [...this.#verdicts.values()] };
    const failures = await this.#applyAll(claimed.model, tls, verdicts);
    if (failures.length > 0) await this.#applyAll(before.model, before.tls, before.verdicts);
    return failures;
  }

  async #applyAll(
    model: ProxyModel,
    tls: ProxyTls,
    verdicts: readonly Verdict[],
  ): Promise<readonly ListenFailure[]> {
    this.#model = this.routes.place(model);
    this.#tls = tls;
    if (compresses(model)) this.#encoders.want();
    this.#verdicts.clear();
    for (const verdict of verdicts) this.#verdicts.set(`${verdict.pool} ${verdict.endpoint}`, verdict);
    const plan = this.counts.plan(model);
    const orders = this.#modules.orders.list();
    const id = ++this.#applyId;
    const answers = this.#workers.map((worker, index) => {
      const protection = this.#modules.limits?.plan(index) ?? null;
      return worker.applied(id, { model: this.#model, tls, plan, verdicts, orders, protection });
    });
    const all = Promise.all(answers).then((failures) => failures.flat().slice(0, 1));
    let failed: readonly ListenFailure[] = [];
    const taken = all.then((failures) => {
      failed = failures;
    });
    await this.#atMost(taken, APPLY_MS_MAX);
    return failed;
  }

  /** What they run; ports that the configuration leaves open are filled in. */
  get model(): ProxyModel {
    return this.#model;
  }

  get count(): number {
    return this.#workers.length;
  }

  /** The rings of the access log, where one is kept. */
  get accessRings(): readonly SharedArrayBuffer[] {
    return this.#accessRings;
  }

  /** What the checks said last of an endpoint; it is up until they say otherwise. */
  healthOf(pool: string, endpoint: number): { readonly up: boolean; readonly detail: string } {
    return this.#verdicts.get(`${pool} ${endpoint}`) ?? UNCHECKED;
  }

  /** Where endpoints with a name are now. */
  useAddresses(found: NameAddresses): void {
    this.#names.set(found.host, found);
    for (const worker of this.#workers) worker.send({ type: 'addresses', found });
  }

  /** An active check was good, which ends an ejection. */
  passed(pool: string, endpoint: number): void {
    for (const worker of this.#workers) worker.send({ type: 'passed', pool, endpoint });
  }

  /** Certificates and ticket keys, for workers that start later and for the next handshakes of all others. */
  useTls(tls: ProxyTls): void {
    this.#tls = tls;
    for (const worker of this.#workers) worker.send({ type: 'tls', tls });
  }

  /** Has every worker take limits and lists as they are now. */
  protect(): void {
    for (const [index, worker] of this.#workers.entries()) {
      const plan = this.#modules.limits?.plan(index) ?? null;
      if (plan !== null) worker.send({ type: 'protection', plan });
    }
  }

  /** Part of the time that the busiest worker worked, 0 to 1, before the last `refresh`. */
  get busy(): number {
    return Math.max(...this.#workers.map(({ busy }) => busy), 0);
  }

  /** Has every worker publish its counts; resolves when all have, or with false if one took too long. */
  async refresh(): Promise<boolean> {
    const id = ++this.#publishId;
    let published = false;
    const answers = this.#workers.map((worker) => worker.published(id));
    const all = Promise.all(answers).then(() => {
      published = true;
    });
    await this.#atMost(all, PUBLISH_MS_MAX);
    return published;
  }

  /** Stops accepting and lets what is in progress end, at most `drainMs`; then cuts what is left and ends. */
  async drain(drainMs: number): Promise<void> {
    this.#closing = true;
    const drained = this.#workers.map((worker) => worker.drained());
    await this.#atMost(Promise.all(drained), drainMs);
    await this.close();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#workers.map((worker) => worker.stopped()));
    await this.#encoders.close();
    this.#workers.length = 0;
  }

  /** One more thread serves the listeners that speak HTTP/2, where the others have no event loop. */
  #jobs(model: ProxyModel, count: number): readonly Job[] {
    const apart = this.#io === 'batched' && model.listeners.some(speaksHttp2);
    const serves = apart ? 'without_http2' : 'all';
    const jobs = Array.from({ length: count }, (_, index): Job => {
      return { index, place: { index, count, overlaps: true }, io: this.#io, serves };
    });
    if (!apart) return jobs;
    return [...jobs, { index: count, place: { index: 0, count: 1 }, io: 'portable', serves: 'http2' }];
  }

  async #launch(job: Job): Promise<readonly ListenFailure[]> {
    const cells = this.counts.open();
    const link = job.io === 'batched' ? this.#encoders.channel() : null;
    const start: ProxyWorkerStart = {
      cells,
      encoders: link?.port1 ?? null,
      plan: this.counts.plan(this.#model),
      access: this.#accessRing(job.index),
      sharing: this.routes.shared,
      sticky: this.#sticky,
      orders: this.#modules.orders.list(),
      model: this.#model,
      io: job.io,
      place: job.place,
      serves: job.serves,
      verdicts: [...this.#verdicts.values()],
      tls: this.#tls,
      names: [...this.#names.values()],
      protection: this.#modules.limits?.plan(job.index) ?? null,
    };
    return await this.#begin(job, start, link?.port2 ?? null);
  }

  #begin(job: Job, start: ProxyWorkerStart, encoders: MessagePort | null): Promise<readonly ListenFailure[]> {
    const { index } = job;
    const name = `proxy-${index}`;
    return new Promise((resolve, reject) => {
      let failure: unknown = new Error('the worker ended before it listened');
      new ProxyWorker(name, start, {
        onServing: (worker) => {
          this.#workers[index] = worker;
          if (encoders !== null) this.#encoders.add(index, encoders, worker.wakeFd);
          if (this.#closing) worker.send({ type: 'stop' });
          resolve([]);
        },
        onFailed: resolve,
        onChange: (change) => this.#logChange(change),
        onError: (error) => {
          failure = error;
          this.#modules.log.error({ worker: name, error: String(error) }, 'a proxy worker failed');
        },
        onExit: (worker) => {
          reject(failure);
          this.counts.close(start.cells);
          this.#encoders.remove(index);
          this.#modules.limits?.died(index);
          if (this.#workers[index] === worker) this.#replace(job, worker);
        },
      });
    });
  }

  /** Gives each worker a port to the thread that compresses now. */
  #linkEncoders(): void {
    for (const [index, worker] of this.#workers.entries()) {
      if (worker.wakeFd < 0) continue;
      const { port1, port2 } = this.#encoders.channel();
      worker.send({ type: 'encoders', port: port1 });
      this.#encoders.add(index, port2, worker.wakeFd);
    }
  }

  /** What the checks found is logged where they run. */
  #logChange({ pool, endpoint, up, detail }: EndpointChange): void {
    const { log } = this.#modules;
    if ([...this.#verdicts.values()].some((known) => known.pool === pool && known.detail === detail)) return;
    if (up) log.info({ pool, endpoint, detail }, 'an endpoint is used again');
    else log.warn({ pool, endpoint, detail }, 'an endpoint is not used');
  }

  #accessRing(index: number): SharedArrayBuffer | null {
    if (this.#model.accessLog === undefined) return null;
    this.#accessRings[index] ??= new SharedArrayBuffer(accessRingBytes());
    return this.#accessRings[index] ?? null;
  }

  #replace(job: Job, dead: ProxyWorker): void {
    if (this.#closing) return;
    const { index } = job;
    this.#restarts++;
    dead.closeLeft();
    const { log, timers } = this.#modules;
    log.error({ worker: `proxy-${index}` }, 'a proxy worker ended; starting another in its place');
    const again = (): void => {
      if (this.#closing) return;
      this.#launch(job)
        .catch((error: unknown) => [{ message: String(error) }])
        .then((failures) => {
          if (failures.length === 0) return;
          log.error({ worker: `proxy-${index}`, error: failures[0]!.message }, 'a proxy worker cannot start');
          timers.set(again, RESTART_DELAY_MS);
        });
    };
    again();
  }

  async #atMost(promise: Promise<unknown>, ms: number): Promise<void> {
    const { timers } = this.#modules;
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = timers.set(resolve, ms);
    });
    await Promise.race([promise, late]);
    timers.clear(timer);
  }
}

function compresses({ listeners }: ProxyModel): boolean {
  return listeners.some((listener) => listener.protocol === 'http' && listener.compression !== undefined);
}

/** The thread for HTTP/2 is made at the start only. */
function noThread({ listeners }: ProxyModel): ListenFailure {
  const index = listeners.findIndex(speaksHttp2);
  const address = formatAddress(listeners[index]!.listen);
  const key = `listeners[${index}].http2`;
  const message = `${key}: the first listener that speaks HTTP/2 takes a restart`;
  return { code: 'listen_failed', address, key, message };
}
