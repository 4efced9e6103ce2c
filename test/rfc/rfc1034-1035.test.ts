import { describe, expect, it } from 'vitest';
import { packet, wireOf } from '../support/packet.js';
import { lines, rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    'records:\n  www: { type: A, value: 192.0.2.1 }\n  alias: { type: CNAME, value: www.example.com. }\n',
  ),
);
const raw = (spec: Parameters<typeof packet>[0]) => rig.raw(packet(spec));
const rcode = (spec: Parameters<typeof packet>[0]) => rig.send(packet(spec))?.rcode;
const NAME = 'www.example.com';

describe('RFC 1035 §4.1.1: the header', () => {
  it.each([0, 1, 0xffff, 0x8001])('copies the ID %i', (id) => {
    expect(rig.send(packet({ id, name: NAME }))?.id).toBe(id);
  });

  it('sets QR, copies RD and never sets RA', () => {
    const flags = (asked: number) =>
      (raw({ name: NAME, flags: asked })![2]! << 8) | raw({ name: NAME, flags: asked })![3]!;
    expect(flags(0)).toBe(0x8400);
    expect(flags(0x0100)).toBe(0x8500);
    expect(flags(0x0080)).toBe(0x8400);
  });

  it('sets AA for answers, NXDOMAIN and NODATA, and not when it refuses', () => {
    expect(rig.ask(NAME, 'A').authoritative).toBe(true);
    expect(rig.ask(NAME, 'MX').authoritative).toBe(true);
    expect(rig.ask('no.example.com', 'A').authoritative).toBe(true);
    expect(rig.ask('example.org', 'A').authoritative).toBe(false);
  });

  it('repeats the question and no more of the query', () => {
    const reply = raw({
      name: NAME,
      opts: [{}],
      additionals: [[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]],
    })!;
    expect([...reply.subarray(4, 12)]).toEqual([0, 1, 0, 1, 0, 0, 0, 1]);
    expect([...reply.subarray(12, 12 + 17)]).toEqual([...wireOf(NAME)]);
  });
});

describe('RFC 1035 §4.1: malformed queries get FORMERR', () => {
  it.each<[what: string, spec: Parameters<typeof packet>[0]]>([
    ['an answer in a query', { name: NAME, counts: [1, 1] }],
    ['an authority record in a query', { name: NAME, counts: [1, 0, 1] }],
    ['a record that is not there', { name: NAME, counts: [1, 0, 0, 1] }],
    ['bytes after the end', { name: NAME, trailer: [0] }],
    ['a label above 63', { wire: [64, ...Array(64).fill(97), 0] }],
    ['a name above 255', { wire: [...Array(128).fill([1, 97]).flat(), 0] }],
    ['a compression pointer to itself', { wire: [0xc0, 12] }],
    ['a compression pointer to the header', { wire: [3, 119, 119, 119, 0xc0, 0] }],
    ['a label type that does not exist', { wire: [0x80, 0] }],
    [
      'more additional records than any query has',
      { name: NAME, additionals: Array(9).fill([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]) },
    ],
    [
      'an additional record cut in its rdata',
      { name: NAME, additionals: [[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1]] },
    ],
    ['an additional record cut in its name', { name: NAME, additionals: [[5, 97]] }],
    ['an additional record cut in a pointer', { name: NAME, additionals: [[0xc0]] }],
    ['the type 0', { name: NAME, type: 0 }],
    ['the type OPT', { name: NAME, type: 41 }],
  ])('%s', (_what, spec) => {
    expect(rcode(spec)).toBe(1);
  });

  it('a packet cut anywhere after its header', () => {
    const whole = packet({ name: NAME });
    for (let length = 12; length < whole.length; length++) {
      expect(rig.send(whole.slice(0, length))?.rcode).toBe(1);
    }
  });

  it('and repeats the question of those where it can be read', () => {
    expect(rig.send(packet({ name: NAME, trailer: [0] }))?.question?.name).toBe(`${NAME}.`);
    expect(rig.send(packet({ wire: [0xc0, 12] }))?.question).toBeUndefined();
  });
});

describe('RFC 1034 §4.3.2: the algorithm', () => {
  it('compresses owner names and names within the zone (RFC 1035 §4.1.4)', () => {
    const reply = raw({ name: 'alias.example.com' })!;
    // Header, question, CNAME "www" + pointer, A.
    expect(reply.length).toBe(12 + 23 + (12 + 6) + (12 + 4));
    expect([...reply.subarray(35, 37)]).toEqual([0xc0, 12]);
    expect([...reply.subarray(47, 53)]).toEqual([3, 119, 119, 119, 0xc0, 12 + 6]);
    expect([...reply.subarray(53, 55)]).toEqual([0xc0, 47]);
  });

  it('has an alias and its target in one answer', () => {
    expect(lines(rig.ask('alias.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer alias.example.com. 300 CNAME www.example.com.',
      'answer www.example.com. 300 A 192.0.2.1',
    ]);
  });

  it('ignores case in lookups and keeps that of the question (RFC 4343)', () => {
    expect(rig.ask('WWW.Example.COM', 'A').question?.name).toBe('WWW.Example.COM.');
    expect(rig.values('WWW.Example.COM', 'A')).toEqual(['192.0.2.1']);
  });
});
