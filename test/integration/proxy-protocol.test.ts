import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/core/dns/message.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';
import { proxyHeader } from '../support/proxy-header.js';
import { until } from '../support/until.js';

const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
pools: { here: { endpoints: [{ A: 192.0.2.1 }] }, four: { endpoints: [{ A: 192.0.2.4 }] }, six: { endpoints: [{ A: 192.0.2.6 }] } }
records:
  place:
    type: A
    dynamic:
      rules:
        - { pool: four, subnets: [ 203.0.113.0/24 ] }
        - { pool: six, subnets: [ "2001:db8:77::/48" ] }
        - { pool: here }
`;
const PLACE = packet({ name: 'place.serve.test' });
const ANSWER_BYTES = PLACE.length + 16;
const FRAMED = Buffer.concat([Uint8Array.of(0, PLACE.length), PLACE]);
const CLIENT_V4 = [203, 0, 113, 9, 127, 0, 0, 1, 1, 2, 0, 53];
const CLIENT_V6 = [
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0x77, ...Array<number>(9).fill(0), 9],
  ...[...Array<number>(15).fill(0), 1, 1, 2, 0, 53],
];
/** Header and the answer by it; the low half of the 14th byte says stream or datagram. */
const HEADERS = [
  ['an IPv4 client', (transport: number) => proxyHeader(0x21, 0x10 | transport, CLIENT_V4), '192.0.2.4'],
  ['an IPv6 client', (transport: number) => proxyHeader(0x21, 0x20 | transport, CLIENT_V6), '192.0.2.6'],
  ['LOCAL', () => proxyHeader(0x20, 0, []), '192.0.2.1'],
] as const;
const [STREAM, DATAGRAM] = [1, 2];
const rdata = (bytes: Uint8Array) => decodeMessage(new Uint8Array(bytes))?.answers[0]?.rdata;

describe.each(['batched', 'portable'])('the PROXY protocol, with dns.io: %s', (io) => {
  let node: TestNode;
  beforeAll(async () => {
    const dns = { io, proxy_protocol: { from: ['127.0.0.1', '::1'] } };
    node = await startNode({ zones: { 'serve.test.yaml': ZONE }, config: { dns } });
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  const HOSTS = ['127.0.0.1', '::1'];
  const portOf = (host: string) => (host === '::1' ? node.portV6 : node.port);
  const refused = () => node.metric('meridian_dns_proxy_refused_total');

  describe.each(HOSTS)('from %s', (host) => {
    /** What came back to datagrams, after a last one that is known to be answered. */
    async function datagrams(...sent: readonly Uint8Array[]) {
      const socket = createSocket(host === '::1' ? 'udp6' : 'udp4');
      const received: Uint8Array[] = [];
      socket.on('message', (bytes) => received.push(bytes));
      for (const bytes of sent) socket.send(bytes, portOf(host), host);
      const last = packet({ id: 0xffff, name: 'serve.test', type: 6 });
      socket.send(Buffer.concat([proxyHeader(0x20, 0, []), last]), portOf(host), host);
      await until('the last answer', () => received.some((bytes) => bytes[0] === 0xff));
      socket.close();
      return received.filter((bytes) => bytes[0] !== 0xff).map(rdata);
    }

    async function stream(pieces: readonly Uint8Array[], answers: number) {
      const socket = createConnection({ port: portOf(host), host, noDelay: true });
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
      await once(socket, 'connect');
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const read = () => Buffer.concat(chunks);
      const size = 2 + ANSWER_BYTES;
      await until('the answers', () => read().length >= answers * size || socket.closed);
      socket.destroy();
      return Array.from({ length: Math.floor(read().length / size) }, (_, i) =>
        rdata(read().subarray(i * size + 2, (i + 1) * size)),
      );
    }

    it.each(HEADERS)('answers a datagram by %s', async (_, header, expected) => {
      expect(await datagrams(Buffer.concat([header(DATAGRAM), PLACE]))).toEqual([expected]);
    });

    it('answers a burst of datagrams, each by its own header', async () => {
      const burst = Array.from({ length: 60 }, (_, i) =>
        Buffer.concat([HEADERS[i % 3]![1](DATAGRAM), PLACE]),
      );
      const found = await datagrams(...burst);
      for (const [, , expected] of HEADERS) expect(found.filter((one) => one === expected)).toHaveLength(20);
    });

    it('answers no datagram without a whole header, and counts each', async () => {
      const before = await refused();
      const [, header] = HEADERS[0];
      const wrong = [
        PLACE,
        header(DATAGRAM).slice(0, 27),
        Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 53\r\n'),
      ];
      expect(await datagrams(...wrong)).toEqual([]);
      expect(await refused()).toBe(before + wrong.length);
    });

    it.each(HEADERS)(
      'answers a connection by %s, in whatever pieces its header comes',
      async (_, header, expected) => {
        const bytes = Buffer.concat([header(STREAM), FRAMED, FRAMED]);
        for (const cut of [0, 1, 13, 15, 16, header(STREAM).length, header(STREAM).length + 1]) {
          expect(await stream([bytes.subarray(0, cut), bytes.subarray(cut)], 2)).toEqual([
            expected,
            expected,
          ]);
        }
      },
    );

    it('answers a connection whose header comes byte by byte', async () => {
      const [, header, expected] = HEADERS[1];
      const bytes = Buffer.concat([header(STREAM), FRAMED]);
      expect(
        await stream(
          [...bytes].map((byte) => Uint8Array.of(byte)),
          1,
        ),
      ).toEqual([expected]);
    });

    it('closes a connection without a header, and counts it', async () => {
      const before = await refused();
      expect(await stream([FRAMED], 1)).toEqual([]);
      expect(await refused()).toBe(before + 1);
    });
  });

  it('answers others as they are, and takes no header from them', async () => {
    // Not one of the trusted addresses.
    const from = '127.0.0.2';
    const socket = createSocket('udp4');
    const received: Uint8Array[] = [];
    socket.on('message', (bytes) => received.push(bytes));
    await new Promise<void>((resolve) => socket.bind(0, from, resolve));
    const [, header] = HEADERS[0];
    socket.send(Buffer.concat([header(DATAGRAM), PLACE]), node.port, '127.0.0.1');
    socket.send(PLACE, node.port, '127.0.0.1');
    await until('the answer', () => received.some((bytes) => rdata(bytes) === '192.0.2.1'));
    expect(received.map(rdata).filter((one) => one === '192.0.2.4')).toEqual([]);
    socket.close();
  });
});
