import type { StatusRange } from '../core/zone/model.js';
import type { ProbeMonitor } from './job.js';
import { ProbeScheduler, type SchedulerModules } from './scheduler.js';

export interface HealthCheck {
  readonly type: 'tcp' | 'http' | 'https' | 'grpc';
  /** http and https; default `/`. */
  readonly path?: string;
  /** Host header and TLS server name; the address itself when absent. */
  readonly host?: string;
  /** Default 200 to 399. */
  readonly status?: readonly StatusRange[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly fall: number;
  readonly rise: number;
  /** Check the certificate (https, grpc); default true. */
  readonly verify?: boolean;
  /** grpc: default empty, the server as a whole. */
  readonly service?: string;
  /** grpc: over TLS; default false. */
  readonly tls?: boolean;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Active checks for whoever has endpoints; the proxy states the same interface as its need. */
export interface HealthChecker {
  /**
   * Calls `onChange` with the first result and then whenever the state changes, `onGood` after every good check.
   * Replaces an earlier watch.
   */
  watch(
    key: string,
    address: Address,
    check: HealthCheck,
    onChange: (up: boolean, detail: string) => void,
    onGood?: () => void,
  ): void;
  unwatch(key: string): void;
  /** Resolves when every watch of now has had its first result, or gave up waiting for it. */
  firstRound(): Promise<void>;
  close(): void;
}

interface Listener {
  readonly onChange: (up: boolean, detail: string) => void;
  readonly onGood?: () => void;
}

/** A health checker on a probe scheduler of its own. */
export function createHealthChecker(modules: SchedulerModules): HealthChecker {
  const listeners = new Map<string, Listener>();
  const scheduler = new ProbeScheduler(modules, {
    onResult(key, { state }, { detail, ok }, changed) {
      if (changed) listeners.get(key)?.onChange(state === 'up', detail);
      // The call above may have replaced or ended the watch.
      if (ok) listeners.get(key)?.onGood?.();
    },
  });
  return {
    watch(key, { host, port }, check, onChange, onGood) {
      listeners.set(key, onGood === undefined ? { onChange } : { onChange, onGood });
      // A watch begins anew even with the same settings: the new listener needs its first result.
      scheduler.remove(key);
      scheduler.add({ key, host, monitor: monitorOf(check, port) });
    },
    unwatch(key) {
      listeners.delete(key);
      scheduler.remove(key);
    },
    firstRound: () => scheduler.firstRound(),
    close() {
      listeners.clear();
      scheduler.close();
    },
  };
}

function monitorOf(check: HealthCheck, port: number): ProbeMonitor {
  const { type, intervalMs, timeoutMs, fall, rise } = check;
  const common = { port, intervalMs, timeoutMs, fall, rise };
  if (type === 'tcp') return { ...common, type };
  if (type === 'grpc') {
    const { service = '', tls = false, verify = true, host } = check;
    return { ...common, type, service, tls, verify, ...(host === undefined ? {} : { host }) };
  }
  return {
    ...common,
    type,
    path: check.path ?? '/',
    method: 'GET',
    ...(check.host === undefined ? {} : { host: check.host }),
    status: check.status ?? [{ from: 200, to: 399 }],
    verify: check.verify ?? true,
  };
}
