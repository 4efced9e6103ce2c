import { createSecureServer, createServer, type Http2Server } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpCheck } from '../../../src/core/zone/check.js';
import { certificate, hasOpenssl } from '../../support/certificate.js';
import { removeFolders } from '../../support/folder.js';
import { ask, closePeers, listen } from '../../support/peers.js';
import { until } from '../../support/until.js';

const CHECK: HttpCheck = {
  type: 'http2',
  port: 0,
  path: '/healthz',
  method: 'GET',
  status: [{ from: 200, to: 299 }],
  verify: true,
  tls: false,
};

afterEach(closePeers);

type Listener = Parameters<Http2Server['on']>[1] & ((request: never, response: never) => void);

async function serve(listener: Listener) {
  const server = createServer();
  server.on('request', listener);
  return listen(server as never);
}

describe('an http2 probe in the clear', () => {
  it('is up on a wanted status, having asked for the path, the host and the fields of the monitor', async () => {
    let seen = {};
    const { port } = await serve((request, response) => {
      const {
        ':method': method,
        ':path': path,
        ':authority': authority,
        ':scheme': scheme,
      } = request.headers;
      seen = { method, path, authority, scheme, token: request.headers['x-token'] };
      response.end('fine');
    });
    const headers = [['X-Token', 'a']] as const;
    const result = await ask({ ...CHECK, port, host: 'www.example.com', headers });
    expect(result).toMatchObject({ ok: true, detail: 'status 200' });
    expect(seen).toEqual({
      method: 'GET',
      path: '/healthz',
      authority: 'www.example.com',
      scheme: 'http',
      token: 'a',
    });
  });

  it.each<[number, string, Partial<HttpCheck>, boolean, string]>([
    [503, '', {}, false, 'status 503, want 200–299'],
    [302, '', {}, false, 'status 302, want 200–299'],
    [200, 'all ok', { body: { contains: 'ok' } }, true, 'status 200, body as wanted'],
    [200, 'all ok', { body: { contains: 'up' } }, false, 'body without "up"'],
    [200, 'all ok', { body: { matches: '^ok' } }, false, 'body without a match of ^ok'],
    [200, '', { body: { contains: 'up' } }, false, 'body without "up"'],
  ])('judges status %d with the body %j', async (status, body, changes, ok, detail) => {
    const { port } = await serve((_, response) => {
      response.writeHead(status);
      response.end(body);
    });
    expect(await ask({ ...CHECK, port, ...changes })).toMatchObject({ ok, detail });
  });

  it('is down when the peer speaks HTTP/1.1 only, says nothing, or refuses', async () => {
    const old = await listen(createTcpServer((s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    expect(await ask({ ...CHECK, port: old.port })).toMatchObject({ ok: false, detail: 'not valid HTTP/2' });
    const silent = await listen(createTcpServer((s) => s.resume()));
    expect(await ask({ ...CHECK, port: silent.port, timeoutMs: 60 })).toMatchObject({
      detail: 'timeout after 60 ms',
    });
    await until('the connection is cut', () => silent.sockets.size === 0);
  });

  it('is down when the stream is reset', async () => {
    const { port } = await serve((_, response) => response.stream.close(2));
    expect(await ask({ ...CHECK, port })).toMatchObject({ ok: false, detail: 'stream reset by the peer' });
  });
});

describe.skipIf(!hasOpenssl)('an http2 probe over TLS (needs the openssl command)', () => {
  let pair: ReturnType<typeof certificate>;
  beforeAll(() => {
    pair = certificate();
  });
  afterAll(removeFolders);

  it('checks the certificate and speaks HTTP/2', async () => {
    const server = createSecureServer(pair, (_, response) => response.end('fine'));
    server.on('sessionError', () => {});
    const { port } = await listen(server as never);
    const check = { ...CHECK, port, tls: true, host: 'www.example.com' };
    expect(await ask(check, { ca: pair.cert })).toMatchObject({ ok: true, detail: 'status 200' });
    expect(await ask(check)).toMatchObject({ ok: false, detail: 'certificate self-signed' });
    expect(await ask({ ...check, verify: false })).toMatchObject({ ok: true });
  });

  it('is down when the peer does not offer HTTP/2', async () => {
    const server = createTlsServer({ ...pair, ALPNProtocols: ['http/1.1'] }, (socket) => socket.resume());
    server.on('tlsClientError', () => {});
    const { port } = await listen(server);
    expect((await ask({ ...CHECK, port, tls: true, verify: false })).ok).toBe(false);
    const plain = await listen(createTlsServer(pair, (socket) => socket.resume()));
    expect(await ask({ ...CHECK, port: plain.port, tls: true, verify: false })).toMatchObject({
      ok: false,
      detail: 'the peer does not speak HTTP/2',
    });
  });
});
