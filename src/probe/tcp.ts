import { connect } from 'node:net';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { TcpCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { dialOptions } from './dial.js';

/** Up when the peer takes the connection. Nothing is sent, and nothing that it says is read. */
export function probeTcp(
  host: string,
  check: TcpCheck,
  options: AttemptOptions,
  networks: ProbeNetworks,
): Promise<ProbeResult> {
  return attempt(options, ({ settle, fail }) => {
    const socket = connect(dialOptions({ ...check, host }, networks));
    socket.once('connect', () => settle(true, 'connected'));
    // Stays for the socket's whole life: an error after the result must find a listener.
    socket.on('error', (error) => fail(error));
    return () => socket.destroy();
  });
}
