import { describe, expect, it } from 'vitest';
import { lines, QueryRig, readZone, rigOf, zoneText } from '../../../support/query-rig.js';

const SOA = 'ns1.example.com. hostmaster.example.com. 1 3600 600 604800 60';
/** Negative answers: min(SOA TTL 900, minimum 60). */
const NEGATIVE = `authority example.com. 60 SOA ${SOA}`;

const ZONE = zoneText(
  'example.com',
  `records:
  "": { type: MX, values: [{ preference: 10, exchange: mail.example.com. }, { preference: 20, exchange: mx.other.test. }] }
  www: [{ type: A, values: [192.0.2.1, 192.0.2.2] }, { type: AAAA, value: "2001:db8::1" }, { type: TXT, value: hello }]
  "*": { type: A, value: 192.0.2.99 }
  "*.wild": [{ type: A, value: 192.0.2.9 }, { type: TXT, value: any }]
  below.wild: { type: TXT, value: here }
  deep.empty.name: { type: A, value: 192.0.2.3 }
  alias: { type: CNAME, value: www.example.com. }
  alias2: { type: CNAME, value: alias.example.com. }
  loop1: { type: CNAME, value: loop2.example.com. }
  loop2: { type: CNAME, value: loop1.example.com. }
  self: { type: CNAME, value: self.example.com. }
  out: { type: CNAME, value: www.other.test. }
  dangling: { type: CNAME, value: nothing.empty.name.example.com. }
  to-wild: { type: CNAME, value: Some.Wild.example.com. }
  to-empty: { type: CNAME, value: empty.name.example.com. }
  to-child: { type: CNAME, value: www.child.example.com. }
  to-cut: { type: CNAME, value: child.example.com. }
  child: [{ type: NS, values: [ns.child.example.com., ns1.example.com., ns.sibling.example.com., ns.other.test.] }, { type: DS, value: { key_tag: 1, algorithm: 13, digest_type: 2, digest: "${'ab'.repeat(32)}" } }]
  ns.child: [{ type: A, value: 192.0.2.61 }, { type: AAAA, value: "2001:db8::61" }]
  sibling: { type: NS, value: ns.sibling.example.com. }
  ns.sibling: { type: A, value: 192.0.2.62 }
`,
);
const rig = rigOf(ZONE);

const ALIAS = 'answer alias.example.com. 300 CNAME www.example.com.';
const WWW = ['answer www.example.com. 300 A 192.0.2.1', 'answer www.example.com. 300 A 192.0.2.2'];
const REFERRAL = [
  'NOERROR',
  'authority child.example.com. 300 NS ns.child.example.com.',
  'authority child.example.com. 300 NS ns1.example.com.',
  'authority child.example.com. 300 NS ns.sibling.example.com.',
  'authority child.example.com. 300 NS ns.other.test.',
  'additional ns.child.example.com. 300 A 192.0.2.61',
  'additional ns.child.example.com. 300 AAAA 2001:db8::61',
  'additional ns1.example.com. 3600 A 192.0.2.53',
  'additional ns.sibling.example.com. 300 A 192.0.2.62',
];
const DS = `1 13 2 ${'AB'.repeat(32)}`;

describe('answer() on static data', () => {
  it.each<[what: string, name: string, type: string, expected: readonly string[]]>([
    ['an exact name', 'www.example.com', 'A', ['NOERROR aa', ...WWW]],
    [
      'another type of it',
      'www.example.com',
      'TXT',
      ['NOERROR aa', 'answer www.example.com. 300 TXT "hello"'],
    ],
    ['the SOA with its own TTL', 'example.com', 'SOA', ['NOERROR aa', `answer example.com. 900 SOA ${SOA}`]],
    ['NS of the apex', 'example.com', 'NS', ['NOERROR aa', 'answer example.com. 3600 NS ns1.example.com.']],
    [
      'names in rdata, within the zone and not',
      'example.com',
      'MX',
      [
        'NOERROR aa',
        'answer example.com. 300 MX 10 mail.example.com.',
        'answer example.com. 300 MX 20 mx.other.test.',
      ],
    ],
    ['a type that is not there: NODATA', 'www.example.com', 'MX', ['NOERROR aa', NEGATIVE]],
    ['an empty non-terminal: NODATA', 'empty.name.example.com', 'A', ['NOERROR aa', NEGATIVE]],
    ['an empty non-terminal beside no wildcard', 'name.example.com', 'ANY', ['NOERROR aa', NEGATIVE]],
    ['a name below an existing one: NXDOMAIN', 'a.www.example.com', 'A', ['NXDOMAIN aa', NEGATIVE]],
    ['a name below an empty non-terminal', 'other.empty.name.example.com', 'A', ['NXDOMAIN aa', NEGATIVE]],
    ['a wildcard', 'any.example.com', 'A', ['NOERROR aa', 'answer any.example.com. 300 A 192.0.2.99']],
    [
      'a wildcard over several labels',
      'a.b.c.example.com',
      'A',
      ['NOERROR aa', 'answer a.b.c.example.com. 300 A 192.0.2.99'],
    ],
    ['a wildcard without the type: NODATA', 'any.example.com', 'MX', ['NOERROR aa', NEGATIVE]],
    ['the wildcard itself', '*.example.com', 'A', ['NOERROR aa', 'answer *.example.com. 300 A 192.0.2.99']],
    [
      'the closest wildcard',
      'x.wild.example.com',
      'A',
      ['NOERROR aa', 'answer x.wild.example.com. 300 A 192.0.2.9'],
    ],
    ['a name that hides the wildcard', 'below.wild.example.com', 'A', ['NOERROR aa', NEGATIVE]],
    ['nothing below a name beside the wildcard', 'x.below.wild.example.com', 'A', ['NXDOMAIN aa', NEGATIVE]],
    ['a name of another zone', 'www.example.org', 'A', ['REFUSED']],
    ['the parent of the zone', 'com', 'A', ['REFUSED']],
    ['the root', '.', 'NS', ['REFUSED']],
    ['a name that only ends alike', 'xexample.com', 'A', ['REFUSED']],
  ])('answers %s', (_what, name, type, expected) => {
    expect(lines(rig.ask(name, type))).toEqual(expected);
  });

  it.each<[what: string, name: string, type: string, expected: readonly string[]]>([
    ['follows an alias', 'alias.example.com', 'A', ['NOERROR aa', ALIAS, ...WWW]],
    [
      'follows a chain of them',
      'alias2.example.com',
      'AAAA',
      [
        'NOERROR aa',
        'answer alias2.example.com. 300 CNAME alias.example.com.',
        ALIAS,
        'answer www.example.com. 300 AAAA 2001:db8::1',
      ],
    ],
    [
      'gives the alias alone when asked for it',
      'alias2.example.com',
      'CNAME',
      ['NOERROR aa', 'answer alias2.example.com. 300 CNAME alias.example.com.'],
    ],
    [
      'stops where an alias leaves the zone',
      'out.example.com',
      'A',
      ['NOERROR aa', 'answer out.example.com. 300 CNAME www.other.test.'],
    ],
    [
      'says NXDOMAIN of the target (RFC 6604)',
      'dangling.example.com',
      'A',
      ['NXDOMAIN aa', 'answer dangling.example.com. 300 CNAME nothing.empty.name.example.com.', NEGATIVE],
    ],
    ['says NODATA of the target', 'alias.example.com', 'MX', ['NOERROR aa', ALIAS, NEGATIVE]],
    [
      'says NODATA of an empty target',
      'to-empty.example.com',
      'A',
      ['NOERROR aa', 'answer to-empty.example.com. 300 CNAME empty.name.example.com.', NEGATIVE],
    ],
    [
      'makes the target from a wildcard',
      'to-wild.example.com',
      'A',
      [
        'NOERROR aa',
        'answer to-wild.example.com. 300 CNAME Some.Wild.example.com.',
        'answer Some.Wild.example.com. 300 A 192.0.2.9',
      ],
    ],
    [
      'stops at a name below a delegation',
      'to-child.example.com',
      'A',
      ['NOERROR aa', 'answer to-child.example.com. 300 CNAME www.child.example.com.'],
    ],
    [
      'stops at a delegation',
      'to-cut.example.com',
      'A',
      ['NOERROR aa', 'answer to-cut.example.com. 300 CNAME child.example.com.'],
    ],
  ])('%s', (_what, name, type, expected) => {
    expect(lines(rig.ask(name, type))).toEqual(expected);
  });

  it.each(['loop1', 'self'])('ends a loop of aliases: %s', (name) => {
    const { answers, rcode } = rig.ask(`${name}.example.com`, 'A');
    expect(rcode).toBe(0);
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.length).toBeLessThanOrEqual(9);
    expect(new Set(answers.map(({ type }) => type))).toEqual(new Set([5]));
  });

  it.each<[what: string, name: string, type: string, expected: readonly string[]]>([
    ['at the cut', 'child.example.com', 'A', REFERRAL],
    ['at the cut, asked for NS', 'child.example.com', 'NS', REFERRAL],
    ['at the cut, asked for ANY', 'child.example.com', 'ANY', REFERRAL],
    ['below the cut', 'a.b.child.example.com', 'A', REFERRAL],
    ['for a name with glue', 'ns.child.example.com', 'A', REFERRAL],
    ['below a name with glue', 'x.ns.child.example.com', 'AAAA', REFERRAL],
    ['for DS below the cut', 'a.child.example.com', 'DS', REFERRAL],
    ['for DS of a name with glue', 'ns.child.example.com', 'DS', REFERRAL],
  ])('refers %s', (_what, name, type, expected) => {
    expect(lines(rig.ask(name, type))).toEqual(expected);
  });

  it('answers DS at the cut itself, with authority', () => {
    expect(lines(rig.ask('child.example.com', 'DS'))).toEqual([
      'NOERROR aa',
      `answer child.example.com. 300 DS ${DS}`,
    ]);
    expect(lines(rig.ask('sibling.example.com', 'DS'))).toEqual(['NOERROR aa', NEGATIVE]);
  });

  it('gives sibling glue', () => {
    expect(lines(rig.ask('x.sibling.example.com', 'A'))).toEqual([
      'NOERROR',
      'authority sibling.example.com. 300 NS ns.sibling.example.com.',
      'additional ns.sibling.example.com. 300 A 192.0.2.62',
    ]);
  });

  it('keeps the case of the question and finds names in any case', () => {
    const { question, answers } = rig.ask('wWw.eXAMPLE.cOm', 'A');
    expect(question?.name).toBe('wWw.eXAMPLE.cOm.');
    expect(answers.map(({ name }) => name)).toEqual(['wWw.eXAMPLE.cOm.', 'wWw.eXAMPLE.cOm.']);
  });

  it('takes letters alone for equal in both cases, at every place in a word (RFC 4343 §3)', () => {
    const escaped = (byte: number) => `\\${String(byte).padStart(3, '0')}`;
    const isUpper = (byte: number) => byte >= 0x41 && byte <= 0x5a;
    const all = Array.from({ length: 256 }, (_, byte) => byte);
    for (const padding of ['', 'a', 'ab', 'abc']) {
      const zone = readZone(zoneText('example.com', ''));
      const rrsets = all
        .filter((byte) => !isUpper(byte))
        .map((byte) => ({
          kind: 'static' as const,
          name: `${padding}${escaped(byte)}.example.com.`,
          type: 1,
          ttl: 60,
          rdata: [Uint8Array.of(192, 0, 2, byte)],
        }));
      const bytes = new QueryRig([{ ...zone, rrsets: [...zone.rrsets, ...rrsets] }]);
      for (const byte of all) {
        const [answer] = bytes.ask(`${padding}${escaped(byte)}.example.com`, 'A').answers;
        expect([byte, answer?.rdata]).toEqual([byte, `192.0.2.${isUpper(byte) ? byte | 0x20 : byte}`]);
      }
    }
  });

  it('answers a name of 255 bytes and 127 labels', () => {
    const long = `${'a.'.repeat(121)}example.com`;
    expect(lines(rig.ask(long, 'A'))).toEqual(['NOERROR aa', `answer ${long}. 300 A 192.0.2.99`]);
  });

  it('answers ANY with one small record, also at a wildcard (RFC 8482)', () => {
    expect(lines(rig.ask('www.example.com', 'ANY'))).toEqual([
      'NOERROR aa',
      'answer www.example.com. 3600 HINFO \\# 9 075246433834383200',
    ]);
    expect(lines(rig.ask('any.example.com', 'ANY'))[1]).toBe(
      'answer any.example.com. 3600 HINFO \\# 9 075246433834383200',
    );
  });

  it('answers ANY at an alias with the alias alone: nothing stands beside a CNAME', () => {
    expect(lines(rig.ask('alias.example.com', 'ANY'))).toEqual(['NOERROR aa', ALIAS]);
  });

  it('answers the class ANY with data of IN, and refuses other classes', () => {
    expect(lines(rig.ask('www.example.com', 'A', { class: 255 }))).toEqual(['NOERROR aa', ...WWW]);
    expect(lines(rig.ask('www.example.com', 'A', { class: 3 }))).toEqual(['REFUSED']);
  });
});

describe('answer() with several zones', () => {
  const ds = (tag: number) =>
    `{ type: DS, value: { key_tag: ${tag}, algorithm: 13, digest_type: 2, digest: "${'cd'.repeat(32)}" } }`;
  const parent = zoneText(
    'example.com',
    `records:
  www: { type: A, value: 192.0.2.1 }
  child: [{ type: NS, value: ns1.child.example.com. }, ${ds(7)}]
  ns1.child: { type: A, value: 192.0.2.53 }
  to-child: { type: CNAME, value: www.child.example.com. }
  x.plain: { type: A, value: 192.0.2.66 }
`,
  );
  const child = zoneText(
    'child.example.com',
    'records:\n  www: { type: A, value: 192.0.2.7 }\n  up: { type: CNAME, value: www.example.com. }\n',
  );
  const plain = zoneText('plain.example.com', 'records:\n  x: { type: A, value: 192.0.2.77 }\n');

  it.each([
    ['parent first', [parent, child, plain]],
    ['child first', [plain, child, parent]],
  ])('answers each name from the closest zone (%s)', (_order, texts) => {
    const both = rigOf(texts);
    const first = (name: string, type: string) => lines(both.ask(name, type)).slice(0, 2);
    expect(first('www.child.example.com', 'A')).toEqual([
      'NOERROR aa',
      'answer www.child.example.com. 300 A 192.0.2.7',
    ]);
    expect(first('child.example.com', 'NS')).toEqual([
      'NOERROR aa',
      'answer child.example.com. 3600 NS ns1.child.example.com.',
    ]);
    expect(first('no.child.example.com', 'A')[1]).toMatch(/^authority child\.example\.com\. 60 SOA/);
    expect(first('x.plain.example.com', 'A')[1]).toBe('answer x.plain.example.com. 300 A 192.0.2.77');
    expect(first('www.example.com', 'A')[1]).toBe('answer www.example.com. 300 A 192.0.2.1');
    expect(lines(both.ask('example.org', 'A'))).toEqual(['REFUSED']);
  });

  it('answers DS of the child from the parent', () => {
    const both = rigOf([child, parent, plain]);
    expect(lines(both.ask('child.example.com', 'DS'))).toEqual([
      'NOERROR aa',
      `answer child.example.com. 300 DS 7 13 2 ${'CD'.repeat(32)}`,
    ]);
    expect(lines(both.ask('plain.example.com', 'DS'))[1]).toMatch(/^authority example\.com\. 60 SOA/);
    expect(lines(both.ask('www.child.example.com', 'DS'))[1]).toMatch(
      /^authority child\.example\.com\. 60 SOA/,
    );
  });

  it('answers DS of a zone without its parent from the zone', () => {
    expect(lines(rigOf(child).ask('child.example.com', 'DS'))[1]).toMatch(
      /^authority child\.example\.com\. 60/,
    );
  });

  it('does not follow an alias into another zone', () => {
    const both = rigOf([parent, child]);
    expect(lines(both.ask('to-child.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer to-child.example.com. 300 CNAME www.child.example.com.',
    ]);
    expect(lines(both.ask('up.child.example.com', 'A'))).toHaveLength(2);
  });

  it('serves the root zone', () => {
    const root = rigOf(
      'zone: .\nnameservers: { ns1.nic.test.: { A: 192.0.2.53 } }\nrecords:\n  test.: { type: TXT, value: top }\n',
    );
    expect(lines(root.ask('test', 'TXT'))).toEqual(['NOERROR aa', 'answer test. 30 TXT "top"']);
    expect(lines(root.ask('nothing.here', 'A'))[0]).toBe('NXDOMAIN aa');
    expect(lines(root.ask('.', 'NS'))[0]).toBe('NOERROR aa');
  });
});
