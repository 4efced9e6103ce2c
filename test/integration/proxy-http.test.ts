import { afterEach, expect, it } from 'vitest';
import {
  backend,
  CHECK,
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

const GET = 'GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n';
const GET_CLOSE = 'GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n';

/** Body of a response with Content-Length or of any that ends the connection. */
function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

inBothTiers('an HTTP request', () => {
  it('reaches the endpoint with its hop-by-hop fields removed and forwarding fields added', async () => {
    let seen = '';
    const port = await httpBackend((head) => {
      seen = head;
      return ok(
        'hello',
        'X-Own: kept\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n',
      );
    });
    const rig = await startRig({ ports: [port] });
    const text = await exchange(
      rig.port,
      'GET /a/../b?x=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: t\r\nConnection: close, x-secret\r\n' +
        'X-Secret: 1\r\nX-Forwarded-For: 6.6.6.6\r\nAccept: */*\r\n\r\n',
    );
    expect(seen).toBe(
      'GET /b?x=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: t\r\nAccept: */*\r\n' +
        'X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: www.example.com\r\n' +
        'Forwarded: for=127.0.0.1;host=www.example.com;proto=http\r\nVia: 1.1 meridian\r\n\r\n',
    );
    expect(text).toBe(
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Own: kept\r\nVia: 1.1 meridian\r\nConnection: close\r\n\r\nhello',
    );
  });

  it('believes earlier hops only of trusted peers', async () => {
    let seen = '';
    const port = await httpBackend((head) => {
      seen = head;
      return ok('x');
    });
    const rig = await startRig({ ports: [port], trusted: ['127.0.0.0/8'] });
    await exchange(rig.port, GET_CLOSE.replace('\r\n\r\n', '\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'));
    expect(seen).toContain('X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n');
  });

  it('is answered in order when several are pipelined', async () => {
    const port = await httpBackend((head, socket) => {
      const path = head.split(' ')[1]!;
      // The first is the slowest: an unordered proxy would send it last.
      setTimeout(() => socket.write(ok(path)), path === '/1' ? 40 : 0);
      return null;
    });
    const rig = await startRig({ ports: [port, port] });
    const requests = [1, 2, 3, 4, 5].map((n) => GET.replace('GET / ', `GET /${n} `)).join('');
    const raw = client(rig.port).send(requests);
    const text = await raw.until((t) => t.endsWith('/5'));
    expect(text.match(/\r\n\r\n\/\d/g)?.map((body) => body.trim())).toEqual(['/1', '/2', '/3', '/4', '/5']);
  });

  it('reuses one connection to the endpoint for several clients', async () => {
    let connections = 0;
    const port = await backend((socket) => {
      connections++;
      socket.on('data', () => socket.write(ok('x')));
    });
    const rig = await startRig({ ports: [port] });
    for (let i = 0; i < 5; i++) await exchange(rig.port, GET_CLOSE);
    expect(connections).toBe(1);
  });

  it('gets 400 for a target that is not valid', async () => {
    const rig = await startRig({ ports: [await httpBackend(() => ok('x'))] });
    expect(await exchange(rig.port, 'GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });

  it.each([
    ['HEAD', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['204', GET, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ])('has no body in its response: %s', async (_, request, response) => {
    let count = 0;
    const port = await httpBackend(() => (count++ === 0 ? response : ok('second')));
    const rig = await startRig({ ports: [port] });
    const text = await exchange(rig.port, request + GET_CLOSE);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toHaveLength(2);
    expect(text.endsWith('\r\n\r\nsecond')).toBe(true);
  });

  it('sees interim responses before the final one', async () => {
    const port = await httpBackend(
      () => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok('done')}`,
    );
    const rig = await startRig({ ports: [port] });
    const text = await exchange(rig.port, GET_CLOSE);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 103', 'HTTP/1.1 100', 'HTTP/1.1 200']);
    expect(text.endsWith('done')).toBe(true);
  });

  it('is served to HTTP/1.0 without chunks and with an end of the connection', async () => {
    const port = await httpBackend(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n',
    );
    const rig = await startRig({ ports: [port] });
    const text = await exchange(rig.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(bodyOf(text)).toBe('abcde');
  });
});

inBothTiers('a body', () => {
  it('passes byte for byte in both ways, chunked with extensions and trailers', async () => {
    const sent = '5;a="b"\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\nX-Sum: 12\r\n\r\n';
    const port = await backend((socket) => {
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk.toString('latin1');
        const body = all.slice(all.indexOf('\r\n\r\n') + 4);
        if (!body.endsWith('X-Sum: 12\r\n\r\n')) return;
        socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
      });
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const byte of sent) {
      raw.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bodyOf(await raw.until((t) => t.endsWith('X-Sum: 12\r\n\r\n')))).toBe(sent);
  });

  it('waits for 100 Continue of the endpoint', async () => {
    const port = await backend((socket) => {
      socket.once('data', (head) => {
        expect(head.toString()).toContain('Expect: 100-continue');
        socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        socket.once('data', (body) => socket.write(ok(body.toString().toUpperCase())));
      });
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(
      'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n',
    );
    await raw.until((t) => t.startsWith('HTTP/1.1 100'));
    raw.send('abc');
    expect(await raw.until((t) => t.endsWith('ABC'))).toContain('HTTP/1.1 200 OK');
  });

  it('of 32 MB comes whole to a slow reader, while the proxy holds only a little of it', async () => {
    const size = 32 * 1024 * 1024;
    const block = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const port = await backend((socket) => {
      const pump = (): void => {
        while (sent < size) {
          sent += block.length;
          if (!socket.write(block)) return;
        }
      };
      socket.on('drain', pump);
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        pump();
      });
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port);
    let received = 0;
    raw.socket.removeAllListeners('data');
    raw.socket.on('data', (chunk) => {
      received += chunk.length;
    });
    raw.socket.pause();
    raw.send(GET);
    await waitFor(() => sent > 0, 'the first bytes');
    let before = -1;
    await waitFor(() => {
      const still = sent === before;
      before = sent;
      return still;
    }, 'the stream to stall');
    // Socket buffers of the kernel hold some MB on each of the two hops; the proxy itself nearly nothing.
    expect(sent).toBeLessThan(size);
    expect(rig.proxy.listeners[0]!.counters.bytesOut).toBeLessThan(size);
    raw.socket.resume();
    await waitFor(() => received > size, 'the rest');
    expect(sent).toBe(size);
  });

  it('of a slow endpoint stops the client', async () => {
    let socketAtBackend: import('node:net').Socket | undefined;
    const size = 32 * 1024 * 1024;
    const port = await backend((socket) => {
      socketAtBackend = socket;
      socket.pause();
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    raw.send(Buffer.alloc(size));
    const counters = rig.proxy.listeners[0]!.counters;
    let before = -1;
    await waitFor(() => {
      const still = counters.bytesIn > 0 && counters.bytesIn === before;
      before = counters.bytesIn;
      return still;
    }, 'the upload to stall');
    expect(counters.bytesIn).toBeLessThan(size);
    let got = 0;
    socketAtBackend!.on('data', (chunk) => {
      got += chunk.length;
      if (got >= size) socketAtBackend!.write(ok('thanks'));
    });
    socketAtBackend!.resume();
    await raw.until((t) => t.endsWith('thanks'));
  });
});

inBothTiers('an endpoint that closes early', () => {
  const RESPONSES = [
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n',
  ];

  it.each(RESPONSES)('never gives a complete-looking response: %j', async (response) => {
    let cut = 0;
    let close = (): void => {};
    const headLength = response.indexOf('\r\n\r\n') + 4;
    const port = await backend((socket) => {
      close = () => socket.end();
      socket.once('data', () => {
        socket.write(response.slice(0, cut));
        if (cut < headLength || cut === response.length) close();
      });
    });
    const rig = await startRig({ ports: [port] });
    for (cut = 0; cut < response.length; cut++) {
      const raw = client(rig.port).send(GET_CLOSE);
      // A client on libuv takes a reset that comes together with data for an orderly end.
      if (cut >= headLength) {
        await raw.until((t) => t.includes('\r\n\r\n'));
        close();
      }
      const text = await raw.untilEnd();
      if (cut < headLength) expect(text, `cut at ${cut}`).toMatch(/^HTTP\/1.1 502 /);
      else expect(raw.error?.code, `cut at ${cut}: ${text}`).toBe('ECONNRESET');
    }
    cut = response.length;
    expect(await exchange(rig.port, GET_CLOSE)).toMatch(/^HTTP\/1.1 200 /);
  });

  it('is asked again on a new connection if it closed an idle one', async () => {
    let requests = 0;
    const port = await backend((socket, number) => {
      socket.on('data', () => {
        requests++;
        // The first connection dies on its second request, as if it had been closed while idle.
        if (number === 0 && requests > 1) socket.destroy();
        else socket.write(ok(`connection ${number}`));
      });
    });
    const rig = await startRig({ ports: [port] });
    expect(await exchange(rig.port, GET_CLOSE)).toContain('connection 0');
    expect(await exchange(rig.port, GET_CLOSE)).toContain('connection 1');
    expect(requests).toBe(3);
  });

  it('is not asked again for a POST', async () => {
    let requests = 0;
    const port = await backend((socket) => {
      socket.on('data', () => {
        if (++requests > 1) socket.destroy();
        else socket.write(ok('x'));
      });
    });
    const rig = await startRig({ ports: [port] });
    await exchange(rig.port, GET_CLOSE);
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    expect(await exchange(rig.port, post)).toMatch(/^HTTP\/1.1 502 /);
    expect(requests).toBe(2);
  });

  it('ends a response without length cleanly, and the connection with it', async () => {
    const port = await backend((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(GET);
    expect(await raw.untilEnd()).toMatch(/Connection: close\r\n\r\nuntil the end$/);
    expect(raw.error).toBeNull();
  });
});

inBothTiers('a pool', () => {
  async function names(count: number): Promise<number[]> {
    return Promise.all(Array.from({ length: count }, (_, i) => httpBackend(() => ok(`endpoint ${i}`))));
  }

  async function picks(port: number, count: number): Promise<string[]> {
    const found: string[] = [];
    for (let i = 0; i < count; i++) found.push(bodyOf(await exchange(port, GET_CLOSE)));
    return found.sort();
  }

  it('goes round over healthy endpoints only', async () => {
    const ports = await names(3);
    const rig = await startRig({ ports, pool: { health: CHECK } });
    expect(await picks(rig.port, 6)).toEqual([0, 0, 1, 1, 2, 2].map((n) => `endpoint ${n}`));
    rig.checker.set(`web/127.0.0.1:${ports[1]}`, false);
    expect(await picks(rig.port, 4)).toEqual([0, 0, 2, 2].map((n) => `endpoint ${n}`));
    rig.checker.set(`web/127.0.0.1:${ports[1]}`, true);
    expect(new Set(await picks(rig.port, 6)).size).toBe(3);
  });

  it('answers 503 with its name when nothing is up, and keeps the client', async () => {
    const ports = await names(1);
    const rig = await startRig({ ports, pool: { health: CHECK } });
    rig.checker.set(`web/127.0.0.1:${ports[0]}`, false);
    const text = await exchange(rig.port, GET + GET_CLOSE);
    expect(text.match(/^HTTP\/1.1 503 .*$/gm)).toHaveLength(2);
    expect(text).toContain('pool web has no healthy endpoint');
  });

  it('tries the next endpoint when one refuses', async () => {
    const [alive] = await names(1);
    const dead = await deadPort();
    const rig = await startRig({ ports: [dead, alive!] });
    expect(await picks(rig.port, 4)).toEqual(Array.from({ length: 4 }, () => 'endpoint 0'));
    expect(rig.proxy.pools.get('web')!.endpoints[0]!.connectFailures).toBeGreaterThan(0);
  });

  it('answers 502 when all refuse', async () => {
    const rig = await startRig({ ports: [await deadPort(), await deadPort()] });
    const answer = await exchange(rig.port, GET_CLOSE);
    expect(answer).toMatch(/^HTTP\/1.1 502 [\s\S]*no connection to an endpoint of pool web/);
    expect(answer).not.toContain('127.0.0.1:');
  });

  it('answers 503 when its endpoints are at their limit of connections', async () => {
    const port = await backend(() => {});
    const rig = await startRig({ ports: [port], limits: { upstreamConnections: 1 } });
    client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.endpoints[0]!.connections === 1, 'the first request');
    expect(await exchange(rig.port, GET_CLOSE)).toMatch(/^HTTP\/1.1 503 [\s\S]*limit of connections/);
  });
});

/** A port that nobody listens on: it was free a moment ago. */
async function deadPort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as import('node:net').AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

inBothTiers('time', () => {
  it('ends a head that does not arrive with 408', async () => {
    const rig = await startRig({ ports: [1], timeouts: { headerMs: 80 } });
    expect(await client(rig.port).send('GET / HTTP/1.1\r\nHo').untilEnd()).toMatch(/^HTTP\/1.1 408 /);
  });

  it('ends a body that does not arrive with 408', async () => {
    const port = await backend((socket) => socket.resume());
    const rig = await startRig({ ports: [port], timeouts: { clientIdleMs: 80 } });
    const raw = client(rig.port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc');
    expect(await raw.untilEnd()).toMatch(/^HTTP\/1.1 408 /);
  });

  it('ends a silent endpoint with 504', async () => {
    const port = await backend((socket) => socket.resume());
    const rig = await startRig({ ports: [port], timeouts: { responseMs: 80 } });
    expect(await exchange(rig.port, GET_CLOSE)).toMatch(/^HTTP\/1.1 504 /);
  });

  it.each([
    ['together with the head', ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc']],
    ['after the head', ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n', 'abc']],
  ])('ends an endpoint that is silent after a body with 504: %s', async (_when, parts) => {
    let came = '';
    const port = await backend((socket) =>
      socket.on('data', (chunk) => {
        came += String(chunk);
      }),
    );
    const rig = await startRig({ ports: [port], timeouts: { responseMs: 80 } });
    const raw = client(rig.port);
    for (const part of parts) {
      raw.send(part);
      await waitFor(() => came.endsWith(part.slice(-3)), 'the endpoint to get it');
    }
    await waitFor(() => raw.text.startsWith('HTTP/1.1 504 '), 'the answer');
  });

  it('aborts a response that stops in the middle', async () => {
    const port = await backend((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234'));
    });
    const rig = await startRig({ ports: [port], timeouts: { responseMs: 80 } });
    const raw = client(rig.port).send(GET);
    await raw.closed();
    expect(raw.error?.code).toBe('ECONNRESET');
  });

  it('closes idle clients and idle endpoints', async () => {
    let backendClosed = false;
    const port = await backend((socket) => {
      socket.on('data', () => socket.write(ok('x')));
      socket.on('end', () => {
        backendClosed = true;
      });
    });
    const rig = await startRig({ ports: [port], timeouts: { clientIdleMs: 80, upstreamIdleMs: 80 } });
    const raw = client(rig.port).send(GET);
    expect(await raw.untilEnd()).toMatch(/x$/);
    await waitFor(() => backendClosed, 'the end of the idle connection');
    expect(rig.proxy.pools.get('web')!.endpoints[0]!.connections).toBe(0);
  });
});

inBothTiers('an upgrade', () => {
  const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  it('becomes a tunnel after 101, with early bytes of both sides', async () => {
    const port = await backend((socket) => {
      let all = '';
      socket.on('data', (chunk) => {
        const before = all;
        all += chunk.toString();
        if (before === '') {
          expect(all).toContain('Connection: upgrade\r\nUpgrade: websocket\r\n');
          socket.write(`${SWITCHED}hello`);
        }
        if (all.includes('early')) socket.write(`[${all.slice(all.indexOf('early'))}]`);
      });
      socket.on('end', () => socket.end('bye'));
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(`${UPGRADE}early`);
    await raw.until((t) => t.includes('hello') && t.includes('[early]'));
    raw.send('+more');
    await raw.until((t) => t.includes('[early+more]'));
    raw.socket.end();
    expect(await raw.untilEnd()).toMatch(/bye$/);
    await waitFor(() => rig.proxy.pools.get('web')!.activeOf(0) === 0, 'the tunnel to be forgotten');
  });

  it('that the endpoint declines is a plain response', async () => {
    const rig = await startRig({ ports: [await httpBackend(() => ok('no'))] });
    const raw = client(rig.port).send(UPGRADE + GET);
    const text = await raw.until((t) => (t.match(/no/g) ?? []).length === 2);
    expect(text).not.toContain('101');
  });

  it('to h2c is not passed on', async () => {
    let seen = '';
    const port = await httpBackend((head) => {
      seen = head;
      return ok('x');
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n',
    );
    await raw.until((t) => t.endsWith('x'));
    expect(seen).not.toMatch(/upgrade|http2/i);
  });

  it('that nobody asked for is a 502', async () => {
    const rig = await startRig({ ports: [await httpBackend(() => SWITCHED)] });
    expect(await exchange(rig.port, GET_CLOSE)).toMatch(/^HTTP\/1.1 502 /);
  });
});

inBothTiers('a client', () => {
  it('that leaves takes the request to the endpoint with it', async () => {
    let closed = false;
    let asked = false;
    const port = await backend((socket) => {
      socket.on('data', () => {
        asked = true;
      });
      socket.on('close', () => {
        closed = true;
      });
      socket.on('end', () => socket.end());
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(GET);
    await waitFor(() => asked, 'the request');
    raw.socket.resetAndDestroy();
    await waitFor(() => closed, 'the end at the endpoint');
    expect(rig.proxy.pools.get('web')!.activeOf(0)).toBe(0);
    expect(rig.proxy.listeners[0]!.counters.active).toBe(0);
  });

  it('that half-closes after its request still gets the response', async () => {
    const port = await httpBackend((_, socket) => {
      setTimeout(() => socket.write(ok('late')), 30);
      return null;
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send(GET);
    raw.socket.end();
    expect(await raw.untilEnd()).toMatch(/late$/);
  });

  it('beyond the limit of connections is refused and counted', async () => {
    const rig = await startRig({ ports: [1], limits: { connections: 1 } });
    client(rig.port);
    await waitFor(() => rig.proxy.listeners[0]!.counters.active === 1, 'the first client');
    await client(rig.port).untilEnd();
    expect(rig.proxy.listeners[0]!.counters.refused).toBe(1);
  });
});

inBothTiers('an attacker', () => {
  it('gets one answer to each of thousands of pipelined requests that have no endpoint', async () => {
    const port = await backend(() => {});
    const rig = await startRig({ ports: [port], pool: { health: CHECK } });
    rig.checker.set(`web/127.0.0.1:${port}`, false);
    const count = 5_000;
    const text = await exchange(rig.port, GET.repeat(count) + GET_CLOSE);
    expect(text.match(/HTTP\/1\.1 503/g)).toHaveLength(count + 1);
  });

  it('has the request behind a refused one ignored', async () => {
    let asked = 0;
    const port = await httpBackend(() => {
      asked++;
      return ok('x');
    });
    const rig = await startRig({ ports: [port] });
    const smuggled =
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    const text = await exchange(rig.port, smuggled + GET);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(asked).toBe(0);
  });

  it('breaks only its own connection with a bad chunk', async () => {
    const port = await backend((socket) => {
      socket.on('data', (chunk) => {
        if (chunk.toString().startsWith('GET')) socket.write(ok('fine'));
      });
    });
    const rig = await startRig({ ports: [port] });
    const other = client(rig.port).send(GET);
    await other.until((t) => t.endsWith('fine'));
    const bad = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
    expect(await exchange(rig.port, bad)).toMatch(/^HTTP\/1.1 400 /);
    other.send(GET);
    await other.until((t) => (t.match(/fine/g) ?? []).length === 2);
  });
});

inBothTiers('an early response', () => {
  it('reaches a client that is still sending, and ends the connection after it', async () => {
    const port = await backend((socket) => {
      socket.once('data', () => {
        socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
        socket.resume();
      });
    });
    const rig = await startRig({ ports: [port] });
    const raw = client(rig.port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n');
    raw.send(Buffer.alloc(50_000));
    expect(await raw.untilEnd()).toMatch(/^HTTP\/1.1 413 [\s\S]*no$/);
    expect(raw.error).toBeNull();
  });
});

inBothTiers('drain', () => {
  it('refuses new clients, ends idle ones, and lets a request end', async () => {
    let answer: (() => void) | null = null;
    const port = await httpBackend((_, socket) => {
      answer = () => socket.write(ok('finished'));
      return null;
    });
    const rig = await startRig({ ports: [port] });
    const idle = client(rig.port);
    const busy = client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.activeOf(0) === 1, 'the request');
    await waitFor(() => answer !== null, 'the request at the endpoint');
    const closed = rig.drain(5_000);
    expect(await idle.untilEnd()).toBe('');
    const late = client(rig.port);
    await late.closed();
    expect(late.error?.code).toBe('ECONNREFUSED');
    (answer as (() => void) | null)?.();
    idle.socket.end();
    expect(await busy.untilEnd()).toMatch(/Connection: close\r\n\r\nfinished$/);
    busy.socket.end();
    await closed;
  });

  it('cuts what has not ended in time', async () => {
    const rig = await startRig({ ports: [await backend((socket) => socket.resume())] });
    const raw = client(rig.port).send(GET);
    await waitFor(() => rig.proxy.pools.get('web')!.activeOf(0) === 1, 'the request');
    await rig.drain(50);
    expect(await raw.untilEnd()).toBe('');
  });
});
