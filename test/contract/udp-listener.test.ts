import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createProxyHeader, readProxyHeader } from '../../src/core/proxy-protocol/v2.js';
import type { UdpEndpoint } from '../../src/proxy/l4/udp-flow.js';
import { UdpListener, type UdpOptions, type UdpPool } from '../../src/proxy/l4/udp-listener.js';
import { LISTENER_EVENT } from '../../src/proxy/listener-events.js';
import { startDatagrams } from '../support/datagram-rig.js';
import { networkUnavailable } from '../support/network-rig.js';

interface TestEndpoint extends UdpEndpoint {
  up: boolean;
}

/** Endpoints in turn, of those that are up. */
class RoundPool implements UdpPool {
  readonly endpoints: TestEndpoint[];
  active = 0;
  readonly keySource = null;
  readonly results: number[] = [];
  #turn = 0;

  constructor(ports: readonly number[]) {
    this.endpoints = ports.map((port, index) => ({
      ...{ index, addresses: [{ host: '127.0.0.1', port }], connections: 0, connectFailures: 0, up: true },
    }));
  }

  pick(): TestEndpoint | string {
    const up = this.endpoints.filter((endpoint) => endpoint.up);
    return up[this.#turn++ % up.length] ?? 'none_up';
  }

  enter(): void {
    this.active++;
  }

  leave(): void {
    this.active--;
  }

  result(_endpoint: UdpEndpoint, status: number): void {
    this.results.push(status);
  }

  serve(): void {}
}

describe.each(['batched', 'portable'] as const)('a UDP listener on the %s network', (tier) => {
  const test = it.skipIf(tier === 'batched' && networkUnavailable !== undefined);
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  async function start(pool: UdpPool, options: Partial<UdpOptions> = {}, connections = 100) {
    const running = startDatagrams(tier);
    cleanups.push(() => running.close());
    const listen = { host: '127.0.0.1', port: 0 };
    const listener = new UdpListener(
      {
        ...{ listen, shared: false, pool, proxyProtocol: false },
        ...{ idleMs: 60_000, flowsPerSource: 100, answers: 0, ...options },
      },
      { network: running.network, limits: { connections }, hashKeys: [7, 8] },
    );
    expect(await listener.start('listeners[0].listen')).toBeNull();
    cleanups.push(() => listener.destroy());
    const counted = () =>
      Object.fromEntries(
        Object.entries(LISTENER_EVENT).flatMap(([name, at]) =>
          listener.counters.events[at]! > 0 ? [[name, listener.counters.events[at]!]] : [],
        ),
      );
    return { listener, counted };
  }

  async function socket() {
    const made: Socket = createSocket('udp4');
    const got: Buffer[] = [];
    const from: number[] = [];
    made.on('message', (bytes, { port }) => {
      got.push(bytes);
      from.push(port);
    });
    made.on('error', () => {});
    made.bind(0, '127.0.0.1');
    await once(made, 'listening');
    let open = true;
    const close = () => {
      if (open) made.close();
      open = false;
    };
    cleanups.push(close);
    const texts = () => got.map((bytes) => bytes.toString('latin1'));
    return { socket: made, got, from, texts, port: made.address().port, close };
  }

  /** Answers with its name in front. */
  async function endpoint(name: string) {
    const made = await socket();
    made.socket.on('message', (bytes, from) => made.socket.send(`${name}:${bytes}`, from.port, from.address));
    return made;
  }

  /** Sends, and waits for the answer. */
  async function ask(client: Awaited<ReturnType<typeof socket>>, port: number, text: string) {
    const before = client.got.length;
    client.socket.send(text, port);
    await vi.waitFor(() => expect(client.got.length).toBe(before + 1));
    return client.texts().at(-1);
  }

  test('keeps each client at one endpoint, and brings answers to whom they are for', async () => {
    const [a, b] = [await endpoint('a'), await endpoint('b')];
    const pool = new RoundPool([a.port, b.port]);
    const { listener, counted } = await start(pool);
    const [first, second] = [await socket(), await socket()];
    expect(await ask(first, listener.port, '1')).toBe('a:1');
    expect(await ask(second, listener.port, '2')).toBe('b:2');
    expect(await ask(first, listener.port, '3')).toBe('a:3');
    expect(await ask(second, listener.port, '4')).toBe('b:4');
    expect(first.from.every((port) => port === listener.port)).toBe(true);
    expect([listener.counters.active, pool.active, pool.endpoints[0]!.connections]).toEqual([2, 2, 1]);
    expect([listener.counters.bytesIn, listener.counters.bytesOut]).toEqual([4, 12]);
    expect(counted()).toEqual({ datagrams_in: 4, datagrams_out: 4 });
    listener.destroy();
    expect([listener.counters.active, pool.active, pool.endpoints[0]!.connections]).toEqual([0, 0, 0]);
  });

  test('passes on what endpoints send by themselves, and datagrams without bytes', async () => {
    const backend = await socket();
    const { listener } = await start(new RoundPool([backend.port]));
    const client = await socket();
    client.socket.send('', listener.port);
    await vi.waitFor(() => expect(backend.got).toHaveLength(1));
    for (let i = 0; i < 20; i++) backend.socket.send(`${i}`, backend.from[0]!);
    await vi.waitFor(() => expect(client.texts()).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`)));
  });

  test('moves a client when its endpoint goes down', async () => {
    const [a, b] = [await endpoint('a'), await endpoint('b')];
    const pool = new RoundPool([a.port, b.port]);
    const { listener } = await start(pool);
    const client = await socket();
    expect(await ask(client, listener.port, '1')).toBe('a:1');
    pool.endpoints[0]!.up = false;
    expect(await ask(client, listener.port, '2')).toBe('b:2');
    expect(pool.endpoints.map(({ connections }) => connections)).toEqual([0, 1]);
    pool.endpoints[1]!.up = false;
    client.socket.send('3', listener.port);
    await vi.waitFor(() => expect(listener.counters.events[LISTENER_EVENT.dropped_no_endpoint]).toBe(1));
  });

  test('takes an ICMP error for a failure, and tries another endpoint with the next datagram', async () => {
    const [gone, b] = [await socket(), await endpoint('b')];
    gone.close();
    const pool = new RoundPool([gone.port, b.port]);
    const { listener } = await start(pool);
    const client = await socket();
    client.socket.send('lost', listener.port);
    await vi.waitFor(() => expect(listener.counters.events[LISTENER_EVENT.flow_unreachable]).toBe(1));
    expect([pool.endpoints[0]!.connectFailures, pool.results]).toEqual([1, [0]]);
    expect(listener.counters.active).toBe(0);
    expect(await ask(client, listener.port, 'again')).toBe('b:again');
    expect(pool.results).toEqual([0, 200]);
  });

  test('ends flows on which nothing moves, and those that had their answers', async () => {
    const a = await endpoint('a');
    const idle = await start(new RoundPool([a.port]), { idleMs: 60 });
    const client = await socket();
    await ask(client, idle.listener.port, '1');
    await vi.waitFor(() => expect(idle.listener.counters.active).toBe(0));
    expect(idle.counted()).toMatchObject({ flow_expired: 1 });
    const once = await start(new RoundPool([a.port]), { answers: 1 });
    await ask(client, once.listener.port, '2');
    expect(once.listener.counters.active).toBe(0);
    expect(await ask(client, once.listener.port, '3')).toBe('a:3');
  });

  test('lets flows without a live client give way first, and spares those in use', async () => {
    const a = await endpoint('a');
    const { listener, counted } = await start(new RoundPool([a.port]), {}, 2);
    const [regular, second, third, fourth] = [await socket(), await socket(), await socket(), await socket()];
    await ask(regular, listener.port, '1');
    await ask(regular, listener.port, '2');
    await ask(second, listener.port, '3');
    await ask(third, listener.port, '4');
    expect(counted()).toMatchObject({ flow_displaced: 1 });
    expect(listener.counters.active).toBe(2);
    await ask(third, listener.port, '5');
    // Both are assured now.
    fourth.socket.send('6', listener.port);
    await vi.waitFor(() => expect(counted()).toMatchObject({ flow_displaced: 1, dropped_full: 1 }));
    expect(await ask(regular, listener.port, '7')).toBe('a:7');
    expect(fourth.got).toEqual([]);
  });

  test('gives one client so many flows and no more', async () => {
    const a = await endpoint('a');
    const { listener, counted } = await start(new RoundPool([a.port]), { flowsPerSource: 2 });
    const [first, second, third] = [await socket(), await socket(), await socket()];
    await ask(first, listener.port, '1');
    await ask(second, listener.port, '2');
    third.socket.send('3', listener.port);
    await vi.waitFor(() => expect(counted()).toMatchObject({ dropped_source: 1 }));
    expect(listener.counters.refused).toBe(1);
  });

  test('puts a PROXY header in front of each datagram for endpoints that want one', async () => {
    const backend = await socket();
    const { listener } = await start(new RoundPool([backend.port]), { proxyProtocol: true });
    const client = await socket();
    client.socket.send('one', listener.port);
    client.socket.send('two', listener.port);
    await vi.waitFor(() => expect(backend.got).toHaveLength(2));
    for (const [i, text] of ['one', 'two'].entries()) {
      const header = createProxyHeader();
      const bytes = new Uint8Array(backend.got[i]!);
      const length = readProxyHeader(bytes, 0, bytes.length, header);
      expect(backend.got[i]!.subarray(length).toString()).toBe(text);
      expect([bytes[13], header.sourcePort, header.destinationPort]).toEqual([
        0x12,
        client.port,
        listener.port,
      ]);
    }
    expect(listener.counters.bytesIn).toBe(6);
  });

  test('drains: old flows go on, new ones are not made', async () => {
    const a = await endpoint('a');
    const { listener } = await start(new RoundPool([a.port]), { idleMs: 150 });
    const [old, fresh] = [await socket(), await socket()];
    await ask(old, listener.port, '1');
    const drained = new Promise<void>((resolve) => listener.drain(resolve));
    fresh.socket.send('2', listener.port);
    expect(await ask(old, listener.port, '3')).toBe('a:3');
    await drained;
    expect(fresh.got).toEqual([]);
  });
});
