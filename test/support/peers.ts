import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Check as Question } from '../../src/core/zone/check.js';
import type { ProbeResult } from '../../src/probe/attempt.js';
import { createProbe, type ProbeModules } from '../../src/probe/probe.js';

/** Servers on loopback for probes, all gone after `closePeers`. */
const open: { close(): void }[] = [];

export function closePeers(): void {
  for (const peer of open.splice(0)) peer.close();
}

/** Starts a server on a free port; its connections are cut when it is closed. */
export async function listen(
  server: Server,
  host = '127.0.0.1',
): Promise<{ readonly port: number; readonly sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  open.push({
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** A server that says these parts, one after the other, to whoever has asked something. */
export function listenRaw(...parts: readonly (string | Buffer)[]): ReturnType<typeof listen> {
  return listen(
    createServer((socket) => {
      socket.setNoDelay(true);
      socket.once('data', async () => {
        for (const part of parts) {
          socket.write(part);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        socket.end();
      });
    }),
  );
}

/** A UDP server; `answer` gives what goes back, in order. */
export async function listenUdp(
  answer: (query: Buffer, port: number) => readonly Uint8Array[],
  host = '127.0.0.1',
): Promise<{ readonly port: number; readonly socket: DatagramSocket }> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (query, { port, address }) => {
    for (const reply of answer(query, port)) socket.send(reply, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  open.push({ close: () => socket.close() });
  return { port: socket.address().port, socket };
}

/** Asks once, with three seconds for the answer unless the check says otherwise. */
export function ask(
  check: Question & { readonly timeoutMs?: number },
  modules: Partial<ProbeModules> & { readonly host?: string; readonly signal?: AbortSignal } = {},
): Promise<ProbeResult> {
  const { host = '127.0.0.1', signal = new AbortController().signal, ...rest } = modules;
  const probe = createProbe({ clock: () => performance.now(), ...rest });
  return probe(host, { timeoutMs: 3000, ...check }, signal);
}
