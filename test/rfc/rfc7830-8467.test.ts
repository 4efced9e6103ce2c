import { describe, expect, it } from 'vitest';
import { testIdentity } from '../support/identity.js';
import { packet } from '../support/packet.js';
import { type Question, rigOf, zoneText } from '../support/query-rig.js';

const [NSID, COOKIE, KEEPALIVE, PADDING, EXTENDED_ERROR] = [3, 10, 11, 12, 15];
const BLOCK = 468;
const MESSAGE_MAX = 65_535;
const strings = (count: number) => Array.from({ length: count }, (_, i) => `"${i}${'x'.repeat(250)}"`);
const ZONE = zoneText(
  'example.com',
  `records:
  www: { type: A, value: 192.0.2.1 }
  two: { type: TXT, values: [ ${strings(2).join(', ')} ] }
  many: { type: TXT, values: [ ${strings(220).join(', ')} ] }
`,
);
const rig = rigOf(ZONE, {
  identity: testIdentity({ secrets: ['000102030405060708090a0b0c0d0e0f'] }),
  keepalive: 100,
});
type Options = readonly (readonly [number, readonly number[]])[];
const ASKED: Options = [[PADDING, []]];
const ENCRYPTED: readonly (readonly [string, Question])[] = [
  ['TLS', { over: 'dot' }],
  ['HTTPS', { over: 'doh' }],
];

function ask(how: Question, options: Options, name = 'www.example.com', type = 1) {
  const query = packet({ name, type, opts: [{ options }] });
  const bytes = rig.raw(query, how)!;
  const message = rig.send(query, how)!;
  return { message, size: bytes.length, options: message.edns?.options ?? [] };
}

const codes = ({ options }: ReturnType<typeof ask>) => options.map(({ code }) => code);

describe.each(ENCRYPTED)('RFC 7830 and RFC 8467: padding over %s', (_, how) => {
  it.each([
    ['www.example.com', 1],
    ['none.example.com', 1],
    ['www.example.org', 1],
    ['two.example.com', 16],
  ])('fills the answer of %s to a multiple of 468 bytes (RFC 8467 §4.1)', (name, type) => {
    const { size } = ask(how, ASKED, name, type);
    expect(size % BLOCK).toBe(0);
    // And not to more than needed.
    expect(size - ask(how, [], name, type).size).toBeLessThan(4 + BLOCK);
  });

  it('consists of zeros (RFC 7830 §3)', () => {
    const [option] = ask(how, ASKED).options;
    expect([option?.code, option?.data.every((byte) => byte === 0)]).toEqual([PADDING, true]);
  });

  it('is not added where it was not asked for (RFC 7830 §4)', () => {
    expect(codes(ask(how, []))).toEqual([]);
    expect(rig.send(packet({ name: 'www.example.com' }), how)!.edns).toBeUndefined();
  });

  it('does not depend on how the query was padded', () => {
    expect(ask(how, [[PADDING, Array<number>(77).fill(0)]]).size).toBe(BLOCK);
    expect(ask(how, [[PADDING, Array<number>(77).fill(9)]]).size).toBe(BLOCK);
  });

  it('is one option, however often it was asked for', () => {
    expect(codes(ask(how, [...ASKED, ...ASKED]))).toEqual([PADDING]);
  });

  it('comes after all other options, which it takes into account', () => {
    const all: Options = [
      [PADDING, []],
      [NSID, []],
      [COOKIE, [1, 2, 3, 4, 5, 6, 7, 8]],
      [KEEPALIVE, []],
    ];
    const answer = ask(how, all, 'www.example.org');
    const keepalive = how.over === 'dot' ? [KEEPALIVE] : [];
    expect(codes(answer)).toEqual([NSID, COOKIE, ...keepalive, EXTENDED_ERROR, PADDING]);
    expect(answer.size).toBe(BLOCK);
  });

  it('never makes a message longer than a stream can carry', () => {
    const size = (name: number, options: Options) => {
      const large = rigOf(ZONE, { identity: testIdentity({ name: 'n'.repeat(name) }) });
      const query = packet({ name: 'many.example.com', type: 16, opts: [{ options }] });
      expect(large.send(query, how)).toMatchObject({ truncated: false });
      return large.raw(query, how)!.length;
    };
    const asked: Options = [[NSID, []]];
    // An answer beyond the last whole block, as long as its option of NSID is.
    const name = MESSAGE_MAX - 10 - size(1, asked) + 1;
    expect(size(name, asked)).toBe(MESSAGE_MAX - 10);
    expect(MESSAGE_MAX - 10).toBeGreaterThan(Math.floor(MESSAGE_MAX / BLOCK) * BLOCK);
    expect(size(name, [...asked, ...ASKED])).toBe(MESSAGE_MAX);
    // No room for the option's head: it is left out.
    expect(size(name + 7, [...asked, ...ASKED])).toBe(MESSAGE_MAX - 3);
  });

  it('makes whole blocks whatever the length of the answer is', () => {
    const small = zoneText('example.com', 'records: { www: { type: A, value: 192.0.2.1 } }');
    const around = Array.from({ length: 40 }, (_, i) => BLOCK - 90 + i);
    for (const length of [1, 100, 200, 300, ...around]) {
      const named = rigOf(small, { identity: testIdentity({ name: 'n'.repeat(length) }) });
      const size = (options: Options) =>
        named.raw(packet({ name: 'www.example.com', opts: [{ options }] }), how)!.length;
      const plain = size([[NSID, []]]);
      expect(size([[NSID, []], ...ASKED])).toBe(Math.ceil((plain + 4) / BLOCK) * BLOCK);
    }
  });
});

describe('RFC 7830: padding in the clear', () => {
  it.each([
    ['UDP', {}],
    ['TCP', { tcp: true }],
  ])('is not added over %s, where anybody can read the packet (§6)', (_, how) => {
    expect(codes(ask(how, ASKED))).toEqual([]);
    expect(ask(how, ASKED).message.rcode).toBe(0);
  });

  it('is not added over UDP after an encrypted query asked for it', () => {
    ask({ over: 'dot' }, ASKED);
    ask({ over: 'doh' }, ASKED);
    expect(codes(ask({}, ASKED))).toEqual([]);
    expect(codes(ask({ tcp: true }, ASKED))).toEqual([]);
  });
});
