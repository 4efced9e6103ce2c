import { randomBytes } from 'node:crypto';
import { connect } from 'node:http2';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { COMPRESSION_CELL, LISTENER_CELL } from '../../src/proxy/cells.js';
import type { Encoders } from '../../src/proxy/compression/encoder.js';
import { ZlibEncoders } from '../../src/proxy/compression/zlib-encoders.js';
import { readMessages } from '../support/strict-http.js';
import { endHttp2, startHttp2 } from './http2-rig.js';
import {
  backend,
  client,
  endAll,
  exchange,
  httpBackend,
  inBothTiers,
  ok,
  startRig,
  waitFor,
} from './proxy-rig.js';

afterEach(endAll);
afterEach(endHttp2);

const PAGE = '<p>the same line again and again</p>\n'.repeat(2000);
const HTML = 'Content-Type: text/html\r\n';

function get(fields: string, method = 'GET'): string {
  return `${method} / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${fields}\r\n`;
}

function read(text: string) {
  const { messages, error } = readMessages(Buffer.from(text, 'latin1'), 'response');
  expect(error).toBeNull();
  expect(messages).toHaveLength(1);
  const message = messages[0]!;
  expect(message.complete).toBe(true);
  const fields = new Map(message.fields.map(([name, value]) => [name.toLowerCase(), value]));
  return { fields, body: Buffer.from(message.body, 'latin1') };
}

function chunked(body: string, size: number): string {
  let all = '';
  for (let i = 0; i < body.length; i += size) {
    const part = body.slice(i, i + size);
    all += `${part.length.toString(16)};x=1\r\n${part}\r\n`;
  }
  return `HTTP/1.1 200 OK\r\n${HTML}Transfer-Encoding: chunked\r\n\r\n${all}0\r\nX-T: 1\r\n\r\n`;
}

inBothTiers('compression', () => {
  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])('sends %s to who accepts it, with a weak ETag and without the old length', async (coding, decode) => {
    const port = await httpBackend(() => ok(PAGE, `${HTML}ETag: "v1"\r\n`));
    const rig = await startRig({ ports: [port], compression: {} });
    const { fields, body } = read(await exchange(rig.port, get(`Accept-Encoding: ${coding}\r\n`)));
    expect(Object.fromEntries(fields)).toMatchObject({
      'content-encoding': coding,
      vary: 'Accept-Encoding',
      etag: 'W/"v1"',
      'transfer-encoding': 'chunked',
    });
    expect(fields.has('content-length')).toBe(false);
    expect(decode(body).toString()).toBe(PAGE);
    expect(body.length).toBeLessThan(PAGE.length / 20);
    const cells = rig.proxy.counters[0]!.cells.subarray(LISTENER_CELL.COMPRESSION);
    expect(cells[COMPRESSION_CELL.bytes_in]).toBe(PAGE.length);
    expect(cells[COMPRESSION_CELL.bytes_out]).toBe(body.length);
    expect(cells[coding === 'gzip' ? COMPRESSION_CELL.gzip : COMPRESSION_CELL.br]).toBe(1);
  });

  it.each([
    ['chunks', chunked(PAGE, 777)],
    ['a body that ends with its connection', `HTTP/1.1 200 OK\r\n${HTML}Connection: close\r\n\r\n${PAGE}`],
  ])('compresses %s, and keeps the connection of the client', async (_, bytes) => {
    const port = await httpBackend((_head, socket) => {
      socket.write(bytes);
      if (bytes.includes('Connection: close')) socket.end();
      return null;
    });
    const rig = await startRig({ ports: [port], compression: {} });
    const twice = 'GET / HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n\r\n'.repeat(2);
    const peer = client(rig.port).send(twice);
    const text = await peer.until(
      (so) =>
        readMessages(Buffer.from(so, 'latin1'), 'response').messages.filter((m) => m.complete).length === 2,
    );
    for (const { body } of readMessages(Buffer.from(text, 'latin1'), 'response').messages) {
      expect(gunzipSync(Buffer.from(body, 'latin1')).toString()).toBe(PAGE);
    }
  });

  it.each([
    ['a client that does not accept it', get(''), ok(PAGE, HTML), 'Accept-Encoding'],
    ['a client that forbids it', get('Accept-Encoding: gzip;q=0\r\n'), ok(PAGE, HTML), 'Accept-Encoding'],
    [
      'what is compressed already',
      get('Accept-Encoding: gzip\r\n'),
      ok(PAGE, `${HTML}Content-Encoding: br\r\n`),
      undefined,
    ],
    ['what is short', get('Accept-Encoding: gzip\r\n'), ok('short', HTML), undefined],
    ['other types', get('Accept-Encoding: gzip\r\n'), ok(PAGE, 'Content-Type: image/png\r\n'), undefined],
  ])('leaves alone %s', async (_, request, answer, vary) => {
    const port = await httpBackend(() => answer);
    const rig = await startRig({ ports: [port], compression: {} });
    const { fields, body } = read(await exchange(rig.port, request));
    expect(fields.get('vary')).toBe(vary);
    expect(fields.get('content-length')).toBe(String(body.length));
    expect(answer.endsWith(body.toString('latin1'))).toBe(true);
  });

  it('a route can be left out, and HTTP/1.0 is', async () => {
    const port = await httpBackend(() => ok(PAGE, HTML));
    const rig = await startRig({
      ports: [port],
      compression: {},
      routes: [
        { match: { pathPrefix: '/plain' }, pool: 'web', compression: false },
        { match: { pathPrefix: '/' }, pool: 'web' },
      ],
    });
    const fields = 'Host: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n';
    expect(await exchange(rig.port, `GET /plain HTTP/1.1\r\n${fields}`)).not.toContain('Content-Encoding');
    expect(await exchange(rig.port, `GET / HTTP/1.0\r\n${fields}`)).not.toContain('Content-Encoding');
    expect(await exchange(rig.port, `GET / HTTP/1.1\r\n${fields}`)).toContain('Content-Encoding: gzip');
  });

  it('says for HEAD what GET would say', async () => {
    const port = await httpBackend(
      () => `HTTP/1.1 200 OK\r\n${HTML}Content-Length: 5000\r\nETag: "a"\r\n\r\n`,
    );
    const rig = await startRig({ ports: [port], compression: {} });
    const text = await exchange(rig.port, get('Accept-Encoding: gzip\r\n', 'HEAD'));
    expect(text).toContain('Content-Encoding: gzip\r\n');
    expect(text).toContain('ETag: W/"a"\r\n');
    expect(text).not.toMatch(/content-length/i);
    expect(text.endsWith('\r\n\r\n')).toBe(true);
  });

  it('passes on at once what an endpoint sends bit by bit', async () => {
    let more: () => void = () => {};
    const port = await httpBackend((_head, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${HTML}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`);
      more = () => socket.write('6\r\nsecond\r\n0\r\n\r\n');
      return null;
    });
    const rig = await startRig({ ports: [port], compression: {} });
    const peer = client(rig.port).send(get('Accept-Encoding: gzip\r\n'));
    await peer.until((text) => Buffer.from(read0(text), 'latin1').includes('first'));
    more();
    expect(gunzipSync(read(await peer.untilEnd()).body).toString()).toBe('firstsecond');
  });

  it('a client that does not read stops the endpoint, and memory stays', async () => {
    const block = randomBytes(64 * 1024);
    let sent = 0;
    const port = await backend((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${HTML}\r\n`);
        const fill = (): void => {
          while (sent < 256 * 1024 * 1024 && !socket.destroyed) {
            sent += block.length;
            if (!socket.write(block)) break;
          }
        };
        socket.on('drain', fill);
        fill();
      });
    });
    const rig = await startRig({ ports: [port], compression: {} });
    const peer = client(rig.port);
    peer.socket.pause();
    peer.send(get('Accept-Encoding: gzip\r\n'));
    let before = -1;
    let same = 0;
    await waitFor(() => {
      same = sent === before && sent > 0 ? same + 1 : 0;
      before = sent;
      return same > 40;
    }, 'the endpoint to be stopped');
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    peer.socket.destroy();
  });

  it('a response that breaks off does not look complete, and frees its encoder', async () => {
    const encoders = new ZlibEncoders();
    const port = await httpBackend((_head, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${HTML}Content-Length: 9000\r\n\r\nhalf`);
      setImmediate(() => socket.destroy());
      return null;
    });
    const rig = await startRig({ ports: [port], compression: {}, encoders });
    const peer = client(rig.port).send(get('Accept-Encoding: gzip\r\n'));
    expect((await peer.untilEnd()).endsWith('0\r\n\r\n')).toBe(false);
    expect(encoders.count).toBe(0);
  });

  it('beyond its limit the body stays as it is', async () => {
    const port = await httpBackend(() => ok(PAGE, HTML));
    const full = await startRig({ ports: [port], compression: {}, encoders: new ZlibEncoders(0) });
    const { fields } = read(await exchange(full.port, get('Accept-Encoding: gzip\r\n')));
    expect(fields.has('content-encoding')).toBe(false);
    expect(full.proxy.counters[0]!.cells[LISTENER_CELL.COMPRESSION + COMPRESSION_CELL.busy]).toBe(1);
  });

  it('where compression fails the response does not look complete', async () => {
    const port = await httpBackend(() => ok(PAGE, HTML));
    const rig = await startRig({ ports: [port], compression: {}, encoders: BROKEN });
    const peer = client(rig.port).send(get('Accept-Encoding: gzip\r\n'));
    expect((await peer.untilEnd()).endsWith('0\r\n\r\n')).toBe(false);
    expect(rig.proxy.counters[0]!.cells[LISTENER_CELL.COMPRESSION + COMPRESSION_CELL.failed]).toBe(1);
  });
});

const BROKEN: Encoders = {
  codings: new Set(['gzip']),
  open: (_options, owner) => {
    setImmediate(() => owner.onEncoderFailure('broken'));
    return { write: () => true, end() {}, pause() {}, resume() {}, cancel() {} };
  },
};

/** What a stored block holds can be read without decoding; flushed deflate of little text is a fixed block. */
function read0(text: string): string {
  const [message] = readMessages(Buffer.from(text, 'latin1'), 'response').messages;
  if (message === undefined || message.body.length < 20) return '';
  return gunzipSync(Buffer.from(message.body, 'latin1'), { finishFlush: 2 }).toString('latin1');
}

it('HTTP/2 clients get compressed bodies, and trailers behind them', async () => {
  const port = await httpBackend(() => chunked(PAGE, 5000));
  const rig = await startHttp2({ ports: [port], compression: {} });
  const session = connect(`http://127.0.0.1:${rig.port}`);
  const stream = session.request({ ':path': '/', 'accept-encoding': 'gzip, br;q=0.5' });
  const chunks: Buffer[] = [];
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on('response', (got) => {
    headers = got;
  });
  stream.on('trailers', (got) => {
    trailers = got;
  });
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  session.close();
  expect(headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
  expect(headers['transfer-encoding']).toBeUndefined();
  expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe(PAGE);
  expect(trailers['x-t']).toBe('1');
});
