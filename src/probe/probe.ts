import { PROBE_LIMITS_DEFAULT, type ProbeLimits } from '../core/probe/limits.js';
import type { Check as Question } from '../core/zone/check.js';
import type { AttemptOptions, ProbeResult } from './attempt.js';
import { probeDns } from './dns.js';
import { ExecPlaces, probeExec } from './exec.js';
import { probeFile } from './file.js';
import { probeGrpc } from './grpc.js';
import { probeHttp } from './http.js';
import { probeHttp2 } from './http2.js';
import { probeHttps } from './https.js';
import { type OpenPing, probeIcmp } from './icmp.js';
import { probeTcp } from './tcp.js';
import { probeTls } from './tls.js';
import type { Trust } from './tls-socket.js';
import { probeUdp } from './udp.js';

/** What a probe needs of a monitor; how results are judged (`fall`, `rise`, `quorum`) is not its concern. */
export type Check = Question & { readonly timeoutMs: number };

/**
 * Checks `host` (an address or a name) once. Never rejects: whatever goes wrong is a failed result. A probe that is
 * called off by `signal` settles at once.
 */
export type Probe = (host: string, check: Check, signal: AbortSignal) => Promise<ProbeResult>;

export interface ProbeModules extends Trust {
  /** Milliseconds that never go back. */
  readonly clock: () => number;
  /** Milliseconds since 1970, for ages of files and days of certificates; the system's by default. */
  readonly now?: () => number;
  /** What probes may do; by default they reach every address, but run and read nothing. */
  readonly limits?: ProbeLimits;
  readonly openPing?: OpenPing;
}

/** Makes the probe that asks real peers, by the monitor's type. */
export function createProbe(given: ProbeModules): Probe {
  const { clock, now = Date.now, limits = PROBE_LIMITS_DEFAULT, ca, openPing } = given;
  const { networks } = limits;
  const trust: Trust = ca === undefined ? {} : { ca };
  const modules = { networks, trust, now, limits, places: new ExecPlaces(), ...(openPing && { openPing }) };
  return (host, check, signal) => {
    const options: AttemptOptions = { timeoutMs: check.timeoutMs, signal, clock };
    switch (check.type) {
      case 'tcp':
        return probeTcp(host, check, options, networks);
      case 'tls':
        return probeTls(host, check, options, modules);
      case 'http':
        return probeHttp(host, check, options, networks);
      case 'https':
        return probeHttps(host, check, options, modules);
      case 'http2':
        return probeHttp2(host, check, options, modules);
      case 'grpc':
        return probeGrpc(host, check, options, modules);
      case 'dns':
        return probeDns(host, check, options, networks);
      case 'icmp':
        return probeIcmp(host, check, options, modules);
      case 'udp':
        return probeUdp(host, check, options, networks);
      case 'exec':
        return probeExec(host, check, options, modules);
      case 'file':
        return probeFile(host, check, options, modules);
      default:
        check satisfies never;
        throw new Error('unknown type of monitor');
    }
  };
}
