import { request } from 'node:https';
import { isIP } from 'node:net';
import type { Monitor } from '../core/zone/model.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { exchange, type HttpCheck, httpRequest } from './http.js';

export type HttpsCheck = HttpCheck & Pick<Monitor, 'verify'>;

/** Certificates to trust instead of those that Node.js brings; tests and private authorities. */
export interface Trust {
  readonly ca?: string | Buffer;
}

/**
 * As `probeHttp`, over TLS. The certificate must be valid for the monitor's host, or for the endpoint's own name
 * or address where the monitor has none; `verify: false` takes any.
 */
export function probeHttps(
  host: string,
  check: HttpsCheck,
  options: AttemptOptions,
  trust: Trust = {},
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    const sent = request({
      ...httpRequest(host, check),
      ...serverName(check.host),
      ...(trust.ca === undefined ? {} : { ca: trust.ca }),
      rejectUnauthorized: check.verify,
    });
    return exchange(sent, check.status, outcome);
  });
}

/** A Host header may carry a port; a TLS server name has none and is never an address (RFC 6066 §3). */
function serverName(host: string | undefined): { servername?: string } {
  if (host === undefined) return {};
  const name = host.replace(/:\d+$/, '');
  return name === '' || isIP(name.replace(/^\[|\]$/g, '')) ? {} : { servername: name };
}
