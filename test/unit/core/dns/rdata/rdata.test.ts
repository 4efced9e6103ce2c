import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { typeName, typeNumber } from '../../../../../src/core/dns/iana.js';
import { isRdataError } from '../../../../../src/core/dns/rdata/codec.js';
import { knownTypes, rdataCodec, rdataText } from '../../../../../src/core/dns/rdata/table.js';

/** The second oracle: an implementation of others. */
const { decode } = createRequire(import.meta.url)('dns-packet') as {
  decode(message: Buffer): { answers: readonly { data: unknown }[] };
};

const LONG = 'x'.repeat(300);

/** Type, value as in a zone file, wire form, text, and what dns-packet makes of the wire form. */
const CASES: readonly [type: string, value: unknown, wire: string, text: string, oracle?: unknown][] = [
  ['A', '192.0.2.1', 'c0000201', '192.0.2.1', '192.0.2.1'],
  ['AAAA', '2001:db8::1', '20010db8000000000000000000000001', '2001:db8::1', '2001:db8::1'],
  ['NS', 'ns1.a.', '036e7331016100', 'ns1.a.', 'ns1.a'],
  ['CNAME', '.', '00', '.', '.'],
  ['PTR', 'a\\.b.c.', '03612e62016300', 'a\\.b.c.'],
  ['DNAME', 'b.c.', '0162016300', 'b.c.', 'b.c'],
  [
    'MX',
    { preference: 10, exchange: 'mx.a.' },
    '000a026d78016100',
    '10 mx.a.',
    { preference: 10, exchange: 'mx.a' },
  ],
  ['MX', { priority: '0', value: '.' }, '000000', '0 .', { preference: 0, exchange: '.' }],
  [
    'SRV',
    { priority: 1, weight: 2, port: 5060, target: 's.a.' },
    '0001000213c40173016100',
    '1 2 5060 s.a.',
    { priority: 1, weight: 2, port: 5060, target: 's.a' },
  ],
  ['TXT', 'a\\;b', '03613b62', '"a;b"', [Buffer.from('a;b')]],
  ['TXT', '"one" "two"', '066f6e6574776f', '"onetwo"', [Buffer.from('onetwo')]],
  ['TXT', '', '00', '""', [Buffer.alloc(0)]],
  ['TXT', 'é"\\', '04c3a9225c', '"\\195\\169\\"\\\\"', [Buffer.from('é"\\')]],
  [
    'TXT',
    LONG,
    `ff${'78'.repeat(255)}2d${'78'.repeat(45)}`,
    `"${'x'.repeat(255)}" "${'x'.repeat(45)}"`,
    [Buffer.alloc(255, 'x'), Buffer.alloc(45, 'x')],
  ],
  ['SPF', 'v=spf1', '06763d73706631', '"v=spf1"'],
  [
    'CAA',
    { flags: 128, tag: 'issue', value: 'ca.example\\; x=1' },
    '8005697373756563612e6578616d706c653b20783d31',
    '128 issue "ca.example; x=1"',
    { flags: 128, tag: 'issue', value: 'ca.example; x=1', issuerCritical: true },
  ],
  ['CAA', { tag: 'iodef', value: '' }, '0005696f646566', '0 iodef ""'],
  [
    'DS',
    { key_tag: 60485, algorithm: 5, digest_type: 1, digest: '2BB1 83AF' },
    'ec4505012bb183af',
    '60485 5 1 2BB183AF',
    { keyTag: 60485, algorithm: 5, digestType: 1, digest: Buffer.from('2bb183af', 'hex') },
  ],
  [
    'TLSA',
    { certificate_usage: 3, selector: 1, matching_type: 1, certificate_association_data: 'abcd' },
    '030101abcd',
    '3 1 1 ABCD',
    { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('abcd', 'hex') },
  ],
  [
    'SSHFP',
    { algorithm: 4, fingerprint_type: 2, fingerprint: 'ab'.repeat(32) },
    `0402${'ab'.repeat(32)}`,
    `4 2 ${'AB'.repeat(32)}`,
    { algorithm: 4, hash: 2, fingerprint: 'AB'.repeat(32) },
  ],
  [
    'NAPTR',
    { order: 1, preference: 2, flags: 'U', service: 'E2U+sip', regexp: '!^.*$!sip:a@b!', replacement: '.' },
    '00010002015507453255 2b7369700e215e2e2a24217369703a6140622100'.replace(' ', ''),
    '1 2 "U" "E2U+sip" "!^.*$!sip:a@b!" .',
    { order: 1, preference: 2, flags: 'U', services: 'E2U+sip', regexp: '!^.*$!sip:a@b!', replacement: '.' },
  ],
  [
    'SOA',
    { mname: 'n.', rname: 'h.', serial: 4294967295, refresh: 1, retry: 2, expire: 3, minimum: 4 },
    '016e00016800ffffffff00000001000000020000000300000004',
    'n. h. 4294967295 1 2 3 4',
    { mname: 'n', rname: 'h', serial: 4294967295, refresh: 1, retry: 2, expire: 3, minimum: 4 },
  ],
  ['SVCB', { svcpriority: 0, targetname: 'a.' }, '0000016100', '0 a.'],
  // RFC 9460 appendix D.2, figures 3, 4, 7 and 8.
  ['SVCB', { svcpriority: 1, targetname: '.' }, '000100', '1 .'],
  [
    'SVCB',
    { svcpriority: 16, targetname: 'foo.example.com.', svcparams: { port: 53 } },
    '001003666f6f076578616d706c6503636f6d00000300020035',
    '16 foo.example.com. port=53',
  ],
  [
    'SVCB',
    {
      svcpriority: 1,
      targetname: 'foo.example.com.',
      svcparams: { ipv6hint: ['2001:db8::1', '2001:db8::53:1'] },
    },
    '000103666f6f076578616d706c6503636f6d0000060020' +
      '20010db800000000000000000000000120010db8000000000000000000530001',
    '1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1',
  ],
  [
    'HTTPS',
    {
      svcpriority: 16,
      targetname: 'foo.example.org.',
      svcparams: { alpn: 'h2,h3-19', mandatory: ['ipv4hint', 'alpn'], ipv4hint: ['192.0.2.1'] },
    },
    '001003666f6f076578616d706c65036f7267000000000400010004' +
      '00010009026832 0568332d3139'.replace(' ', '') +
      '00040004c0000201',
    '16 foo.example.org. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1',
  ],
  [
    'HTTPS',
    {
      svcpriority: 1,
      targetname: '.',
      svcparams: {
        key667: 'hello\\210qoo',
        dohpath: '/q{?dns}',
        ech: 'AEX+',
        'no-default-alpn': null,
        alpn: ['h3'],
      },
    },
    `000100${'00010003026833'}${'00020000'}${'000500030045fe'}${'000700082f717b3f646e737d'}${'029b000968656c6c6fd2716f6f'}`,
    '1 . alpn=h3 no-default-alpn ech=AEX+ dohpath="/q{?dns}" key667="hello\\210qoo"',
  ],
  ['TYPE65280', '\\# 4 0a00 0001', '0a000001', '\\# 4 0a000001'],
  ['TYPE65280', '0A000001', '0a000001', '\\# 4 0a000001'],
  ['TYPE65280', '\\# 0', '', '\\# 0'],
];

describe('wire form and text', () => {
  it.each(CASES)('%s %j are as its RFC says', (type, value, wire, text) => {
    const number = typeNumber(type)!;
    const parsed = rdataCodec(number).parse(value);
    if (isRdataError(parsed)) throw new Error(parsed.message);
    expect(Buffer.from(parsed).toString('hex')).toBe(wire);
    expect(rdataText(number, parsed)).toBe(text);
  });

  it.each(CASES.filter((row) => row.length === 5))(
    '%s %j is read by dns-packet',
    (type, _, wire, __, oracle) => {
      const map = typeof oracle === 'object' && !Array.isArray(oracle);
      const { answers } = decode(message(typeNumber(type)!, Buffer.from(wire, 'hex')));
      expect(answers[0]!.data).toEqual(map ? expect.objectContaining(oracle) : oracle);
    },
  );
});

const SVC = { svcpriority: 1, targetname: '.' };

describe('mistakes', () => {
  it.each<[string, unknown, string]>([
    ['A', 'www', 'must be an IPv4 address such as 192.0.2.1, not "www"'],
    ['A', 3232235777, 'must be an IPv4 address'],
    ['AAAA', '192.0.2.1', 'must be an IPv6 address'],
    ['CNAME', 'www.a', 'an absolute name with a trailing dot ("www.a."?)'],
    ['CNAME', { a: 1 }, 'not a map'],
    ['NS', null, 'not nothing'],
    ['MX', '10 mx.a.', 'must be a map with the keys preference, exchange'],
    ['MX', { preference: 10 }, 'the key "exchange" is missing'],
    ['MX', { preference: 65536, exchange: 'a.' }, 'from 0 to 65535, not 65536'],
    ['MX', { preference: 1.5, exchange: 'a.' }, 'a whole number'],
    ['MX', { preference: 1, priority: 1, exchange: 'a.' }, 'means the same as preference'],
    ['MX', { preference: 1, exchange: 'a.', weight: 1 }, 'unknown key; allowed: preference, exchange'],
    ['SRV', { priority: 1, weight: 1, port: -1, target: 'a.' }, 'from 0 to 65535, not -1'],
    ['TXT', 12, 'must be text in quotes, not 12'],
    ['TXT', 'x'.repeat(60_000), 'longer than 60000 bytes'],
    ['CAA', { tag: 'is sue', value: '' }, 'a tag of 1 to 15 letters'],
    ['DS', { key_tag: 1, algorithm: 1, digest_type: 1, digest: 'abc' }, 'pairs of hexadecimal digits'],
    ['DS', { key_tag: 1, algorithm: 256, digest_type: 1, digest: 'ab' }, 'from 0 to 255'],
    ['NAPTR', { order: 1, preference: 1, flags: LONG, replacement: '.' }, 'text of at most 255 bytes'],
    ['SVCB', 'x', 'svcpriority, targetname, svcparams'],
    ['SVCB', { ...SVC, svcparams: { prot: 1 } }, 'unknown parameter; allowed: mandatory, alpn'],
    ['SVCB', { ...SVC, svcparams: { port: 70000 } }, 'from 0 to 65535'],
    ['SVCB', { ...SVC, svcparams: { key3: 'x', port: 1 } }, 'is there twice'],
    ['SVCB', { ...SVC, svcparams: { key65535: '' } }, 'unknown parameter'],
    ['SVCB', { ...SVC, svcparams: { mandatory: ['port'] } }, 'names port, which is not among the parameters'],
    ['SVCB', { ...SVC, svcparams: { mandatory: ['mandatory'] } }, 'without "mandatory" itself'],
    ['SVCB', { ...SVC, svcparams: { mandatory: ['port', 'port'], port: 1 } }, 'different parameters'],
    ['SVCB', { ...SVC, svcparams: { 'no-default-alpn': null } }, 'needs alpn'],
    ['SVCB', { ...SVC, svcparams: { ipv4hint: ['::1'] } }, 'a list of IPv4 addresses'],
    ['SVCB', { ...SVC, svcparams: { ech: 'a' } }, 'base64'],
    ['SVCB', { ...SVC, svcpriority: 0, svcparams: { port: 1 } }, 'has no parameters'],
    ['TYPE65280', '\\# 3 0a000001', 'says 3 bytes but has 4'],
    ['TYPE65280', 'xyz', 'RFC 3597'],
    ['TYPE65280', '', 'RFC 3597'],
  ])('%s %j: %s', (type, value, message) => {
    expect(rdataCodec(typeNumber(type)!).parse(value)).toMatchObject({
      code: 'bad-rdata',
      message: expect.stringContaining(message),
    });
  });

  it('shows bytes that do not fit the type as RFC 3597 does', () => {
    for (const type of knownTypes())
      expect(rdataText(type, Uint8Array.of(0xc0)), typeName(type)).toBe('\\# 1 c0');
  });
});

/** A response with one answer, owned by the root. */
function message(type: number, rdata: Buffer): Buffer {
  const head = Buffer.from('000084000000000100000000', 'hex');
  const record = Buffer.alloc(11);
  record.writeUInt16BE(type, 1);
  record.writeUInt16BE(1, 3);
  record.writeUInt16BE(rdata.length, 9);
  return Buffer.concat([head, record, rdata]);
}
