import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasOpenssl, makeCertificate } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const isReady = hasOpenssl && existsSync(join(import.meta.dirname, '../../dist/main.js'));
const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
records:
  www: { type: A, ttl: 77, value: 192.0.2.1 }
  large: { type: TXT, values: [ ${Array.from({ length: 180 }, (_, i) => `"${i}${'x'.repeat(240)}"`).join(', ')} ] }
`;
const QUERY = packet({ name: 'www.serve.test' });
const LARGE = packet({ name: 'large.serve.test', type: 16 });
const IDLE_MS = 8000;
const POST = { ':method': 'POST', ':path': '/dns-query', 'content-type': 'application/dns-message' };

/** Seconds until it was closed. */
async function closedAfter(socket: { on(event: 'close', listener: () => void): unknown }): Promise<number> {
  const startMs = performance.now();
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return (performance.now() - startMs) / 1000;
}

describe.skipIf(!isReady)('limits of encrypted transports (needs openssl and dist/)', () => {
  let node: TestNode;

  beforeAll(async () => {
    const folder = temporaryFolder();
    const pair = { listen: ['127.0.0.1:0'], ...makeCertificate(folder, 'tls') };
    const tcp = { idle_timeout: `${IDLE_MS}ms`, max_queries: 300 };
    node = await startNode({
      folder,
      zones: { 'serve.test.yaml': ZONE },
      config: { dns: { tls: pair, https: pair, tcp } },
    });
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  async function open(port: number, ALPNProtocols: string[]): Promise<TLSSocket> {
    const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols, rejectUnauthorized: false });
    socket.on('error', () => {}).resume();
    await once(socket, 'secureConnect');
    return socket;
  }

  function session(): ClientHttp2Session {
    const made = connectHttp2(`https://127.0.0.1:${node.doh}`, { rejectUnauthorized: false });
    made.on('error', () => {});
    return made;
  }

  const event = (name: string) => node.metric(`meridian_dns_tls_connections_total{event="${name}"}`);

  it.concurrent('closes a connection whose handshake does not end', async () => {
    const sockets = [node.dot, node.doh].map((port) => createConnection({ port, host: '127.0.0.1' }));
    for (const socket of sockets) socket.on('error', () => {}).resume();
    for (const seconds of await Promise.all(sockets.map(closedAfter))) {
      expect(seconds).toBeGreaterThan(4);
      expect(seconds).toBeLessThan(7);
    }
    expect(await event('failed')).toBeGreaterThanOrEqual(2);
  });

  it.concurrent('closes a connection of HTTP/1.1 whose head trickles in', async () => {
    const socket = await open(node.doh, ['http/1.1']);
    socket.write('GET /dns-query?dns=');
    const timer = setInterval(() => socket.write('A'), 300);
    const seconds = await closedAfter(socket);
    clearInterval(timer);
    expect(seconds).toBeGreaterThan(4);
    expect(seconds).toBeLessThan(IDLE_MS / 1000);
    expect(await event('slow')).toBeGreaterThanOrEqual(1);
  });

  it.concurrent('closes a connection of HTTP/1.1 whose body trickles in, and says 408', async () => {
    const socket = await open(node.doh, ['http/1.1']);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.write('POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n');
    socket.write('Content-Length: 4000\r\n\r\n');
    const timer = setInterval(() => socket.write('A'), 300);
    const seconds = await closedAfter(socket);
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(seconds).toBeLessThan(IDLE_MS / 1000);
  });

  it.concurrent('ends an upload over HTTP/2 that trickles, and the other requests go on', async () => {
    const client = session();
    const upload = client.request(POST);
    upload.on('error', () => {}).resume();
    const timer = setInterval(() => !upload.destroyed && upload.write('A'), 300);
    const other = setInterval(
      () =>
        client
          .request(POST)
          .on('error', () => {})
          .resume()
          .end(QUERY),
      1000,
    );
    const [headers] = (await once(upload, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    expect(headers[':status']).toBe(408);
    await closedAfter(upload);
    clearInterval(timer);
    clearInterval(other);
    const last = client.request(POST);
    last.resume().end(QUERY);
    expect((await once(last, 'response'))[0]).toMatchObject({ ':status': 200 });
    client.destroy();
  });

  it.concurrent.each([
    ['a path that is not there', { ...POST, ':path': '/' }],
    ['a method that is not there', { ...POST, ':method': 'PUT' }],
    [
      'a query in the path',
      { ':method': 'GET', ':path': `/dns-query?dns=${Buffer.from(QUERY).toString('base64url')}` },
    ],
    ['a long body', POST],
  ])('ends an endless upload over HTTP/2 to %s at once', async (_, headers) => {
    const client = session();
    const upload = client.request(headers, { endStream: false });
    let sent = 0;
    upload.on('error', () => {}).resume();
    const startMs = performance.now();
    const more = () => {
      if (upload.destroyed || upload.writableEnded || sent > 50e6) return;
      sent += 16_384;
      upload.write(Buffer.alloc(16_384), () => setImmediate(more));
    };
    more();
    // The event may come later: node's client waits for somebody to read.
    await until('the end of the stream', () => upload.closed);
    expect(performance.now() - startMs).toBeLessThan(4000);
    expect(sent).toBeLessThan(5e6);
    client.destroy();
  });

  it.concurrent('closes a connection over HTTP/2 that only pings', async () => {
    const client = session();
    await once(client, 'connect');
    const timer = setInterval(() => !client.destroyed && client.ping(() => {}), 300);
    const seconds = await closedAfter(client);
    clearInterval(timer);
    expect(seconds).toBeGreaterThan(IDLE_MS / 1000 - 1.5);
    expect(seconds).toBeLessThan(IDLE_MS / 1000 + 2);
  });

  it.concurrent('closes a connection over TLS that sends bytes but no query', async () => {
    const socket = await open(node.dot, ['dot']);
    socket.write(Buffer.from([8, 0]));
    const timer = setInterval(() => socket.write('A'), 300);
    const seconds = await closedAfter(socket);
    clearInterval(timer);
    expect(seconds).toBeGreaterThan(IDLE_MS / 1000 - 1.5);
    expect(seconds).toBeLessThan(IDLE_MS / 1000 + 2);
    expect(await event('timeout')).toBeGreaterThanOrEqual(1);
  });

  it.concurrent('closes a connection over HTTP/2 whose client does not read', async () => {
    const before = await event('slow');
    const client = connectHttp2(`https://127.0.0.1:${node.doh}`, {
      rejectUnauthorized: false,
      // A stream's window of nothing: no byte of a body may be sent.
      settings: { initialWindowSize: 0 },
    });
    client.on('error', () => {});
    await once(client, 'remoteSettings');
    for (let i = 0; i < 20; i++)
      client
        .request(POST)
        .on('error', () => {})
        .end(LARGE);
    expect(await closedAfter(client)).toBeLessThan(3);
    expect(await event('slow')).toBeGreaterThan(before);
  });

  it.concurrent('lets a connection have only so many requests', async () => {
    const client = session();
    let answered = 0;
    const closed = closedAfter(client);
    for (let i = 0; i < 400 && !client.closed && !client.destroyed; i++) {
      const stream = client.request(POST);
      stream
        .on('error', () => {})
        .resume()
        .end(QUERY);
      await new Promise<void>((resolve) => {
        stream.on('response', () => answered++).on('close', () => resolve());
      });
    }
    await closed;
    expect(answered).toBe(300);
  });

  it('still answers, and holds nothing back', async () => {
    const socket = await open(node.dot, ['dot']);
    const [bytes] = await Promise.all([
      once(socket, 'data'),
      socket.write(Buffer.concat([Uint8Array.of(0, QUERY.length), QUERY])),
    ]);
    expect((bytes[0] as Buffer).length).toBeGreaterThan(QUERY.length);
    socket.destroy();
    expect(await node.metric('meridian_dns_faults_total')).toBe(0);
  });

  it('does not take the UDP port of an address of TLS', async () => {
    const port = await new Promise<number>((resolve) => {
      const udp = createSocket('udp4').bind(0, '127.0.0.1', () => resolve(udp.address().port));
      udp.unref();
    });
    const folder = temporaryFolder();
    const pair = { listen: [`127.0.0.1:${port}`], ...makeCertificate(folder, 'tls') };
    const second = await startNode({
      folder,
      zones: { 'serve.test.yaml': ZONE },
      config: { dns: { tls: pair } },
    });
    await until('an answer', async () => {
      const socket = await open(second.dot, ['dot']);
      socket.destroy();
      return true;
    });
    expect(second.dot).toBe(port);
  });
});

describe.skipIf(!isReady)('floods of encrypted connections (needs openssl and dist/)', () => {
  const CONNECTIONS_MAX = 10;
  const flood: Socket[] = [];
  let node: TestNode;

  beforeAll(async () => {
    const folder = temporaryFolder();
    const pair = { listen: ['127.0.0.1:0'], ...makeCertificate(folder, 'tls') };
    const tcp = { max_connections: CONNECTIONS_MAX, max_per_client: 4, idle_timeout: '60s' };
    node = await startNode({
      folder,
      zones: { 'serve.test.yaml': ZONE },
      config: { dns: { tls: pair, https: pair, tcp } },
    });
  });
  afterEach(() => {
    for (const socket of flood.splice(0)) socket.destroy();
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  /** Whether a new connection gets its answer within three seconds. */
  async function isServed(): Promise<boolean> {
    const socket = connectTls({ port: node.dot, host: '127.0.0.1', rejectUnauthorized: false });
    socket.on('error', () => {});
    socket.write(Buffer.concat([Uint8Array.of(0, QUERY.length), QUERY]));
    const answered = once(socket, 'data').then(
      () => true,
      () => false,
    );
    const closed = new Promise<boolean>((resolve) => socket.setTimeout(3000, () => resolve(false)));
    const ended = once(socket, 'close').then(() => false);
    const served = await Promise.race([answered, closed, ended]);
    socket.destroy();
    return served;
  }

  async function connectFrom(i: number, isOne: boolean, port: number): Promise<Socket> {
    const localAddress = isOne ? '127.0.0.2' : `127.1.0.${i + 1}`;
    const socket = createConnection({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    flood.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  it.each([
    ['one address, without a handshake', true, false],
    ['many addresses, without a handshake', false, false],
    ['one address, after the handshake', true, true],
    ['many addresses, after the handshake', false, true],
  ])('an honest client is served among silent connections of %s', async (_, isOne, withTls) => {
    for (let i = 0; i < 4 * CONNECTIONS_MAX; i++) {
      const socket = await connectFrom(i, isOne, i % 2 === 0 ? node.dot : node.doh);
      if (!withTls) continue;
      const tls = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['dot', 'h2'] });
      tls.on('error', () => {});
      await Promise.race([once(tls, 'secureConnect'), once(tls, 'close')]).catch(() => {});
    }
    for (let i = 0; i < 20; i++) expect(await isServed()).toBe(true);
  });
});
