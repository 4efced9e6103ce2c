import { createSocket, type Socket } from 'node:dgram';
import type { ProbeNetworks } from '../core/probe/limits.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { type Dial, type Resolved, resolveOne } from './dial.js';

/**
 * One datagram out, and those that come back from the same address to `judge`, until it settles. A socket of its own,
 * connected: the kernel drops what others send, and says when the port is closed.
 */
export function askDatagram(
  target: Dial,
  send: Uint8Array,
  options: AttemptOptions,
  networks: ProbeNetworks,
  judge: (reply: Buffer, outcome: Outcome) => void,
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    let socket: Socket | undefined;
    let over = false;
    const { fail } = outcome;
    const begin = ({ address, family, source }: Resolved): void => {
      if (over) return;
      const opened = createSocket(family === 6 ? 'udp6' : 'udp4');
      socket = opened;
      opened.on('error', fail);
      opened.on('message', (reply) => judge(reply, outcome));
      const connect = (): void => {
        if (over) return;
        opened.connect(target.port, address, (error?: Error | null) => {
          if (error) fail(error);
          else if (!over) opened.send(send, (failed) => failed && fail(failed));
        });
      };
      if (source === undefined) connect();
      else opened.bind({ port: 0, address: source, exclusive: true }, connect);
    };
    resolveOne(target, networks).then(begin).catch(fail);
    return () => {
      over = true;
      socket?.close();
    };
  });
}
