import { afterEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ProxyTimeouts } from '../../src/core/balance/model.js';
import { Deadlines } from '../../src/proxy/deadlines.js';
import { passthroughListener } from '../../src/proxy/l4/passthrough-listener.js';
import { tcpListener } from '../../src/proxy/l4/tcp-listener.js';
import { LISTENER_EVENTS } from '../../src/proxy/listener-events.js';
import type { ProxyListener } from '../../src/proxy/proxy-listener.js';
import { UpstreamPool } from '../../src/proxy/upstream-pool.js';
import { helloMessage, records, serverName } from '../support/client-hello.js';
import { networkUnavailable, startNetwork } from '../support/network-rig.js';
import { type Seen, StreamRig } from '../support/stream-rig.js';

const LOOPBACK = [{ bytes: Uint8Array.of(127, 0, 0, 0), length: 8 }];
const LISTEN = { host: '127.0.0.1', port: 0 };

interface Setup {
  readonly fallback?: UpstreamPool;
  readonly trusted?: typeof LOOPBACK;
  readonly connections?: number;
  readonly timeouts?: Partial<ProxyTimeouts>;
}

function hello(name: string | null, size?: number): Buffer {
  return Buffer.from(records(helloMessage({ extensions: name === null ? [] : [serverName(name)] }), size));
}

function poolOf(ports: readonly number[], proxyProtocol: 'v1' | 'v2' | null = null): UpstreamPool {
  const endpoints = ports.map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 }));
  const header = proxyProtocol === null ? {} : { proxyProtocol };
  return new UpstreamPool({ name: 'p', balance: 'round_robin', endpoints, ...header }, DEFAULT_LIMITS);
}

function counted(listener: ProxyListener) {
  return LISTENER_EVENTS.flatMap((name, at) =>
    listener.counters.events[at]! > 0 ? [[name, listener.counters.events[at]!]] : [],
  );
}

describe.each(['batched', 'portable'] as const)('TLS passthrough on the %s network', (tier) => {
  const test = it.skipIf(tier === 'batched' && networkUnavailable !== undefined);
  const rig = new StreamRig();
  afterEach(() => rig.end());

  function modules({ timeouts, connections = 10 }: Setup) {
    const running = startNetwork(tier);
    rig.later(() => running.close());
    const { network } = running;
    const deadlines = new Deadlines(10, network);
    rig.later(() => deadlines.close());
    return {
      ...{ network, deadlines, shared: false, tls: null },
      timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
      limits: { ...DEFAULT_LIMITS, connections },
    };
  }

  async function serve(listener: ProxyListener): Promise<ProxyListener> {
    expect(await listener.start('listeners[0].listen')).toBeNull();
    rig.later(() => listener.destroy());
    return listener;
  }

  async function start(routes: Readonly<Record<string, UpstreamPool>>, setup: Setup = {}) {
    const pools = new Map(Object.entries(routes));
    if (setup.fallback !== undefined) pools.set('', setup.fallback);
    const model = {
      ...{ protocol: 'tls_passthrough' as const, listen: LISTEN },
      routes: Object.keys(routes).map((name) => ({ name, pool: name })),
      fallback: setup.fallback === undefined ? null : '',
      headersFrom: setup.trusted ?? [],
    };
    return serve(passthroughListener(model, pools, modules(setup)));
  }

  async function target(proxyProtocol: 'v1' | 'v2' | null = null) {
    const { port, seen } = await rig.endpoint();
    return { to: poolOf([port], proxyProtocol), seen };
  }

  /** The byte of the alert that a client got. */
  async function alertOf(client: Seen): Promise<number | undefined> {
    await vi.waitFor(() => expect(client.ended).toBe(true));
    expect([...client.bytes.subarray(0, 6)]).toEqual([21, 3, 3, 0, 2, 2]);
    return client.bytes[6];
  }

  test('leads each name to its pool, with every byte that was read', async () => {
    const [a, b] = [await target(), await target()];
    const listener = await start({ 'a.test': a.to, '*.b.test': b.to });
    const first = rig.client(listener.port);
    const second = rig.client(listener.port);
    first.socket.write(Buffer.concat([hello('a.test'), Buffer.from('early data')]));
    second.socket.write(hello('x.y.b.test', 40));
    await vi.waitFor(() => expect(a.seen[0]?.bytes.length).toBeGreaterThan(0));
    await vi.waitFor(() => expect(b.seen[0]?.bytes.length).toBeGreaterThan(0));
    a.seen[0]!.socket.write('answer');
    await vi.waitFor(() => expect(first.text).toBe('answer'));
    first.socket.end('more');
    await vi.waitFor(() => expect(a.seen[0]!.ended).toBe(true));
    a.seen[0]!.socket.end();
    await vi.waitFor(() => expect(first.closed).toBe(true));
    expect(a.seen[0]!.bytes).toEqual(
      Buffer.concat([hello('a.test'), Buffer.from('early data'), Buffer.from('more')]),
    );
    expect(b.seen[0]!.bytes).toEqual(hello('x.y.b.test', 40));
    second.socket.resetAndDestroy();
    await vi.waitFor(() =>
      expect([a.to.activeOf(0), b.to.activeOf(0), listener.counters.active]).toEqual([0, 0, 0]),
    );
    expect(counted(listener)).toEqual([]);
  });

  test('puts a ClientHello together that comes byte by byte', async () => {
    const a = await target();
    const listener = await start({ 'a.test': a.to });
    const client = rig.client(listener.port);
    const bytes = hello('a.test', 30);
    for (const byte of bytes) {
      client.socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await vi.waitFor(() => expect(a.seen[0]?.bytes).toEqual(bytes));
  });

  test.each([
    ['another name', hello('b.test'), 112, 'hello_unknown_name'],
    ['no name', hello(null), 109, 'hello_no_name'],
    ['a malformed ClientHello', hello('a.test.'), 50, 'hello_malformed'],
    ['a ClientHello without end', Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 0]), 50, 'hello_too_long'],
  ] as const)('answers %s by an alert', async (_, bytes, alert, why) => {
    const a = await target();
    const listener = await start({ 'a.test': a.to });
    const client = rig.client(listener.port);
    client.socket.write(bytes);
    expect(await alertOf(client)).toBe(alert);
    client.socket.end();
    await vi.waitFor(() => expect(listener.counters.active).toBe(0));
    expect(counted(listener)).toEqual([[why, 1]]);
  });

  test('sends both to the fallback, if there is one', async () => {
    const a = await target();
    const listener = await start({}, { fallback: a.to });
    rig.client(listener.port).socket.write(hello('b.test'));
    rig.client(listener.port).socket.write(hello(null));
    await vi.waitFor(() => expect(a.seen).toHaveLength(2));
  });

  test('closes what is no TLS, and what says nothing in time, without a word', async () => {
    const listener = await start({}, { timeouts: { headerMs: 150 } });
    const http = rig.client(listener.port);
    http.socket.write('GET / HTTP/1.1\r\n\r\n');
    await vi.waitFor(() => expect(http.closed || http.ended).toBe(true));
    const silent = rig.client(listener.port);
    await vi.waitFor(() => expect(listener.counters.active).toBe(1));
    silent.socket.write(hello('a.test').subarray(0, 50));
    await vi.waitFor(() => expect(silent.closed || silent.ended).toBe(true));
    expect([http.text, silent.text]).toEqual(['', '']);
    expect(counted(listener)).toEqual([
      ['hello_not_tls', 1],
      ['hello_late', 1],
    ]);
  });

  test('tries the next endpoint, and tells the client when none accepts', async () => {
    const { port, seen } = await rig.endpoint();
    const none = poolOf([1, 2, 3]);
    const listener = await start({ 'some.test': poolOf([1, port]), 'none.test': none });
    rig.client(listener.port).socket.write(hello('some.test'));
    await vi.waitFor(() => expect(seen[0]?.bytes).toEqual(hello('some.test')));
    const client = rig.client(listener.port);
    client.socket.write(hello('none.test'));
    expect(await alertOf(client)).toBe(80);
    expect(none.endpoints.map(({ connectFailures }) => connectFailures)).toEqual([1, 1, 1]);
    expect(counted(listener)).toEqual([['no_endpoint', 1]]);
    // Who does not close is closed.
    expect(listener.counters.active).toBe(2);
    await vi.waitFor(() => expect(listener.counters.active).toBe(1), 3000);
  });

  test('sends a PROXY header first to pools that want one', async () => {
    const [a, b] = [await target('v1'), await target('v2')];
    const listener = await start({ 'a.test': a.to, 'b.test': b.to });
    const client = rig.client(listener.port);
    client.socket.write(hello('a.test'));
    rig.client(listener.port).socket.write(hello('b.test'));
    await vi.waitFor(() => expect(a.seen[0]?.bytes.length).toBeGreaterThan(110));
    const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${listener.port}\r\n`;
    expect(a.seen[0]!.bytes).toEqual(Buffer.concat([Buffer.from(line), hello('a.test')]));
    await vi.waitFor(() => expect(b.seen[0]?.bytes.length).toBeGreaterThan(110));
    expect([...b.seen[0]!.bytes.subarray(12, 20)]).toEqual([0x21, 0x11, 0, 28, 127, 0, 0, 1]);
    expect(b.seen[0]!.text).toContain('b.test');
  });

  test('takes PROXY headers of trusted senders, in one piece or in many', async () => {
    const a = await target('v1');
    const listener = await start({ 'a.test': a.to }, { trusted: LOOPBACK });
    const line = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n';
    const whole = Buffer.concat([Buffer.from(line), hello('a.test')]);
    rig.client(listener.port).socket.write(whole);
    await vi.waitFor(() => expect(a.seen[0]?.bytes).toEqual(whole));
    const slow = rig.client(listener.port);
    for (let at = 0; at < whole.length; at += 7) {
      slow.socket.write(whole.subarray(at, at + 7));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await vi.waitFor(() => expect(a.seen[1]?.bytes).toEqual(whole));
  });

  test('closes trusted senders without a proper header, or without one in time', async () => {
    const a = await target();
    const listener = await start({}, { trusted: LOOPBACK, fallback: a.to, timeouts: { headerMs: 150 } });
    const plain = rig.client(listener.port);
    plain.socket.write(hello('a.test'));
    await vi.waitFor(() => expect(plain.closed || plain.ended).toBe(true));
    const half = rig.client(listener.port);
    half.socket.write('PROXY TCP4 192.0.2.7');
    await vi.waitFor(() => expect(listener.counters.active).toBe(1));
    await vi.waitFor(() => expect(half.closed || half.ended).toBe(true));
    await vi.waitFor(() => expect(listener.counters.active).toBe(0));
    expect(counted(listener)).toEqual([
      ['proxy_header_malformed', 1],
      ['proxy_header_late', 1],
    ]);
    expect(a.seen).toEqual([]);
  });

  test('carries much in both directions without losing a byte, also to slow readers', async () => {
    const size = 6 * 1024 * 1024;
    const { port, seen } = await rig.endpoint((socket) => socket.pipe(socket));
    const listener = await start({}, { fallback: poolOf([port]) });
    const client = rig.client(listener.port);
    client.socket.pause();
    client.socket.write(hello('a.test'));
    client.socket.end(Buffer.alloc(size, 'x'));
    await vi.waitFor(() => expect(seen[0]?.bytes.length).toBeGreaterThan(300_000));
    client.socket.resume();
    await vi.waitFor(() => expect(client.ended).toBe(true), 10_000);
    expect(client.bytes.length).toBe(size + hello('a.test').length);
    expect(listener.counters.bytesIn).toBe(listener.counters.bytesOut);
  });

  test('resets the other side when one breaks off, and ends sessions on which nothing moves', async () => {
    const a = await target();
    const listener = await start({}, { fallback: a.to, timeouts: { tunnelIdleMs: 700 } });
    const [first, second, third] = [1, 2, 3].map(() => rig.client(listener.port)) as [Seen, Seen, Seen];
    for (const client of [first, second, third]) {
      client.socket.write(hello('a.test'));
      const number = a.seen.length;
      await vi.waitFor(() => expect(a.seen[number]?.bytes.length).toBeGreaterThan(0));
    }
    a.seen[0]!.socket.resetAndDestroy();
    await vi.waitFor(() => expect(first.error).toBe('ECONNRESET'));
    second.socket.resetAndDestroy();
    await vi.waitFor(() => expect(a.seen[1]!.error).toBe('ECONNRESET'));
    await vi.waitFor(() => expect(a.seen[2]!.closed || a.seen[2]!.ended).toBe(true));
    await vi.waitFor(() => expect([listener.counters.active, a.to.activeOf(0)]).toEqual([0, 0]));
    expect(a.to.endpoints[0]!.connections).toBe(0);
  });

  test('refuses clients beyond its limit, and drains', async () => {
    const a = await target();
    const listener = await start({}, { fallback: a.to, connections: 1 });
    const client = rig.client(listener.port);
    client.socket.write(hello('a.test'));
    await vi.waitFor(() => expect(a.seen).toHaveLength(1));
    const second = rig.client(listener.port);
    await vi.waitFor(() => expect(second.closed || second.ended).toBe(true));
    expect(listener.counters.refused).toBe(1);
    let drained = false;
    listener.drain(() => {
      drained = true;
    });
    client.socket.end('last');
    await vi.waitFor(() => expect(a.seen[0]!.text.endsWith('last')).toBe(true));
    expect(drained).toBe(false);
    a.seen[0]!.socket.end();
    client.socket.end();
    await vi.waitFor(() => expect(drained).toBe(true));
  });

  test('plain TCP: headers of trusted senders come in, and headers of the pool go out', async () => {
    const a = await target('v1');
    const model = { protocol: 'tcp' as const, listen: LISTEN, pool: 'p', headersFrom: LOOPBACK };
    const listener = await serve(tcpListener(model, a.to, modules({})));
    const line = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n';
    const client = rig.client(listener.port);
    client.socket.write(`${line}with the header`);
    await vi.waitFor(() => expect(a.seen[0]?.text).toBe(`${line}with the header`));
    client.socket.write(', and after it');
    await vi.waitFor(() => expect(a.seen[0]?.text).toBe(`${line}with the header, and after it`));
    const local = rig.client(listener.port);
    local.socket.write('PROXY UNKNOWN\r\n');
    await vi.waitFor(() =>
      expect(a.seen[1]?.text).toBe(
        `PROXY TCP4 127.0.0.1 127.0.0.1 ${local.socket.localPort} ${listener.port}\r\n`,
      ),
    );
    const plain = rig.client(listener.port);
    plain.socket.write('hello');
    await vi.waitFor(() => expect(counted(listener)).toEqual([['proxy_header_malformed', 1]]));
    expect(a.seen).toHaveLength(2);
  });
});
