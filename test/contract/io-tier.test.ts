import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { descriptorsIn } from '../../src/io/descriptor-set.js';
import { claimAddress } from '../../src/io/free-port.js';
import { type DatagramHandler, ListenError, type SocketAddress } from '../../src/io/tier.js';
import {
  batchedUnavailable,
  connect,
  DATAGRAM_MAX,
  echo,
  exchange,
  type RunningTier,
  StreamLog,
  startTier,
  until,
} from '../support/tier-rig.js';

const unavailable = batchedUnavailable();
/** Claimed first, as a node does: a port that is free for UDP may be taken for TCP. */
const LOOPBACK = { host: '127.0.0.1', port: 0 };

describe.each(['batched', 'portable'] as const)('the %s tier', (name) => {
  const missing = name === 'batched' ? unavailable : undefined;
  const test = it.skipIf(missing !== undefined);
  const running: RunningTier[] = [];

  function start(options: { shared?: boolean } = {}): RunningTier {
    const tier = startTier(name, options);
    running.push(tier);
    return tier;
  }

  async function listen(streams = new StreamLog(), host = '127.0.0.1') {
    const started = start();
    const address = await started.tier.listen(await claimAddress({ host, port: 0 }), echo, streams);
    return { ...started, address, streams };
  }

  afterEach(async () => {
    for (const tier of running.splice(0)) await tier.close();
  });

  if (missing !== undefined) it.skip(`is not available here: ${missing}`);

  test.each(['127.0.0.1', '::1'])(
    'answers a datagram at %s and tells the address of its client',
    async (host) => {
      const { address } = await listen(new StreamLog(), host);
      expect(address.port).toBeGreaterThan(0);
      const [answer] = await exchange(address, [Buffer.from('hello')], 1);
      expect([answer!.from, answer!.bytes[0], answer!.bytes.subarray(1).toString()]).toEqual([
        host,
        1,
        'hello',
      ]);
    },
  );

  test('answers every datagram of a burst, each to itself', async () => {
    const { address } = await listen();
    const burst = Array.from({ length: 130 }, (_, i) => Buffer.from(`${i}:${'x'.repeat((7 * i) % 200)}`));
    const answers = await exchange(address, burst, 130);
    const texts = answers.map(({ bytes }) => bytes.subarray(1).toString()).sort();
    expect(texts).toEqual(burst.map(String).sort());
  });

  test('answers two clients of one burst, each at its own port', async () => {
    const { address } = await listen();
    const of = (letter: string) => Array.from({ length: 50 }, (_, i) => Buffer.from(`${letter}${i}`));
    const [a, b] = await Promise.all([exchange(address, of('a'), 50), exchange(address, of('b'), 50)]);
    expect(a.every(({ bytes }) => bytes.subarray(1, 2).toString() === 'a')).toBe(true);
    expect(b.every(({ bytes }) => bytes.subarray(1, 2).toString() === 'b')).toBe(true);
  });

  test('sends nothing where the handler returns 0, and the others of the burst all the same', async () => {
    const { tier } = start();
    const address = await tier.listen(
      await claimAddress(LOOPBACK),
      (input, from, ...rest) => (input[from] === 0x2d ? 0 : echo(input, from, ...rest)),
      new StreamLog(),
    );
    const burst = Array.from({ length: 90 }, (_, i) => Buffer.from(i % 3 === 0 ? '-' : `${i}`));
    const answers = await exchange(address, [...burst, Buffer.from('last')], 61);
    expect(answers).toHaveLength(61);
    expect(answers.some(({ bytes }) => bytes.subarray(1).toString() === '-')).toBe(false);
  });

  test('hands over an empty datagram, and one that is too long cut but never lengthened', async () => {
    const { tier } = start();
    const lengths: number[] = [];
    const address = await tier.listen(
      await claimAddress(LOOPBACK),
      (_input, from, end, output, base) => {
        lengths.push(end - from);
        output[base] = 7;
        return 1;
      },
      new StreamLog(),
    );
    await exchange(address, [Buffer.alloc(9000), Buffer.alloc(0), Buffer.alloc(2048), Buffer.from('x')], 4);
    const [long, ...others] = lengths;
    expect(others).toEqual([0, 2048, 1]);
    expect([2048, 9000]).toContain(long);
  });

  test('sends answers as long as it may', async () => {
    const { tier, failed } = start();
    const address = await tier.listen(
      await claimAddress(LOOPBACK),
      (_i, _s, _e, output, base) => {
        output.fill(9, base, base + DATAGRAM_MAX);
        return DATAGRAM_MAX;
      },
      new StreamLog(),
    );
    const answers = await exchange(address, Array(70).fill(Buffer.from('q')), 70);
    expect(new Set(answers.map(({ bytes }) => bytes.length))).toEqual(new Set([DATAGRAM_MAX]));
    expect(answers.every(({ bytes }) => bytes.every((byte) => byte === 9))).toBe(true);
    expect(failed.sends).toBe(0);
  });

  test('goes on after a client whose port is closed again', async () => {
    const { address } = await listen();
    const gone = createSocket('udp4');
    await new Promise<void>((resolve) => gone.bind(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) =>
      gone.send('bye', address.port, address.host, () => gone.close(() => resolve())),
    );
    for (let i = 0; i < 3; i++)
      expect(await exchange(address, [Buffer.from('still there')], 1)).toHaveLength(1);
  });

  // node:dgram can't set the source of an answer: there the kernel takes the address of the route.
  it.skipIf(name === 'portable' || missing !== undefined)(
    'answers from the address that was asked',
    async () => {
      const { address } = await listen(new StreamLog(), '0.0.0.0');
      for (const host of ['127.0.0.2', '127.0.0.1', '127.0.0.3']) {
        const [answer] = await exchange({ host, port: address.port }, [Buffer.from('q')], 1);
        expect(answer!.from).toBe(host);
      }
      const six = await listen(new StreamLog(), '::');
      const [answer] = await exchange({ host: '::1', port: six.address.port }, [Buffer.from('q')], 1);
      expect(answer!.from).toBe('::1');
    },
  );

  test('serves several addresses, each with its own handler', async () => {
    const { tier } = start();
    const one = await tier.listen(await claimAddress(LOOPBACK), answerWith(1), new StreamLog());
    const two = await tier.listen(await claimAddress(LOOPBACK), answerWith(2), new StreamLog());
    expect((await exchange(one, [Buffer.from('q')], 1))[0]!.bytes[0]).toBe(1);
    expect((await exchange(two, [Buffer.from('q')], 1))[0]!.bytes[0]).toBe(2);
  });

  test.each(['127.0.0.1', '::1'])('takes TCP connections at %s, on the same port', async (host) => {
    const streams = new StreamLog();
    streams.onBytes = (connection, bytes) => void connection.write(bytes, 1, bytes.length);
    const { address } = await listen(streams, host);
    const { socket, read } = await connect(address);
    socket.write('-hello');
    await until(() => read().length === 5);
    expect(read().toString()).toBe('hello');
    const [connection] = streams.connections;
    expect([connection!.family, connection!.source[host === '::1' ? 15 : 3]]).toEqual([
      host === '::1' ? 6 : 4,
      1,
    ]);
    socket.destroy();
  });

  test('keeps the order of bytes, however they are split', async () => {
    const streams = new StreamLog();
    streams.onBytes = (connection, bytes) => void connection.write(bytes, 0, bytes.length);
    const { address } = await listen(streams);
    const { socket, read } = await connect(address);
    const text = Buffer.from(Array.from({ length: 3000 }, (_, i) => `${i},`).join(''));
    for (let at = 0, size = 1; at < text.length; at += size, size = (size * 7) % 1009)
      socket.write(text.subarray(at, at + size));
    await until(() => read().length >= text.length);
    expect(Buffer.compare(read(), text)).toBe(0);
    socket.destroy();
  });

  test('keeps the order of many connections apart', async () => {
    const streams = new StreamLog();
    streams.onBytes = (connection, bytes) => void connection.write(bytes, 0, bytes.length);
    const { address } = await listen(streams);
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect(address)));
    for (const [i, { socket }] of clients.entries()) socket.write(`${i}`);
    await until(() => clients.every(({ read }, i) => read().length === `${i}`.length));
    expect(clients.map(({ read }) => read().toString())).toEqual(clients.map((_, i) => `${i}`));
    for (const { socket } of clients) socket.destroy();
    await until(() => streams.events.filter((event) => event === 'closed').length === 100);
  });

  test('tells of a half-closed connection, and still sends', async () => {
    const streams = new StreamLog();
    streams.onEnd = (connection) => {
      connection.write(Buffer.from('goodbye'), 0, 7);
      connection.end();
    };
    const { address } = await listen(streams);
    const { socket, read } = await connect(address);
    socket.end('last words');
    await until(() => streams.events.includes('closed') && read().length === 7);
    expect([streams.bytes, read().toString(), streams.events]).toEqual([
      10,
      'goodbye',
      ['opened', 'ended', 'closed'],
    ]);
    expect(streams.connections[0]!.write(Buffer.from('x'), 0, 1)).toBe(false);
  });

  test('closes a connection at once when told to, or when it was not wanted', async () => {
    const streams = new StreamLog();
    streams.onBytes = (connection) => connection.destroy();
    const { address } = await listen(streams);
    const first = await connect(address);
    first.socket.write('x');
    await until(() => streams.events.includes('closed'));
    streams.accept = false;
    const second = await connect(address);
    let ended = false;
    second.socket.on('end', () => (ended = true)).on('close', () => (ended = true));
    await until(() => ended);
    expect(streams.events).toEqual(['opened', 'closed', 'opened', 'closed']);
    for (const { socket } of [first, second]) socket.destroy();
  });

  test('keeps a list of open connections, where they would outlive the thread', async () => {
    const { address, tier, streams } = await listen();
    const open = () => (tier.connections ? descriptorsIn(tier.connections).length : 0);
    const clients = await Promise.all([1, 2, 3].map(() => connect(address)));
    await until(() => streams.events.length === 3);
    expect(open()).toBe(name === 'batched' ? 3 : 0);
    for (const { socket } of clients.slice(1)) socket.destroy();
    await until(() => streams.events.filter((event) => event === 'closed').length === 2);
    expect(open()).toBe(name === 'batched' ? 1 : 0);
    clients[0]!.socket.destroy();
  });

  test('tells once of a connection that its peer reset', async () => {
    const streams = new StreamLog();
    const { address } = await listen(streams);
    const { socket } = await connect(address);
    socket.write('x');
    await until(() => streams.bytes === 1);
    socket.resetAndDestroy();
    await until(() => streams.events.includes('closed'));
    expect(streams.events.filter((event) => event === 'closed')).toHaveLength(1);
  });

  test('does not read from a peer that does not read', async () => {
    const streams = new StreamLog();
    const block = Buffer.alloc(64 * 1024, 1);
    let answered = 0;
    let taken = true;
    streams.onBytes = (connection, bytes) => {
      answered += bytes.length;
      taken &&= connection.write(block, 0, block.length);
    };
    const { address } = await listen(streams);
    const { socket } = await connect(address);
    socket.pause();
    // Each round asks for 64 KB more; the kernel buffers a few MB of that.
    for (let i = 0; i < 400; i++) {
      socket.write('x');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = answered;
    socket.write(Buffer.alloc(1000, 1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([answered, taken]).toEqual([before, true]);
    socket.resume();
    await until(() => answered === 1400);
    socket.destroy();
    await until(() => streams.events.includes('closed'));
  });

  test('says when more than the limit waits for a peer', async () => {
    const streams = new StreamLog();
    const block = Buffer.alloc(64 * 1024, 1);
    const results: boolean[] = [];
    streams.onBytes = (connection) => {
      while (results.length < 1000 && results.at(-1) !== false) {
        results.push(connection.write(block, 0, block.length));
      }
      connection.destroy();
    };
    const { address } = await listen(streams);
    const { socket } = await connect(address);
    socket.pause();
    socket.write('x');
    await until(() => streams.events.includes('closed'));
    // The limit is two blocks; what the kernel takes comes on top.
    expect(results.length).toBeGreaterThan(2);
    expect(results.length).toBeLessThan(1000);
    socket.destroy();
  });

  test('sends everything before it closes, to a peer that reads late', async () => {
    const streams = new StreamLog();
    const block = Buffer.alloc(64 * 1024, 1);
    let sent = 0;
    streams.onBytes = (connection) => {
      // Until the kernel takes no more and the queue begins to fill.
      let goOn = true;
      while (goOn && sent < 64 * 1024 * 1024) {
        goOn = connection.write(block, 0, block.length);
        sent += block.length;
      }
      connection.end();
    };
    const { address } = await listen(streams);
    const { socket, read } = await connect(address);
    socket.pause();
    socket.write('x');
    await until(() => sent > 0);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    socket.resume();
    await until(() => streams.events.includes('closed') && read().length === sent);
    socket.destroy();
  });

  test.each([
    ['UDP', () => createSocket('udp4')],
    ['TCP', () => createServer()],
  ])('refuses a port that is taken over %s, with code and address', async (_what, make) => {
    const other = make();
    const port = await new Promise<number>((resolve) => {
      const done = () => resolve((other.address() as { port: number }).port);
      if ('bind' in other) other.bind(0, '127.0.0.1', done);
      else other.listen(0, '127.0.0.1', done);
    });
    const error: unknown = await start()
      .tier.listen({ host: '127.0.0.1', port }, echo, new StreamLog())
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: 'EADDRINUSE', address: { host: '127.0.0.1', port } });
    other.close();
  });

  test('refuses an address that this machine does not have', async () => {
    const address = { host: '192.0.2.1', port: 0 };
    const error: unknown = await start()
      .tier.listen(address, echo, new StreamLog())
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', address });
  });

  test('closes everything when it is stopped: the port is free, and connections end', async () => {
    const { address, streams, close } = await listen();
    const { socket } = await connect(address);
    socket.write('x');
    await until(() => streams.bytes === 1);
    running.length = 0;
    await close();
    let closed = false;
    socket.on('close', () => (closed = true)).on('end', () => socket.destroy());
    await until(() => closed && streams.events.includes('closed'));
    const again = await listenSoon(start, address);
    expect(again.port).toBe(address.port);
    expect(await exchange(again, [Buffer.from('q')], 1)).toHaveLength(1);
  });

  test('ticks about once a second', async () => {
    const { ticks } = await listen();
    await until(() => ticks.length >= 2);
    expect(ticks[1]! - ticks[0]!).toBeGreaterThan(900);
    expect(ticks[1]! - ticks[0]!).toBeLessThan(1900);
  });
});

/** A port that was given back may be taken for a moment by a connection of somebody else on this machine. */
async function listenSoon(start: () => RunningTier, address: SocketAddress): Promise<SocketAddress> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start().tier.listen(address, echo, new StreamLog());
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function answerWith(byte: number): DatagramHandler {
  return (_input, _start, _end, output, base) => {
    output[base] = byte;
    return 1;
  };
}
