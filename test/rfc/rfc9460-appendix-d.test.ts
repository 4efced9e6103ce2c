/** RFC 9460 appendix D: test vectors of SVCB in presentation form. */
import { expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { formatHex } from '../../src/core/dns/rdata/field.js';
import { rdataText } from '../../src/core/dns/rdata/table.js';
import { parseMasterFile } from '../../src/core/zone/master/parser.js';

const FOO = '03666f6f076578616d706c6503636f6d00';
const FOO_ORG = '03666f6f076578616d706c65036f726700';
const A_COMMA = `0010${FOO_ORG}0001000c08665c6f6f2c626172026832`;
const GOOD: readonly (readonly [figure: string, text: string, hex: string])[] = [
  ['1', 'HTTPS 0 foo.example.com.', `0000${FOO}`],
  ['2', 'SVCB 1 .', '000100'],
  ['3', 'SVCB 16 foo.example.com. port=53', `0010${FOO}000300020035`],
  ['4', 'SVCB 1 foo.example.com. key667=hello', `0001${FOO}029b000568656c6c6f`],
  ['5', 'SVCB 1 foo.example.com. key667="hello\\210qoo"', `0001${FOO}029b000968656c6c6fd2716f6f`],
  [
    '6',
    'SVCB 1 foo.example.com. ( ipv6hint="2001:db8::1,2001:db8::53:1" )',
    `0001${FOO}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
  ],
  [
    '7',
    'SVCB 1 example.com. ( ipv6hint="2001:db8:122:344::192.0.2.33" )',
    `0001${FOO.slice(8)}0006001020010db80122034400000000c0000221`,
  ],
  [
    '8',
    'SVCB 16 foo.example.org. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 )',
    `0010${FOO_ORG}0000000400010004000100090268320568332d313900040004c0000201`,
  ],
  ['9', 'SVCB 16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"', A_COMMA],
  ['10', 'SVCB 16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2', A_COMMA],
];
const BAD = [
  'key123=abc key123=def',
  'mandatory',
  'alpn',
  'port',
  'ipv4hint',
  'ipv6hint',
  'no-default-alpn=abc',
  'mandatory=key123',
  'mandatory=mandatory',
  'mandatory=key123,key123 key123=abc',
];

it.each(GOOD)('figure %s: %s', (_, text, hex) => {
  const { rdata, problems } = read(text);
  expect(problems).toEqual([]);
  expect(rdata.map(formatHex)).toEqual([hex]);
  // What is shown is read again as the same.
  const type = text.startsWith('HTTPS') ? 'HTTPS' : 'SVCB';
  expect(read(`${type} ${rdataText(TYPE[type], rdata[0]!)}`).rdata.map(formatHex)).toEqual([hex]);
});

it.each(BAD)('refuses %s', (params) => {
  expect(read(`SVCB 1 foo.example.com. ( ${params} )`).problems).toHaveLength(1);
});

function read(text: string) {
  const rdata: Uint8Array[] = [];
  const problems: string[] = [];
  parseMasterFile(
    new TextEncoder().encode(`example.com. 60 ${text}\n`),
    { file: 'z', origin: new Uint8Array(1) },
    {
      record: (_owner, _type, _ttl, wire) => rdata.push(wire),
      unsupported() {},
      problem: ({ message }) => problems.push(message),
    },
  );
  return { rdata, problems };
}
