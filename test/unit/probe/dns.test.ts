import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { TYPE } from '../../../src/core/dns/iana.js';
import type { DnsCheck } from '../../../src/core/zone/check.js';
import { ask, closePeers, listen, listenUdp } from '../../support/peers.js';

/** The part of dns-packet that is used here: it has no types of its own. */
interface Answer {
  readonly type: string;
  readonly name: string;
  readonly ttl: number;
  readonly data: unknown;
}

interface Packet {
  readonly id?: number;
  readonly type?: string;
  readonly flags?: number;
  readonly flag_rd?: boolean;
  readonly questions?: readonly { readonly type: string; readonly name: string }[];
  readonly answers?: readonly Answer[];
  readonly additionals?: readonly object[];
}

const dnsPacket = createRequire(import.meta.url)('dns-packet') as {
  readonly TRUNCATED_RESPONSE: number;
  encode(packet: Packet): Buffer;
  decode(bytes: Buffer): Packet;
};

const CHECK: DnsCheck = {
  type: 'dns',
  port: 53,
  queryName: 'www.example.com.',
  queryType: TYPE.A,
  protocol: 'udp',
  rcode: 0,
};
const ADDRESS: Answer = { type: 'A', name: 'www.example.com', ttl: 1, data: '192.0.2.1' };
const NXDOMAIN = 3;

afterEach(closePeers);

/** A response to `query` as dns-packet, a second opinion, writes it. */
function respond(query: Buffer, answers: Answer[], changes: Partial<Packet> = {}): Buffer {
  const { id, questions } = dnsPacket.decode(query);
  return dnsPacket.encode({
    type: 'response',
    ...(id !== undefined && { id }),
    questions: questions ?? [],
    answers,
    ...changes,
  });
}

async function askUdp(
  answer: (query: Buffer) => readonly Uint8Array[],
  changes: Partial<DnsCheck> = {},
  timeoutMs = 3000,
) {
  const { port } = await listenUdp(answer);
  return ask({ ...CHECK, port, ...changes, timeoutMs });
}

describe('a dns probe', () => {
  it('asks for the name and the type, with recursion and EDNS', async () => {
    let seen: Packet | undefined;
    await askUdp(
      (query) => {
        seen = dnsPacket.decode(query);
        return [respond(query, [])];
      },
      { queryType: TYPE.TXT },
    );
    expect(seen?.questions).toEqual([{ name: 'www.example.com', type: 'TXT', class: 'IN' }]);
    expect(seen?.flag_rd).toBe(true);
    expect(seen?.additionals?.[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232 });
  });

  it.each<[string, Answer[], Partial<Packet>, Partial<DnsCheck>, boolean, string]>([
    ['any answer will do', [], {}, {}, true, 'NOERROR'],
    ['another rcode', [], { flags: NXDOMAIN }, {}, false, 'NXDOMAIN, want NOERROR'],
    ['the wanted rcode', [], { flags: NXDOMAIN }, { rcode: NXDOMAIN }, true, 'NXDOMAIN'],
    [
      'the wanted value',
      [{ ...ADDRESS, data: '192.0.2.9' }, ADDRESS],
      {},
      { value: '192.0.2.1' },
      true,
      'NOERROR, 192.0.2.1',
    ],
    ['another value', [ADDRESS], {}, { value: '192.0.2.2' }, false, '1 A records, none is 192.0.2.2'],
    ['no value', [], {}, { value: '192.0.2.2' }, false, '0 A records, none is 192.0.2.2'],
    [
      'a name in another letter case, and compressed',
      [
        {
          type: 'MX',
          name: 'www.example.com',
          ttl: 1,
          data: { preference: 5, exchange: 'Mail.WWW.example.com' },
        },
      ],
      {},
      { queryType: TYPE.MX, value: '5 mail.www.example.com.' },
      true,
      'NOERROR, 5 mail.www.example.com.',
    ],
    [
      'a text in another letter case',
      [{ type: 'TXT', name: 'www.example.com', ttl: 1, data: 'OK' }],
      {},
      { queryType: TYPE.TXT, value: '"ok"' },
      false,
      '1 TXT records, none is "ok"',
    ],
    [
      'an alias, where the value is of its target',
      [
        { type: 'CNAME', name: 'www.example.com', ttl: 1, data: 'a.example.com' },
        { ...ADDRESS, name: 'a.example.com' },
      ],
      {},
      { value: '192.0.2.1' },
      true,
      'NOERROR, 192.0.2.1',
    ],
    [
      'a truncated answer',
      [],
      { flags: dnsPacket.TRUNCATED_RESPONSE },
      { value: '192.0.2.1' },
      false,
      'truncated, and without 192.0.2.1: ask by TCP',
    ],
  ])('judges %s', async (_, answers, packet, changes, ok, detail) => {
    const result = await askUdp((query) => [respond(query, answers, packet)], changes);
    expect(result).toMatchObject({ ok, detail });
  });

  it('does not take the answer to another query, nor a query, for its own', async () => {
    const other = (query: Buffer) => {
      const copy = Buffer.from(respond(query, [], { flags: NXDOMAIN }));
      copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0);
      return copy;
    };
    const result = await askUdp((query) => [
      other(query),
      Buffer.from('x'),
      query,
      respond(query, [ADDRESS]),
    ]);
    expect(result).toMatchObject({ ok: true, detail: 'NOERROR' });
  });

  it.each<[string, (query: Buffer) => Buffer]>([
    [
      'to another question',
      (query) => respond(query, [], { questions: [{ type: 'A', name: 'other.example.com' }] }),
    ],
    ['that is cut off', (query) => respond(query, [ADDRESS]).subarray(0, -2)],
    ['with bytes too many', (query) => Buffer.concat([respond(query, [ADDRESS]), Buffer.from('x')])],
  ])('is down on an answer %s', async (_, answer) => {
    expect(await askUdp((query) => [answer(query)])).toMatchObject({
      ok: false,
      detail: 'not a valid DNS response',
    });
  });

  it('is down without an answer, and at once when the port is closed', async () => {
    expect(await askUdp(() => [], {}, 50)).toMatchObject({ ok: false, detail: 'timeout after 50 ms' });
    const { port, socket } = await listenUdp(() => []);
    closePeers();
    expect(socket.listenerCount('message')).toBe(1);
    expect(await ask({ ...CHECK, port })).toMatchObject({ ok: false, detail: 'connect refused' });
  });

  it.each<[string, (framed: Buffer) => readonly Buffer[]]>([
    ['whole', (framed) => [framed]],
    ['in pieces', (framed) => [framed.subarray(0, 1), framed.subarray(1, 20), framed.subarray(20)]],
  ])('asks by TCP, and reads the answer %s', async (_, parts) => {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', async (query) => {
        expect(query.readUInt16BE(0)).toBe(query.length - 2);
        const reply = respond(query.subarray(2), [ADDRESS]);
        for (const part of parts(
          Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]),
        )) {
          socket.write(part);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
    });
    const { port } = await listen(server);
    const check = { ...CHECK, port, protocol: 'tcp', value: '192.0.2.1' } as const;
    expect(await ask(check)).toMatchObject({ ok: true, detail: 'NOERROR, 192.0.2.1' });
  });

  it('is down when a TCP connection ends without an answer, or says nonsense', async () => {
    const closing = await listen(createServer((socket) => socket.once('data', () => socket.end())));
    expect(await ask({ ...CHECK, port: closing.port, protocol: 'tcp' })).toMatchObject({
      ok: false,
      detail: 'connection closed without a response',
    });
    const http = await listen(
      createServer((socket) => socket.once('data', () => socket.write('\0\x0eHTTP/1.1 400 B'))),
    );
    expect(await ask({ ...CHECK, port: http.port, protocol: 'tcp' })).toMatchObject({
      ok: false,
      detail: 'not a valid DNS response',
    });
  });
});
