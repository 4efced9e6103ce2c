import { describe, expect, it } from 'vitest';
import { type OptSpec, packet } from '../support/packet.js';
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

/** One line of `dig` in §8.1 and §8.2: what is sent to the apex, and what must come back. */
interface Line {
  readonly dig: string;
  readonly type?: number;
  readonly flags?: number;
  readonly opt?: OptSpec;
  readonly tcp?: boolean;
  readonly rcode: number;
  readonly soa: boolean;
}

const SOA = 6;
const UNKNOWN = [[100, []]] as const;
const DEFINED = [
  [10, [1, 2, 3, 4, 5, 6, 7, 8]],
  [3, []],
  [9, []],
  [8, [0, 1, 0, 0]],
] as const;
const TABLE: readonly Line[] = [
  { dig: '§8.1.1 +noedns +noad +norec soa', rcode: 0, soa: true },
  { dig: '§8.1.2 +noedns +noad +norec type1000', type: 1000, rcode: 0, soa: false },
  { dig: '§8.1.3.1 +noedns +noad +norec +cd soa', flags: 0x0010, rcode: 0, soa: true },
  { dig: '§8.1.3.2 +noedns +norec +ad soa', flags: 0x0020, rcode: 0, soa: true },
  { dig: '§8.1.3.3 +noedns +noad +norec +zflag soa', flags: 0x0040, rcode: 0, soa: true },
  { dig: '§8.1.3.4 +noedns +noad +rec soa', flags: 0x0100, rcode: 0, soa: true },
  { dig: '§8.1.5 +noedns +noad +norec +tcp soa', tcp: true, rcode: 0, soa: true },
  { dig: '§8.2.1 +edns=0 +noad +norec soa', opt: {}, rcode: 0, soa: true },
  { dig: '§8.2.2 +edns=1 +noednsneg soa', opt: { version: 1 }, rcode: 16, soa: false },
  { dig: '§8.2.3 +edns=0 +ednsopt=100 soa', opt: { options: UNKNOWN }, rcode: 0, soa: true },
  { dig: '§8.2.4 +edns=0 +ednsflags=0x40 soa', opt: { flags: 0x40 }, rcode: 0, soa: true },
  { dig: '§8.2.5 +edns=1 +ednsflags=0x40 soa', opt: { version: 1, flags: 0x40 }, rcode: 16, soa: false },
  { dig: '§8.2.6 +edns=1 +ednsopt=100 soa', opt: { version: 1, options: UNKNOWN }, rcode: 16, soa: false },
  {
    dig: '§8.2.7 +edns=0 +dnssec +bufsize=512 dnskey',
    type: 48,
    opt: { flags: 0x8000, payload: 512 },
    rcode: 0,
    soa: false,
  },
  { dig: '§8.2.8 +edns=0 +dnssec soa', opt: { flags: 0x8000 }, rcode: 0, soa: true },
  { dig: '§8.2.9 +edns=1 +dnssec soa', opt: { version: 1, flags: 0x8000 }, rcode: 16, soa: false },
  {
    dig: '§8.2.10 +edns=0 +cookie +nsid +expire +subnet=0.0.0.0/0 soa',
    opt: { options: DEFINED },
    rcode: 0,
    soa: true,
  },
  { dig: 'EDNS over TCP: +edns=0 +tcp soa', opt: {}, tcp: true, rcode: 0, soa: true },
];

describe('RFC 8906 §8: each query of the table', () => {
  it.each(TABLE)('$dig', ({ type = SOA, flags = 0, opt, tcp = false, rcode, soa }) => {
    const bytes = packet({ name: 'example.com', type, flags, opts: opt ? [opt] : [] });
    const message = rig.send(bytes, { tcp })!;
    const raw = rig.raw(bytes, { tcp })!;
    expect([message.rcode, message.opcode, message.truncated]).toEqual([rcode, 0, false]);
    expect(message.authoritative).toBe(rcode === 0);
    expect(message.answers.map((record) => record.type)).toEqual(soa ? [SOA] : []);
    // RA, Z and AD are clear; RD and CD are as asked.
    expect(raw[3]! & 0xe0).toBe(0);
    expect([raw[2]! & 1, raw[3]! & 0x10]).toEqual([(flags >> 8) & 1, flags & 0x10]);
    expect(message.edns?.version).toBe(opt ? 0 : undefined);
    const sent = opt?.options?.map(([code]) => code) ?? [];
    const echoed = message.edns?.options.map(({ code }) => code) ?? [];
    expect(echoed).not.toContain(100);
    expect(sent).toEqual(expect.arrayContaining(echoed));
    // The last four bytes before the options: flags and length.
    if (opt && echoed.length === 0) expect(((raw.at(-4)! << 8) | raw.at(-3)!) & 0x7fff).toBe(0);
  });

  it('§8.1.4 +noedns +noad +norec +opcode=15 +header-only: NOTIMP, every section empty', () => {
    const raw = rig.raw(packet({ name: 'example.com', flags: 15 << 11, counts: [0] }).slice(0, 12))!;
    expect([...raw.slice(2)]).toEqual([0x80 | (15 << 3), 4, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});
