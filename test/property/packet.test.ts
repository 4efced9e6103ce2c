import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RCODE } from '../../src/core/dns/iana.js';
import { packet, subnetData } from '../support/packet.js';
import { QueryRig, readZone, rigOf, zoneText } from '../support/query-rig.js';

const many = Array.from({ length: 70 }, (_, i) => `198.51.100.${i}`).join(', ');
const rig: QueryRig = rigOf(
  zoneText(
    'example.com',
    `pools:
  a: { pick: hash, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }, { A: 192.0.2.2 }] }
  b: { endpoints: [{ A: 192.0.2.3, weight: 3 }, { A: 192.0.2.4 }] }
  c: { endpoints: [{ CNAME: www.example.com. }, { CNAME: www.example.org. }] }
records:
  www: { type: [A, AAAA], dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: a }, { pool: b }] } }
  alias: { type: CNAME, dynamic: { steering: weighted, pools: { c: 1 } } }
  many: [{ type: A, values: [${many}] }, { type: TXT, value: "${'t'.repeat(255)}" }]
  loop: { type: CNAME, value: loop.example.com. }
  child: { type: NS, values: [ns.child.example.com., ns2.child.example.com.] }
  ns.child: [{ type: A, value: 192.0.2.61 }, { type: AAAA, value: "2001:db8::61" }]
  ns2.child: { type: A, values: [192.0.2.62, 192.0.2.63] }
  "*.wild": { type: MX, value: { preference: 1, exchange: many.example.com. } }
`,
  ),
);
const child = new QueryRig([readZone(zoneText('.', '').replace('ns1:', 'ns1.x.:'))]);

const names = ['www', 'alias', 'many', 'loop', 'x.child', 'child', 'a.wild', 'no', ''].map((name) =>
  name === '' ? 'example.com' : `${name}.example.com`,
);
const option = fc.tuple(fc.constantFrom(3, 8, 8, 10, 12, 65_001), fc.array(fc.nat(255), { maxLength: 24 }));
const subnet = fc
  .tuple(fc.constantFrom(1, 2), fc.nat(33), fc.array(fc.nat(255), { maxLength: 5 }))
  .map(([family, length, address]) => [8, subnetData(family, length, 0, address)] as const);
const goodSubnet = fc.constantFrom(
  [8, subnetData(1, 24, 0, [203, 0, 113])] as const,
  [8, subnetData(2, 56, 0, [0x20, 1, 0xd, 0xb8, 0, 0, 0])] as const,
);
const opt = fc.record({
  payload: fc.constantFrom(0, 512, 700, 1232, 4096, 65_535),
  version: fc.constantFrom(0, 0, 0, 0, 1),
  flags: fc.constantFrom(0, 0x8000, 0xffff),
  options: fc.array(fc.oneof(option, subnet, goodSubnet), { maxLength: 3 }),
});
const wellFormed = fc
  .record({
    id: fc.nat(0xffff),
    flags: fc.constantFrom(0, 0, 0, 0x100, 0x7930, 0x8000, 0x2000),
    name: fc.constantFrom(...names, 'example.org', '.'),
    type: fc.constantFrom(1, 1, 28, 2, 5, 6, 15, 16, 43, 255, 252, 0, 41, 65_280),
    class: fc.constantFrom(1, 1, 1, 1, 3, 255),
    opts: fc.array(opt, { maxLength: 2 }),
  })
  .map(packet);
const mutated = fc
  .tuple(
    wellFormed,
    fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
    fc.option(fc.nat(120)),
    fc.uint8Array({ maxLength: 6 }),
  )
  .map(([bytes, changes, cut, tail]) => {
    const copy = Uint8Array.from([...(cut === null ? bytes : bytes.subarray(0, cut)), ...tail]);
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });
const anything = fc.oneof(
  { weight: 4, arbitrary: mutated },
  { weight: 3, arbitrary: wellFormed },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
);

/** Every property of a reply that holds whatever was asked. `send` reads it with two decoders. */
function check(subject: QueryRig, bytes: Uint8Array, tcp: boolean): void {
  const question = { tcp };
  const message = subject.send(bytes, question);
  const mustAnswer = bytes.length >= 12 && (bytes[2]! & 0x80) === 0;
  expect(message !== undefined).toBe(mustAnswer);
  if (!message) return;
  expect(message.id).toBe((bytes[0]! << 8) | bytes[1]!);
  expect(message.opcode).toBe((bytes[2]! >> 3) & 0x0f);
  expect(message.truncated && tcp).toBe(false);
  if (!message.edns) expect(subject.raw(bytes, question)!.length <= (tcp ? 65_535 : 512)).toBe(true);
  if (message.rcode !== RCODE.NOERROR && message.rcode !== RCODE.NXDOMAIN) {
    expect([message.answers, message.authorities]).toEqual([[], []]);
  }
}

describe('answer() and whatever packet comes', () => {
  it('never throws, keeps to the limit, answers queries only, and is readable', { timeout: 60_000 }, () => {
    let answered = 0;
    fc.assert(
      fc.property(anything, fc.integer({ min: 0, max: 7 }), (bytes, dice) => {
        check(rig, bytes, dice === 0);
        if (dice === 1) check(child, bytes, false);
        answered++;
      }),
      { numRuns: 20_000, seed: 20_261_121 },
    );
    expect(answered).toBe(20_000);
    expect(rig.counters.some((count) => count > 1000)).toBe(true);
  });

  it('reaches every RCODE that it has', () => {
    const seen = [0, 1, 3, 4, 5, 16].filter((rcode) => rig.counters[9 + rcode]! > 0);
    expect(seen).toEqual([0, 1, 3, 4, 5, 16]);
  });
});
