import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { endProxyPrograms, type ProxyProgram, startProxyProgram, TIERS } from '../support/proxy-program.js';

const has = (program: string, option: string): boolean =>
  spawnSync(program, [option], { stdio: 'ignore' }).error === undefined;
const KIND = { 'content-type': 'text/plain' } as const;

/** An endpoint of node:http and ws: it tells what it was asked, and echoes messages. */
async function startEndpoint(): Promise<{ readonly port: number; close(): void }> {
  const server: Server = createServer((request, response) => {
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
    });
    request.on('end', () => {
      const { method, url, httpVersion, headers } = request;
      const said = JSON.stringify({ method, url, httpVersion, length, headers });
      if (url === '/trailers') {
        response.writeHead(200, { ...KIND, trailer: 'x-sum' });
        response.write('with trailers');
        response.addTrailers({ 'x-sum': '13' });
        response.end();
      } else if (url === '/nothing') {
        response.writeHead(204).end();
      } else {
        response.writeHead(200, { ...KIND, 'content-length': said.length }).end(said);
      }
    });
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 8 * 1024 * 1024 });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code) => closedWith.push(code));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

const closedWith: number[] = [];

interface Said {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly length: number;
  readonly headers: Readonly<Record<string, string>>;
}

describe.each(TIERS)('with io: %s,', (io) => {
  let endpoint: Awaited<ReturnType<typeof startEndpoint>>;
  let proxy: ProxyProgram;
  let large: string;

  beforeAll(async () => {
    endpoint = await startEndpoint();
    proxy = await startProxyProgram({ io, ports: [endpoint.port] });
    large = join(temporaryFolder(), 'large');
    writeFileSync(large, Buffer.alloc(3_000_000, 'x'));
  });
  afterAll(async () => {
    await endProxyPrograms();
    endpoint.close();
    removeFolders();
  });

  const url = (path: string): string => `http://127.0.0.1:${proxy.port}${path}`;

  describe.skipIf(!has('curl', '--version'))('curl (skipped where it is not installed)', () => {
    /** Head and body, as curl prints them with -i; stderr holds what `-v` tells. */
    async function curl(
      ...args: readonly string[]
    ): Promise<{ head: string; body: string; stderr: string; code: number | null }> {
      const { stdout, stderr, code } = await run('curl', [
        '-s',
        '-S',
        '-i',
        '--max-time',
        '20',
        '--noproxy',
        '*',
        ...args,
      ]);
      const at = stdout.lastIndexOf('\r\n\r\n');
      return { head: stdout.slice(0, at), body: stdout.slice(at + 4), stderr, code };
    }
    const said = (body: string): Said => JSON.parse(body) as Said;

    it('gets an answer with HTTP/1.1, and says who asked', async () => {
      const { head, body, code } = await curl(url('/a/./b?c=d'));
      expect(code).toBe(0);
      expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(head).toMatch(/\r\nvia: 1\.1 meridian/i);
      expect(said(body)).toMatchObject({ method: 'GET', url: '/a/b?c=d', httpVersion: '1.1' });
      expect(said(body).headers).toMatchObject({
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        via: '1.1 meridian',
      });
    });

    it('gets an answer with HTTP/1.0, and the endpoint is asked with HTTP/1.1', async () => {
      const { head, body, code } = await curl('--http1.0', url('/old'));
      expect(code).toBe(0);
      expect(head).not.toMatch(/transfer-encoding/i);
      expect(said(body)).toMatchObject({ httpVersion: '1.1', headers: { via: '1.0 meridian' } });
    });

    it('gets no body with HEAD, and its length all the same', async () => {
      const { stdout, code } = await run('curl', ['-s', '-I', '--max-time', '20', url('/head')]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/content-length: \d{2,}/i);
      expect(stdout.endsWith('\r\n\r\n')).toBe(true);
    });

    it('uploads in chunks', async () => {
      const { body, code } = await curl(
        '-H',
        'Transfer-Encoding: chunked',
        '-H',
        'Expect:',
        '--data-binary',
        `@${large}`,
        url('/up'),
      );
      expect(code).toBe(0);
      expect(said(body)).toMatchObject({
        method: 'POST',
        length: 3_000_000,
        headers: { 'transfer-encoding': 'chunked' },
      });
    });

    it('uploads with a length', async () => {
      const { body, code } = await curl('-H', 'Expect:', '-T', large, url('/put'));
      expect(code).toBe(0);
      expect(said(body)).toMatchObject({
        method: 'PUT',
        length: 3_000_000,
        headers: { 'content-length': '3000000' },
      });
    });

    it('waits for 100 Continue of the endpoint', async () => {
      const { head, body, stderr, code } = await curl(
        '-v',
        '-H',
        'Expect: 100-continue',
        '--expect100-timeout',
        '15',
        '--data-binary',
        `@${large}`,
        url('/expect'),
      );
      expect(code).toBe(0);
      expect(stderr).toMatch(/< HTTP\/1\.1 100 Continue/);
      expect(stderr).not.toMatch(/Done waiting for 100-continue/);
      expect(head).toMatch(/HTTP\/1\.1 200 OK/);
      expect(said(body).length).toBe(3_000_000);
    });

    it('gets trailers', async () => {
      const { stdout, code } = await run('curl', [
        '-s',
        '-i',
        '--raw',
        '--max-time',
        '20',
        '-H',
        'TE: trailers',
        url('/trailers'),
      ]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/\r\n0\r\nx-sum: 13\r\n\r\n$/i);
    });

    it('asks several times on one connection', async () => {
      const { stderr, code } = await curl('-v', url('/1'), url('/nothing'), url('/2'));
      expect(code).toBe(0);
      expect(stderr.match(/Re-using existing connection/gi)).toHaveLength(2);
    });

    it('switches protocols only if the endpoint does', async () => {
      const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
      const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', ...key].flatMap((line) => ['-H', line]);
      const { stdout } = await run('curl', ['-s', '-i', '-N', '--max-time', '1', ...upgrade, url('/ws')]);
      expect(stdout).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
      expect(stdout).toMatch(/sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
      const h2c = await curl('--http2', url('/h2c'));
      expect(h2c.head).toMatch(/^HTTP\/1\.1 200 OK/);
      expect(said(h2c.body).headers).not.toHaveProperty('upgrade');
    });

    it('asks by an absolute target, as of a proxy', async () => {
      const { body, code } = await curl(
        '--noproxy',
        '',
        '-x',
        `127.0.0.1:${proxy.port}`,
        'http://www.example.com/absolute',
      );
      expect(code).toBe(0);
      expect(said(body)).toMatchObject({ url: '/absolute', headers: { host: 'www.example.com' } });
    });
  });

  describe.skipIf(!has('wrk', '--version'))('wrk (skipped where it is not installed)', () => {
    it.each([
      ['keeping', []],
      ['closing', ['-H', 'Connection: close']],
    ])('finds no error while %s connections', async (_, more) => {
      const { stdout, code } = await run('wrk', ['-t1', '-c32', '-d1s', ...more, url('/')]);
      expect(code).toBe(0);
      expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
      expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(50);
    });
  });

  describe.skipIf(!has('h2load', '--version'))('h2load (skipped where it is not installed)', () => {
    it('finds no error with HTTP/1.1, pipelined by four', async () => {
      const { stdout, code } = await run('h2load', ['--h1', '-n2000', '-c16', '-m4', url('/')]);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored/,
      );
    });
  });

  describe('a WebSocket client', () => {
    async function opened(): Promise<WebSocket> {
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/ws`, { perMessageDeflate: false });
      await new Promise((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      });
      return socket;
    }
    const next = (socket: WebSocket): Promise<Buffer> =>
      new Promise((resolve) => socket.once('message', (data) => resolve(data as Buffer)));

    it('gets every message back, small and large, in both forms', async () => {
      const socket = await opened();
      for (const message of [
        Buffer.from('hello'),
        Buffer.alloc(0),
        Buffer.alloc(70_000, 1),
        Buffer.alloc(5_000_000, 2),
      ]) {
        socket.send(message);
        expect((await next(socket)).equals(message)).toBe(true);
      }
      socket.send('text');
      expect((await next(socket)).toString()).toBe('text');
      socket.terminate();
    });

    it('gets a hundred messages that are on their way together in order', async () => {
      const socket = await opened();
      const got: string[] = [];
      const all = new Promise<void>((resolve) => {
        socket.on('message', (data) => {
          got.push(String(data));
          if (got.length === 100) resolve();
        });
      });
      for (let i = 0; i < 100; i++) socket.send(`message ${i}`);
      await all;
      expect(got).toEqual(Array.from({ length: 100 }, (_, i) => `message ${i}`));
      socket.terminate();
    });

    it('pings, and closes with a code that both sides see', async () => {
      const socket = await opened();
      const pong = new Promise((resolve) => socket.once('pong', resolve));
      socket.ping();
      await pong;
      closedWith.length = 0;
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.close(4_000, 'enough');
      expect(await closed).toBe(4_000);
      await vi.waitFor(() => expect(closedWith).toEqual([4_000]));
    });
  });
});
