import type { Monitor } from '../core/zone/model.js';
import type { AttemptOptions, ProbeResult } from './attempt.js';
import { probeHttp } from './http.js';
import { probeHttps, type Trust } from './https.js';
import { probeTcp } from './tcp.js';

/** What a probe needs of a monitor; how results are judged (`fall`, `rise`, `quorum`) is not its concern. */
export type Check = Pick<
  Monitor,
  'type' | 'port' | 'path' | 'method' | 'host' | 'status' | 'verify' | 'timeoutMs'
>;

/**
 * Checks `host` (an address or a name) once. Never rejects: whatever goes wrong is a failed result. A probe that is
 * called off by `signal` settles at once.
 */
export type Probe = (host: string, check: Check, signal: AbortSignal) => Promise<ProbeResult>;

/** Makes the probe that asks real peers, by the monitor's type. */
export function createProbe(modules: { readonly clock: () => number } & Trust): Probe {
  return (host, check, signal) => {
    const options: AttemptOptions = { timeoutMs: check.timeoutMs, signal, clock: modules.clock };
    switch (check.type) {
      case 'tcp':
        return probeTcp(host, check.port, options);
      case 'http':
        return probeHttp(host, check, options);
      case 'https':
        return probeHttps(host, check, options, modules);
      default:
        check.type satisfies never;
        throw new Error(`unknown type of monitor ${String(check.type)}`);
    }
  };
}
