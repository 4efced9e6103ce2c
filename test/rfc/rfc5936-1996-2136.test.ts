import { describe, expect, it } from 'vitest';
import { OPCODE, RCODE, TYPE } from '../../src/core/dns/iana.js';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n'));
const SOA = [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, ...Array(20).fill(0)];

describe('RFC 5936: zone transfers, which are not offered', () => {
  it.each([
    ['AXFR', TYPE.AXFR],
    ['IXFR', TYPE.IXFR],
  ])('%s is refused by TCP and UDP, for our zones and others (§2.2.1)', (_what, type) => {
    for (const tcp of [true, false]) {
      for (const name of ['example.com', 'www.example.com', 'example.org']) {
        const message = rig.ask(name, type, { tcp });
        expect([message.rcode, message.answers, message.authoritative]).toEqual([RCODE.REFUSED, [], false]);
      }
    }
  });
});

describe.each([
  ['RFC 1996: NOTIFY', OPCODE.NOTIFY],
  ['RFC 2136: UPDATE', OPCODE.UPDATE],
])('%s', (_what, opcode) => {
  it.each<[what: string, counts: readonly number[], records: readonly (readonly number[])[]]>([
    ['with the zone alone', [1, 0, 0, 0], []],
    ['with a record in each section', [1, 1, 1, 1], [SOA, SOA, SOA]],
    ['with nothing but a header', [0, 0, 0, 0], []],
  ])('%s: NOTIMP, the opcode and ID kept', (_case, counts, additionals) => {
    const bytes = packet({ id: 77, name: 'example.com', type: 6, flags: opcode << 11, counts, additionals });
    const message = rig.send(bytes)!;
    expect([message.id, message.opcode, message.rcode]).toEqual([77, opcode, RCODE.NOTIMP]);
    expect([message.answers, message.authorities]).toEqual([[], []]);
  });
});
