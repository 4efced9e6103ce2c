import { describe, expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { packet, wireOf } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `records:
  alias: { type: HTTPS, value: { svcpriority: 0, targetname: pool.example.com. } }
  www: { type: HTTPS, values: [
    { svcpriority: 1, targetname: ., svcparams: { port: 53, alpn: [h2, h3], ipv4hint: [192.0.2.1], mandatory: [alpn] } },
    { svcpriority: 2, targetname: other.example.com. } ] }
  hints: { type: SVCB, value: { svcpriority: 16, targetname: foo.example.com., svcparams: { ipv6hint: ["2001:db8::1"], no-default-alpn: true, alpn: [h2] } } }
`,
  ),
);
/** rdata of the first answer. */
const rdata = (name: string, type: number) => {
  const bytes = packet({ name, type });
  const reply = rig.raw(bytes)!;
  const fixed = bytes.length + 10;
  const length = (reply[fixed]! << 8) | reply[fixed + 1]!;
  return [...reply.slice(fixed + 2, fixed + 2 + length)];
};

describe('RFC 9460: SVCB and HTTPS', () => {
  it('the alias form is a priority of 0 and a target, which is not compressed (§2.2, §2.4.2)', () => {
    expect(rdata('alias.example.com', TYPE.HTTPS)).toEqual([0, 0, ...wireOf('pool.example.com')]);
  });

  it('parameters stand in the order of their keys, each with its length (§2.2)', () => {
    const [first] = rig.ask('www.example.com', TYPE.HTTPS).answers;
    expect(first?.rdata).toBe('1 . mandatory=alpn alpn=h2,h3 port=53 ipv4hint=192.0.2.1');
    const wire = [0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 1, 0, 6, 2, 104, 50, 2, 104, 51, 0, 3, 0, 2, 0, 53];
    expect(rdata('www.example.com', TYPE.HTTPS)).toEqual([...wire, 0, 4, 0, 4, 192, 0, 2, 1]);
  });

  it('a key without a value has the length 0 (§7.1.1)', () => {
    const text = rig.ask('hints.example.com', TYPE.SVCB).answers[0]?.rdata;
    expect(text).toBe('16 foo.example.com. alpn=h2 no-default-alpn ipv6hint=2001:db8::1');
    expect(rdata('hints.example.com', TYPE.SVCB).slice(-24, -20)).toEqual([0, 2, 0, 0]);
  });

  it('a name without one is NODATA', () => {
    const message = rig.ask('alias.example.com', TYPE.SVCB);
    expect([message.rcode, message.answers, message.authorities[0]?.type]).toEqual([0, [], TYPE.SOA]);
  });
});
