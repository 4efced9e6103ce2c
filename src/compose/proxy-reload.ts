import type { ProxyModel } from '../core/balance/model.js';
import { diffProxyModels, type ModelDifference, withoutRestart } from '../core/balance/model-difference.js';
import { configHash } from '../proxy/config-hash.js';
import type { ConfigurationStatus } from '../proxy/control.js';
import type { ProxyLog, Timers } from '../proxy/modules.js';
import type { ProxyConfigResult } from '../sources/proxy-config.js';
import { formatProblem } from '../sources/yaml-document.js';

export interface ReloadModules {
  /** The file as it is now; rejects where it can't be read. */
  readonly read: () => Promise<string>;
  /** Changes whenever the file may have changed; rejects as `read`. */
  readonly version: () => Promise<string>;
  readonly load: (text: string) => ProxyConfigResult;
  /** Swaps the configuration. Where a listener can't be opened nothing is changed. */
  readonly apply: (
    model: ProxyModel,
    difference: ModelDifference,
  ) => Promise<readonly { readonly message: string }[]>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly timers: Timers;
  readonly log: ProxyLog;
}

/** A change is noticed after this, and taken when the file was the same for as long: editors write in pieces. */
const POLL_MS = 1_000;

/**
 * Keeps the configuration in use and the file together: a file that changed is read, checked and swapped in; one with
 * mistakes is refused, and all stays as it was.
 */
export class ProxyReload {
  readonly #modules: ReloadModules;
  #model: ProxyModel;
  #sinceMs: number;
  #applied = 0;
  #refused = 0;
  #problems: readonly string[] = [];
  #waiting: readonly string[] = [];
  /** Of the file that was read last, and of the last look. */
  #read: string | null = null;
  #seen: string | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #timer: unknown = null;
  #closed = false;

  constructor(model: ProxyModel, modules: ReloadModules) {
    this.#model = model;
    this.#modules = modules;
    this.#sinceMs = modules.nowMs();
  }

  /** In use now. */
  get model(): ProxyModel {
    return this.#model;
  }

  get status(): ConfigurationStatus {
    return {
      hash: configHash(this.#model),
      sinceMs: this.#sinceMs,
      applied: this.#applied,
      refused: this.#refused,
      problems: this.#problems,
      waiting: this.#waiting,
    };
  }

  /** Follows the file from now on; it is taken for the one in use as it is. */
  async start(): Promise<void> {
    this.#read = await this.#version();
    this.#seen = this.#read;
    this.#arm();
  }

  /** Reads the file now, changed or not; resolves when it is in use or refused. */
  reload(): Promise<void> {
    if (this.#running !== null) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#rounds().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#modules.timers.clear(this.#timer);
    await this.#running;
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false;
      await this.#round();
    } while (this.#again && !this.#closed);
  }

  async #round(): Promise<void> {
    const { read, load } = this.#modules;
    this.#read = await this.#version();
    this.#seen = this.#read;
    let text: string;
    try {
      text = await read();
    } catch (error) {
      this.#refuse([`the configuration can't be read: ${(error as Error).message}`]);
      return;
    }
    const loaded = load(text);
    if ('problems' in loaded) this.#refuse(loaded.problems.map(formatProblem));
    else await this.#take(loaded.config);
  }

  async #take(written: ProxyModel): Promise<void> {
    const { apply, log, nowMs } = this.#modules;
    const waiting = diffProxyModels(this.#model, written).restart;
    const model = withoutRestart(this.#model, written);
    const difference = diffProxyModels(this.#model, model);
    if (!difference.isEmpty) {
      const failures = await apply(model, difference);
      if (failures.length > 0) {
        this.#refuse(failures.map(({ message }) => message));
        return;
      }
      this.#model = model;
      this.#sinceMs = nowMs();
      this.#applied++;
      log.info(factsOf(difference), 'the configuration was changed');
    }
    this.#problems = [];
    if (waiting.length > 0 && waiting.join() !== this.#waiting.join()) {
      log.warn({ keys: waiting }, 'these keys take effect with the next start');
    }
    this.#waiting = waiting;
  }

  #refuse(problems: readonly string[]): void {
    this.#refused++;
    this.#problems = problems;
    this.#modules.log.error({ problems }, 'the configuration is refused; the former one stays in use');
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#modules.timers.set(() => {
      void this.#look().finally(() => this.#arm());
    }, POLL_MS);
  }

  async #look(): Promise<void> {
    const version = await this.#version();
    const isSettled = version === this.#seen;
    this.#seen = version;
    if (version !== this.#read && isSettled) await this.reload();
  }

  /** Null while there is no file. */
  async #version(): Promise<string | null> {
    try {
      return await this.#modules.version();
    } catch {
      return null;
    }
  }
}

function factsOf({ listeners, pools, settings }: ModelDifference) {
  const of = ({ changed, added, removed }: ModelDifference['pools']) => ({ changed, added, removed });
  return { listeners: of(listeners), pools: of(pools), settings };
}
