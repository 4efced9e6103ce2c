import { type ServiceManager, serviceManager } from '../io/service-manager.js';
import type { Running } from './program.js';

/** What a running command tells the service manager of the system, if one asked for it. */
export interface Service {
  started(running: Running): void;
  /** Around a reload. */
  reloading(): void;
  reloaded(): void;
  stopping(): void;
}

const SILENT: Service = { started() {}, reloading() {}, reloaded() {}, stopping() {} };

/**
 * Finds the service manager that the environment names. While the threads that serve answer, it is told so, at a third
 * of its watchdog's time; when they don't, it ends this process and starts it again.
 */
export function openService(
  environment: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
): Service {
  const found = serviceManager({
    environment,
    pid: process.pid,
    monotonicMicros: () => process.hrtime.bigint() / 1000n,
  });
  if (found === null) return SILENT;
  if (typeof found === 'string') {
    warn(`the service manager can not be told that this process is ready: ${found}`);
    return SILENT;
  }
  return new NotifiedService(found);
}

class NotifiedService implements Service {
  readonly #manager: ServiceManager;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(manager: ServiceManager) {
    this.#manager = manager;
  }

  started(running: Running): void {
    this.#manager.ready();
    const { watchdogMs } = this.#manager;
    if (watchdogMs === null) return;
    let asking = false;
    const look = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      const alive = (await running.alive?.()) ?? true;
      asking = false;
      if (alive) this.#manager.watchdog();
      else this.#manager.status('threads that serve do not answer');
    };
    this.#watchdog = setInterval(() => void look(), watchdogMs / 3);
    void look();
  }

  reloading(): void {
    this.#manager.reloading();
  }

  reloaded(): void {
    this.#manager.ready();
  }

  stopping(): void {
    clearInterval(this.#watchdog);
    this.#manager.stopping();
  }
}
