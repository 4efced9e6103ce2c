import { describe, expect, it } from 'vitest';
import { lines, rigOf } from '../support/query-rig.js';

/** The zone of §2.2.1. */
const rig = rigOf(`zone: example.
ttl: 3600
nameservers: { ns.example.com.: , ns.example.net.: }
records:
  "*":
    - { type: TXT, value: this is a wildcard }
    - { type: MX, value: { preference: 10, exchange: host1.example. } }
  "sub.*": { type: TXT, value: this is not a wildcard }
  host1: { type: A, value: 192.0.2.1 }
  _ssh._tcp.host1: { type: SRV, value: { priority: 0, weight: 0, port: 22, target: host1.example. } }
  _ssh._tcp.host2: { type: SRV, value: { priority: 0, weight: 0, port: 22, target: host2.example. } }
  subdel: { type: NS, values: [ns.example.com., ns.example.net.] }
`);

describe('RFC 4592 §2.2.1: the example zone', () => {
  it.each([
    ['host3.example.', 'MX', 'answer host3.example. 3600 MX 10 host1.example.'],
    ['foo.bar.example.', 'TXT', 'answer foo.bar.example. 3600 TXT "this is a wildcard"'],
    ['*.example.', 'TXT', 'answer *.example. 3600 TXT "this is a wildcard"'],
    ['sub.*.example.', 'TXT', 'answer sub.*.example. 3600 TXT "this is not a wildcard"'],
  ])('answers %s %s', (name, type, expected) => {
    expect(lines(rig.ask(name, type))).toEqual(['NOERROR aa', expected]);
  });

  it.each([
    ['host3.example.', 'A', 'the wildcard has no such type'],
    ['host1.example.', 'MX', 'the name exists'],
    ['host2.example.', 'MX', 'an empty non-terminal exists'],
    ['_tcp.host1.example.', 'TXT', 'an empty non-terminal exists'],
    ['*.example.', 'A', 'the wildcard, asked by its name, has no such type'],
  ])('says NODATA to %s %s: %s', (name, type) => {
    const message = rig.ask(name, type);
    expect([message.rcode, message.answers.length, message.authorities[0]?.type]).toEqual([0, 0, 6]);
  });

  it.each([
    ['_telnet._tcp.host1.example.', 'SRV', 'its closest encloser _tcp.host1 has no wildcard'],
    ['ghost.*.example.', 'MX', 'its closest encloser is *, below which there is no wildcard'],
    ['x.host1.example.', 'TXT', 'its closest encloser is host1'],
  ])('says NXDOMAIN to %s %s: %s', (name, type) => {
    expect(rig.ask(name, type).rcode).toBe(3);
  });

  it('refers host.subdel.example.: the delegation comes before the wildcard', () => {
    const message = rig.ask('host.subdel.example.', 'A');
    expect([message.rcode, message.authoritative, message.answers.length]).toEqual([0, false, 0]);
    expect(message.authorities.map(({ name, type }) => [name, type])).toEqual([
      ['subdel.example.', 2],
      ['subdel.example.', 2],
    ]);
  });
});
