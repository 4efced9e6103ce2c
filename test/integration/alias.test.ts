import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { afterEach, describe, expect, it } from 'vitest';
import { createNameResolver } from '../../src/sources/name-resolver.js';
import { removeFolders } from '../support/folder.js';
import { startNode } from '../support/node.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const dnsPacket = createRequire(import.meta.url)('dns-packet') as {
  decode(bytes: Buffer): { readonly id: number; readonly questions: readonly object[] };
  encode(message: object): Buffer;
};

afterEach(async () => {
  await endPrograms();
  removeFolders();
});

const PROVIDER = `zone: provider.test
nameservers: { ns1: { A: 127.0.0.1 } }
records:
  lb: { type: CNAME, value: host.provider.test. }
  host: [{ type: A, values: [192.0.2.1, 192.0.2.2], ttl: 90 }, { type: AAAA, value: "2001:db8::1", ttl: 70 }]
  four: { type: A, value: 192.0.2.4 }
`;
const CUSTOMER = `zone: customer.test
nameservers: { ns1: { A: 127.0.0.1 } }
records:
  "": { type: ALIAS, value: lb.provider.test. }
  four: { type: ALIAS, value: four.provider.test. }
`;

interface Explained {
  readonly rcode: string;
  readonly answers: readonly { readonly rdata: string; readonly ttl: number }[];
  readonly steps: readonly { readonly text: string }[];
}

describe('ALIAS to a name outside', () => {
  it('is resolved before the zone is served, and shown by explain and metrics', async () => {
    const provider = await startNode({ zones: { 'provider.test.yaml': PROVIDER } });
    const node = await startNode({
      zones: { 'customer.test.yaml': CUSTOMER },
      env: { MERIDIAN_RESOLVER_SERVERS: `127.0.0.1:${provider.port}` },
    });
    const ask = async (name: string, type: string) =>
      (await node.get(`/v1/explain?name=${name}&type=${type}`)) as Explained;
    const a = await ask('customer.test', 'A');
    expect(a.answers.map(({ rdata }) => rdata).sort()).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(a.answers[0]!.ttl).toBeLessThanOrEqual(70);
    expect(a.steps.map(({ text }) => text)).toContain(
      'the ALIAS leads to lb.provider.test., outside this server: 2 A, 1 AAAA',
    );
    expect((await ask('customer.test', 'AAAA')).answers.map(({ rdata }) => rdata)).toEqual(['2001:db8::1']);
    const none = await ask('four.customer.test', 'AAAA');
    expect([none.rcode, none.answers.length]).toEqual(['NOERROR', 0]);
    expect(await node.metric('meridian_alias_targets{state="fresh"}')).toBe(2);
    expect(await node.metric('meridian_alias_refreshes_total{result="ok"}')).toBe(2);
    // The workers read the same slots.
    const client = createNameResolver({ servers: [`127.0.0.1:${node.port}`], timeoutMs: 2000 });
    const direct = await client.resolve('customer.test.', 6);
    expect('addresses' in direct && direct.addresses.map((bytes) => bytes.at(-1))).toEqual([1]);
    client.close();
    // A name that comes with an edit is resolved too, without a restart.
    node.writeZone('customer.test.yaml', `${CUSTOMER}  more: { type: ALIAS, value: host.provider.test. }\n`);
    await until('the new name', async () => (await ask('more.customer.test', 'A')).answers.length === 2);
  });

  it('fails while it cannot be resolved', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const node = await startNode({
      zones: { 'customer.test.yaml': CUSTOMER },
      env: {
        MERIDIAN_RESOLVER_SERVERS: `127.0.0.1:${silent.address().port}`,
        MERIDIAN_RESOLVER_TIMEOUT: '100ms',
      },
    });
    const answer = (await node.get('/v1/explain?name=customer.test&type=A')) as Explained;
    expect([answer.rcode, answer.answers.length]).toEqual(['SERVFAIL', 0]);
    expect(await node.metric('meridian_alias_targets{state="unresolved"}')).toBe(2);
    silent.close();
  });
});

describe('createNameResolver()', () => {
  const resolverWith = async (rcode: number, answers: readonly object[]) => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes, from) => {
      const { id, questions } = dnsPacket.decode(bytes);
      const reply = { type: 'response', id, questions, answers, flags: rcode };
      socket.send(dnsPacket.encode(reply), from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    return { socket, resolver: createNameResolver({ servers: [`127.0.0.1:${port}`], timeoutMs: 500 }) };
  };

  it.each([
    [
      'addresses with the smallest TTL',
      0,
      [
        ['A', 50, '192.0.2.1'],
        ['A', 40, '192.0.2.2'],
      ],
      { addresses: [Uint8Array.of(192, 0, 2, 1), Uint8Array.of(192, 0, 2, 2)], ttlSeconds: 40 },
    ],
    ['no addresses', 0, [], { addresses: [], ttlSeconds: 60 }],
    ['no such name', 3, [], { addresses: [], ttlSeconds: 60 }],
    ['a failure', 2, [], { error: 'ESERVFAIL' }],
    ['a refusal', 5, [], { error: 'EREFUSED' }],
  ] as const)('tells %s', async (_, rcode, records, expected) => {
    const answers = records.map(([type, ttl, data]) => ({ type, ttl, data, name: 'a.test' }));
    const { socket, resolver } = await resolverWith(rcode, answers);
    expect(await resolver.resolve('a.test.', 4)).toEqual(expected);
    resolver.close();
    socket.close();
  });
});
