import { connect } from 'node:net';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { describeFailure } from './failure.js';

/** Up when the peer takes the connection. Nothing is sent, and nothing that it says is read. */
export function probeTcp(host: string, port: number, options: AttemptOptions): Promise<ProbeResult> {
  return attempt(options, ({ settle }) => {
    const socket = connect({ host, port });
    socket.once('connect', () => settle(true, 'connected'));
    // Stays for the socket's whole life: an error after the result must find a listener.
    socket.on('error', (error) => settle(false, describeFailure(error)));
    return () => socket.destroy();
  });
}
