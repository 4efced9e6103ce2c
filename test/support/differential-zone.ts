import { typeName, typeNumber } from '../../src/core/dns/iana.js';
import { isRdataError } from '../../src/core/dns/rdata/codec.js';
import { rdataCodec } from '../../src/core/dns/rdata/table.js';

/** One zone in two languages: a zone file of ours, and a master file (RFC 1035 §5) for other servers. */
export const DIFFERENTIAL_ZONE = 'diff.test';

interface Entry {
  /** Relative; '' is the apex. */
  readonly name: string;
  readonly type: string;
  /** rdata in a master file. */
  readonly texts: readonly string[];
  /** The same in a zone file of ours, where it is not the same text. */
  readonly values: readonly unknown[];
}

const one = (name: string, type: string, text: string, value: unknown = text): Entry => ({
  name,
  type,
  texts: [text],
  values: [value],
});
const several = (name: string, type: string, ...texts: readonly string[]): Entry => ({
  name,
  type,
  texts,
  values: texts,
});
const txt = (name: string, ...texts: readonly string[]): Entry => ({
  name,
  type: 'TXT',
  texts: texts.map((text) => `"${text}"`),
  values: texts,
});
const mx = (name: string, preference: number, exchange: string): Entry =>
  one(name, 'MX', `${preference} ${exchange}`, { preference, exchange });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

const ENTRIES: readonly Entry[] = [
  several('www', 'A', '192.0.2.1', '192.0.2.2'),
  one('www', 'AAAA', '2001:db8::1'),
  mx('www', 10, 'mail.diff.test.'),
  txt('www', 'one', 'two words', 'x'.repeat(200)),
  one('mail', 'A', '192.0.2.25'),
  one('MiXeD', 'A', '192.0.2.3'),
  mx('far', 10, 'mail.example.net.'),
  one('_sip._tcp', 'SRV', '1 2 5060 www.diff.test.', {
    priority: 1,
    weight: 2,
    port: 5060,
    target: 'www.diff.test.',
  }),
  one('ptr', 'PTR', 'www.diff.test.'),
  one('caa', 'CAA', '0 issue "ca.example.net"', { flags: 0, tag: 'issue', value: 'ca.example.net' }),
  one('naptr', 'NAPTR', '10 20 "S" "SIP+D2U" "" _sip._tcp.diff.test.', {
    order: 10,
    preference: 20,
    flags: 'S',
    service: 'SIP+D2U',
    regexp: '',
    replacement: '_sip._tcp.diff.test.',
  }),
  one('unknown', 'TYPE65280', '\\# 3 00ff10'),
  one('https', 'HTTPS', '1 . alpn=h2', { svcpriority: 1, targetname: '.', svcparams: { alpn: ['h2'] } }),
  one('a.b.c.ent', 'A', '192.0.2.4'),
  one('c1', 'CNAME', 'c2.diff.test.'),
  one('c2', 'CNAME', 'c3.diff.test.'),
  one('c3', 'CNAME', 'www.diff.test.'),
  one('c-nx', 'CNAME', 'missing.diff.test.'),
  one('c-ent', 'CNAME', 'ent.diff.test.'),
  one('c-out', 'CNAME', 'www.example.net.'),
  one('c-wild', 'CNAME', 'any.wild.diff.test.'),
  one('c-child', 'CNAME', 'host.child.diff.test.'),
  one('loop1', 'CNAME', 'loop2.diff.test.'),
  one('loop2', 'CNAME', 'loop1.diff.test.'),
  one('self', 'CNAME', 'self.diff.test.'),
  one('*.wild', 'A', '192.0.2.5'),
  txt('*.wild', 'wild'),
  one('exists.wild', 'AAAA', '2001:db8::5'),
  one('deep.under.wild', 'A', '192.0.2.6'),
  one('*.cwild', 'CNAME', 'www.diff.test.'),
  txt('sub.*.star', 'not a wildcard'),
  several('child', 'NS', 'ns.child.diff.test.', 'ns.sibling.diff.test.', 'ns.example.net.'),
  one('ns.child', 'A', '192.0.2.61'),
  one('ns.child', 'AAAA', '2001:db8::61'),
  several('sibling', 'NS', 'ns.sibling.diff.test.'),
  one('ns.sibling', 'A', '192.0.2.62'),
  several('bare', 'NS', 'ns.example.net.'),
  several('signed', 'NS', 'ns.example.net.'),
  one('signed', 'DS', '12345 13 2 '.concat('ab'.repeat(32)), {
    key_tag: 12345,
    algorithm: 13,
    digest_type: 2,
    digest: 'ab'.repeat(32),
  }),
  several('large', 'A', ...numbers(60).map((i) => `198.51.100.${i}`)),
  txt('huge', ...numbers(30).map((i) => `${i}`.padEnd(180, 'y'))),
  one('c-large', 'CNAME', 'large.diff.test.'),
  one(`${'l'.repeat(63)}.${'m'.repeat(63)}.${'n'.repeat(63)}`, 'A', '192.0.2.7'),
];

const SOA_TTL = 900;
const HEAD = `zone: ${DIFFERENTIAL_ZONE}
ttl: 300
nameservers: { ns1: { A: 192.0.2.53, AAAA: "2001:db8::53" } }
soa: { contact: hostmaster.${DIFFERENTIAL_ZONE}, mname: ns1.${DIFFERENTIAL_ZONE}., refresh: 3600, retry: 600, expire: 604800, minimum: 60, ttl: ${SOA_TTL} }
`;

/** Our zone file. */
export function meridianZone(): string {
  const records = new Map<string, object[]>();
  for (const { name, type, values } of ENTRIES) {
    records.set(name, [...(records.get(name) ?? []), { type, values }]);
  }
  return `${HEAD}records: ${JSON.stringify(Object.fromEntries(records))}\n`;
}

/** Aliases that end nowhere, which not every server loads. */
export const LOOPS: ReadonlySet<string> = new Set(['loop1', 'loop2', 'self']);

/** A master file. With `known`: types that are not in it are written as RFC 3597 has it, and LOOPS and DS are left out. */
export function masterZone(known?: ReadonlySet<string>): string {
  const entries = ENTRIES.filter(({ name, type }) => !known || !(LOOPS.has(name) || type === 'DS'));
  const records = entries.flatMap(({ name, type, texts, values }) =>
    texts.map((text, i) =>
      !known || known.has(type) ? `${name} ${type} ${text}` : `${name} ${unknownForm(type, values[i])}`,
    ),
  );
  return `$ORIGIN ${DIFFERENTIAL_ZONE}.
$TTL 300
@ ${SOA_TTL} SOA ns1 hostmaster 1 3600 600 604800 60
@ 3600 NS ns1
ns1 3600 A 192.0.2.53
ns1 3600 AAAA 2001:db8::53
${records.join('\n')}
`;
}

function unknownForm(type: string, value: unknown): string {
  const number = typeNumber(type);
  const codec = number === undefined ? undefined : rdataCodec(number);
  const rdata = codec?.parse(value);
  if (number === undefined || !rdata || isRdataError(rdata)) throw new Error(`${type} ${String(value)}`);
  return `TYPE${number} \\# ${rdata.length} ${Buffer.from(rdata).toString('hex')}`;
}

/** Names to ask for, absolute: those of the zone, and those around them. */
export function differentialNames(): readonly string[] {
  const relative = new Set([
    ...['', 'ns1', 'no', 'no.no', 'x.www', 'a.b.c.ent', 'b.c.ent', 'c.ent', 'ent', 'x.ent', 'wWw', 'mixed'],
    ...[
      'any.wild',
      'x.any.wild',
      '*.wild',
      'wild',
      'x.*.wild',
      'x.exists.wild',
      'under.wild',
      'x.under.wild',
    ],
    ...['x.cwild', 'x.star', '*.star', 'x.*.star', 'sub.star', 'x.child', 'x.y.child', 'x.signed', 'x.bare'],
    ...ENTRIES.map(({ name }) => name),
  ]);
  return [...relative].map((name) =>
    name === '' ? `${DIFFERENTIAL_ZONE}.` : `${name}.${DIFFERENTIAL_ZONE}.`,
  );
}

/** The types that the zone has anywhere, by name. */
export function differentialTypes(): readonly string[] {
  return [...new Set(['SOA', 'NS', ...ENTRIES.map(({ type }) => typeName(typeNumber(type) ?? 0))])];
}
