import { connect } from 'node:net';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { HttpCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { dialOptions } from './dial.js';
import { exchange } from './http-exchange.js';
import { requestText } from './http-request.js';

/**
 * Up when the response's status is one of those wanted, and its body has what is wanted of it. Redirects are a status
 * like any other and not followed; each probe has a connection of its own, as a new client would.
 */
export function probeHttp(
  host: string,
  check: HttpCheck,
  options: AttemptOptions,
  networks: ProbeNetworks,
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    const request = requestText(host, check);
    const socket = connect(dialOptions({ ...check, host }, networks));
    return exchange(socket, request, check, outcome);
  });
}
