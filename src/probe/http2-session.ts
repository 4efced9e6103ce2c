import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { Outcome } from './attempt.js';
import { type Dial, dialOptions } from './dial.js';
import { dialTls, type Trust } from './tls-socket.js';

export interface Http2Target extends Dial {
  readonly tls: boolean;
  readonly verify: boolean;
  /** Name for TLS; the target's own where absent. */
  readonly name: string | undefined;
}

export interface Http2Modules {
  readonly networks: ProbeNetworks;
  readonly trust: Trust;
}

/**
 * Connects and hands the session to `use`: over TLS with ALPN, or in the clear by prior knowledge (RFC 9113 §3).
 * Failures settle the outcome. Returns how to end it all at any time.
 */
export function withHttp2(
  target: Http2Target,
  modules: Http2Modules,
  outcome: Outcome,
  use: (session: ClientHttp2Session) => void,
): () => void {
  const fail = (detail: string): void => outcome.settle(false, detail);
  let session: ClientHttp2Session | undefined;
  const begin = (socket: Socket): void => {
    session = connectHttp2(`http${target.tls ? 's' : ''}://peer.invalid`, {
      createConnection: () => socket,
      settings: { enablePush: false },
      maxHeaderListPairs: 128,
      maxSessionMemory: 1,
    });
    session.on('error', (error) => outcome.fail(error));
    session.on('goaway', (code) => code !== 0 && fail(`the peer ended HTTP/2 with code ${code}`));
    session.on('close', () => fail('connection closed without a response'));
    try {
      use(session);
    } catch (error) {
      outcome.fail(error);
    }
  };
  const socket = open(target, modules, begin, fail);
  socket.on('error', (error) => outcome.fail(error));
  socket.on('close', () => fail('connection closed without a response'));
  return () => {
    session?.destroy();
    socket.destroy();
  };
}

function open(
  target: Http2Target,
  { networks, trust }: Http2Modules,
  begin: (socket: Socket) => void,
  fail: (detail: string) => void,
): Socket {
  if (!target.tls) {
    const socket = connect(dialOptions(target, networks));
    socket.once('connect', () => begin(socket));
    return socket;
  }
  const settings = { name: target.name, verify: target.verify, protocols: ['h2'] };
  const socket = dialTls(target, settings, networks, trust);
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol === 'h2') begin(socket);
    else fail('the peer does not speak HTTP/2');
  });
  return socket;
}
