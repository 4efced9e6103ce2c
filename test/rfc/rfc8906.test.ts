import { describe, expect, it } from 'vitest';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n'));
const NAME = 'www.example.com';

describe('RFC 8906: every query gets an answer', () => {
  it.each(Array.from({ length: 15 }, (_, i) => i + 1))(
    'opcode %i: NOTIMP, the opcode kept (§3.1.4)',
    (opcode) => {
      const message = rig.send(packet({ name: NAME, flags: opcode << 11, opts: [{}] }))!;
      expect([message.rcode, message.opcode, message.authoritative]).toEqual([4, opcode, false]);
    },
  );

  it('an opcode with nothing behind the header', () => {
    const bytes = packet({ name: NAME, flags: 15 << 11, counts: [0] }).slice(0, 12);
    expect(rig.send(bytes)?.rcode).toBe(4);
  });

  it.each([1000, 65_534, 63, 99, 10])('type %i that the name does not have: NODATA (§3.1.2)', (type) => {
    const message = rig.ask(NAME, type);
    expect([message.rcode, message.answers.length, message.authorities.length]).toEqual([0, 0, 1]);
  });

  it.each([
    ['RA', 0x0080],
    ['Z', 0x0040],
    ['AD', 0x0020],
    ['TC', 0x0200],
    ['AA with a name that is not ours', 0x0400],
  ])('the flag %s is cleared (§3.1.3)', (_what, flag) => {
    const reply = rig.raw(packet({ name: 'example.org', flags: flag }))!;
    expect(((reply[2]! << 8) | reply[3]!) & flag).toBe(0);
    expect(reply[3]! & 0x0f).toBe(5);
  });

  it('the flag CD is copied (RFC 4035 §3.1.6)', () => {
    expect(rig.raw(packet({ name: NAME, flags: 0x0010 }))![3]! & 0x10).toBe(0x10);
    expect(rig.raw(packet({ name: NAME }))![3]! & 0x10).toBe(0);
  });

  it('over TCP as over UDP (§3.1.5)', () => {
    expect(rig.ask(NAME, 'A', { tcp: true })).toEqual(rig.ask(NAME, 'A'));
  });

  it.each([
    ['AXFR', 252, 5],
    ['IXFR', 251, 5],
    ['TKEY', 249, 4],
    ['TSIG', 250, 4],
    ['MAILA', 254, 4],
    ['MAILB', 253, 4],
  ])('the meta type %s (%i) gets RCODE %i', (_what, type, rcode) => {
    expect(rig.ask(NAME, type).rcode).toBe(rcode);
  });

  it('but responses get none: two servers would answer each other for ever', () => {
    for (const flags of [0x8000, 0xffff, 0x8180])
      expect(rig.raw(packet({ name: NAME, flags }))).toBeUndefined();
  });

  it('nor do packets shorter than a header', () => {
    for (let length = 0; length < 12; length++) {
      expect(rig.raw(packet({ name: NAME }).slice(0, length))).toBeUndefined();
    }
  });
});
