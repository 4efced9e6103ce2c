import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../src/core/answer/counters.js';
import { decodeMessage } from '../../src/core/dns/message.js';
import { TcpService } from '../../src/dataplane/tcp.js';
import type { StreamConnection } from '../../src/io/tier.js';
import { fuzzResponder } from '../support/fuzz-world.js';
import { packet } from '../support/packet.js';
import { tcpLimits } from '../support/tcp-limits.js';

class Client implements StreamConnection {
  attached: object | null = null;
  readonly family = 4;
  readonly source: Uint8Array = Uint8Array.of(192, 0, 2, 1);
  received: Buffer = Buffer.alloc(0);
  state: 'open' | 'ended' | 'destroyed' = 'open';

  write(bytes: Uint8Array, from: number, end: number): boolean {
    this.received = Buffer.concat([this.received, bytes.slice(from, end)]);
    return true;
  }

  end(): void {
    this.state = 'ended';
  }

  destroy(): void {
    this.state = 'destroyed';
  }

  messages() {
    const found = [];
    for (let at = 0; at < this.received.length; at += 2 + this.received.readUInt16BE(at)) {
      const message = decodeMessage(this.received.subarray(at + 2, at + 2 + this.received.readUInt16BE(at)));
      if (!message) throw new Error('unreadable');
      found.push(message);
    }
    return found;
  }
}

function open() {
  const { responder } = fuzzResponder(1, (error) => {
    throw error;
  });
  const limits = tcpLimits({ maxConnections: 2 });
  const service = new TcpService(responder.message, limits, new Float64Array(COUNTER.SIZE), 0);
  const client = new Client();
  service.opened(client);
  return { client, service, feed: (bytes: Uint8Array) => service.received(client, bytes, bytes.length) };
}

const framed = (bytes: Uint8Array, length = bytes.length) =>
  Buffer.concat([Uint8Array.of(length >> 8, length & 0xff), bytes]);
const query = (id: number, name = 'www.example.com', type = 1) => packet({ id, name, type });

describe('RFC 7766: DNS over TCP', () => {
  it('answers pipelined queries, each with its ID (§6.2.1.1)', () => {
    const { client, feed } = open();
    feed(Buffer.concat([1, 2, 3, 4, 5].map((id) => framed(query(id)))));
    expect(client.messages().map(({ id, rcode }) => [id, rcode])).toEqual(
      [1, 2, 3, 4, 5].map((id) => [id, 0]),
    );
    expect(client.state).toBe('open');
  });

  it('takes the two length bytes and the message in segments cut anywhere (§8)', () => {
    const stream = Buffer.concat([framed(query(1)), framed(query(2))]);
    for (let cut = 1; cut < stream.length; cut++) {
      const { client, feed } = open();
      feed(stream.subarray(0, cut));
      feed(stream.subarray(cut));
      expect(client.messages().map(({ id }) => id)).toEqual([1, 2]);
    }
    const { client, feed } = open();
    for (const byte of stream) feed(Uint8Array.of(byte));
    expect(client.messages().map(({ id }) => id)).toEqual([1, 2]);
  });

  it('is not bound by the size of UDP, with or without EDNS (§8)', () => {
    const { client, feed } = open();
    feed(framed(query(1, 'many.example.com', 16)));
    feed(framed(packet({ id: 2, name: 'many.example.com', type: 16, opts: [{ payload: 512 }] })));
    expect(client.messages().map(({ truncated, answers }) => [truncated, answers.length])).toEqual([
      // 40 of the zone, two of an ACME challenge.
      [false, 42],
      [false, 42],
    ]);
  });

  it('keeps the connection for the next query after an error (§6.2.1)', () => {
    const { client, feed } = open();
    feed(framed(packet({ id: 1, name: 'www.example.com', counts: [0] })));
    feed(framed(query(2)));
    expect(client.messages().map(({ id, rcode }) => [id, rcode])).toEqual([
      [1, 1],
      [2, 0],
    ]);
  });

  it('answers what came before a message that is too long, then closes', () => {
    const { client, feed } = open();
    feed(Buffer.concat([framed(query(1)), framed(query(2), 60_000)]));
    expect(client.messages().map(({ id }) => id)).toEqual([1]);
    expect(client.state).toBe('destroyed');
  });

  it('closes its side when the client has closed (§6.2.4)', () => {
    const { client, service } = open();
    service.ended(client);
    expect(client.state).toBe('ended');
  });
});
