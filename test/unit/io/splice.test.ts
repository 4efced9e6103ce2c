import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadLinux } from '../../../src/io/batched/linux.js';
import { Pipes } from '../../../src/io/batched/pipes.js';
import type { Connection } from '../../../src/io/network.js';
import { ConnectionLog, networkUnavailable, startNetwork } from '../../support/network-rig.js';

const describeBatched = describe.skipIf(networkUnavailable !== undefined);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describeBatched('connections that are joined', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  /** client ── inner left, joined with inner right ── server: everything in one network. */
  async function chain() {
    const running = startNetwork('batched');
    cleanups.push(() => running.close());
    const { network } = running;
    const [left, right] = [new ConnectionLog(), new ConnectionLog()];
    const [client, server] = [new ConnectionLog(), new ConnectionLog()];
    const accepted: Connection[] = [];
    const options = { shared: false, tls: null };
    const loopback = { host: '127.0.0.1', port: 0 };
    const front = await network.listen(loopback, options, (connection) => {
      accepted[0] = connection;
      return left;
    });
    const back = await network.listen(loopback, options, (connection) => {
      accepted[1] = connection;
      return server;
    });
    const outer = network.connect(front.address, null, client);
    const inner = network.connect(back.address, null, right);
    await vi.waitFor(() => expect(accepted.filter(Boolean)).toHaveLength(2));
    await vi.waitFor(() => expect(right.events).toEqual(['open']));
    const moved = [0, 0];
    const join = () =>
      network.join?.(accepted[0]!, inner, (from, bytes) => {
        moved[from === inner ? 1 : 0]! += bytes;
      });
    return { network, client, server, left, right, outer, inner, accepted, moved, join };
  }

  function send(connection: Connection, bytes: Uint8Array): void {
    connection.write(bytes, 0, bytes.length);
  }

  it('carry bytes both ways, those too that waited before, and count them', async () => {
    const { outer, accepted, server, client, left, moved, join } = await chain();
    accepted[0]!.pause();
    send(outer, text('before, '));
    expect(join()).toBe(true);
    send(outer, text('after'));
    send(accepted[1]!, text('answer'));
    await vi.waitFor(() => expect(server.received.toString()).toBe('before, after'));
    await vi.waitFor(() => expect(client.received.toString()).toBe('answer'));
    expect(moved).toEqual([13, 6]);
    expect(left.received.length).toBe(0);
    expect(join()).toBe(false);
  });

  it('pass each end on when all before it has arrived, and then close', async () => {
    const { outer, accepted, inner, server, client, left, right, join } = await chain();
    join();
    send(outer, text('question'));
    outer.end();
    await vi.waitFor(() => expect(left.events).toContain('end'));
    // As a tunnel does.
    inner.end();
    await vi.waitFor(() => expect(server.events).toContain('end'));
    expect(server.received.toString()).toBe('question');
    send(accepted[1]!, text('late answer'));
    accepted[1]!.end();
    await vi.waitFor(() => expect(right.events).toContain('end'));
    accepted[0]!.end();
    await vi.waitFor(() => expect(client.received.toString()).toBe('late answer'));
    await vi.waitFor(() =>
      expect([left.events, right.events].map((e) => e.at(-1))).toEqual(['close', 'close']),
    );
    expect([left.error, right.error]).toEqual([null, null]);
  });

  it('stop the sender when the reader is slow, and lose nothing', async () => {
    const size = 24 * 1024 * 1024;
    const { outer, accepted, server, moved, join } = await chain();
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 997) bytes[i] = i & 0xff;
    accepted[1]!.pause();
    join();
    send(outer, bytes);
    let before = -1;
    await vi.waitFor(() => {
      const stalled = moved[0] === before && before > 0;
      before = moved[0]!;
      expect(stalled).toBe(true);
    }, 5000);
    expect(moved[0]).toBeLessThan(size);
    accepted[1]!.resume();
    await vi.waitFor(() => expect(server.length).toBe(size), 10_000);
    expect(server.received.equals(bytes)).toBe(true);
  });

  it('tell whose connection failed', async () => {
    const { accepted, left, right, outer, join } = await chain();
    join();
    send(outer, text('x'));
    accepted[1]!.reset();
    await vi.waitFor(() => expect(right.events.at(-1)).toBe('close'));
    expect(right.error?.code).toBe('reset');
    expect(left.events).not.toContain('close');
  });

  it('come apart when one is closed, with nothing left behind', async () => {
    const { accepted, left, right, outer, inner, client, join } = await chain();
    join();
    accepted[0]!.destroy();
    await vi.waitFor(() => expect(left.events.at(-1)).toBe('close'));
    await vi.waitFor(() => expect(client.events).toContain('end'));
    send(outer, text('into nothing'));
    inner.destroy();
    await vi.waitFor(() => expect(right.events.at(-1)).toBe('close'));
  });
});

describeBatched('Pipes', () => {
  it('keeps empty ones, closes others, and has a limit', () => {
    const linux = loadLinux();
    if ('unavailable' in linux) throw new Error(linux.unavailable);
    const pipes = new Pipes(linux);
    const first = pipes.take()!;
    pipes.give(first, true);
    expect(pipes.take()).toBe(first);
    pipes.give(first, false);
    expect(pipes.open).toBe(0);
    pipes.give(pipes.take()!, true);
    pipes.close();
    expect(pipes.open).toBe(0);
  });
});
