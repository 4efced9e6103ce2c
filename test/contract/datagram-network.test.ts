import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type DatagramListening,
  type DatagramNetwork,
  HEADROOM,
  ORIGIN,
  ORIGIN_BYTES,
} from '../../src/io/datagram-network.js';
import { ListenError } from '../../src/io/tier.js';
import { startDatagrams } from '../support/datagram-rig.js';
import { networkUnavailable } from '../support/network-rig.js';

describe.each(['batched', 'portable'] as const)('the %s datagram network', (tier) => {
  const test = it.skipIf(tier === 'batched' && networkUnavailable !== undefined);
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  function start(): DatagramNetwork {
    const running = startDatagrams(tier);
    cleanups.push(() => running.close());
    return running.network;
  }

  /** A socket of the test, and what it got. */
  async function socket(host = '127.0.0.1') {
    const made: Socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const got: { bytes: Buffer; from: string; port: number }[] = [];
    made.on('message', (bytes, from) => got.push({ bytes, from: from.address, port: from.port }));
    made.on('error', () => {});
    made.bind(0, host);
    await once(made, 'listening');
    cleanups.push(() => made.close());
    return { socket: made, got, port: made.address().port };
  }

  /** Sends everything back, with a byte in front of it. */
  async function echo(network: DatagramNetwork, host: string) {
    const origins: Uint8Array[] = [];
    const listening: DatagramListening = await network.listen(
      { host, port: 0 },
      { shared: false },
      (bytes, start, end, origin, at) => {
        origins.push(origin.slice(at, at + ORIGIN_BYTES));
        bytes[start - 1] = 0x21;
        listening.send(bytes, start - 1, end, origin, at);
      },
    );
    return { listening, origins };
  }

  test.each(['127.0.0.1', '::1'])('answers a datagram at %s and tells its origin', async (host) => {
    const { listening, origins } = await echo(start(), host);
    const client = await socket(host);
    client.socket.send('hello', listening.address.port, host);
    await vi.waitFor(() => expect(client.got).toHaveLength(1));
    expect([client.got[0]!.bytes.toString(), client.got[0]!.port]).toEqual([
      '!hello',
      listening.address.port,
    ]);
    const origin = origins[0]!;
    const length = host === '::1' ? 16 : 4;
    expect([origin[ORIGIN.FAMILY], (origin[ORIGIN.PORT]! << 8) | origin[ORIGIN.PORT + 1]!]).toEqual([
      host === '::1' ? 6 : 4,
      client.port,
    ]);
    expect([...origin.subarray(ORIGIN.SOURCE, ORIGIN.SOURCE + length)]).toEqual(
      host === '::1' ? [...Array<number>(15).fill(0), 1] : [127, 0, 0, 1],
    );
  });

  test('answers every datagram of a burst, small and large', async () => {
    const { listening } = await echo(start(), '127.0.0.1');
    const client = await socket();
    const sizes = Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 9000 : i));
    for (const size of sizes) client.socket.send(Buffer.alloc(size, size % 251), listening.address.port);
    await vi.waitFor(() => expect(client.got).toHaveLength(60));
    expect(client.got.map(({ bytes }) => bytes.length)).toEqual(sizes.map((size) => size + 1));
    for (const { bytes } of client.got) {
      const size = bytes.length - 1;
      expect(bytes.subarray(1).every((byte) => byte === size % 251)).toBe(true);
    }
  });

  test('carries the largest datagram', async () => {
    const { listening } = await echo(start(), '127.0.0.1');
    const client = await socket();
    client.socket.send(Buffer.alloc(65_506, 5), listening.address.port);
    await vi.waitFor(() => expect(client.got[0]?.bytes.length).toBe(65_507));
  });

  test.each(['0.0.0.0', '::'])('answers from the address that was asked at %s', async (host) => {
    // node:dgram does not learn it, so only the batched tier can.
    if (tier === 'portable') return;
    const { listening } = await echo(start(), host);
    const client = await socket(host === '::' ? '::1' : '127.0.0.1');
    const asked = host === '::' ? '::1' : '127.0.0.9';
    client.socket.send('x', listening.address.port, asked);
    await vi.waitFor(() => expect(client.got[0]?.from).toBe(asked));
  });

  test('connects to a peer: sends to it, hears it, and nobody else', async () => {
    const network = start();
    const [peer, stranger] = [await socket(), await socket()];
    const heard: string[] = [];
    const connected = network.connect(
      { host: '127.0.0.1', port: peer.port },
      {
        onDatagram: (bytes, from, end) => {
          expect(from).toBeGreaterThanOrEqual(HEADROOM);
          heard.push(Buffer.from(bytes.slice(from, end)).toString());
        },
        onUnreachable: () => heard.push('unreachable'),
      },
    )!;
    const bytes = Buffer.from('..ping..');
    expect(connected.send(bytes, 2, 6)).toBe(true);
    bytes.fill(0);
    await vi.waitFor(() => expect(peer.got[0]?.bytes.toString()).toBe('ping'));
    stranger.socket.send('spoofed', peer.got[0]!.port);
    peer.socket.send('pong', peer.got[0]!.port);
    await vi.waitFor(() => expect(heard).toEqual(['pong']));
    connected.close();
    expect(connected.send(bytes, 0, 1)).toBe(false);
  });

  test('tells when the peer is not there, once for each datagram at most', async () => {
    const network = start();
    const gone = await socket();
    cleanups.pop()!();
    let told = 0;
    const connected = network.connect(
      { host: '127.0.0.1', port: gone.port },
      { onDatagram: () => {}, onUnreachable: () => told++ },
    )!;
    connected.send(Buffer.from('x'), 0, 1);
    await vi.waitFor(() => expect(told).toBeGreaterThan(0));
    connected.close();
  });

  test('says that it cannot connect to a name, or listen on a taken address', async () => {
    const network = start();
    expect(
      network.connect({ host: 'localhost', port: 1 }, { onDatagram: () => {}, onUnreachable: () => {} }),
    ).toBeNull();
    const taken = await socket();
    await expect(
      network.listen({ host: '127.0.0.1', port: taken.port }, { shared: false }, () => {}),
    ).rejects.toThrow(ListenError);
  });

  test('keeps quiet after a close', async () => {
    const network = start();
    const { listening, origins } = await echo(network, '127.0.0.1');
    const client = await socket();
    listening.close();
    listening.close();
    client.socket.send('x', listening.address.port);
    let rounds = 0;
    const stop = network.every(1, () => rounds++);
    await vi.waitFor(() => expect(rounds).toBeGreaterThan(2));
    stop();
    expect(origins).toEqual([]);
  });
});
