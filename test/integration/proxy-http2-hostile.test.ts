import { constants } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { LISTENER_EVENT } from '../../src/proxy/listener-events.js';
import { END_HEADERS, FRAME, FrameClient, frame, GET, headerBlock, uint32 } from '../support/http2-frames.js';
import { ask, endHttp2, http2Backend, http2Client, startHttp2 } from './http2-rig.js';
import { backend, endAll, httpBackend, ok, waitFor } from './proxy-rig.js';

const clients: FrameClient[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await endHttp2();
  await endAll();
});

function hostile(port: number, preface?: boolean): FrameClient {
  const client = new FrameClient(port, preface);
  clients.push(client);
  return client;
}

const CALM = constants.NGHTTP2_ENHANCE_YOUR_CALM;

async function normalRig(timeouts = {}) {
  const port = await httpBackend(() => ok('fine'));
  return await startHttp2({ ports: [port], timeouts });
}

describe('floods end the connection, and nobody else notices', () => {
  it('rapid resets (CVE-2023-44487)', async () => {
    let asked = 0;
    const port = await http2Backend(() => {
      asked++;
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const client = hostile(rig.port);
    for (let i = 0; i < 2000; i++) {
      const stream = 1 + 2 * i;
      client.request(stream).send(frame(FRAME.rstStream, 0, stream, uint32(constants.NGHTTP2_CANCEL)));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => client.closed, 'the end');
    expect(client.goaways.at(-1)).toBe(CALM);
    expect(rig.front.ends.resets).toBe(1);
    expect(rig.counters.events[LISTENER_EVENT.http2_resets]).toBe(1);
    expect(asked).toBeLessThan(400);
    expect(rig.pool.activeOf(0)).toBe(0);
  });

  it.each([
    ['PING', frame(FRAME.ping, 0, 0, new Uint8Array(8)), 150_000, 'overhead'],
    ['PRIORITY', frame(FRAME.priority, 0, 1, new Uint8Array([0, 0, 0, 0, 1])), 150_000, 'overhead'],
    ['frames of an unknown type', frame(0x42, 0, 0, new Uint8Array(16)), 100_000, 'overhead'],
    ['SETTINGS', frame(FRAME.settings, 0, 0), 200, 'settings'],
  ] as const)('%s', async (_name, bytes, count, why) => {
    const rig = await normalRig();
    const other = http2Client(rig.port);
    expect((await ask(other, {})).body).toBe('fine');
    const client = hostile(rig.port);
    for (let sent = 0; sent < count && !client.closed; sent += 1000) {
      client.send(...Array.from({ length: Math.min(1000, count) }, () => bytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => client.closed, 'the end');
    // node:http2 has a limit of its own for answers that wait, which may come first.
    if (rig.front.ends[why] === 1) expect(client.goaways.at(-1) ?? CALM).toBe(CALM);
    else
      expect(client.goaways.at(-1) ?? constants.NGHTTP2_INTERNAL_ERROR).toBe(
        constants.NGHTTP2_INTERNAL_ERROR,
      );
    expect((await ask(other, {})).body).toBe('fine');
  });

  it('empty DATA', async () => {
    const port = await backend(() => {});
    const rig = await startHttp2({ ports: [port] });
    const client = hostile(rig.port);
    client.request(1, [[':method', 'POST'], ...GET.slice(1)], END_HEADERS);
    const empty = Array.from({ length: 5000 }, () => frame(FRAME.data, 0, 1));
    for (let i = 0; i < 60 && !client.closed; i++) {
      client.send(...empty);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await waitFor(() => client.closed, 'the end');
    expect(rig.pool.activeOf(0)).toBe(0);
  });

  it('CONTINUATION without end', async () => {
    const rig = await normalRig();
    const client = hostile(rig.port);
    client.send(frame(FRAME.headers, 1, 1, headerBlock(GET)));
    for (let i = 0; i < 500 && !client.closed; i++) {
      client.send(frame(FRAME.continuation, 0, 1, headerBlock([['x', 'y'.repeat(4000)]])));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => client.closed, 'the end');
    expect((await ask(http2Client(rig.port), {})).body).toBe('fine');
  });
});

describe('limits', () => {
  it('a head over 32 KiB or 100 lines gets a 431, one that is much larger may get a reset', async () => {
    const rig = await normalRig();
    const session = http2Client(rig.port);
    expect((await ask(session, { 'x-long': 'y'.repeat(33_000) })).status).toBe(431);
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, '1']));
    expect((await ask(session, many)).status).toBe(431);
    const client = hostile(rig.port);
    const block = headerBlock([
      ...GET,
      ...Array.from({ length: 5 }, () => ['x', 'y'.repeat(15_000)] as const),
    ]);
    client.send(frame(FRAME.headers, 1, 1, block.subarray(0, 16_000)));
    for (let at = 16_000; at < block.length; at += 16_000) {
      const last = at + 16_000 >= block.length;
      client.send(frame(FRAME.continuation, last ? END_HEADERS : 0, 1, block.subarray(at, at + 16_000)));
    }
    const refused = () => client.of(FRAME.data, 1).some(({ payload }) => String(payload).startsWith('431'));
    await waitFor(() => refused() || client.resets(1).length > 0 || client.closed, 'the refusal');
    expect((await ask(session, {})).body).toBe('fine');
  });

  it('no more than 100 streams of a connection at once', async () => {
    const silent = await backend(() => {});
    const rig = await startHttp2({ ports: [silent] });
    const client = hostile(rig.port);
    await waitFor(() => client.of(FRAME.settings).length > 0, 'the settings');
    for (let i = 0; i < 120; i++) client.request(1 + 2 * i);
    await waitFor(() => client.closed || client.resets(239).length > 0, 'the refusal');
    expect(rig.pool.activeOf(0)).toBeLessThanOrEqual(100);
  });
});

describe('slow clients', () => {
  it('that send no preface, half of one, or half a head are closed', async () => {
    const rig = await normalRig({ headerMs: 100, clientIdleMs: 100 });
    const silent = hostile(rig.port, false);
    const half = hostile(rig.port, false).send(Buffer.from('PRI * HTTP'));
    const head = hostile(rig.port).send(frame(FRAME.headers, 1, 1, headerBlock(GET)));
    await waitFor(() => silent.closed && half.closed && head.closed, 'the end of all');
    expect(rig.front.ends.no_preface).toBe(2);
  });

  it('that rest are told, and closed', async () => {
    const rig = await normalRig({ clientIdleMs: 100 });
    const client = hostile(rig.port).request(1);
    await waitFor(() => client.closed, 'the end');
    expect(client.of(FRAME.data, 1).length).toBeGreaterThan(0);
    expect(client.goaways.at(-1)).toBe(constants.NGHTTP2_NO_ERROR);
    expect(rig.front.ends.idle).toBe(1);
  });

  it('that send no body get a 408', async () => {
    const silent = await backend(() => {});
    const rig = await startHttp2({ ports: [silent], timeouts: { clientIdleMs: 100 } });
    const stream = http2Client(rig.port).request({ ':path': '/', ':method': 'POST' });
    stream.on('error', () => {});
    const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])));
    expect(status).toBe(408);
    await waitFor(() => rig.pool.activeOf(0) === 0, 'the end of the call');
  });

  it('that do not read lose their stream, and the endpoint is let go', async () => {
    let ended = false;
    const port = await backend((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n');
        socket.write(Buffer.alloc(10_000_000));
      });
      socket.on('close', () => {
        ended = true;
      });
    });
    const rig = await startHttp2({ ports: [port], timeouts: { clientIdleMs: 200 } });
    // No window: nothing of a body may be sent.
    const client = hostile(rig.port);
    client.send(frame(FRAME.settings, 0, 0, new Uint8Array([0, 4, 0, 0, 0, 0]))).request(1);
    await waitFor(() => client.resets(1).length > 0, 'the reset');
    await waitFor(() => ended, 'the end at the endpoint');
    expect(client.of(FRAME.data, 1)).toEqual([]);
    expect(rig.pool.activeOf(0)).toBe(0);
    expect(rig.records[0]?.end).toBe('aborted');
  });
});

describe('hygiene', () => {
  it.each<[string, Record<string, string>, number]>([
    ['Host other than :authority', { ':authority': 'a.test', host: 'b.test' }, 400],
    ['an authority with a user', { ':authority': 'u@a.test' }, 400],
    ['a fragment', { ':path': '/#a' }, 400],
    ['a bad escape', { ':path': '/%zz' }, 400],
    ['another scheme', { ':scheme': 'ftp' }, 400],
    ['TRACE', { ':method': 'TRACE' }, 405],
    ['no route', { ':path': '/a/../nowhere' }, 404],
  ])('refuses %s', async (_name, headers, status) => {
    const rig = await normalRig();
    expect(await ask(http2Client(rig.port), headers)).toMatchObject({ status, rstCode: 0 });
    expect(rig.counters.unrouted[4]).toBe(1);
  });

  it('takes an equal Host beside :authority', async () => {
    const rig = await normalRig();
    expect((await ask(http2Client(rig.port), { ':authority': 'a.test', host: 'A.test' })).status).toBe(200);
  });

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['a field of the connection', [...GET, ['connection', 'x']]],
    ['transfer-encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['te other than trailers', [...GET, ['te', 'gzip']]],
    ['an upper-case name', [...GET, ['X-A', '1']]],
    ['an absolute path', [...GET.filter(([name]) => name !== ':path'), [':path', 'http://b.test/']]],
    ['an asterisk without OPTIONS', [...GET.filter(([name]) => name !== ':path'), [':path', '*']]],
    ['a pseudo header after others', [...GET.slice(1), ['x', 'y'], [':method', 'GET']]],
    ['two paths', [...GET, [':path', '/b']]],
    ['an unknown pseudo header', [...GET, [':x', 'y']]],
    ['no path', GET.filter(([name]) => name !== ':path')],
    ['no method', GET.slice(1)],
    ['an extended CONNECT', [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)]],
    ['a length and no body', [...GET, ['content-length', '3']]],
    ['two lengths', [...GET, ['content-length', '0'], ['content-length', '0']]],
  ])('lets no request through with %s', async (_name, fields) => {
    let asked = 0;
    const port = await httpBackend(() => {
      asked++;
      return ok('');
    });
    const rig = await startHttp2({ ports: [port] });
    const client = hostile(rig.port).request(1, fields);
    const over = () => client.resets(1).length > 0 || client.of(FRAME.headers, 1).length > 0 || client.closed;
    await waitFor(over, 'the refusal');
    expect(asked).toBe(0);
  });

  it('never passes on a field that could be read as two', async () => {
    let head = '';
    const port = await httpBackend((text) => {
      head = text;
      return ok('');
    });
    const rig = await startHttp2({ ports: [port] });
    const fields = [...GET, ['x-a', 'b\r\nx-evil: c'], ['x-b\r\nx-evil', 'c'], ['x:y', '1']] as const;
    const client = hostile(rig.port).request(1, fields);
    await waitFor(() => client.of(FRAME.headers, 1).length > 0 || client.resets(1).length > 0, 'the answer');
    expect(head).not.toMatch(/evil|x:y/);
  });

  it('refuses CONNECT with a 405', async () => {
    const rig = await normalRig();
    const session = http2Client(rig.port);
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'a.test:80' });
    stream.on('error', () => {});
    expect(await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])))).toBe(
      405,
    );
    stream.close();
  });

  it('a body that is longer or shorter than its length never looks complete', async () => {
    let text = '';
    const port = await backend((socket) => {
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const head = [[':method', 'POST'], ...GET.slice(1), ['content-length', '5']] as const;
    const short = hostile(rig.port)
      .request(1, head, END_HEADERS)
      .send(frame(FRAME.data, 1, 1, Buffer.from('abc')));
    const long = hostile(rig.port)
      .request(1, head, END_HEADERS)
      .send(frame(FRAME.data, 1, 1, Buffer.from('abcdefg')));
    await waitFor(() => short.resets(1).length > 0 && long.resets(1).length > 0, 'the resets');
    expect(text).not.toContain('abcde');
    await waitFor(() => rig.pool.activeOf(0) === 0, 'the end of the calls');
  });
});
