import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { IcmpCheck } from '../core/zone/check.js';
import { openPingSocket } from '../io/ping-socket.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { type Resolved, resolveOne } from './dial.js';

/** Types of ICMP (RFC 792) and ICMPv6 (RFC 4443 §4). */
const ECHO = {
  4: { request: 8, reply: 0 },
  6: { request: 128, reply: 129 },
} as const;
const HEADER_BYTES = 8;
const TOKEN_BYTES = 16;

/** Opens a ping socket; a test's own may stand in for the system's. */
export type OpenPing = typeof openPingSocket;

/** Up when the target answers an echo request. */
export function probeIcmp(
  host: string,
  { sources }: IcmpCheck,
  options: AttemptOptions,
  { networks, openPing = openPingSocket }: { networks: ProbeNetworks; openPing?: OpenPing },
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    let socket: Socket | undefined;
    let over = false;
    const { fail } = outcome;
    const begin = ({ address, family, source }: Resolved): void => {
      if (over) return;
      const opened = openPing(family, source);
      if ('unavailable' in opened) return outcome.impossible(opened.unavailable);
      socket = opened.socket;
      const token = randomBytes(TOKEN_BYTES);
      socket.on('error', fail);
      socket.on('message', (reply) => {
        if (isEchoReply(reply, family, token)) outcome.settle(true, 'echo reply');
      });
      // The port means nothing to ICMP, but Node.js insists on one.
      socket.connect(1, address, (error?: Error | null) => {
        if (error) return fail(error);
        if (!over) opened.socket.send(echoRequest(family, token), (failed) => failed && fail(failed));
      });
    };
    resolveOne({ host, ...(sources && { sources }) }, networks)
      .then(begin)
      .catch(fail);
    return () => {
      over = true;
      socket?.close();
    };
  });
}

/** The kernel fills in checksum and identifier; the token says that a reply is to this request. */
export function echoRequest(family: 4 | 6, token: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + token.length);
  bytes[0] = ECHO[family].request;
  bytes[7] = 1;
  bytes.set(token, HEADER_BYTES);
  return bytes;
}

export function isEchoReply(reply: Uint8Array, family: 4 | 6, token: Uint8Array): boolean {
  return (
    reply[0] === ECHO[family].reply &&
    reply.length === HEADER_BYTES + token.length &&
    token.every((byte, i) => reply[HEADER_BYTES + i] === byte)
  );
}
