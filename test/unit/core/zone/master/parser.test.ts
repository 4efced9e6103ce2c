import { describe, expect, it } from 'vitest';
import { typeName } from '../../../../../src/core/dns/iana.js';
import { formatName, parseName } from '../../../../../src/core/dns/name.js';
import { rdataText } from '../../../../../src/core/dns/rdata/table.js';
import { type Included, parseMasterFile } from '../../../../../src/core/zone/master/parser.js';

const ORIGIN = parseName('example.com.') as Uint8Array;

function parse(text: string, include?: (name: string) => Included) {
  const records: string[] = [];
  const problems: string[] = [];
  const unsupported: string[] = [];
  parseMasterFile(
    new TextEncoder().encode(text),
    { file: 'z', origin: ORIGIN, ...(include ? { include } : {}) },
    {
      record: (owner, type, ttl, rdata) =>
        records.push(`${formatName(owner)} ${ttl} ${typeName(type)} ${rdataText(type, rdata)}`),
      unsupported: (type, _file, line) => unsupported.push(`${typeName(type)} ${line}`),
      problem: ({ file, line, column, message }) => problems.push(`${file}:${line}:${column}: ${message}`),
    },
  );
  return { records, problems, unsupported };
}

describe('parseMasterFile() reads', () => {
  it.each<[string, string, string[]]>([
    ['a relative name', 'www 60 IN A 192.0.2.1', ['www.example.com. 60 A 192.0.2.1']],
    ['class before TTL', 'www IN 60 A 192.0.2.1', ['www.example.com. 60 A 192.0.2.1']],
    ['no class, small letters', 'WWW 60 a 192.0.2.1', ['www.example.com. 60 A 192.0.2.1']],
    ['CLASS1', 'www 60 CLASS1 A 192.0.2.1', ['www.example.com. 60 A 192.0.2.1']],
    ['@', '@ 60 NS ns1', ['example.com. 60 NS ns1.example.com.']],
    ['@ in rdata', 'a 60 CNAME @', ['a.example.com. 60 CNAME example.com.']],
    ['the root', '. 60 NS a.', ['. 60 NS a.']],
    ['units of time', 'www 1h30M A 192.0.2.1', ['www.example.com. 5400 A 192.0.2.1']],
    ['$TTL', '$TTL 1d\nwww A 192.0.2.1', ['www.example.com. 86400 A 192.0.2.1']],
    [
      'the last TTL',
      'a 60 A 192.0.2.1\nb A 192.0.2.2',
      ['a.example.com. 60 A 192.0.2.1', 'b.example.com. 60 A 192.0.2.2'],
    ],
    [
      'the last owner',
      'a 60 A 192.0.2.1\n\n\tAAAA ::1',
      ['a.example.com. 60 A 192.0.2.1', 'a.example.com. 60 AAAA ::1'],
    ],
    ['$ORIGIN', '$ORIGIN sub\nwww 60 A 192.0.2.1', ['www.sub.example.com. 60 A 192.0.2.1']],
    ['escapes in names', 'a\\.b\\032 60 A 192.0.2.1', ['a\\.b\\032.example.com. 60 A 192.0.2.1']],
    [
      'texts with and without quotes',
      't 60 TXT "a;b" c "d\\"\\010"',
      ['t.example.com. 60 TXT "a;b" "c" "d\\"\\010"'],
    ],
    ['an empty text', 't 60 TXT ""', ['t.example.com. 60 TXT ""']],
    ['a comment', 'www 60 A 192.0.2.1;x', ['www.example.com. 60 A 192.0.2.1']],
    ['lines that end with CR LF', 'www 60 A 192.0.2.1\r\n', ['www.example.com. 60 A 192.0.2.1']],
    [
      'parentheses and comments within',
      '@ 60 SOA ns1 host ( 1 ; serial\n 1h 10m\n 1w 30 )',
      ['example.com. 60 SOA ns1.example.com. host.example.com. 1 3600 600 604800 30'],
    ],
    [
      'a SOA that lends its minimum',
      '@ SOA a b 1 2 3 4 5\nw A 192.0.2.1',
      ['example.com. 5 SOA a.example.com. b.example.com. 1 2 3 4 5', 'w.example.com. 5 A 192.0.2.1'],
    ],
    ['MX', '@ 60 MX 10 mail', ['example.com. 60 MX 10 mail.example.com.']],
    ['CAA', '@ 60 CAA 0 issue "ca.example"', ['example.com. 60 CAA 0 issue "ca.example"']],
    ['DS in pieces', 's 60 DS 1 13 2 (AB CD\n EF)', ['s.example.com. 60 DS 1 13 2 ABCDEF']],
    ['RFC 3597 of a known type', 'w 60 A \\# 4 C0000201', ['w.example.com. 60 A 192.0.2.1']],
    ['RFC 3597 of a known type by number', 'w 60 TYPE1 192.0.2.1', ['w.example.com. 60 A 192.0.2.1']],
    ['RFC 3597 of another type', 'w 60 TYPE731 \\# 3 abc def', ['w.example.com. 60 TYPE731 \\# 3 abcdef']],
    ['RFC 3597 without bytes', 'w 60 TYPE731 \\# 0', ['w.example.com. 60 TYPE731 \\# 0']],
    ['HTTPS', 'w 60 HTTPS 1 . alpn="h2,h3" port=443', ['w.example.com. 60 HTTPS 1 . alpn=h2,h3 port=443']],
    ['HTTPS to a relative name', 'w 60 HTTPS 0 x', ['w.example.com. 60 HTTPS 0 x.example.com.']],
    [
      '$GENERATE',
      '$GENERATE 1-3/2 h$ 60 A 192.0.2.$',
      ['h1.example.com. 60 A 192.0.2.1', 'h3.example.com. 60 A 192.0.2.3'],
    ],
    [
      '$GENERATE with a format',
      `$GENERATE 9-9 h$\{1,3,x} 60 TXT "\\$ $$"`,
      ['h00a.example.com. 60 TXT "$ $"'],
    ],
  ])('%s', (_, text, records) => {
    expect(parse(text)).toEqual({ records, problems: [], unsupported: [] });
  });

  it('$INCLUDE, and has its own origin back afterwards', () => {
    const { records, problems } = parse('$INCLUDE f sub\nb 60 A 192.0.2.2', () => ({
      file: 'f',
      bytes: new TextEncoder().encode('a 60 A 192.0.2.1'),
    }));
    expect(problems).toEqual([]);
    expect(records).toEqual(['a.sub.example.com. 60 A 192.0.2.1', 'b.example.com. 60 A 192.0.2.2']);
  });
});

describe('parseMasterFile() reports', () => {
  it.each<[string, string, string]>([
    ['a bad address', 'w 60 A 192.0.2.256', 'z:1:8: must be an IPv4'],
    ['a leading zero', 'w 60 A 192.0.02.1', 'z:1:8: must be an IPv4'],
    ['no owner', '  60 A 192.0.2.1', 'z:1:3: there is no owner'],
    ['no TTL', 'w A 192.0.2.1', 'z:1:1: has no TTL'],
    ['another class', 'w 60 CH A 192.0.2.1', 'z:1:6: the class'],
    ['an unknown type', 'w 60 FOO x', 'z:1:6: is not an RR type'],
    ['a type of questions', 'w 60 ANY x', 'z:1:6: ANY is only'],
    ['an open parenthesis', 'w 60 A (\n192.0.2.1', 'z:1:8: this "("'],
    ['an open quote', 't 60 TXT "a\n', 'z:1:10: the quoted'],
    ['words too many', 'w 60 A 192.0.2.1 x', 'z:1:18: one word too many'],
    ['a wrong length', 'w 60 TYPE731 \\# 2 ab', 'z:1:17: says 2 bytes but has 1'],
    ['a generic A of three bytes', 'w 60 A \\# 3 abcdef', 'z:1:11: these bytes'],
    ['too many generated records', '$GENERATE 1-100000 h$ 60 A 192.0.2.1', 'z:1:11: $GENERATE makes'],
    ['$INCLUDE where there is none', '$INCLUDE f', 'z:1:1: $INCLUDE is not'],
    ['another directive', '$FOO f', 'z:1:1: unknown directive'],
    ['a long label', `${'a'.repeat(64)} 60 A 192.0.2.1`, 'z:1:1: a label'],
  ])('%s', (_, text, problem) => {
    const { records, problems } = parse(text);
    expect(records).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('types that it cannot read, and goes on', () => {
    const { unsupported, records } = parse('w 60 RRSIG A 13 2 60 x\nw 60 A 192.0.2.1');
    expect(unsupported).toEqual(['RRSIG 1']);
    expect(records).toHaveLength(1);
  });

  it('a file that includes itself, once', () => {
    const loop = { file: 'f', bytes: new TextEncoder().encode('$INCLUDE f') };
    expect(parse('$INCLUDE f', () => loop).problems).toHaveLength(1);
  });
});
