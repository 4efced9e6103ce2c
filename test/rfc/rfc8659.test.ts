import { describe, expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `records:
  "": { type: CAA, values: [{ flags: 0, tag: issue, value: "ca.example.net; policy=ev" }, { flags: 128, tag: iodef, value: "mailto:a@example.com" }] }
  none: { type: CAA, value: { flags: 0, tag: issue, value: ";" } }
  www: { type: A, value: 192.0.2.1 }
  alias: { type: CNAME, value: none.example.com. }
`,
  ),
);

describe('RFC 8659: CAA', () => {
  it('has flags, the length of the tag, tag and value (§4.1)', () => {
    const bytes = packet({ name: 'none.example.com', type: TYPE.CAA });
    const reply = rig.raw(bytes)!;
    expect([...reply.slice(bytes.length + 10, bytes.length + 12 + 8)]).toEqual([
      ...[0, 8, 0, 5],
      ...Buffer.from('issue;'),
    ]);
  });

  it('keeps the critical flag and the value as it is (§4.1)', () => {
    expect(rig.values('example.com', 'CAA')).toEqual([
      '0 issue "ca.example.net; policy=ev"',
      '128 iodef "mailto:a@example.com"',
    ]);
  });

  it('is NODATA where a name has none: the authority climbs the tree, not the server (§3)', () => {
    const message = rig.ask('www.example.com', TYPE.CAA);
    expect([message.rcode, message.answers, message.authorities[0]?.type]).toEqual([0, [], TYPE.SOA]);
  });

  it('is found behind an alias (§3)', () => {
    expect(rig.ask('alias.example.com', TYPE.CAA).answers.map(({ type }) => type)).toEqual([
      TYPE.CNAME,
      TYPE.CAA,
    ]);
  });
});
