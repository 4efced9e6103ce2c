import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { resetStream } from '../../src/proxy/h2/reset.js';
import { ask, endHttp2, gather, http2Backend, http2Client, startHttp2 } from './http2-rig.js';
import { backend, endAll, httpBackend, ok, waitFor } from './proxy-rig.js';

afterEach(async () => {
  await endHttp2();
  await endAll();
});

describe('HTTP/2 clients and HTTP/1.1 endpoints', () => {
  it('get the response, and the endpoint gets the rewritten head', async () => {
    const heads: string[] = [];
    const port = await httpBackend((head) => {
      heads.push(head);
      return ok('hello', 'Connection: keep-alive\r\nX-One: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n');
    });
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    const answer = await ask(session, {
      ':path': '/a/../b?q',
      ':authority': 'x.test',
      cookie: ['a=1', 'b=2'],
    });
    expect(answer).toMatchObject({ status: 200, body: 'hello', complete: true, rstCode: 0 });
    expect(answer.headers).toMatchObject({ 'x-one': '1', 'set-cookie': ['a', 'b'], via: '1.1 meridian' });
    expect(answer.headers.connection).toBeUndefined();
    expect(heads[0]).toMatch(/^GET \/b\?q HTTP\/1\.1\r\nHost: x\.test\r\n/);
    expect(heads[0]).toContain('cookie: a=1; b=2\r\n');
    expect(heads[0]).toContain('Via: 2.0 meridian\r\n');
    expect(heads[0]).toContain('X-Forwarded-For: 127.0.0.1\r\n');
    await waitFor(() => rig.records.length === 1, 'the record');
    expect(rig.records[0]).toMatchObject({
      method: 'GET',
      host: 'x.test',
      path: '/b',
      status: 200,
      pool: 'web',
      endpoint: `127.0.0.1:${port}`,
      attempts: 1,
      bytesOut: 5,
      end: 'complete',
      reason: 'none',
    });
    expect(rig.counters.classesOf('web')[2]).toBe(1);
  });

  it('that send no more are closed once they have their answers', async () => {
    const port = await httpBackend(() => ok('late'));
    const rig = await startHttp2({ ports: [port] });
    const socket = connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true });
    const session = connectHttp2('http://x.test', { createConnection: () => socket });
    expect((await ask(session, {})).body).toBe('late');
    expect(rig.front.size).toBe(1);
    socket.end();
    await waitFor(() => rig.front.size === 0, 'its connection');
  });

  it('count as in progress until they end, whatever way', async () => {
    const port = await httpBackend((head) => (head.startsWith('GET /held') ? null : ok('well')));
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    const held = [1, 2].map(() => session.request({ ':path': '/held' }));
    for (const stream of held) stream.on('error', () => {});
    await waitFor(() => rig.counters.inFlight === 2, 'two');
    expect((await ask(session, {})).status).toBe(200);
    await waitFor(() => rig.counters.inFlight === 2, 'the third to end');
    for (const stream of held) stream.close(constants.NGHTTP2_CANCEL);
    await waitFor(() => rig.counters.inFlight === 0, 'the end of all');
  });

  it('share kept connections, one request at a time', async () => {
    let connections = 0;
    const port = await backend((socket) => {
      connections++;
      socket.on('data', () => socket.write(ok('x')));
    });
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    for (let i = 0; i < 5; i++) expect((await ask(session, {})).status).toBe(200);
    expect(connections).toBe(1);
    await Promise.all(Array.from({ length: 5 }, () => ask(session, {})));
    expect(connections).toBe(5);
  });

  it('use idle connections where an endpoint may have no more', async () => {
    const port = await httpBackend(() => ok('x'));
    const rig = await startHttp2({ ports: [port], limits: { upstreamConnections: 1 } });
    const session = http2Client(rig.port);
    for (let i = 0; i < 3; i++) expect((await ask(session, {})).status).toBe(200);
    expect(rig.pool.endpoints[0]).toMatchObject({ connections: 1, connecting: 0, spare: 1 });
  });

  it('may send a body with and without a length, and trailers', async () => {
    const bodies: string[] = [];
    const port = await backend((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (!/\r\n\r\n(?:abc|3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n)$/.test(text)) return;
        bodies.push(text);
        text = '';
        socket.write(ok('thanks'));
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    const sized = await ask(session, { ':method': 'POST', 'content-length': 3 }, 'abc');
    const chunked = await ask(session, { ':method': 'POST' }, 'abc', { 'x-t': '1' });
    expect([sized.body, chunked.body]).toEqual(['thanks', 'thanks']);
    expect(bodies[0]).toContain('content-length: 3\r\n');
    expect(bodies[1]).toContain('Transfer-Encoding: chunked\r\n');
  });

  it('get chunked bodies with their trailers, interim responses, and heads alone', async () => {
    const port = await httpBackend((head) => {
      if (head.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n';
      if (head.startsWith('GET /204')) return 'HTTP/1.1 204 No Content\r\n\r\n';
      return (
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Two: 2\r\n\r\n'
      );
    });
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    const answer = await ask(session, {});
    expect(answer).toMatchObject({ status: 200, body: 'abc', trailers: { 'x-sum': '7', 'x-two': '2' } });
    expect(answer.interim[0]).toMatchObject({ ':status': 103, link: '</a>' });
    expect(answer.headers['transfer-encoding']).toBeUndefined();
    const head = await ask(session, { ':method': 'HEAD' });
    expect(head).toMatchObject({ status: 200, endStreamOnHead: true, headers: { 'content-length': '99' } });
    expect(await ask(session, { ':path': '/204' })).toMatchObject({ status: 204, endStreamOnHead: true });
  });

  it('see a reset where a response breaks off, and never a clean end', async () => {
    const port = await backend((socket) => {
      socket.on('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
        setTimeout(() => socket.destroy(), 20);
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const answer = await ask(http2Client(rig.port), {});
    expect(answer).toMatchObject({ status: 200, rstCode: constants.NGHTTP2_INTERNAL_ERROR, complete: false });
    expect(rig.counters.aborted).toBe(1);
    expect(rig.records[0]?.end).toBe('aborted');
  });

  it('get a 502, 503 or 504 of ours', async () => {
    const broken = await httpBackend(() => 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n');
    const silent = await backend(() => {});
    const refused = await startHttp2({ ports: [1] });
    const invalid = await startHttp2({ ports: [broken] });
    const late = await startHttp2({ ports: [silent], responseMs: 50 });
    expect(await ask(http2Client(refused.port), {})).toMatchObject({
      status: 502,
      body: '502 no connection to an endpoint of pool web: connect_failed\n',
    });
    expect((await ask(http2Client(invalid.port), {})).status).toBe(502);
    expect((await ask(http2Client(late.port), {})).status).toBe(504);
    await waitFor(() => late.records.length === 1, 'the record');
    expect(late.records[0]).toMatchObject({ end: 'answered', status: 504, reason: 'response_timeout' });
  });

  it('get redirects and fixed responses of routes', async () => {
    const rig = await startHttp2({ ports: [1] });
    const session = http2Client(rig.port);
    const headers = { location: '/else', 'content-length': '4' };
    expect(await ask(session, { ':path': '/own' })).toMatchObject({ status: 302, body: 'gone', headers });
    expect(await ask(session, { ':path': '/own', ':method': 'HEAD' })).toMatchObject({
      status: 302,
      headers,
      endStreamOnHead: true,
    });
    expect(await ask(session, { ':path': '/own', ':method': 'POST' }, 'x'.repeat(99_999))).toMatchObject({
      status: 302,
      rstCode: 0,
    });
    await waitFor(() => rig.records.length === 3, 'the records');
    expect(rig.records[0]).toMatchObject({ end: 'answered', status: 302, pool: null, reason: 'redirect' });
  });

  it('are sent to the next endpoint where one refuses connections', async () => {
    const port = await httpBackend(() => ok('here'));
    const rig = await startHttp2({ ports: [1, port] });
    const session = http2Client(rig.port);
    for (let i = 0; i < 4; i++) expect((await ask(session, { ':method': 'POST' }, 'x')).status).toBe(200);
  });

  it('get one more try where a kept connection turns out to be closed', async () => {
    const port = await backend((socket, number) => {
      let requests = 0;
      socket.on('data', () => {
        requests++;
        if (number === 0 && requests === 2) socket.destroy();
        else socket.write(ok(`${number}`));
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const session = http2Client(rig.port);
    expect((await ask(session, {})).body).toBe('0');
    expect((await ask(session, {})).body).toBe('1');
  });

  it('can leave: the endpoint sees it', async () => {
    let closed = false;
    const port = await backend((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
      socket.on('end', () => {
        closed = true;
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const stream = http2Client(rig.port).request({ ':path': '/' });
    stream.on('error', () => {});
    stream.once('data', () => stream.close(constants.NGHTTP2_CANCEL));
    await waitFor(() => closed, 'the close');
    expect(rig.records[0]).toMatchObject({ end: 'cancelled', status: 200, reason: 'client_closed' });
    expect(rig.pool.activeOf(0)).toBe(0);
  });
});

describe('bodies', () => {
  it('of a megabyte pass both ways, byte for byte', async () => {
    const port = await http2Backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const body = Buffer.alloc(3_000_000, 'abcdefghij');
    const answer = await ask(http2Client(rig.port), { ':method': 'POST' }, body);
    expect(answer.body.length).toBe(body.length);
    expect(answer.body === body.toString()).toBe(true);
  });

  it('stop where the reader stops', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const port = await backend((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
        const more = (): void => {
          while (sent < 100_000_000 && socket.write(chunk)) sent += chunk.length;
        };
        socket.on('drain', more);
        more();
      });
    });
    const rig = await startHttp2({ ports: [port] });
    const stream = http2Client(rig.port).request({ ':path': '/' });
    stream.on('error', () => {});
    await new Promise((resolve) => stream.once('response', resolve));
    let before = -1;
    await waitFor(() => {
      const still = before === sent;
      before = sent;
      return still && sent > 0;
    }, 'the sender to stop');
    await new Promise((resolve) => setTimeout(resolve, 200));
    // What the kernel's buffers hold, and a little of ours.
    expect(sent).toBeLessThan(20_000_000);
    stream.close();
  });

  it('that a client cuts do not look complete to the endpoint', async () => {
    let text = '';
    let ended = false;
    const port = await backend((socket) => {
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('end', () => {
        ended = true;
      });
    });
    const rig = await startHttp2({ ports: [port] });
    for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR]) {
      text = '';
      ended = false;
      const head = { ':path': '/', ':method': 'POST' };
      const stream = http2Client(rig.port).request(head, { waitForTrailers: true });
      stream.on('error', () => {});
      stream.write('abc');
      await waitFor(() => text.includes('abc'), 'the body');
      resetStream(stream, code);
      await waitFor(() => ended, 'the end');
      expect(text).not.toContain('0\r\n\r\n');
    }
  });

  it('that nobody wants are refused with an answer, then a reset without an error', async () => {
    const rig = await startHttp2({ ports: [1] });
    const stream = http2Client(rig.port).request({ ':path': '/nowhere', ':method': 'POST' });
    stream.write(Buffer.alloc(200_000));
    const answer = await gather(stream);
    expect(answer).toMatchObject({
      status: 404,
      body: '404 no route takes this host and path\n',
      rstCode: 0,
    });
  });
});

describe('HTTP/2 endpoints', () => {
  it('get the request as HTTP/2, with trailers both ways and interim responses', async () => {
    const seen: unknown[] = [];
    const port = await http2Backend((stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 200, 'x-one': '1' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
      stream.on('trailers', (trailers) => seen.push(headers, trailers));
      stream.on('data', (chunk) => stream.write(chunk));
      stream.on('end', () => stream.end());
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const session = http2Client(rig.port);
    const answer = await ask(session, { ':method': 'POST', ':path': '/p?q', 'x-a': 'b' }, 'abc', {
      'x-t': '1',
    });
    expect(answer).toMatchObject({ status: 200, body: 'abc', trailers: { 'x-sum': '7' }, complete: true });
    expect(answer.interim[0]).toMatchObject({ ':status': 103 });
    expect(answer.headers.via).toBe('2.0 meridian');
    expect(seen[0]).toMatchObject({
      ':method': 'POST',
      ':path': '/p?q',
      ':scheme': 'http',
      ':authority': `127.0.0.1:${rig.port}`,
      'x-a': 'b',
      'x-forwarded-for': '127.0.0.1',
    });
    expect(seen[1]).toMatchObject({ 'x-t': '1' });
  });

  it('share one connection for many streams', async () => {
    let sessions = 0;
    const port = await http2Backend((stream) => stream.respond({ ':status': 200 }, { endStream: true }), {
      onSession: () => sessions++,
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const session = http2Client(rig.port);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(session, {})));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(sessions).toBe(1);
    expect(rig.pool.endpoints[0]!.connections).toBe(1);
  });

  it('get no more streams on a connection than they allow', async () => {
    let open = 0;
    let most = 0;
    let sessions = 0;
    const port = await http2Backend(
      (stream, _headers, session) => {
        const count = Reflect.get(session, 'open') ?? 0;
        Reflect.set(session, 'open', count + 1);
        most = Math.max(most, count + 1);
        open++;
        setTimeout(() => {
          Reflect.set(session, 'open', Reflect.get(session, 'open') - 1);
          stream.respond({ ':status': 200 }, { endStream: true });
        }, 30);
      },
      { settings: { maxConcurrentStreams: 2 }, onSession: () => sessions++ },
    );
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const session = http2Client(rig.port);
    expect((await ask(session, {})).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(session, {})));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(open).toBe(11);
    expect(most).toBeLessThanOrEqual(2);
    expect(sessions).toBeLessThanOrEqual(16);
  });

  it('that are full let requests wait in the queue of the pool', async () => {
    const port = await http2Backend(
      (stream) => {
        setTimeout(() => stream.respond({ ':status': 200 }, { endStream: true }), 20);
      },
      { settings: { maxConcurrentStreams: 1 } },
    );
    const queue = { size: 10, timeoutMs: 5000 };
    const pool = { limits: { connections: 1 }, queue };
    const rig = await startHttp2({ ports: [port], protocol: 'h2c', pool });
    const session = http2Client(rig.port);
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(session, {})));
    expect(answers.map(({ status, body }) => [status, body])).toEqual(
      Array.from({ length: 5 }, () => [200, '']),
    );
    expect(rig.pool.endpoints[0]).toMatchObject({ connections: 1, connecting: 0, spare: 1 });
  });

  it('that refuse a stream are asked again, with the body', async () => {
    let asked = 0;
    const port = await http2Backend((stream) => {
      if (++asked === 1) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const answer = await ask(http2Client(rig.port), { ':method': 'POST' }, 'abc');
    expect(answer).toMatchObject({ status: 200, body: 'abc' });
    await waitFor(() => rig.records.length === 1, 'the record');
    expect(rig.records[0]).toMatchObject({ attempts: 2 });
  });

  it('that go away are left, and called again on a new connection', async () => {
    let sessions = 0;
    const port = await http2Backend(
      (stream, _headers, session) => {
        stream.respond({ ':status': 200 }, { endStream: true });
        session.close();
      },
      { onSession: () => sessions++ },
    );
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const session = http2Client(rig.port);
    for (let i = 0; i < 5; i++) expect((await ask(session, {})).status).toBe(200);
    expect(sessions).toBeGreaterThan(1);
  });

  it.each([
    ['CANCEL', constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM, constants.NGHTTP2_ENHANCE_YOUR_CALM],
    ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR, constants.NGHTTP2_INTERNAL_ERROR],
    ['NO_ERROR', constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_INTERNAL_ERROR],
  ])('that reset a response with %s make a reset for the client', async (_name, theirs, ours) => {
    const port = await http2Backend((stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.write('half');
      setTimeout(() => resetStream(stream, theirs), 30);
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const answer = await ask(http2Client(rig.port), {});
    expect(answer).toMatchObject({ status: 200, rstCode: ours });
  });

  it('that answer early end the upload', async () => {
    const port = await http2Backend((stream) => {
      stream.respond({ ':status': 413 });
      stream.end('too much');
    });
    const rig = await startHttp2({ ports: [port], protocol: 'h2c' });
    const stream = http2Client(rig.port).request({ ':path': '/', ':method': 'POST' });
    stream.write(Buffer.alloc(100_000));
    expect(await gather(stream)).toMatchObject({ status: 413, body: 'too much', rstCode: 0 });
  });

  it('that speak no HTTP/2 give a 502', async () => {
    const port = await httpBackend(() => ok('x'));
    const plain = await backend((socket) => socket.on('data', () => socket.end('HTTP/1.1 400 No\r\n\r\n')));
    const silent = await backend(() => {});
    for (const [ports, status] of [
      [[port], 502],
      [[plain], 502],
      [[silent], 504],
    ] as const) {
      const rig = await startHttp2({ ports, protocol: 'h2c', timeouts: { connectMs: 100 } });
      expect((await ask(http2Client(rig.port), {})).status).toBe(status);
    }
  });
});

describe('a drain', () => {
  it('lets streams in progress end, takes none after them, and ends', async () => {
    let answer: () => void = () => {};
    const port = await backend((socket) => {
      socket.on('data', () => {
        answer = () => socket.write(ok('late'));
      });
    });
    const rig = await startHttp2({ ports: [port], timeouts: { headerMs: 100 } });
    const session = http2Client(rig.port);
    const asked = ask(session, {});
    await waitFor(() => rig.pool.activeOf(0) === 1, 'the request');
    const drained = rig.front.drain();
    await new Promise((resolve) => setTimeout(resolve, 200));
    answer();
    expect((await asked).body).toBe('late');
    await drained;
    expect(rig.front.size).toBe(0);
  });
});
