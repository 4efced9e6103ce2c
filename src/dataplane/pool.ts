import { Worker } from 'node:worker_threads';
import { COUNTER } from '../core/answer/counters.js';
import type { Identity } from '../core/answer/identity.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import { type DescriptorSet, descriptorsIn } from '../io/descriptor-set.js';
import { closeLeft, wakeThread } from '../io/thread.js';
import { ListenError } from '../io/tier.js';
import type { XdpGates } from '../io/xdp/gates.js';
import type { XdpQueue } from '../io/xdp/queue.js';
import { createLedgerMemory, type LedgerMemory, type LedgerOptions } from './ledger.js';
import type { LimitEvent } from './limit-watch.js';
import type {
  Credentials,
  EncryptedOptions,
  FromWorker,
  ToWorker,
  WorkerOptions,
  WorkerStart,
} from './protocol.js';

export interface PoolLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface PoolModules {
  readonly log: PoolLog;
  /** A fresh seed for each worker. */
  readonly seed: () => number;
  /** What the node says about itself, and the keys of its cookies; see WorkerStart. */
  readonly identity?: Identity;
  /** Network cards that workers read themselves; absent: datagrams come by sockets only. */
  readonly gates?: XdpGates;
  /** Absent: nothing is limited, counted by zone or logged. */
  readonly ledger?: {
    readonly options: LedgerOptions;
    /** A random 32-bit word, nobody's guess. */
    readonly secret: () => number;
    readonly onLimit: (event: LimitEvent) => void;
  };
}

/** A worker that dies again at once is started again no faster than this. */
const RESTART_DELAY_MS = 1000;

interface Slot {
  worker: Worker;
  wakeFd: number;
  /** To be closed here if the worker dies. */
  descriptors: readonly number[];
  connections: DescriptorSet | undefined;
  appliedId: number;
  readonly counters: Float64Array;
}

/** The DNS workers of a node. Snapshots go to all of them; a worker that dies is replaced, the others go on. */
export class WorkerPool {
  readonly #options: WorkerOptions;
  readonly #health: Int32Array;
  readonly #modules: PoolModules;
  readonly #slots: Slot[] = [];
  /** Ids of the snapshots that workers were given which do not listen yet: they read them as well. */
  readonly #starting = new Set<{ readonly id: number }>();
  /** One for each worker, from its first start on. */
  readonly #ledgers: LedgerMemory[] = [];
  #encrypted: EncryptedOptions | undefined;
  #snapshot: Snapshot;
  #encryptedAt = -1;
  #count = 0;
  #restarts = 0;
  #closing = false;
  #waiting: { id: number; resolve: () => void }[] = [];

  constructor(options: WorkerOptions, snapshot: Snapshot, health: Int32Array, modules: PoolModules) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#health = health;
    this.#modules = modules;
  }

  /**
   * Starts `count` workers, and one more for the encrypted transports if there are any; resolves when all listen.
   * Throws ListenError.
   */
  async start(count: number, encrypted?: EncryptedOptions): Promise<void> {
    this.#encrypted = encrypted;
    this.#encryptedAt = encrypted ? count : -1;
    this.#count = count;
    for (let i = 0; i < (encrypted ? count + 1 : count); i++) {
      const counters = new Float64Array(new SharedArrayBuffer(COUNTER.SIZE * Float64Array.BYTES_PER_ELEMENT));
      try {
        await this.#launch(i, counters);
      } catch (error) {
        await this.close();
        throw error;
      }
    }
  }

  /** Hands a snapshot to every worker; resolves when each answers from it. */
  publish(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    for (const slot of this.#slots) send(slot, { type: 'snapshot', snapshot });
    return new Promise((resolve) => {
      this.#waiting.push({ id: snapshot.id, resolve });
      this.#settle();
    });
  }

  /** Later handshakes use this certificate; connections go on. */
  useCredentials(of: 'dot' | 'doh', credentials: Credentials): void {
    const section = this.#encrypted?.[of];
    if (!section) return;
    this.#encrypted = { ...this.#encrypted, [of]: { ...section, credentials } };
    const slot = this.#slots[this.#encryptedAt];
    if (slot) send(slot, { type: 'credentials', of, credentials });
  }

  /** The counters of each worker; they go on from where a dead worker left them. */
  get counters(): readonly Float64Array[] {
    return this.#slots.map((slot) => slot.counters);
  }

  /** What each worker counts by zone and logs; it goes on as the counters do. */
  get ledgers(): readonly LedgerMemory[] {
    return this.#ledgers;
  }

  /** DNS workers; the thread of the encrypted transports does not count. */
  get workers(): number {
    return this.#slots.length - (this.#encrypted ? 1 : 0);
  }

  /** Names of threads that ended and are not replaced yet. */
  get ended(): readonly string[] {
    return this.#slots.flatMap(({ worker }, index) => (worker.threadId < 0 ? [this.#nameOf(index)] : []));
  }

  get restarts(): number {
    return this.#restarts;
  }

  async close(): Promise<void> {
    this.#closing = true;
    const exits = this.#slots.map(
      ({ worker }) =>
        new Promise<void>((done) => {
          // A worker that died has no exit to wait for; its replacement ends itself.
          if (worker.threadId < 0) done();
          else worker.once('exit', () => done());
        }),
    );
    for (const slot of this.#slots) send(slot, { type: 'stop' });
    await Promise.all(exits);
    this.#slots.length = 0;
    this.#settle();
  }

  async #launch(index: number, counters: Float64Array): Promise<void> {
    const encrypted = index === this.#encryptedAt ? this.#encrypted : undefined;
    const { ledger } = this.#modules;
    if (ledger) this.#ledgers[index] ??= createLedgerMemory(ledger.options);
    const memory = this.#ledgers[index];
    const queues = this.#queuesOf(index);
    const start: WorkerStart = {
      options: this.#options,
      snapshot: this.#snapshot,
      health: this.#health,
      counters,
      seed: this.#modules.seed(),
      ...(this.#modules.identity && { identity: this.#modules.identity }),
      ...(encrypted && { encrypted }),
      ...(queues && { queues }),
      ...(ledger &&
        memory && {
          ledger: { options: ledger.options, memory, key: [ledger.secret(), ledger.secret()] as const },
        }),
    };
    const worker = new Worker(new URL(encrypted ? './encrypted-worker.js' : './worker.js', import.meta.url), {
      workerData: start,
      name: this.#nameOf(index),
    });
    const appliedId = start.snapshot.id;
    const slot: Slot = { worker, wakeFd: -1, descriptors: [], connections: undefined, appliedId, counters };
    let failure: unknown = new Error('the worker ended before it listened');
    const starting = { id: appliedId };
    this.#starting.add(starting);
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'serving') {
          slot.wakeFd = message.wakeFd;
          slot.descriptors = message.descriptors;
          slot.connections = message.connections;
          this.#slots[index] = slot;
          this.#starting.delete(starting);
          if (queues) this.#modules.gates?.connect(queues);
          resolve();
        } else if (message.type === 'failed') {
          failure = new ListenError(message.code, message.address, message.message);
        } else if (message.type === 'closed') {
          forget(slot);
        } else this.#heard(slot, message);
      });
      worker.on('error', (error) => {
        failure = error;
        this.#modules.log.error(
          { worker: index, name: this.#nameOf(index), error: String(error) },
          'DNS worker failed',
        );
      });
      worker.on('exit', () => {
        if (this.#starting.delete(starting)) this.#settle();
        if (queues) this.#modules.gates?.disconnect(queues);
        reject(failure);
        if (this.#slots[index] === slot) this.#replace(index, counters);
      });
    });
    if (encrypted) this.#renew(slot, encrypted);
    // A snapshot may have been published while this worker started.
    if (this.#snapshot.id !== slot.appliedId) send(slot, { type: 'snapshot', snapshot: this.#snapshot });
    // The worker before this one may have died with a publication on its way; this one began with it.
    this.#settle();
    if (this.#closing) send(slot, { type: 'stop' });
  }

  /** The thread of the encrypted transports has none. */
  #queuesOf(index: number): readonly XdpQueue[] | undefined {
    if (index === this.#encryptedAt) return undefined;
    return this.#modules.gates?.queuesOf(index, this.#count);
  }

  #nameOf(index: number): string {
    return index === this.#encryptedAt ? 'dns-encrypted' : `dns-${index}`;
  }

  /** The certificate may have changed while this worker started. */
  #renew(slot: Slot, given: EncryptedOptions): void {
    for (const of of ['dot', 'doh'] as const) {
      const credentials = this.#encrypted?.[of]?.credentials;
      if (credentials && credentials !== given[of]?.credentials) {
        send(slot, { type: 'credentials', of, credentials });
      }
    }
  }

  #heard(slot: Slot, message: Extract<FromWorker, { type: 'applied' | 'fault' | 'limit' }>): void {
    if (message.type === 'limit') {
      this.#modules.ledger?.onLimit(message.event);
      return;
    }
    if (message.type === 'fault') {
      this.#modules.log.error({ fault: message.message }, 'exception in the query path: please report it');
      return;
    }
    slot.appliedId = message.id;
    this.#settle();
  }

  #replace(index: number, counters: Float64Array): void {
    if (this.#closing) return;
    this.#restarts++;
    abandon(this.#slots[index]!);
    this.#modules.log.error(
      { worker: index, name: this.#nameOf(index) },
      'DNS worker ended; starting another in its place',
    );
    const again = () => {
      if (this.#closing) return;
      this.#launch(index, counters).catch((error: unknown) => {
        this.#modules.log.error({ worker: index, error: String(error) }, 'DNS worker could not be started');
        setTimeout(again, RESTART_DELAY_MS).unref();
      });
    };
    again();
  }

  /** Ends the wait of publications that every worker has applied. */
  #settle(): void {
    const used = [...this.#slots.map((slot) => slot.appliedId), ...[...this.#starting].map(({ id }) => id)];
    const applied = Math.min(...used);
    const open = this.#waiting.filter(({ id }) => id > applied);
    for (const { id, resolve } of this.#waiting) if (id <= applied) resolve();
    this.#waiting = open;
  }
}

/** Closes what a dead worker left open. */
function abandon(slot: Slot): void {
  const left = [...slot.descriptors, ...(slot.connections ? descriptorsIn(slot.connections) : [])];
  forget(slot);
  closeLeft(left);
}

function forget(slot: Slot): void {
  slot.wakeFd = -1;
  slot.descriptors = [];
  slot.connections = undefined;
}

/** A blocked worker is woken by its eventfd; the message is in its port by then. */
function send(slot: Slot, message: ToWorker): void {
  slot.worker.postMessage(message);
  wakeThread(slot.wakeFd);
}
