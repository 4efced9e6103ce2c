import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadOpenSsl } from '../../src/io/batched/openssl.js';
import type {
  Certificate,
  ClientTlsOptions,
  Connection,
  ConnectionHandler,
  ServerTlsOptions,
} from '../../src/io/network.js';
import { hasOpenssl } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { ConnectionLog, type RunningNetwork, startNetwork } from '../support/network-rig.js';
import { Authority, RSA } from '../support/tls-material.js';

const openSsl = loadOpenSsl();
const missing = 'unavailable' in openSsl ? openSsl.unavailable : undefined;

let authority: Authority;
let stranger: Authority;
let shop: Certificate;
let wild: Certificate;
let shopRsa: Certificate;
let client: Certificate;
let strangersClient: Certificate;

beforeAll(() => {
  if (!hasOpenssl) return;
  const folder = temporaryFolder();
  authority = new Authority(folder);
  stranger = new Authority(folder, 'stranger');
  shop = authority.issue('shop', ['shop.example.com', '127.0.0.1']);
  wild = authority.issue('wild', ['*.example.net']);
  shopRsa = authority.issue('shop-rsa', ['shop.example.com', '127.0.0.1'], RSA);
  client = authority.issue('client', ['client.example.com']);
  strangersClient = stranger.issue('strangers-client', ['client.example.com']);
}, 30_000);

afterAll(removeFolders);

describe.each(['batched', 'portable'] as const)('TLS of the %s network', (name) => {
  const test = it.skipIf(!hasOpenssl || (name === 'batched' && missing !== undefined));
  const onlyBatched = it.skipIf(!hasOpenssl || name === 'portable' || missing !== undefined);
  const running: RunningNetwork[] = [];

  afterEach(() => {
    for (const network of running.splice(0)) network.close();
  });

  function start() {
    const started = startNetwork(name);
    running.push(started);
    return started.network;
  }

  function serverOptions(changes: Partial<ServerTlsOptions> = {}): ServerTlsOptions {
    const ticketKeys = [Buffer.alloc(48, 1)];
    const fixed = { alpn: [], minVersion: 'TLSv1.2', clientCa: null } as const;
    return { certificates: [shop, wild], ...fixed, ticketKeys, ...changes };
  }

  function clientOptions(changes: Partial<ClientTlsOptions> = {}): ClientTlsOptions {
    const fixed = { serverName: 'shop.example.com', verify: true, alpn: [], certificate: null };
    return { ca: authority.ca, ...fixed, ...changes };
  }

  const echo = () => new ConnectionLog((connection, bytes, from, end) => connection.write(bytes, from, end));

  async function serve(
    changes: Partial<ServerTlsOptions> = {},
    handle: (connection: Connection) => ConnectionHandler | null = echo,
  ) {
    const network = start();
    const tls = network.serverTls(serverOptions(changes));
    const accepted: Connection[] = [];
    const listening = await network.listen(
      { host: '127.0.0.1', port: 0 },
      { shared: false, tls },
      (connection) => {
        accepted.push(connection);
        return handle(connection);
      },
    );
    const connect = (more: Partial<ClientTlsOptions> = {}, log = new ConnectionLog()) => {
      const connection = network.connect(listening.address, network.clientTls(clientOptions(more)), log);
      return { connection, log };
    };
    return { network, tls, listening, accepted, connect };
  }

  async function opened({ connection, log }: { connection: Connection; log: ConnectionLog }) {
    await vi.waitFor(() => expect(log.events, log.error?.message).toContain('open'));
    return connection;
  }

  const say = (connection: Connection, text: string) =>
    connection.write(Buffer.from(text), 0, Buffer.byteLength(text));

  test('hands over decrypted bytes, those written before the handshake first', async () => {
    const { connect } = await serve();
    const { connection, log } = connect();
    say(connection, 'early ');
    say(connection, 'birds ');
    await opened({ connection, log });
    say(connection, 'late');
    await vi.waitFor(() => expect(log.received.toString()).toBe('early birds late'));
  });

  test('tells both sides what was agreed', async () => {
    const { accepted, connect } = await serve({ alpn: ['h2', 'http/1.1'] });
    const { connection, log } = connect({ alpn: ['http/1.1'] });
    expect(connection.tls).toBeNull();
    await opened({ connection, log });
    await vi.waitFor(() => expect(accepted[0]?.tls).not.toBeNull());
    const facts = {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      serverName: 'shop.example.com',
      alpn: 'http/1.1',
      resumed: false,
    };
    expect(accepted[0]!.tls).toMatchObject(facts);
    expect(accepted[0]!.tls!.peer).toBeNull();
    expect(connection.tls).toMatchObject({ version: 'TLSv1.3', alpn: 'http/1.1' });
    expect(connection.tls!.peer!.subject).toContain('CN=shop');
  });

  test.each([
    ['shop.example.com', 'shop'],
    ['SHOP.example.com', 'shop'],
    ['a.example.net', 'wild'],
    ['a.b.example.net', 'shop'],
    ['unknown.example.org', 'shop'],
    ['', 'shop'],
  ])('shows for the name "%s" the certificate %s', async (servername, subject) => {
    const { listening } = await serve();
    const shown = await nodeClient(listening.address.port, { servername });
    expect(shown.getPeerCertificate().subject.CN).toBe(subject);
    shown.destroy();
  });

  test.each([
    ['ECDHE-RSA-AES128-GCM-SHA256', 'shop-rsa'],
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'shop'],
  ])('of two certificates for one name, shows who speaks %s the right one', async (ciphers, subject) => {
    const { listening } = await serve({ certificates: [shop, shopRsa] });
    const shown = await nodeClient(listening.address.port, { ciphers, maxVersion: 'TLSv1.2' });
    expect(shown.getPeerCertificate().subject.CN).toBe(subject);
    shown.destroy();
  });

  test('refuses a client without a common protocol, and tells both', async () => {
    const server = new ConnectionLog();
    const { listening } = await serve({ alpn: ['http/1.1'] }, () => server);
    await expect(nodeClient(listening.address.port, { ALPNProtocols: ['h3'] })).rejects.toThrow(
      /alert|ALPN/i,
    );
    await vi.waitFor(() => expect(server.events).toEqual(['close']));
    expect(server.error).toMatchObject({ code: 'tls', message: expect.stringMatching(/TLS handshake: /) });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes sessions of %s by tickets', async (version) => {
    const { listening } = await serve();
    const first = await session(listening.address.port, version);
    const again = await nodeClient(listening.address.port, { session: first, maxVersion: version });
    expect([again.isSessionReused(), again.getProtocol()]).toEqual([true, version]);
    again.destroy();
  });

  test('opens tickets that another worker made with the same key', async () => {
    const one = await serve();
    const other = await serve();
    const ticket = await session(one.listening.address.port, 'TLSv1.3');
    const again = await nodeClient(other.listening.address.port, { session: ticket });
    expect(again.isSessionReused()).toBe(true);
    again.destroy();
  });

  // node:tls takes one key only.
  onlyBatched('opens tickets of a key that was rotated, not of a forgotten one', async () => {
    const [old, next, newest] = [1, 2, 3].map((byte) => Buffer.alloc(48, byte));
    const { listening, tls } = await serve({ ticketKeys: [old!] });
    const ticket = await session(listening.address.port, 'TLSv1.3');
    tls.replace(serverOptions({ ticketKeys: [next!, old!] }));
    const again = await nodeClient(listening.address.port, { session: ticket });
    expect(again.isSessionReused()).toBe(true);
    again.destroy();
    tls.replace(serverOptions({ ticketKeys: [newest!, next!] }));
    const late = await nodeClient(listening.address.port, { session: ticket });
    expect(late.isSessionReused()).toBe(false);
    late.destroy();
  });

  test('resumes nothing without keys', async () => {
    const { listening } = await serve({ ticketKeys: [] });
    const socket = await nodeClient(listening.address.port, {});
    let session = socket.getSession();
    socket.on('session', (made) => {
      session = made;
    });
    await exchange(socket, 'ping');
    const again = await nodeClient(listening.address.port, { session });
    expect(again.isSessionReused()).toBe(false);
    for (const each of [socket, again]) each.destroy();
  });

  test('resumes its own sessions to an endpoint', async () => {
    const { network, listening } = await serve();
    const tls = network.clientTls(clientOptions());
    for (const resumed of [false, true]) {
      const log = new ConnectionLog();
      const connection = network.connect(listening.address, tls, log);
      await opened({ connection, log });
      expect(connection.tls!.resumed).toBe(resumed);
      say(connection, 'x');
      await vi.waitFor(() => expect(log.length).toBe(1));
      connection.destroy();
      await vi.waitFor(() => expect(log.events).toContain('close'));
    }
  });

  test('refuses TLS 1.2 if that is too old', async () => {
    const { listening } = await serve({ minVersion: 'TLSv1.3' });
    await expect(nodeClient(listening.address.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/version/);
  });

  describe('certificates of clients', () => {
    const asked = (required: boolean) => ({ clientCa: { ca: authority.ca, required } });

    test.each([true, false])('takes a good one (required: %s), and says whose it is', async (required) => {
      const { accepted, connect } = await serve(asked(required));
      const { connection, log } = connect({ certificate: client });
      say(connection, 'x');
      await vi.waitFor(() => expect(log.length).toBe(1));
      const { peer } = accepted[0]!.tls!;
      expect(peer!.subject).toContain('CN=client');
      expect(peer!.fingerprintSha256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    });

    test.each([true, false])('refuses one of a stranger (required: %s)', async (required) => {
      const server = new ConnectionLog();
      const { connect } = await serve(asked(required), () => server);
      const { log, connection } = connect({ certificate: strangersClient });
      say(connection, 'x');
      // With TLS 1.3 the client believes at first that all is well.
      await vi.waitFor(() => expect(log.events.some((event) => /end|close/.test(event))).toBe(true));
      await vi.waitFor(() => expect(server.events).toEqual(['close']));
      expect([server.length, server.error?.code]).toEqual([0, 'tls']);
    });

    test('refuses who has none if it is required', async () => {
      const server = new ConnectionLog();
      const { connect } = await serve(asked(true), () => server);
      const { log, connection } = connect();
      say(connection, 'x');
      // With TLS 1.3 the client believes at first that all is well.
      await vi.waitFor(() => expect(log.events.some((event) => /end|close/.test(event))).toBe(true));
      await vi.waitFor(() => expect(server.events).toEqual(['close']));
      expect([server.length, server.error?.code]).toEqual([0, 'tls']);
    });

    test('serves who has none if it is optional', async () => {
      const { accepted, connect } = await serve(asked(false));
      const { log, connection } = connect();
      say(connection, 'x');
      await vi.waitFor(() => expect(log.length).toBe(1));
      expect(accepted[0]!.tls!.peer).toBeNull();
    });

    test('does not let a ticket of a listener that asks for none in', async () => {
      const open = await serve();
      const closed = await serve(asked(true));
      const ticket = await session(open.listening.address.port, 'TLSv1.3');
      const socket = await nodeClient(closed.listening.address.port, { session: ticket });
      await expect(exchange(socket, 'ping')).rejects.toThrow();
    });
  });

  describe('verification of endpoints', () => {
    test.each<[string, () => Partial<ClientTlsOptions>]>([
      ['another name', () => ({ serverName: 'other.example.com' })],
      ['another address', () => ({ serverName: '127.0.0.2' })],
      ['an unknown authority', () => ({ ca: stranger.ca })],
      ['the authorities of the system', () => ({ ca: null })],
    ])('fails for %s', async (_what, changes) => {
      const { connect } = await serve();
      const { log } = connect(changes());
      await vi.waitFor(() => expect(log.events).toEqual(['close']));
      expect(log.error?.code).toBe('tls');
      expect(log.error?.message).toMatch(/^TLS handshake: /);
    });

    test.each([
      ['an address in the certificate', { serverName: '127.0.0.1' }],
      ['a wildcard', { serverName: 'any.example.net' }],
      ['anything, if nothing is verified', { serverName: 'other.example.com', verify: false, ca: null }],
    ])('succeeds for %s', async (_what, changes) => {
      const { connect } = await serve();
      await opened(connect(changes));
    });
  });

  test('carries much in both directions at once, with slow readers', async () => {
    const server = new ConnectionLog((connection, bytes, from, end) => {
      if (connection.write(bytes, from, end)) return;
      connection.pause();
    });
    server.onDrain = () => server.connection!.resume();
    const { connect } = await serve({}, () => server);
    const log = new ConnectionLog((connection) => {
      connection.pause();
      setImmediate(() => connection.resume());
    });
    const { connection } = connect({}, log);
    const block = Buffer.alloc(
      2 << 20,
      Uint8Array.from({ length: 251 }, (_, i) => i),
    );
    connection.write(block, 0, block.length);
    await vi.waitFor(() => expect(log.length).toBe(block.length), { timeout: 10_000 });
    expect(log.received.equals(block)).toBe(true);
    expect(log.drained).toBe(1);
    expect(connection.queued).toBe(0);
  }, 15_000);

  test('gives nothing to a paused handler, and the rest once it resumes', async () => {
    const server = new ConnectionLog((connection) => connection.pause());
    const { connect } = await serve({}, () => server);
    const { connection } = connect();
    const block = new Uint8Array(300_000).fill(7);
    connection.write(block, 0, block.length);
    await vi.waitFor(() => expect(server.length).toBeGreaterThan(0));
    for (let length = 0; length < block.length; ) {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(server.length - length).toBeLessThanOrEqual(65_536);
      length = server.length;
      server.connection!.resume();
    }
    expect(server.received.every((byte) => byte === 7)).toBe(true);
  });

  test('lets each side end by itself', async () => {
    const server = new ConnectionLog();
    const { connect } = await serve({}, () => server);
    const { connection, log } = connect();
    say(connection, 'question');
    connection.end();
    await vi.waitFor(() => expect(server.events).toEqual(['end']));
    expect(server.received.toString()).toBe('question');
    say(server.connection!, 'answer');
    server.connection!.end();
    await vi.waitFor(() => expect(log.events).toEqual(['open', 'end', 'close']));
    expect(log.received.toString()).toBe('answer');
    await vi.waitFor(() => expect(server.events).toEqual(['end', 'close']));
    expect([log.error, server.error]).toEqual([null, null]);
  });

  test('sends everything that waits before its end', async () => {
    const server = new ConnectionLog();
    const { connect } = await serve({}, () => server);
    const { connection } = connect();
    const block = new Uint8Array(4 << 20).fill(3);
    connection.write(block, 0, block.length);
    connection.end();
    await vi.waitFor(() => expect(server.events).toEqual(['end']), { timeout: 10_000 });
    expect(server.length).toBe(block.length);
  }, 15_000);

  test('lets the peer of a reset see a reset', async () => {
    const server = new ConnectionLog();
    const { connect } = await serve({}, () => server);
    const { connection, log } = connect();
    say(connection, 'x');
    await vi.waitFor(() => expect(server.received.toString()).toBe('x'));
    server.connection!.reset();
    await vi.waitFor(() => expect(log.events).toEqual(['open', 'close']));
    expect(log.error?.code).toBe('reset');
    expect(server.error).toBeNull();
  });

  test('looks complete to the peer of a destroy when nothing waited', async () => {
    const server = new ConnectionLog();
    const { connect } = await serve({}, () => server);
    const { connection, log } = connect();
    await opened({ connection, log });
    connection.destroy();
    expect(log.events).toEqual(['open']);
    await vi.waitFor(() => expect(log.events).toEqual(['open', 'close']));
    await vi.waitFor(() => expect(server.events).toContain('end'));
  });

  // node:tls does not tell.
  onlyBatched('takes an end without close_notify for an error', async () => {
    const server = new ConnectionLog();
    const { listening } = await serve({}, () => server);
    const relay = await cutter(listening.address.port);
    const socket = await nodeClient(relay.port, {});
    socket.write('half of a mess');
    await vi.waitFor(() => expect(server.length).toBe(14));
    relay.cut();
    await vi.waitFor(() => expect(server.events).toEqual(['close']));
    expect(server.error?.code).toBe('tls');
    socket.destroy();
  });

  test.each([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['noise', Buffer.alloc(600, 0xa5)],
    ['a record that is too long', Buffer.from([22, 3, 1, 0xff, 0xff, ...Buffer.alloc(20)])],
  ])('closes a connection that sends %s', async (_what, bytes) => {
    const server = new ConnectionLog();
    const { listening } = await serve({}, () => server);
    const socket = connectTcp(listening.address.port, '127.0.0.1').on('error', () => {});
    socket.write(bytes);
    await vi.waitFor(() => expect(server.events).toEqual(['close']));
    expect(server.error?.code).toBe('tls');
    socket.destroy();
  });

  // node:tls waits for the end of its time.
  onlyBatched('says so when the peer leaves during the handshake', async () => {
    const server = new ConnectionLog();
    const { listening, accepted } = await serve({}, () => server);
    const socket = connectTcp(listening.address.port, '127.0.0.1');
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    socket.end();
    await vi.waitFor(() => expect(server.events).toEqual(['close']));
    expect(server.error).not.toBeNull();
  });

  test('refuses renegotiation, and goes on', async () => {
    const { listening } = await serve();
    const socket = await nodeClient(listening.address.port, { maxVersion: 'TLSv1.2' });
    const refused = new Promise((resolve) => {
      socket.on('error', () => resolve('refused'));
      socket.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused'));
    });
    expect(await Promise.race([refused, new Promise((resolve) => setTimeout(resolve, 500, 'refused'))])).toBe(
      'refused',
    );
    socket.destroy();
  });

  test('uses new certificates for the next handshakes, and keeps connections', async () => {
    const { listening, tls } = await serve({ certificates: [shop] });
    const before = await nodeClient(listening.address.port, {});
    tls.replace(serverOptions({ certificates: [wild] }));
    const after = await nodeClient(listening.address.port, {});
    expect(after.getPeerCertificate().subject.CN).toBe('wild');
    expect(await exchange(before, 'still here')).toBe('still here');
    for (const socket of [before, after]) socket.destroy();
  });

  test('keeps the old certificates if the new ones are bad', async () => {
    const { listening, tls } = await serve();
    expect(() =>
      tls.replace(serverOptions({ certificates: [{ cert: shop.cert, key: wild.key }] })),
    ).toThrow();
    const socket = await nodeClient(listening.address.port, {});
    expect(socket.getPeerCertificate().subject.CN).toBe('shop');
    socket.destroy();
  });

  test.each<[string, () => Partial<ServerTlsOptions>, RegExp]>([
    ['no certificate', () => ({ certificates: [] }), /at least one certificate/],
    [
      'a key of another certificate',
      () => ({ certificates: [shop, { cert: wild.cert, key: shop.key }] }),
      /certificates\[1\].*key values mismatch/,
    ],
    [
      'text that is no certificate',
      () => ({ certificates: [{ cert: 'x', key: shop.key }] }),
      /certificates\[0\]: not a certificate in PEM form/,
    ],
    ['text that is no key', () => ({ certificates: [{ cert: shop.cert, key: 'x' }] }), /certificates\[0\]/],
    ['a short ticket key', () => ({ ticketKeys: [new Uint8Array(32)] }), /48 bytes/],
    ['a protocol without a name', () => ({ alpn: [''] }), /1 to 255 bytes/],
  ])('says what is wrong with %s, without showing keys', (_what, changes, message) => {
    const network = start();
    let thrown = '';
    try {
      network.serverTls(serverOptions(changes()));
    } catch (error) {
      thrown = String(error);
    }
    expect(thrown).toMatch(message);
    expect(thrown).not.toContain('PRIVATE');
  });

  async function session(port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
    const socket = await nodeClient(port, { maxVersion: version });
    const made = new Promise<Buffer>((resolve) => socket.once('session', resolve));
    await exchange(socket, 'ping');
    const ticket = version === 'TLSv1.2' ? socket.getSession()! : await made;
    socket.destroy();
    return ticket;
  }
});

/** A client of node:tls that believes everybody, after its handshake. */
function nodeClient(port: number, options: object): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const fixed = { host: '127.0.0.1', port, servername: 'shop.example.com', rejectUnauthorized: false };
    const socket = connectTls({ ...fixed, ...options }, () => {
      // Later ones show in what the server says.
      socket.off('error', reject).on('error', () => {});
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

function exchange(socket: TLSSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (chunk) => {
      got += chunk;
      if (got.length >= text.length) resolve(got);
    });
    socket.write(text);
  });
}

/** Passes bytes on, until it ends the way to the server without what TLS would say. */
async function cutter(to: number): Promise<{ port: number; cut: () => void }> {
  let up: Socket | undefined;
  const server = createServer((down) => {
    up = connectTcp(to, '127.0.0.1').on('error', () => {});
    down.on('error', () => {}).pipe(up, { end: false });
    up.pipe(down);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as { port: number }).port;
  return {
    port,
    cut: () => {
      up?.end();
      server.close();
    },
  };
}
