import { describe, expect, it } from 'vitest';
import { packet, subnetData } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `pools:
  a: { endpoints: [{ A: 192.0.2.1 }] }
  b: { endpoints: [{ A: 192.0.2.2 }] }
records:
  geo: { type: A, dynamic: { rules: [{ subnets: [203.0.113.0/24, "2001:db8:7::/48"], pool: a }, { pool: b }] } }
  static: { type: A, value: 192.0.2.3 }
  child: { type: NS, value: ns.example.org. }
`,
  ),
);
const send = (data: readonly number[], name = 'geo.example.com', ...more: (readonly number[])[]) =>
  rig.send(packet({ name, opts: [{ options: [data, ...more].map((bytes) => [8, bytes] as const) }] }))!;
const echoed = (data: readonly number[], name?: string) => {
  const message = send(data, name);
  const options = message.edns?.options.filter(({ code }) => code === 8);
  return [message.rcode, options?.map(({ code, data: bytes }) => [code, ...bytes])];
};

describe('RFC 7871 §7.1.2: a malformed client-subnet option gets FORMERR', () => {
  it.each<[what: string, data: readonly number[]]>([
    ['an IPv4 prefix above 32', subnetData(1, 33, 0, [203, 0, 113, 1, 0])],
    ['an IPv6 prefix above 128', subnetData(2, 129, 0, Array(17).fill(0))],
    ['an address shorter than its prefix', subnetData(1, 24, 0, [203, 0])],
    ['an address longer than its prefix', subnetData(1, 24, 0, [203, 0, 113, 0])],
    ['no address for a prefix', subnetData(1, 1, 0, [])],
    ['an address without a prefix', subnetData(1, 0, 0, [0])],
    ['bits beyond the prefix', subnetData(1, 20, 0, [203, 0, 0x71])],
    ['one bit beyond the prefix', subnetData(1, 25, 0, [203, 0, 113, 0x40])],
    ['bits beyond an IPv6 prefix', subnetData(2, 33, 0, [0x20, 0x01, 0x0d, 0xb8, 0x40])],
    ['a scope in a query', subnetData(1, 24, 1, [203, 0, 113])],
    ['an unknown family', subnetData(3, 24, 0, [203, 0, 113])],
    ['a family of the second byte', subnetData(0x0101, 24, 0, [203, 0, 113])],
    ['family 0 with a prefix', subnetData(0, 8, 0, [10])],
    ['less than four bytes', [0, 1, 24]],
    ['no bytes', []],
  ])('%s', (_what, data) => {
    const message = send(data);
    expect([message.rcode, message.answers.length]).toEqual([1, 0]);
    expect(message.edns).toBeDefined();
  });

  it('two of them', () => {
    const good = subnetData(1, 24, 0, [203, 0, 113]);
    expect(send(good, 'geo.example.com', good).rcode).toBe(1);
  });
});

describe('RFC 7871 §7.2.1: the option comes back with the scope', () => {
  it.each<[what: string, data: readonly number[], scope: number]>([
    ['of the rule that hit', subnetData(1, 32, 0, [203, 0, 113, 9]), 24],
    ['longer than the source where the answer depends on more', subnetData(1, 20, 0, [203, 0, 112]), 24],
    ['shorter than the source', subnetData(1, 24, 0, [10, 0, 0]), 1],
    ['of IPv6', subnetData(2, 56, 0, [0x20, 0x01, 0x0d, 0xb8, 0, 7, 0]), 48],
    ['0 for an empty prefix', subnetData(1, 0, 0, []), 0],
    ['0 for an empty prefix of IPv6', subnetData(2, 0, 0, []), 0],
    ['0 for family 0, as dig +subnet=0 sends it', subnetData(0, 0, 0, []), 0],
  ])('%s', (_what, data, scope) => {
    const expected = [...data];
    expected[3] = scope;
    expect(echoed(data)).toEqual([0, [[8, ...expected]]]);
  });

  it.each([
    ['a static answer', 'static.example.com', 0],
    ['a name that does not exist (§7.4)', 'none.example.com', 3],
    ['a referral', 'x.child.example.com', 0],
    ['a refusal', 'www.example.org', 5],
  ])('0 for %s', (_what, name, rcode) => {
    const data = subnetData(1, 24, 0, [203, 0, 113]);
    expect(echoed(data, name)).toEqual([rcode, [[8, ...data]]]);
  });

  it('only to those who sent it', () => {
    expect(rig.ask('geo.example.com', 'A', { edns: true, source: '203.0.113.1' }).edns?.options).toEqual([]);
    expect(rig.ask('geo.example.com', 'A', { source: '203.0.113.1' }).edns).toBeUndefined();
  });

  it('between other options', () => {
    const options = [
      [10, [1, 2, 3, 4, 5, 6, 7, 8]],
      [8, subnetData(1, 24, 0, [203, 0, 113])],
      [12, [0]],
    ] as const;
    const message = rig.send(packet({ name: 'geo.example.com', opts: [{ options }] }))!;
    expect(message.edns?.scope).toBe(24);
    expect(message.answers[0]?.rdata).toBe('192.0.2.1');
  });
});
