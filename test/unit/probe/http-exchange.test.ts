import { createServer, type RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpCheck } from '../../../src/core/zone/check.js';
import { requestText } from '../../../src/probe/http-request.js';
import { ask, closePeers, listen, listenRaw } from '../../support/peers.js';

afterEach(closePeers);

const CHECK: HttpCheck = {
  type: 'http',
  port: 80,
  path: '/',
  method: 'GET',
  status: [{ from: 200, to: 399 }],
  verify: true,
};

async function askHttp(listener: RequestListener, changes: Partial<HttpCheck> = {}) {
  const { port } = await listen(createServer(listener));
  return ask({ ...CHECK, port, ...changes });
}

async function askRaw(parts: readonly string[], changes: Partial<HttpCheck> = {}, timeoutMs = 3000) {
  const { port } = await listenRaw(...parts);
  return ask({ ...CHECK, port, ...changes, timeoutMs });
}

describe('requestText()', () => {
  it.each<[string, string, Partial<HttpCheck>, string]>([
    ['the address and its port', '192.0.2.1', { port: 8080 }, 'Host: 192.0.2.1:8080'],
    ['no port where it is the scheme’s', '192.0.2.1', {}, 'Host: 192.0.2.1\r\n'],
    ['no port where it is that of https', '192.0.2.1', { type: 'https', port: 443 }, 'Host: 192.0.2.1\r\n'],
    ['brackets around IPv6', '2001:db8::1', { port: 443 }, 'Host: [2001:db8::1]:443'],
    [
      'the monitor’s host as it is',
      '192.0.2.1',
      { host: 'www.example.com:81' },
      'Host: www.example.com:81\r\n',
    ],
  ])('names %s', (_, host, changes, line) => {
    expect(requestText(host, { ...CHECK, ...changes })).toContain(line);
  });

  it('has the monitor’s fields, which take the place of its own User-Agent and Accept', () => {
    const headers = [
      ['X-Token', 'a b'],
      ['user-agent', 'me'],
      ['ACCEPT', 'text/html'],
    ] as const;
    expect(requestText('192.0.2.1', { ...CHECK, headers })).toBe(
      'GET / HTTP/1.1\r\nHost: 192.0.2.1\r\nX-Token: a b\r\nuser-agent: me\r\nACCEPT: text/html\r\nConnection: close\r\n\r\n',
    );
  });

  it('says that a POST has no body', () => {
    expect(requestText('192.0.2.1', { ...CHECK, method: 'POST' })).toContain('\r\nContent-Length: 0\r\n');
  });

  it.each<[string, Partial<HttpCheck>]>([
    ['a path', { path: '/a\r\nX: y' }],
    ['a host', { host: 'a\r\nX: y' }],
    ['a header', { headers: [['X', 'a\nY: z']] }],
    ['a name', { headers: [['X\r\nY', 'a']] }],
    ['a path with a space', { path: '/a b' }],
  ])('throws on %s that would make another request of it', (_, changes) => {
    expect(() => requestText('192.0.2.1', { ...CHECK, ...changes })).toThrow('no request can carry');
  });
});

describe('the body of an http probe', () => {
  const body = { contains: '"status":"ok"' };
  const fine = '{"status":"ok"}';

  it.each<[string, RequestListener, boolean, string]>([
    ['with the text', (_, response) => response.end(fine), true, 'status 200, body as wanted'],
    ['without it', (_, response) => response.end('{}'), false, 'body without "\\"status\\":\\"ok\\""'],
    ['that is empty', (_, response) => response.end(), false, 'body without "\\"status\\":\\"ok\\""'],
    [
      'of a wrong status',
      (_, response) => response.writeHead(503).end(fine),
      false,
      'status 503, want 200–399',
    ],
    [
      'in chunks',
      (_, response) => {
        for (const character of fine) response.write(character);
        response.end();
      },
      true,
      'status 200, body as wanted',
    ],
    [
      'with the text behind the first 5,120 bytes',
      (_, response) => response.end(`${' '.repeat(5108)}${fine}`),
      false,
      'body without "\\"status\\":\\"ok\\""',
    ],
    [
      'with the text at the end of the first 5,120 bytes',
      (_, response) => response.end(`${' '.repeat(5106)}${fine}${' '.repeat(9000)}`),
      true,
      'status 200, body as wanted',
    ],
    [
      'that goes on without end behind the text',
      (_, response) => response.write(fine),
      true,
      'status 200, body as wanted',
    ],
  ])('%s is judged', async (_, listener, ok, detail) => {
    expect(await askHttp(listener, { body })).toMatchObject({ ok, detail });
  });

  it.each<[string, string, boolean]>([
    ['^(ok|up)\\b', 'ok, all of it', true],
    ['^(ok|up)\\b', 'not ok', false],
    ['(?i)HEALTHY$', 'quite healthy', true],
    ['healthy$', 'healthy not', false],
    ['ü', 'für', true],
  ])('with the pattern %s against %j: %s', async (matches, text, ok) => {
    const result = await askHttp((_, response) => response.end(text), { body: { matches } });
    expect(result.ok).toBe(ok);
    expect(result.detail).toBe(ok ? 'status 200, body as wanted' : `body without a match of ${matches}`);
  });

  it('asks a pattern only about the whole, not about what has come by then', async () => {
    const parts = ['HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nok', ' not'];
    expect(await askRaw(parts, { body: { matches: 'ok$' } })).toMatchObject({ ok: false });
  });

  it('answers within milliseconds to a pattern and a body that would take others for ever', async () => {
    const text = `${'a'.repeat(5000)}b`;
    const result = await askHttp((_, response) => response.end(text), { body: { matches: '^(a+)+$' } });
    expect(result.ok).toBe(false);
    expect(result.elapsedMs).toBeLessThan(1500);
  });

  it('that is cut off is judged by what came', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n';
    expect(await askRaw([`${head}${fine}`], { body })).toMatchObject({ ok: true });
    expect(await askRaw([`${head}{`], { body })).toMatchObject({ ok: false });
  });

  it.each([
    ['a chunk without a size', 'Transfer-Encoding: chunked\r\n\r\nxyz\r\n', 'chunk_size'],
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'length_many'],
    [
      'a length and chunks',
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'length_and_encoding',
    ],
  ])('with %s is no response', async (_, rest, code) => {
    const result = await askRaw([`HTTP/1.1 200 OK\r\n${rest}`], { body: { contains: 'zzz' } });
    expect(result).toMatchObject({ ok: false, detail: `not a valid HTTP response: ${code}` });
  });
});

describe('the head of an http probe', () => {
  it.each<[string, readonly string[], string]>([
    ['in one piece', ['HTTP/1.1 204 No Content\r\n\r\n'], 'status 204'],
    ['byte by byte', [...'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n'], 'status 204'],
    ['without a reason', ['HTTP/1.1 204\r\n\r\n'], 'status 204'],
    ['of HTTP/1.0', ['HTTP/1.0 200 OK\r\n\r\nhello'], 'status 200'],
    [
      'behind interim responses',
      ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 X\r\n\r\n'],
      'status 204',
    ],
    [
      'behind an interim response of its own',
      ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 2', '04 X\r\n\r\n'],
      'status 204',
    ],
  ])('is read %s', async (_, parts, detail) => {
    expect(await askRaw(parts)).toMatchObject({ ok: true, detail });
  });

  it.each<[string, string, string]>([
    ['interim responses without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(20), 'too many interim ones'],
    ['a bare LF', 'HTTP/1.1 200 OK\nX: y\n\n', 'bare_lf'],
    ['HTTP/2 unasked', 'HTTP/2.0 200 OK\r\n\r\n', 'version'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'status_line'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n', 'obs_fold'],
  ])('with %s is refused', async (_, text, detail) => {
    expect(await askRaw([text])).toMatchObject({ ok: false, detail: `not a valid HTTP response: ${detail}` });
  });

  it('is limited to 16 KiB, however slowly it comes', async () => {
    const filler = `X: ${'a'.repeat(997)}\r\n`;
    const parts = ['HTTP/1.1 200 OK\r\n', ...Array.from({ length: 17 }, () => filler)];
    expect(await askRaw(parts)).toMatchObject({ ok: false, detail: 'response head too large' });
  });
});
