import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { SocketAddress } from '../io/tier.js';

/** Of `version.bind`, class CH: whatever the answer, it takes the whole way of a query. */
const QUESTION = Buffer.from('\x07version\x04bind\x00\x00\x10\x00\x03', 'latin1');
const ANSWER_MS_MAX = 1_000;
const ATTEMPTS = 3;

/**
 * Whether a DNS node answers at an address of its own. Each attempt comes from another port, so where workers share a
 * port it asks one of them, and all of them as time goes on.
 */
export async function answersDns(address: SocketAddress): Promise<boolean> {
  for (let i = 0; i < ATTEMPTS; i++) if (await asked(address)) return true;
  return false;
}

function asked({ host, port }: SocketAddress): Promise<boolean> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const id = Math.floor(Math.random() * 0x1_0000);
  const query = Buffer.concat([Buffer.from([id >> 8, id & 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), QUESTION]);
  return new Promise((resolve) => {
    const late = setTimeout(() => done(false), ANSWER_MS_MAX);
    const done = (answered: boolean): void => {
      clearTimeout(late);
      socket.close();
      resolve(answered);
    };
    socket.once('error', () => done(false));
    socket.on('message', (answer) => {
      if (answer.length >= 12 && answer.readUInt16BE(0) === id && (answer[2]! & 0x80) !== 0) done(true);
    });
    socket.send(query, port, reachable(host));
  });
}

/** A wildcard address listens on the loopback address too. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
