import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SocketAddress } from '../../src/io/tier.js';
import { connectToAny } from '../../src/proxy/racing-connection.js';
import {
  ConnectionLog,
  networkUnavailable,
  type RunningNetwork,
  startNetwork,
} from '../support/network-rig.js';

describe.each(['batched', 'portable'] as const)('connections to one of several addresses, %s', (name) => {
  const missing = name === 'batched' ? networkUnavailable : undefined;
  const test = it.skipIf(missing !== undefined);
  const running: RunningNetwork[] = [];

  afterEach(() => {
    for (const network of running.splice(0)) network.close();
  });

  async function start() {
    const started = startNetwork(name);
    running.push(started);
    const { network } = started;
    const options = { shared: false, tls: null };
    const dead = await network.listen({ host: '127.0.0.1', port: 0 }, options, () => null);
    dead.close();
    const accepted: ConnectionLog[] = [];
    const live = await network.listen({ host: '127.0.0.1', port: 0 }, options, () => {
      const log = new ConnectionLog((connection, bytes, from, end) => connection.write(bytes, from, end));
      accepted.push(log);
      return log;
    });
    const client = new ConnectionLog();
    const connect = (...addresses: SocketAddress[]) => connectToAny(network, addresses, null, client);
    return { network, dead: dead.address, live: live.address, accepted, client, connect };
  }

  test('takes the next address when one refuses, and carries bytes both ways', async () => {
    const { dead, live, client, connect } = await start();
    const connection = connect(dead, live);
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    expect(connection.remote).toEqual(live);
    connection.write(new TextEncoder().encode('hello'), 0, 5);
    await vi.waitFor(() => expect(client.received.toString()).toBe('hello'));
    connection.destroy();
    await vi.waitFor(() => expect(client.events).toEqual(['open', 'close']));
    expect([client.error, connection.destroyed]).toEqual([null, true]);
  });

  test('tells of the last failure when all refuse', async () => {
    const { dead, client, connect } = await start();
    connect(dead, dead, dead);
    expect(client.events).toEqual([]);
    await vi.waitFor(() => expect(client.events).toEqual(['close']));
    expect(client.error?.code).toBe('refused');
  });

  test('fails by onClose where no address is known', async () => {
    const { client, connect } = await start();
    connect();
    expect(client.events).toEqual([]);
    await vi.waitFor(() => expect(client.events).toEqual(['close']));
    expect(client.error).toMatchObject({ code: 'unreachable' });
  });

  test('opens one connection only for one that wins, and none after a destroy', async () => {
    const { live, accepted, client, connect } = await start();
    connect(live, live);
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    const gone = connect();
    gone.destroy();
    await vi.waitFor(() => expect(client.events).toEqual(['open', 'close']));
    await vi.waitFor(() => expect(accepted.length).toBe(1));
  });

  test('tries the next address beside one that does not answer', async () => {
    const { network, live, client } = await start();
    const silent = { host: '127.0.0.1', port: 1 };
    const connects: number[] = [];
    const slow: typeof network = Object.create(network);
    slow.connect = (address, tls, handler) => {
      connects.push(address.port);
      // An attempt that nothing is ever heard of.
      if (address === silent) return network.connect(live, tls, new ConnectionLog());
      return network.connect(address, tls, handler);
    };
    slow.every = (periodMs, callback) => network.every(Math.min(periodMs, 20), callback);
    connectToAny(slow, [silent, live], null, client);
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    expect(connects).toEqual([1, live.port]);
  });
});
