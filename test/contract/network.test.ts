import { createConnection } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Connection, ConnectionHandler } from '../../src/io/network.js';
import { ListenError } from '../../src/io/tier.js';
import {
  ConnectionLog,
  networkUnavailable,
  type RunningNetwork,
  startNetwork,
} from '../support/network-rig.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function send(connection: Connection, value: string): boolean {
  const bytes = text(value);
  const flowing = connection.write(bytes, 0, bytes.length);
  // Who writes may use its array again at once.
  bytes.fill(0);
  return flowing;
}

describe.each(['batched', 'portable'] as const)('the %s network', (name) => {
  const missing = name === 'batched' ? networkUnavailable : undefined;
  const test = it.skipIf(missing !== undefined);
  const running: RunningNetwork[] = [];

  afterEach(() => {
    for (const network of running.splice(0)) network.close();
  });

  function start() {
    const started = startNetwork(name);
    running.push(started);
    return started.network;
  }

  /** A listener whose connections get `serve()`, and one connection to it. */
  async function pair(serve: (connection: Connection) => ConnectionHandler | null, host = '127.0.0.1') {
    const network = start();
    const accepted: Connection[] = [];
    const listening = await network.listen({ host, port: 0 }, { shared: false, tls: null }, (connection) => {
      accepted.push(connection);
      return serve(connection);
    });
    const client = new ConnectionLog();
    const connection = network.connect(listening.address, null, client);
    return { network, listening, client, connection, accepted };
  }

  const echo = () => new ConnectionLog((connection, bytes, from, end) => connection.write(bytes, from, end));

  test.each(['127.0.0.1', '::1'])('connects to %s and tells both ends where they are', async (host) => {
    const { client, connection, accepted, listening } = await pair(echo, host);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    expect(connection.remote).toEqual(listening.address);
    expect(accepted[0]!.remote).toEqual(connection.local);
    expect(accepted[0]!.local).toEqual(listening.address);
  });

  test('hands over what is written, before and after the connection is up', async () => {
    const { client, connection } = await pair(echo);
    send(connection, 'early ');
    await vi.waitFor(() => expect(client.received.toString()).toBe('early '));
    expect(send(connection, 'late')).toBe(true);
    await vi.waitFor(() => expect(client.received.toString()).toBe('early late'));
  });

  test('writes a message that was composed in the scratch memory', async () => {
    const { network, client, connection } = await pair(echo);
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    const message = text('composed');
    network.scratch.set(message, 100);
    connection.write(network.scratch, 100, 100 + message.length);
    network.scratch.fill(0);
    await vi.waitFor(() => expect(client.received.toString()).toBe('composed'));
  });

  test('says when too much waits and when all of it is gone, and loses nothing', async () => {
    const server = new ConnectionLog();
    const { client, connection, accepted } = await pair(() => server);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    accepted[0]!.pause();
    const block = new Uint8Array(1 << 20);
    let written = 0;
    for (let flowing = true; flowing && written < 64; written++) {
      block.fill(written);
      flowing = connection.write(block, 0, block.length);
    }
    expect(connection.queued).toBeGreaterThan(0);
    accepted[0]!.resume();
    await vi.waitFor(() => expect(client.drained).toBe(1), { timeout: 5_000 });
    await vi.waitFor(() => expect(server.length).toBe(written << 20), { timeout: 5_000 });
    const { received } = server;
    for (let i = 0; i < written; i++)
      expect([received[i << 20], received[((i + 1) << 20) - 1]]).toEqual([i, i]);
    expect(connection.queued).toBe(0);
  });

  test('gives what a client brings along, however late it is accepted', async () => {
    const network = start();
    const server = new ConnectionLog();
    const listening = await network.listen(
      { host: '127.0.0.1', port: 0 },
      { shared: false, tls: null },
      () => server,
    );
    // The kernel completes the connection and takes the bytes by itself.
    const client = createConnection(listening.address.port, '127.0.0.1');
    client.on('error', () => {});
    client.write('brought along');
    await vi.waitFor(() => expect(server.received.toString()).toBe('brought along'));
    client.write(', and later');
    await vi.waitFor(() => expect(server.received.toString()).toBe('brought along, and later'));
    client.destroy();
    await vi.waitFor(() => expect(server.events).toContain('end'));
  });

  test.each([
    ['is answered', 'end', (client: ConnectionLog) => expect(client.received.toString()).toBe('answer')],
    ['leaves', 'destroy', () => {}],
  ] as const)('hears of a client that it expects nothing of, and that %s', async (_, way, check) => {
    const server = new ConnectionLog((connection) => connection.expectNothing());
    const { client, connection } = await pair(() => server);
    send(connection, 'all');
    await vi.waitFor(() => expect(server.received.toString()).toBe('all'));
    if (way === 'end') send(server.connection!, 'answer');
    await vi.waitFor(() => check(client));
    connection[way]();
    await vi.waitFor(() => expect(server.events).toContain('end'));
  });

  test('gives nothing to a paused handler, and the rest once it resumes', async () => {
    const server = new ConnectionLog((connection) => connection.pause());
    const { connection } = await pair(() => server);
    const block = new Uint8Array(300_000).fill(7);
    connection.write(block, 0, block.length);
    await vi.waitFor(() => expect(server.length).toBeGreaterThan(0));
    for (let length = 0; length < block.length; ) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(server.length - length).toBeLessThanOrEqual(65_536);
      length = server.length;
      server.connection!.resume();
    }
    expect(server.received.every((byte) => byte === 7)).toBe(true);
  });

  test('lets each side end by itself', async () => {
    const server = new ConnectionLog();
    const { client, connection } = await pair(() => server);
    send(connection, 'question');
    connection.end();
    await vi.waitFor(() => expect(server.events).toEqual(['end']));
    expect(server.received.toString()).toBe('question');
    send(server.connection!, 'answer');
    server.connection!.end();
    await vi.waitFor(() => expect(client.events).toEqual(['open', 'end', 'close']));
    expect(client.received.toString()).toBe('answer');
    await vi.waitFor(() => expect(server.events).toEqual(['end', 'close']));
    expect([client.error, server.error]).toEqual([null, null]);
  });

  test('sends everything that waits before its end', async () => {
    const server = new ConnectionLog();
    const { connection } = await pair(() => server);
    const block = new Uint8Array(8 << 20).fill(3);
    connection.write(block, 0, block.length);
    connection.end();
    await vi.waitFor(() => expect(server.events).toEqual(['end']), { timeout: 5_000 });
    expect(server.length).toBe(block.length);
  });

  test('tells its own handler of a destroy later, and the peer of an end', async () => {
    const server = new ConnectionLog();
    const { client, connection } = await pair(() => server);
    await vi.waitFor(() => expect(client.events).toEqual(['open']));
    connection.destroy();
    expect(client.events).toEqual(['open']);
    expect(connection.destroyed).toBe(true);
    await vi.waitFor(() => expect(client.events).toEqual(['open', 'close']));
    expect(client.error).toBeNull();
    await vi.waitFor(() => expect(server.events).toContain('end'));
  });

  test('lets the peer of a reset see a reset', async () => {
    const server = new ConnectionLog();
    const { client, connection } = await pair(() => server);
    send(connection, 'x');
    await vi.waitFor(() => expect(server.received.toString()).toBe('x'));
    server.connection!.reset();
    await vi.waitFor(() => expect(client.events).toEqual(['open', 'close']));
    expect(client.error?.code).toBe('reset');
    expect(server.error).toBeNull();
  });

  test('hands over what was received before a reset made writing impossible', async () => {
    const { client, connection, accepted } = await pair((served) => {
      send(served, 'go away');
      served.end();
      return new ConnectionLog((one) => one.destroy());
    });
    await vi.waitFor(() => expect(client.received.toString()).toBe('go away'));
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    for (let i = 0; i < 100 && !client.events.includes('close'); i++) {
      send(connection, 'more and more');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await vi.waitFor(() => expect(client.events).toContain('close'));
  });

  test('reports a refused connection by onClose only', async () => {
    const { network, listening } = await pair(echo);
    listening.close();
    const client = new ConnectionLog();
    await vi.waitFor(() => {
      const again = new ConnectionLog();
      network.connect(listening.address, null, again);
      return vi.waitFor(() => expect(again.error?.code).toBe('refused'));
    });
    network.connect(listening.address, null, client);
    expect(client.events).toEqual([]);
    await vi.waitFor(() => expect(client.events).toEqual(['close']));
    expect(client.error).toMatchObject({ code: 'refused' });
  });

  test('closes a connection that nobody takes', async () => {
    const { client } = await pair(() => null);
    await vi.waitFor(() =>
      expect(client.events.some((event) => event === 'end' || event === 'close')).toBe(true),
    );
  });

  test.each(['end', 'destroy'] as const)('sends all that was written before %s, told or not', async (how) => {
    for (const told of [false, true]) {
      const { client, connection, accepted } = await pair(
        () =>
          new ConnectionLog((served) => {
            if (told) served.endsNext();
            send(served, 'the last words');
            served[how]();
          }),
      );
      send(connection, 'a question');
      await vi.waitFor(() => expect(client.events).toContain('end'));
      expect(client.received.toString()).toBe('the last words');
      expect(accepted).toHaveLength(1);
    }
  });

  test('tells a promise of an end that does not come from the bytes: they arrive all the same', async () => {
    const { client, connection } = await pair(
      () =>
        new ConnectionLog((served) => {
          served.endsNext();
          send(served, 'first, ');
          send(served, 'second');
        }),
    );
    send(connection, 'a question');
    await vi.waitFor(() => expect(client.received.toString()).toBe('first, second'));
    expect(client.events).not.toContain('end');
  });

  test('goes on with open connections after its listener was closed', async () => {
    const { client, connection, listening, accepted } = await pair(echo);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    listening.close();
    send(connection, 'still here');
    await vi.waitFor(() => expect(client.received.toString()).toBe('still here'));
  });

  test('retires: open connections go on, and nobody new is taken once it is closed', async () => {
    const { network, client, connection, listening, accepted } = await pair(echo);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    let closed = false;
    listening.retire(() => {
      closed = true;
    });
    expect(closed).toBe(false);
    await vi.waitFor(() => expect(closed).toBe(true), { timeout: 5_000 });
    send(connection, 'still here');
    await vi.waitFor(() => expect(client.received.toString()).toBe('still here'));
    const late = new ConnectionLog();
    network.connect(listening.address, null, late);
    await vi.waitFor(() => expect(late.error?.code).toBe('refused'));
  });

  it.skipIf(name !== 'batched' || missing !== undefined)(
    'has nobody reset while one of two sockets of an address retires',
    async () => {
      const network = start();
      const options = { shared: true, tls: null };
      const old = await network.listen({ host: '127.0.0.1', port: 0 }, options, echo);
      await network.listen(old.address, options, echo);
      let closed = false;
      old.retire(() => {
        closed = true;
      });
      const clients: ConnectionLog[] = [];
      // The kernel picks one of the two by the client's port: with so many, both.
      while (!closed && clients.length < 2_000) {
        for (let i = 0; i < 20; i++) {
          const client = new ConnectionLog();
          clients.push(client);
          send(network.connect(old.address, null, client), 'hello');
        }
        await vi.waitFor(() => expect(clients.filter(({ received }) => received.length > 0)).not.toEqual([]));
      }
      await vi.waitFor(
        () => expect(clients.filter(({ received }) => received.toString() !== 'hello')).toEqual([]),
        { timeout: 10_000 },
      );
      expect(clients.filter(({ error }) => error !== null)).toEqual([]);
    },
    15_000,
  );

  test('names an address that is taken', async () => {
    const { network, listening } = await pair(echo);
    await expect(
      network.listen(listening.address, { shared: false, tls: null }, () => null),
    ).rejects.toSatisfy((error) => error instanceof ListenError && error.code === 'EADDRINUSE');
  });

  test('lets a handler be replaced at any time', async () => {
    const second = new ConnectionLog();
    const first = new ConnectionLog((connection) => {
      connection.handler = second;
    });
    const { connection, client } = await pair(() => first);
    send(connection, 'one');
    await vi.waitFor(() => expect(first.received.toString()).toBe('one'));
    send(connection, 'two');
    await vi.waitFor(() => expect(second.received.toString()).toBe('two'));
    expect(client.events).toEqual(['open']);
  });

  test('calls back periodically until told to stop', async () => {
    const network = start();
    let calls = 0;
    const stop = network.every(5, () => calls++);
    await vi.waitFor(() => expect(calls).toBeGreaterThan(2));
    stop();
    const before = calls;
    const other = await new Promise<number>((resolve) => {
      let rounds = 0;
      const end = network.every(5, () => {
        if (++rounds < 4) return;
        end();
        resolve(rounds);
      });
    });
    expect([calls - before, other]).toEqual([0, 4]);
  });
});
