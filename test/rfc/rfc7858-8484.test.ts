import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COUNTER } from '../../src/core/answer/counters.js';
import { decodeMessage } from '../../src/core/dns/message.js';
import { DohService } from '../../src/dataplane/doh.js';
import { packet } from '../support/packet.js';
import { lines, rigOf, subnetOption, zoneText } from '../support/query-rig.js';

const ZONE = zoneText(
  'example.com',
  `pools: { here: { endpoints: [ { A: 192.0.2.1 } ] }, there: { endpoints: [ { A: 192.0.2.2 } ] } }
records:
  www: { type: A, ttl: 77, value: 192.0.2.9 }
  large: { type: TXT, values: [ ${Array.from({ length: 40 }, (_, i) => `"${i}${'x'.repeat(200)}"`).join(', ')} ] }
  place: { type: A, dynamic: { rules: [ { pool: there, subnets: [ 203.0.113.0/24 ] }, { pool: here } ] } }
`,
);
const rig = rigOf(ZONE);
const SUBNET = 8;

describe.each(['dot', 'doh'] as const)('an encrypted transport (%s)', (over) => {
  it.each([
    ['www.example.com', 1],
    ['large.example.com', 16],
    ['none.example.com', 1],
    ['example.com', 2],
    ['www.example.org', 1],
    ['example.com', 252],
  ])('answers %s %i as TCP does: RFC 7858 §3.3, RFC 8484 §4.2.1', (name, type) => {
    for (const opts of [[], [{ payload: 512 }], [{ flags: 0x8000 }]]) {
      const query = packet({ name, type, opts });
      expect(rig.raw(query, { over })).toEqual(rig.raw(query, { tcp: true }));
    }
  });

  it('knows the client by its address, and by a client subnet', () => {
    const ask = (options: readonly (readonly [number, readonly number[]])[], source: string) =>
      rig.send(packet({ name: 'place.example.com', opts: [{ options }] }), { over, source })!.answers[0]
        ?.rdata;
    expect(ask([], '203.0.113.7')).toBe('192.0.2.2');
    expect(ask([], '198.51.100.7')).toBe('192.0.2.1');
    expect(ask([[SUBNET, subnetOption('203.0.113.0/24')]], '198.51.100.7')).toBe('192.0.2.2');
  });

  it('says nothing to a response and to what is no message', () => {
    expect(rig.raw(packet({ name: 'www.example.com', flags: 0x8000 }), { over })).toBeUndefined();
    expect(rig.raw(Uint8Array.of(1, 2, 3), { over })).toBeUndefined();
  });

  it('is counted by itself', () => {
    const at = over === 'dot' ? COUNTER.DOT4 : COUNTER.DOH4;
    const before = [rig.counters[at]!, rig.counters[at + 1]!, rig.counters[COUNTER.TCP4]!];
    rig.ask('www.example.com', 'A', { over });
    rig.ask('www.example.com', 'A', { over, source: '2001:db8::1' });
    expect([rig.counters[at]!, rig.counters[at + 1]!, rig.counters[COUNTER.TCP4]!]).toEqual([
      ...[before[0]! + 1, before[1]! + 1, before[2]!],
    ]);
  });
});

describe('RFC 8484: DNS over HTTPS', () => {
  let server: Http2Server;
  let client: ClientHttp2Session;
  let asked = 0;
  const counters = new Float64Array(COUNTER.SIZE);

  beforeAll(async () => {
    const service = new DohService(
      (input, start, end, output, base, source, sourceAt, family) => {
        const bytes = [...source.slice(sourceAt, sourceAt + (family === 4 ? 4 : 16))];
        const reply = rig.raw(input.slice(start, end), { over: 'doh', source: bytes.join('.') });
        output.set(reply ?? [], base);
        return reply?.length ?? 0;
      },
      { path: '/dns-query', maxQueries: 10_000, writeQueueMax: 1_000_000 },
      { counters, door: { asked: () => void asked++, tooSlow: () => {} } },
      0,
    );
    server = createServer((request, response) => service.handle(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterAll(() => {
    client.destroy();
    server.close();
  });

  async function fetch(headers: OutgoingHttpHeaders, body?: Uint8Array) {
    const stream = client.request({ ':path': '/dns-query', ...headers }, { endStream: body === undefined });
    if (body) stream.end(body);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = once(stream, 'end');
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    await ended;
    const bytes = new Uint8Array(Buffer.concat(chunks));
    return { status: answer[':status'], headers: answer, bytes, message: decodeMessage(bytes) };
  }

  const TYPE = 'application/dns-message';
  const get = (query: Uint8Array) =>
    fetch({ ':path': `/dns-query?dns=${Buffer.from(query).toString('base64url')}` });
  const post = (query: Uint8Array, type = TYPE) => fetch({ ':method': 'POST', 'content-type': type }, query);
  const WAYS = [
    ['GET', get],
    ['POST', post],
  ] as const;

  it('reads the example of §4.1.1', async () => {
    const query = 'AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB';
    const { status, message } = await fetch({ ':path': `/dns-query?dns=${query}`, accept: TYPE });
    expect([status, lines(message!)]).toEqual([
      200,
      ['NOERROR aa', 'answer www.example.com. 77 A 192.0.2.9'],
    ]);
    expect(message?.id).toBe(0);
  });

  describe.each(WAYS)('%s', (_, ask) => {
    it('gives the message as application/dns-message, with its length (§6)', async () => {
      const { headers, bytes } = await ask(packet({ id: 0xbeef, name: 'www.example.com' }));
      expect(headers['content-type']).toBe(TYPE);
      expect(Number(headers['content-length'])).toBe(bytes.length);
      expect(decodeMessage(bytes)?.id).toBe(0xbeef);
    });

    it.each([
      ['www.example.com', 1, 77],
      ['none.example.com', 1, 60],
      ['www.example.com', 28, 60],
      ['example.org', 1, 0],
    ])('makes %s %i fresh for %i seconds: smallest TTL, or the SOA’s (§5.1)', async (name, type, seconds) => {
      const { status, headers } = await ask(packet({ name, type }));
      // Every answer of the DNS is a success of HTTP (§4.2.1).
      expect([status, headers['cache-control']]).toEqual([200, `private, max-age=${seconds}`]);
    });

    it('gives large answers whole (§6)', async () => {
      const { message } = await ask(
        packet({ name: 'large.example.com', type: 16, opts: [{ payload: 512 }] }),
      );
      expect([message?.truncated, message?.answers.length]).toEqual([false, 40]);
    });

    it('says 400 to what is no query', async () => {
      for (const bytes of [Uint8Array.of(1, 2, 3), packet({ name: 'www.example.com', flags: 0x8000 })]) {
        const { status, headers } = await ask(bytes);
        expect([status, headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8']);
      }
    });
  });

  it('answers as many streams at once as there are, each with its own (§5.2)', async () => {
    const replies = await Promise.all(
      Array.from({ length: 60 }, (_, id) => WAYS[id % 2]![1](packet({ id, name: 'www.example.com' }))),
    );
    expect(replies.map(({ message }) => message?.id)).toEqual(replies.map((_, id) => id));
  });

  it('takes the media type in any case and with parameters', async () => {
    const query = packet({ name: 'www.example.com' });
    for (const type of ['Application/DNS-Message', `${TYPE}; charset=x`, `${TYPE} ;a=b`]) {
      expect((await post(query, type)).status).toBe(200);
    }
  });

  it.each<[number, string, OutgoingHttpHeaders, Uint8Array?]>([
    [400, 'without the parameter', { ':path': '/dns-query?name=example.com' }],
    [400, 'with padding (§6)', { ':path': '/dns-query?dns=AAABAAABAAAAAAAAAAACAAE%3D' }],
    [400, 'with letters of plain base64', { ':path': '/dns-query?dns=AAAB%2BAAB' }],
    [400, 'with an empty parameter', { ':path': '/dns-query?dns=' }],
    [400, 'with a length that base64 cannot have', { ':path': '/dns-query?dns=AAAAA' }],
    [404, 'at another path', { ':path': '/dns-query/' }],
    [405, 'with DELETE', { ':method': 'DELETE' }],
    [405, 'with PUT and a body', { ':method': 'PUT', 'content-type': TYPE }, new Uint8Array(20)],
    [413, 'with a body of 4097 bytes', { ':method': 'POST', 'content-type': TYPE }, new Uint8Array(4097)],
    [
      413,
      'that says it has 70 kB',
      { ':method': 'POST', 'content-type': TYPE, 'content-length': 70_000 },
      new Uint8Array(70_000),
    ],
    [413, 'with a parameter of 6000 letters', { ':path': `/dns-query?dns=${'A'.repeat(6000)}` }],
    [415, 'with another type', { ':method': 'POST', 'content-type': 'application/json' }, new Uint8Array(20)],
    [415, 'without a type', { ':method': 'POST' }, new Uint8Array(20)],
  ])('says %i to a request %s, and counts it', async (status, _, headers, body) => {
    const [refused, before] = [counters[COUNTER.DOH_REFUSED]!, asked];
    const answer = await fetch(headers, body);
    expect(answer.status).toBe(status);
    expect(answer.headers.allow).toBe(status === 405 ? 'GET, POST' : undefined);
    expect([counters[COUNTER.DOH_REFUSED], asked]).toEqual([refused + 1, before]);
  });
});
