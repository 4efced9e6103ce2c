import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { ProxiedStreams } from '../../../src/dataplane/proxied-streams.js';
import type { StreamConnection, StreamHandler } from '../../../src/io/tier.js';
import { proxyHeader } from '../../support/proxy-header.js';

const PROXY = [10, 0, 0, 1];
const LIMITS = { maxConnections: 2, idleTimeoutMs: 10_000 };
const V4 = proxyHeader(0x21, 0x11, [203, 0, 113, 9, 127, 0, 0, 1, 1, 2, 0, 53]);
const CLIENT_V6 = [0x20, 1, 0x0d, 0xb8, ...Array<number>(11).fill(0), 7];
const V6 = proxyHeader(0x21, 0x21, [...CLIENT_V6, ...Array<number>(16).fill(0), 1, 2, 0, 53]);
const LOCAL = proxyHeader(0x20, 0, []);
const WITH_TLV = proxyHeader(0x21, 0x11, [203, 0, 113, 9, 127, 0, 0, 1, 1, 2, 0, 53, 4, 0, 2, 9, 9]);

class FakeConnection implements StreamConnection {
  attached: object | null = null;
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  state: 'open' | 'ended' | 'destroyed' = 'open';
  readonly written: number[] = [];
  onClosed: () => void = () => {};

  constructor(source: readonly number[]) {
    this.source = Uint8Array.from(source);
    this.family = source.length === 4 ? 4 : 6;
  }

  write(bytes: Uint8Array, from: number, end: number): boolean {
    this.written.push(...bytes.slice(from, end));
    return true;
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

/** What the service behind saw, one text for each event. */
class Service implements StreamHandler {
  readonly seen: string[] = [];
  takes = true;

  opened({ family, source }: StreamConnection): boolean {
    this.seen.push(`opened ${family} ${[...source].join('.')}`);
    return this.takes;
  }

  received(connection: StreamConnection, bytes: Uint8Array, length: number): void {
    const text = Buffer.from(bytes.slice(0, length)).toString('latin1');
    this.seen.push(`received ${text}`);
    connection.write(Buffer.from(text.toUpperCase(), 'latin1'), 0, length);
  }

  ended(): void {
    this.seen.push('ended');
  }

  closed(): void {
    this.seen.push('closed');
  }
}

function rig() {
  const counters = new Float64Array(COUNTER.SIZE);
  const service = new Service();
  const trusted = [{ bytes: Uint8Array.from(PROXY), length: 32 }];
  const streams = new ProxiedStreams(service, { trusted, limits: LIMITS }, counters, 0);
  const open = (source = PROXY) => {
    const connection = new FakeConnection(source);
    connection.onClosed = () => streams.closed(connection);
    if (!streams.opened(connection)) connection.destroy();
    return connection;
  };
  /** As a tier does: the array is longer, and used again at once. */
  const feed = (connection: FakeConnection, bytes: Uint8Array) => {
    const window = new Uint8Array(bytes.length + 5).fill(0xee);
    window.set(bytes);
    streams.received(connection, window, bytes.length);
    window.fill(0xdd);
  };
  return { counters, service, streams, open, feed };
}

const bytes = (...parts: readonly (Uint8Array | string)[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1'))));

describe('ProxiedStreams', () => {
  it.each([
    ['an IPv4 client', V4, 'opened 4 203.0.113.9'],
    ['an IPv6 client', V6, `opened 6 ${CLIENT_V6.join('.')}`],
    ['the sender itself for LOCAL', LOCAL, 'opened 4 10.0.0.1'],
    ['a client with more about it behind', WITH_TLV, 'opened 4 203.0.113.9'],
  ])('shows the service %s, in whatever two or three pieces the header comes', (_, header, opened) => {
    const all = bytes(header, 'hello');
    for (let a = 0; a <= all.length; a++) {
      for (let b = a; b <= all.length; b += 3) {
        const { service, open, feed } = rig();
        const connection = open();
        for (const part of [all.slice(0, a), all.slice(a, b), all.slice(b)]) {
          if (part.length > 0) feed(connection, part);
        }
        expect(service.seen[0]).toBe(opened);
        expect(service.seen.slice(1).join('').replaceAll('received ', '')).toBe('hello');
        expect(Buffer.from(connection.written).toString()).toBe('HELLO');
      }
    }
  });

  it('takes a header byte by byte, and is silent until it is whole', () => {
    const { service, open, feed } = rig();
    const connection = open();
    for (const byte of V6.slice(0, -1)) feed(connection, Uint8Array.of(byte));
    expect(service.seen).toEqual([]);
    feed(connection, V6.slice(-1));
    expect(service.seen).toHaveLength(1);
  });

  it('passes connections of others as they are, a header in them too', () => {
    const { service, open, feed } = rig();
    const connection = open([10, 0, 0, 2]);
    feed(connection, bytes(V4, 'x'));
    expect(service.seen[0]).toBe('opened 4 10.0.0.2');
    expect(service.seen[1]).toHaveLength('received '.length + V4.length + 1);
  });

  it.each([
    ['no header', bytes('GET / HTTP/1.1\r\n')],
    ['version 1', bytes('PROXY TCP4 203.0.113.9 127.0.0.1 1 53\r\n')],
    ['another version', proxyHeader(0x31, 0x11, [])],
    ['an address that is cut', proxyHeader(0x21, 0x11, [203, 0, 113])],
    ['a header of 64 KB', Uint8Array.of(...V4.slice(0, 14), 0xff, 0xff)],
  ])('closes a proxy’s connection with %s at the first wrong byte, and counts it', (_, wrong) => {
    const { counters, service, open, feed } = rig();
    const connection = open();
    feed(connection, wrong);
    expect([connection.state, service.seen, counters[COUNTER.PROXY_REFUSED]]).toEqual(['destroyed', [], 1]);
  });

  it('closes connections whose header does not come in time, and none after', () => {
    const { counters, streams, open, feed } = rig();
    const [silent, done] = [open(), open()];
    feed(done, V4);
    feed(silent, V4.slice(0, 20));
    streams.tick(9999);
    expect([silent.state, done.state]).toEqual(['open', 'open']);
    streams.tick(10_000);
    expect([silent.state, done.state, counters[COUNTER.TCP_TIMEOUT]]).toEqual(['destroyed', 'open', 1]);
  });

  it('has a limit for connections without a header, and none of its own for others', () => {
    const { counters, open, feed } = rig();
    const first = open();
    open();
    expect([open().state, counters[COUNTER.TCP_REFUSED]]).toEqual(['destroyed', 1]);
    feed(first, V4);
    const next = open();
    expect(next.state).toBe('open');
    next.destroy();
    next.destroy();
    for (let i = 0; i < 5; i++) {
      const passed = open();
      feed(passed, V4);
      expect(passed.state).toBe('open');
    }
  });

  it('closes where the service does not want the client', () => {
    const { service, open, feed } = rig();
    service.takes = false;
    const connection = open();
    feed(connection, bytes(V4, 'hello'));
    expect([connection.state, service.seen]).toEqual(['destroyed', ['opened 4 203.0.113.9']]);
    // And gives its place back.
    service.takes = true;
    expect([open().state, open().state]).toEqual(['open', 'open']);
  });

  it('tells the service of the end and of the close once the client is known, not before', () => {
    const { service, streams, open, feed } = rig();
    const early = open();
    streams.ended(early);
    expect([early.state, service.seen]).toEqual(['destroyed', []]);
    const connection = open();
    feed(connection, V4);
    streams.ended(connection);
    connection.destroy();
    expect(service.seen).toEqual(['opened 4 203.0.113.9', 'ended', 'closed']);
  });
});
