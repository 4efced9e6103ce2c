import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadOpenSsl } from '../../src/io/batched/openssl.js';
import type { Certificate, Connection } from '../../src/io/network.js';
import { Deadlines } from '../../src/proxy/deadlines.js';
import { LISTENER_EVENTS } from '../../src/proxy/listener-events.js';
import type { ClientFacts } from '../../src/proxy/proxy-header.js';
import { newCounters, ProxyListener, type Session } from '../../src/proxy/proxy-listener.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { ConnectionLog, startNetwork } from '../support/network-rig.js';
import { Authority } from '../support/tls-material.js';

const openSsl = loadOpenSsl();
const missing = 'unavailable' in openSsl ? openSsl.unavailable : undefined;
const LINE = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n';
const LOCAL = '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0';
const FACTS = {
  source: { host: '192.0.2.7', port: 40_000 },
  destination: { host: '198.51.100.1', port: 443 },
};

let shop: Certificate;
beforeAll(() => {
  shop = new Authority(temporaryFolder()).issue('shop', ['shop.example.com']);
}, 30_000);
afterAll(removeFolders);

/** Answers everything with itself. */
class Echo implements Session {
  sessionSlot = -1;
  readonly #connection: Connection;
  readonly #onClosed: (session: Session) => void;

  constructor(connection: Connection, onClosed: (session: Session) => void) {
    this.#connection = connection;
    this.#onClosed = onClosed;
  }

  drain(): void {}
  onOpen(): void {}
  onDrain(): void {}

  destroy(): void {
    this.#connection.destroy();
  }

  onData(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    connection.write(bytes, start, end);
  }

  onEnd(connection: Connection): void {
    connection.end();
  }

  onClose(): void {
    this.#onClosed(this);
  }
}

describe.each(['batched', 'portable'] as const)('PROXY headers in front of TLS, %s network', (name) => {
  const test = it.skipIf(name === 'batched' && missing !== undefined);
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  async function start(prefix: readonly number[], timeoutMs = 5000) {
    const running = startNetwork(name);
    cleanups.push(() => running.close());
    const { network } = running;
    const deadlines = new Deadlines(20, network);
    cleanups.push(() => deadlines.close());
    const tls = network.serverTls({
      ...{ certificates: [shop], alpn: [], minVersion: 'TLSv1.2', ticketKeys: [], clientCa: null },
    });
    const address = { host: '127.0.0.1', port: 0 };
    const trusted = [{ bytes: Uint8Array.from(prefix), length: 8 }];
    const facts: (ClientFacts | null)[] = [];
    const listener = new ProxyListener(
      {
        ...{ network, address, connectionsMax: 10, shared: false, tls },
        headers: { trusted, timeoutMs, deadlines },
      },
      newCounters(address),
      (connection, onClosed, announced) => {
        facts.push(announced);
        return new Echo(connection, onClosed);
      },
    );
    expect(await listener.start('listeners[0].listen')).toBeNull();
    cleanups.push(() => listener.destroy());
    const counted = () =>
      LISTENER_EVENTS.flatMap((event, at) => (listener.counters.events[at]! > 0 ? [event] : []));
    return { listener, facts, counted };
  }

  function raw(port: number): { socket: Socket; isClosed: () => boolean } {
    const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true });
    let closed = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
    });
    cleanups.push(() => socket.destroy());
    return { socket, isClosed: () => closed };
  }

  /** Says hello through TLS on a socket; gives what comes back. */
  async function hello(socket: Socket): Promise<string> {
    const secure = connectTls({ socket, servername: 'shop.example.com', rejectUnauthorized: false });
    cleanups.push(() => secure.destroy());
    secure.on('error', () => {});
    let text = '';
    secure.on('data', (chunk) => {
      text += String(chunk);
    });
    secure.write('hello');
    await vi.waitFor(() => expect(text).toBe('hello'));
    return text;
  }

  test('names the client, and leaves TLS every byte of its own', async () => {
    const { listener, facts } = await start([127, 0, 0, 0]);
    const whole = raw(listener.port);
    whole.socket.write(LINE);
    await hello(whole.socket);
    const local = raw(listener.port);
    local.socket.write(Buffer.from(LOCAL, 'latin1'));
    await hello(local.socket);
    expect(facts).toEqual([FACTS, null]);
  });

  test('sends one in front of TLS to an endpoint', async () => {
    const { listener, facts } = await start([127, 0, 0, 0]);
    const running = startNetwork(name);
    cleanups.push(() => running.close());
    const { network } = running;
    const settings = { serverName: 'shop.example.com', ca: null, verify: false, alpn: [], certificate: null };
    const log = new ConnectionLog();
    const address = { host: '127.0.0.1', port: listener.port };
    const connection = network.connect(address, network.clientTls(settings), log, Buffer.from(LINE));
    connection.write(Buffer.from('hello'), 0, 5);
    await vi.waitFor(() => expect(log.received.toString(), log.error?.message).toBe('hello'));
    expect(facts).toEqual([FACTS]);
  });

  test('reads a header that comes byte by byte', async () => {
    const { listener, facts } = await start([127, 0, 0, 0]);
    const { socket } = raw(listener.port);
    for (const letter of LINE) {
      socket.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await hello(socket);
    expect(facts).toEqual([FACTS]);
  });

  test('asks nobody else for one', async () => {
    const { listener, facts } = await start([10, 0, 0, 0]);
    await hello(raw(listener.port).socket);
    expect(facts).toEqual([null]);
  });

  test('closes trusted senders without a proper one, or without one in time', async () => {
    const { listener, facts, counted } = await start([127, 0, 0, 0], 150);
    const plain = raw(listener.port);
    const secure = connectTls({ socket: plain.socket, rejectUnauthorized: false });
    secure.on('error', () => {});
    await vi.waitFor(() => expect(plain.isClosed()).toBe(true));
    expect(counted()).toEqual(['proxy_header_malformed']);
    const half = raw(listener.port);
    half.socket.write(LINE.slice(0, 20));
    await vi.waitFor(() => expect(half.isClosed()).toBe(true), 3000);
    expect(counted()).toEqual(['proxy_header_malformed', 'proxy_header_late']);
    expect(facts).toEqual([]);
  });

  test('forgets who goes away before', async () => {
    const { listener, counted } = await start([127, 0, 0, 0]);
    const gone = raw(listener.port);
    gone.socket.write('PROXY ');
    gone.socket.end();
    await vi.waitFor(() => expect(gone.isClosed()).toBe(true));
    expect([counted(), listener.counters.active]).toEqual([[], 0]);
  });
});
