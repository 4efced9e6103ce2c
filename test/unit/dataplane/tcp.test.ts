import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { TcpService } from '../../../src/dataplane/tcp.js';
import type { DatagramHandler, StreamConnection } from '../../../src/io/tier.js';

const LIMITS = {
  maxConnections: 3,
  idleTimeoutMs: 10_000,
  lifetimeMs: 60_000,
  maxPerClient: 10,
  maxQueries: 100,
};

/** Answers a message with itself in brackets; an empty one and "drop" with nothing. */
const bracket: DatagramHandler = (input, start, end, output, base) => {
  const text = Buffer.from(input.slice(start, end)).toString('latin1');
  if (text === '' || text === 'drop') return 0;
  return Buffer.from(output.buffer, output.byteOffset).write(`[${text}]`, base, 'latin1');
};

class FakeConnection implements StreamConnection {
  attached: object | null = null;
  readonly family = 4;
  readonly source: Uint8Array;
  readonly sent: string[] = [];
  state: 'open' | 'ended' | 'destroyed' = 'open';
  takes = true;
  writes = 0;
  onClosed: () => void = () => {};

  constructor(source: readonly number[]) {
    this.source = Uint8Array.from(source);
  }

  write(bytes: Uint8Array, from: number, end: number): boolean {
    this.writes++;
    let at = from;
    while (at < end) {
      const next = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
      this.sent.push(Buffer.from(bytes.slice(at + 2, next)).toString('latin1'));
      at = next;
    }
    expect(at).toBe(end);
    return this.takes;
  }

  end(): void {
    this.state = 'ended';
  }

  destroy(): void {
    if (this.state === 'destroyed') return;
    this.state = 'destroyed';
    this.onClosed();
  }
}

function service(limits = LIMITS) {
  const counters = new Float64Array(COUNTER.SIZE);
  const tcp = new TcpService(bracket, limits, counters, 0);
  const open = (source: readonly number[] = [192, 0, 2, 1]) => {
    const connection = new FakeConnection(source);
    connection.onClosed = () => tcp.closed(connection);
    if (!tcp.opened(connection)) connection.destroy();
    return connection;
  };
  const count = (name: 'TCP_ACCEPTED' | 'TCP_REFUSED' | 'TCP_TIMEOUT') => counters[COUNTER[name]];
  /** As a tier does: the array is longer, and used again at once. */
  const feed = (connection: FakeConnection, bytes: Uint8Array) => {
    const window = new Uint8Array(bytes.length + 7).fill(0xee);
    window.set(bytes);
    tcp.received(connection, window, bytes.length);
    window.fill(0xdd);
  };
  return { tcp, open, count, feed };
}

function framed(...texts: readonly string[]): Uint8Array {
  return Uint8Array.from(
    texts.flatMap((text) => [text.length >> 8, text.length & 0xff, ...Buffer.from(text, 'latin1')]),
  );
}

describe('TcpService', () => {
  it('answers messages in their order, with the length in front', () => {
    const { open, feed } = service();
    const connection = open();
    feed(connection, framed('one', 'two', 'three'));
    expect(connection.sent).toEqual(['[one]', '[two]', '[three]']);
  });

  it('sends what one reading brought with one write', () => {
    const { open, feed } = service();
    const connection = open();
    feed(connection, framed('one', 'two', 'three'));
    expect(connection.writes).toBe(1);
  });

  it('sends in between when many large answers gather', () => {
    const { open, feed } = service();
    const connection = open();
    const large = 'x'.repeat(3000);
    feed(connection, framed(...Array<string>(60).fill(large)));
    expect(connection.sent).toEqual(Array<string>(60).fill(`[${large}]`));
    expect(connection.writes).toBeGreaterThan(1);
  });

  it('answers whatever the splits: at every one and every two places', () => {
    const bytes = framed('first', 'x', 'the third');
    for (let a = 0; a <= bytes.length; a++) {
      for (let b = a; b <= bytes.length; b++) {
        const { open, feed } = service();
        const connection = open();
        for (const part of [bytes.slice(0, a), bytes.slice(a, b), bytes.slice(b)]) feed(connection, part);
        expect([a, b, ...connection.sent]).toEqual([a, b, '[first]', '[x]', '[the third]']);
      }
    }
  });

  it('answers byte by byte, as soon as a message is complete', () => {
    const { open, feed } = service();
    const connection = open();
    const bytes = framed('slow', 'er');
    for (const [i, byte] of bytes.entries()) {
      feed(connection, Uint8Array.of(byte));
      expect(connection.sent.length).toBe(i < 5 ? 0 : i < 9 ? 1 : 2);
    }
  });

  it('keeps the halves of two connections apart', () => {
    const { open, feed } = service();
    const [a, b] = [open(), open()];
    feed(a, framed('alpha').slice(0, 4));
    feed(b, framed('beta').slice(0, 1));
    feed(a, framed('alpha').slice(4));
    feed(b, framed('beta').slice(1));
    expect([a.sent, b.sent]).toEqual([['[alpha]'], ['[beta]']]);
  });

  it('closes a connection whose message gets no answer, and answers nothing behind it', () => {
    const { open, feed, tcp } = service();
    for (const bad of ['drop', '']) {
      const connection = open();
      feed(connection, framed('good', bad, 'late'));
      expect([connection.state, connection.sent]).toEqual(['destroyed', ['[good]']]);
      feed(connection, framed('later'));
      expect(connection.sent).toEqual(['[good]']);
    }
    expect(tcp.connections).toBe(0);
  });

  it.each([1, 2, 3, 5000])('closes at a message that is too long to be a query (in pieces of %i)', (size) => {
    const { open, feed } = service();
    const connection = open();
    const bytes = framed('x'.repeat(4097));
    for (let at = 0; at < bytes.length && connection.state === 'open'; at += size) {
      if (at > 3) break;
      feed(connection, bytes.slice(at, Math.min(at + size, bytes.length - 1)));
    }
    expect([connection.state, connection.sent]).toEqual(['destroyed', []]);
  });

  it('takes the longest query that it takes', () => {
    const { open, feed } = service();
    const connection = open();
    const text = 'y'.repeat(4096);
    feed(connection, framed(text).slice(0, 4000));
    feed(connection, framed(text).slice(4000));
    expect(connection.sent).toEqual([`[${text}]`]);
  });

  it('closes a connection that does not take its answers', () => {
    const { open, feed } = service();
    const connection = open();
    connection.takes = false;
    feed(connection, framed('one', 'two'));
    feed(connection, framed('three'));
    expect([connection.state, connection.sent]).toEqual(['destroyed', ['[one]', '[two]']]);
  });

  it('ends its side when the peer has ended', () => {
    const { tcp, open, feed } = service();
    const connection = open();
    feed(connection, framed('last'));
    tcp.ended(connection);
    expect([connection.state, connection.sent]).toEqual(['ended', ['[last]']]);
  });

  it('closes connections that have been idle for the limit, not those that ask', () => {
    const { tcp, open, feed, count } = service();
    const [idle, busy] = [open(), open()];
    tcp.tick(9000);
    feed(busy, framed('q'));
    tcp.tick(9999);
    expect([idle.state, busy.state]).toEqual(['open', 'open']);
    tcp.tick(10_000);
    expect([idle.state, busy.state, count('TCP_TIMEOUT')]).toEqual(['destroyed', 'open', 1]);
    tcp.tick(19_000);
    expect([busy.state, tcp.connections]).toEqual(['destroyed', 0]);
  });

  it('takes bytes for no query: who sends one byte now and then is idle', () => {
    const { tcp, open, feed } = service();
    const slow = open();
    const bytes = framed('a long long query');
    for (let i = 0; i < 10; i++) {
      feed(slow, bytes.slice(i, i + 1));
      tcp.tick(1000 * (i + 1));
    }
    expect(slow.state).toBe('destroyed');
  });

  it('closes the connection that has been idle longest when there are too many', () => {
    const { tcp, open, feed, count } = service();
    const first = open();
    tcp.tick(1000);
    const second = open();
    tcp.tick(2000);
    const third = open();
    feed(first, framed('q'));
    const fourth = open();
    expect([first, second, third, fourth].map(({ state }) => state)).toEqual([
      'open',
      'destroyed',
      'open',
      'open',
    ]);
    expect([tcp.connections, count('TCP_ACCEPTED'), count('TCP_REFUSED')]).toEqual([3, 4, 0]);
  });

  it('closes the oldest connection that never asked when there are too many, however young it is', () => {
    const { open, feed, count } = service();
    const [asked, silent, later] = [open(), open(), open()];
    feed(asked, framed('q'));
    const honest = open();
    expect([asked, silent, later, honest].map(({ state }) => state)).toEqual([
      ...['open', 'destroyed', 'open', 'open'],
    ]);
    expect(count('TCP_REFUSED')).toBe(0);
  });

  it('refuses a connection when there are too many and none is idle', () => {
    const { tcp, open, feed, count } = service();
    const asked = [open(), open(), open()];
    for (const connection of asked) feed(connection, framed('q'));
    const connections = [...asked, open()];
    expect(connections.map(({ state }) => state)).toEqual(['open', 'open', 'open', 'destroyed']);
    expect([tcp.connections, count('TCP_REFUSED')]).toEqual([3, 1]);
    connections[0]!.destroy();
    expect(open().state).toBe('open');
  });

  it('closes a connection that is too old, however busy it is', () => {
    const { tcp, open, feed } = service();
    const connection = open();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 5000) {
      tcp.tick(nowMs);
      feed(connection, framed('q'));
    }
    expect(connection.state).toBe('open');
    tcp.tick(60_000);
    expect(connection.state).toBe('destroyed');
  });

  it('ends a connection after so many queries, with the answers to all of them', () => {
    const { open, feed } = service({ ...LIMITS, maxQueries: 2 });
    const connection = open();
    feed(connection, framed('one', 'two', 'three'));
    expect([connection.state, connection.sent]).toEqual(['ended', ['[one]', '[two]']]);
  });

  it('lets one client fill a part of the table only: its next connection displaces its own', () => {
    const { tcp, open, feed, count } = service({ ...LIMITS, maxConnections: 10, maxPerClient: 3 });
    const other = open([192, 0, 2, 2]);
    const own = [open(), open(), open()];
    feed(own[0]!, framed('q'));
    const next = open();
    expect([other, ...own, next].map(({ state }) => state)).toEqual([
      ...['open', 'open', 'destroyed', 'open', 'open'],
    ]);
    // One that asked long ago gives way too; none that has just asked.
    for (const connection of [own[2]!, next]) feed(connection, framed('q'));
    expect([open().state, count('TCP_REFUSED')]).toEqual(['destroyed', 1]);
    tcp.tick(1000);
    for (const connection of [own[2]!, next]) feed(connection, framed('q'));
    expect([open().state, own[0]!.state, other.state]).toEqual(['open', 'destroyed', 'open']);
    expect([tcp.connections, count('TCP_REFUSED'), count('TCP_TIMEOUT')]).toEqual([4, 1, 2]);
  });

  it('asks clients to close when the table is nearly full', () => {
    const { tcp, open } = service();
    expect(tcp.keepalive).toBe(100);
    for (let i = 0; i < 3; i++) open();
    expect(tcp.keepalive).toBe(0);
  });
});
