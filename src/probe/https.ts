import type { ProbeNetworks } from '../core/probe/limits.js';
import type { HttpCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { exchange } from './http-exchange.js';
import { requestText } from './http-request.js';
import { dialTls, type Trust } from './tls-socket.js';

/**
 * As `probeHttp`, over TLS. The certificate must be valid for the monitor's host, or for the endpoint's own name
 * or address where the monitor has none; `verify: false` takes any.
 */
export function probeHttps(
  host: string,
  check: HttpCheck,
  options: AttemptOptions,
  modules: { readonly networks: ProbeNetworks; readonly trust: Trust },
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    const request = requestText(host, check);
    const settings = { name: check.host, verify: check.verify, protocols: ['http/1.1'] };
    const socket = dialTls({ ...check, host }, settings, modules.networks, modules.trust);
    return exchange(socket, request, check, outcome);
  });
}
