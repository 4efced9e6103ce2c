import { describe, expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const DS = `{ key_tag: 12345, algorithm: 13, digest_type: 2, digest: ${'ab'.repeat(32)} }`;
const rig = rigOf([
  zoneText(
    'example.com',
    `records:
  www: { type: A, value: 192.0.2.1 }
  signed: [{ type: NS, value: ns.example.org. }, { type: DS, value: ${DS} }]
  unsigned: { type: NS, value: ns.example.org. }
  held: [{ type: NS, value: ns1.held.example.com. }, { type: DS, value: ${DS} }]
  ns1.held: { type: A, value: 192.0.2.53 }
`,
  ),
  zoneText('held.example.com', ''),
]);
const withDo = (name: string, type: number) => rig.send(packet({ name, type, opts: [{ flags: 0x8000 }] }))!;

describe('RFC 4035: a server of unsigned zones, asked with DO', () => {
  it.each([
    ['an answer', 'www.example.com', TYPE.A],
    ['NODATA', 'www.example.com', TYPE.MX],
    ['NXDOMAIN', 'no.example.com', TYPE.A],
    ['a referral', 'x.unsigned.example.com', TYPE.A],
  ])('%s has no DNSSEC records, and is otherwise the same (§3.1)', (_what, name, type) => {
    const { edns: _, ...plain } = rig.ask(name, type, { edns: true });
    const { edns, ...asked } = withDo(name, type);
    expect(asked).toEqual(plain);
    expect(edns?.version).toBe(0);
  });

  it.each([TYPE.DNSKEY, TYPE.RRSIG, TYPE.NSEC, TYPE.NSEC3PARAM])('type %i at the apex is NODATA', (type) => {
    const message = withDo('example.com', type);
    expect([message.rcode, message.answers.length, message.authorities[0]?.type]).toEqual([0, 0, TYPE.SOA]);
  });

  it('AD is never set (§3.1.6), CD is copied', () => {
    const flags = rig.raw(packet({ name: 'www.example.com', flags: 0x0030, opts: [{ flags: 0x8000 }] }))![3]!;
    expect(flags & 0x30).toBe(0x10);
  });
});

describe('RFC 4035 §3.1.4.1: DS belongs to the parent', () => {
  it('is answered at the cut, with authority', () => {
    const message = rig.ask('signed.example.com', TYPE.DS);
    expect([message.authoritative, message.answers.map(({ type }) => type)]).toEqual([true, [TYPE.DS]]);
  });

  it('is NODATA with the SOA of the parent where the delegation has none', () => {
    const message = rig.ask('unsigned.example.com', TYPE.DS);
    expect([message.rcode, message.authoritative, message.answers.length]).toEqual([0, true, 0]);
    expect(message.authorities.map(({ name, type }) => [name, type])).toEqual([['example.com.', TYPE.SOA]]);
  });

  it('is a referral below the cut', () => {
    const message = rig.ask('x.signed.example.com', TYPE.DS);
    expect([message.authoritative, message.authorities[0]?.type]).toEqual([false, TYPE.NS]);
  });

  it('is answered from the parent where both zones are here', () => {
    const message = rig.ask('held.example.com', TYPE.DS);
    expect([message.authoritative, message.answers.map(({ type }) => type)]).toEqual([true, [TYPE.DS]]);
    expect(rig.ask('held.example.com', TYPE.SOA).answers[0]?.name).toBe('held.example.com.');
  });
});
