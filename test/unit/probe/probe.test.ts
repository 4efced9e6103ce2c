import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpCheck } from '../../../src/core/zone/check.js';
import { createHealthChecker } from '../../../src/probe/checker.js';
import { createProbe } from '../../../src/probe/probe.js';

type Check = HttpCheck & { readonly timeoutMs: number };

const CHECK: Check = {
  type: 'http',
  port: 0,
  path: '/healthz',
  method: 'GET',
  status: [{ from: 200, to: 399 }],
  verify: true,
  timeoutMs: 3000,
};

const clock = () => performance.now();
const never = new AbortController().signal;
const open: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(() => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

async function listen(server: Server): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ server, sockets });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** Asks an HTTP server that answers with `listener`. */
async function askHttp(listener: RequestListener, changes: Partial<Check> = {}) {
  const { port } = await listen(createHttpServer(listener));
  return createProbe({ clock })('127.0.0.1', { ...CHECK, port, ...changes }, never);
}

/** Asks a server that says these bytes to whoever connects. */
async function askRaw(bytes: string, changes: Partial<Check> = {}) {
  const { port } = await listen(
    createTcpServer((socket) => {
      socket.once('data', () => socket.end(bytes));
    }),
  );
  return createProbe({ clock })('127.0.0.1', { ...CHECK, port, ...changes }, never);
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits for the event loop to bring about a condition; fails by the test's own timeout. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('a tcp probe', () => {
  it('is up when the peer takes the connection, and lets go of it', async () => {
    const { port, sockets } = await listen(createTcpServer((socket) => socket.write('220 welcome\r\n')));
    const result = await createProbe({ clock })('127.0.0.1', { type: 'tcp', port, timeoutMs: 3000 }, never);
    expect(result).toMatchObject({ ok: true, detail: 'connected' });
    await until(() => sockets.size === 0);
  });

  it.each(['tcp', 'http', 'https'] as const)('as %s is down when the connection is refused', async (type) => {
    const port = await freePort();
    const check = type === 'tcp' ? { type, port, timeoutMs: 3000 } : { ...CHECK, type, port };
    const result = await createProbe({ clock })('127.0.0.1', check, never);
    expect(result).toMatchObject({ ok: false, detail: 'connect refused' });
  });
});

describe('an http probe', () => {
  it('is up on a wanted status', async () => {
    const result = await askHttp((_, response) => response.end('fine'));
    expect(result).toMatchObject({ ok: true, detail: 'status 200' });
    expect(result.elapsedMs).toBeLessThan(3000);
  });

  it('asks for the path with the method, the host and one connection of its own', async () => {
    let seen = {};
    await askHttp(
      (request, response) => {
        const { host, connection, 'user-agent': agent } = request.headers;
        seen = { method: request.method, url: request.url, host, connection, agent };
        response.end();
      },
      { method: 'HEAD', path: '/up?full=1', host: 'www.example.com' },
    );
    expect(seen).toEqual({
      method: 'HEAD',
      url: '/up?full=1',
      host: 'www.example.com',
      connection: 'close',
      agent: 'meridian-probe',
    });
  });

  it.each<[number, Check['status'], boolean, string]>([
    [503, CHECK.status, false, 'status 503, want 200–399'],
    [302, CHECK.status, true, 'status 302'],
    [302, [{ from: 200, to: 299 }], false, 'status 302, want 200–299'],
    [
      418,
      [
        { from: 200, to: 200 },
        { from: 418, to: 418 },
      ],
      true,
      'status 418',
    ],
    [
      404,
      [
        { from: 200, to: 200 },
        { from: 418, to: 418 },
      ],
      false,
      'status 404, want 200, 418',
    ],
  ])('judges status %d against %o', async (status, wanted, ok, detail) => {
    const result = await askHttp((_, response) => response.writeHead(status, { location: '/x' }).end(), {
      status: wanted,
    });
    expect(result).toMatchObject({ ok, detail });
  });

  it('is down after its timeout when the peer never answers, and closes the connection', async () => {
    const { port, sockets } = await listen(createTcpServer((socket) => socket.resume()));
    const result = await createProbe({ clock })('127.0.0.1', { ...CHECK, port, timeoutMs: 60 }, never);
    expect(result).toMatchObject({ ok: false, detail: 'timeout after 60 ms' });
    await until(() => sockets.size === 0);
  });

  it('is down when a head trickles in past the timeout', async () => {
    const { port } = await listen(createTcpServer((socket) => socket.write('HTTP/1.1 200 OK\r\nX-A: ')));
    const result = await createProbe({ clock })('127.0.0.1', { ...CHECK, port, timeoutMs: 60 }, never);
    expect(result).toMatchObject({ ok: false, detail: 'timeout after 60 ms' });
  });

  it('is up by the head alone when the body never ends, and does not wait for it', async () => {
    const result = await askHttp((_, response) => response.write('and so on'));
    expect(result).toMatchObject({ ok: true, detail: 'status 200' });
  });

  it('keeps the verdict of the head when the timeout comes before the body ends', async () => {
    const result = await askHttp((_, response) => response.write('and so on'), { timeoutMs: 60 });
    expect(result).toMatchObject({ ok: true, detail: 'status 200' });
  });

  it('cuts an endless fast body', async () => {
    let closed = false;
    const result = await askHttp((_, response) => {
      const more = (): boolean => response.write(Buffer.alloc(65_536));
      response.on('drain', more).on('close', () => (closed = true));
      more();
    });
    expect(result.ok).toBe(true);
    await until(() => closed);
  });

  it('keeps the verdict of the head when the body is broken off', async () => {
    const result = await askRaw('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort');
    expect(result).toMatchObject({ ok: true, detail: 'status 200' });
  });

  it.each<[string, string, string]>([
    [
      'a head that is too large',
      `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
      'response head too large',
    ],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n', 'not a valid HTTP response: status_line'],
    ['a connection closed without a word', '', 'connection closed without a response'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent', 'connection closed without a response'],
    [
      'a change of protocol unasked',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'the peer switched protocols unasked',
    ],
  ])('is down on %s', async (_, bytes, detail) => {
    expect(await askRaw(bytes)).toMatchObject({ ok: false, detail });
  });

  it('is down, not broken, with settings that no request can carry', async () => {
    const result = await askHttp((_, response) => response.end(), { path: '/a b\n' });
    expect(result.ok).toBe(false);
    expect(result.detail).toBe('the path has a character that no request can carry');
  });

  it('ends at once when it is called off', async () => {
    const { port, sockets } = await listen(createTcpServer((socket) => socket.resume()));
    const controller = new AbortController();
    const asked = createProbe({ clock })('127.0.0.1', { ...CHECK, port }, controller.signal);
    await until(() => sockets.size === 1);
    controller.abort();
    expect(await asked).toMatchObject({ ok: false, detail: 'called off' });
    await until(() => sockets.size === 0);
  });
});

describe('createHealthChecker() on real peers, with the clock and timers of Node.js', () => {
  it('sees an endpoint up and, when its server is gone, down', async () => {
    const server = createHttpServer((_, response) => response.end());
    const { port } = await listen(server);
    const checker = createHealthChecker({
      probe: createProbe({ clock }),
      clock,
      timers: { setTimeout, clearTimeout },
      random: () => 0.5,
    });
    const heard: string[] = [];
    const check = { type: 'http', intervalMs: 20, timeoutMs: 1000, fall: 2, rise: 1 } as const;
    checker.watch('a', { host: '127.0.0.1', port }, check, (up, detail) => heard.push(`${up} ${detail}`));
    await checker.firstRound();
    expect(heard).toEqual(['true status 200']);
    server.close();
    await until(() => heard.length > 1);
    expect(heard).toEqual(['true status 200', 'false connect refused']);
    checker.close();
  });
});

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasOpenssl)('an https probe (needs the openssl command)', () => {
  let folder = '';
  let key: Buffer;
  let cert: Buffer;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'meridian-probe-'));
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=www.example.com';
    const names = ['-addext', 'subjectAltName=DNS:www.example.com'];
    execFileSync('openssl', [...request.split(' '), ...names, '-keyout', keyFile, '-out', certFile], {
      stdio: 'ignore',
    });
    [key, cert] = [readFileSync(keyFile), readFileSync(certFile)];
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function ask(changes: Partial<Check>, ca?: Buffer) {
    const names: (string | false | null | undefined)[] = [];
    const server = createHttpsServer({ key, cert }, (_, response) => response.end('fine'));
    server.on('secureConnection', (socket) => names.push(socket.servername));
    server.on('tlsClientError', () => {});
    const { port } = await listen(server);
    const probe = createProbe({ clock, ...(ca ? { ca } : {}) });
    const result = await probe('127.0.0.1', { ...CHECK, type: 'https', port, ...changes }, never);
    return { ...result, names };
  }

  it('refuses a self-signed certificate', async () => {
    expect(await ask({ host: 'www.example.com' })).toMatchObject({
      ok: false,
      detail: 'certificate self-signed',
    });
  });

  it('takes any certificate with `verify: false`', async () => {
    expect(await ask({ verify: false })).toMatchObject({ ok: true, detail: 'status 200' });
  });

  it('takes a trusted certificate for the monitor’s host and names that host to the server', async () => {
    expect(await ask({ host: 'www.example.com' }, cert)).toMatchObject({
      ok: true,
      names: ['www.example.com'],
    });
    expect(await ask({ host: 'www.example.com:8443' }, cert)).toMatchObject({ ok: true });
  });

  it.each<[string, Partial<Check>]>([
    ['of another host', { host: 'shop.example.com' }],
    ['without the address, where the monitor names no host', {}],
  ])('refuses a trusted certificate %s', async (_, changes) => {
    expect(await ask(changes, cert)).toMatchObject({ ok: false, detail: 'certificate is for another name' });
  });

  it('is down when the peer does not speak TLS', async () => {
    const { port } = await listen(createHttpServer((_, response) => response.end()));
    const probe = createProbe({ clock });
    const result = await probe('127.0.0.1', { ...CHECK, type: 'https', port }, never);
    expect(result).toMatchObject({ ok: false, detail: 'TLS handshake failed' });
  });
});
