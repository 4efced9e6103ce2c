import { describe, expect, it } from 'vitest';
import { explain } from '../../../../src/core/answer/explain.js';
import { TYPE } from '../../../../src/core/dns/iana.js';
import { loadZoneFile } from '../../../../src/sources/zone-file.js';
import { trieOf } from '../../../support/mmdb-writer.js';
import { wireOf } from '../../../support/packet.js';
import { addressOf, lines, QueryRig, readZone, rigOf, zoneText } from '../../../support/query-rig.js';

const MAIN = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }] }
  us: { monitor: m, endpoints: [{ A: 192.0.2.2 }] }
  cdn: { endpoints: [{ CNAME: www.other.test. }] }
  far: { endpoints: [{ CNAME: edge.cdn.test. }] }
records:
  "":
    - { type: ALIAS, value: www.example.com., ttl: 60 }
    - { type: MX, value: { preference: 10, exchange: mail.example.net. } }
    - { type: TXT, value: hello }
  www: { type: [A, AAAA], ttl: 120, dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: eu }, { pool: us }] } }
  other: { type: ALIAS, value: www.other.test. }
  chain: { type: ALIAS, value: alias.example.com. }
  alias: { type: CNAME, value: other.example.com., ttl: 20 }
  dyn: { type: CNAME, dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: cdn }, { pool: far }] } }
  via: { type: ALIAS, value: dyn.example.com. }
  out: { type: ALIAS, value: lb.provider.test. }
  "*.any": { type: ALIAS, value: lb.provider.test. }
  cut: { type: NS, value: ns.example.net. }
  deleg: { type: ALIAS, value: x.cut.example.com. }
  gone: { type: ALIAS, value: nothing.example.com. }
  loop-a: { type: ALIAS, value: loop-b.example.com. }
  loop-b: { type: ALIAS, value: loop-a.example.com. }
  moved: { type: ALIAS, value: www.old.example.com. }
  old: { type: DNAME, value: other.test. }
  before: { type: CNAME, value: out.example.com. }
  texts: { type: ALIAS, value: text.other.test. }
`,
);
const OTHER = zoneText(
  'other.test',
  'records:\n  www: [{ type: A, values: [198.51.100.1, 198.51.100.2], ttl: 40 }, { type: AAAA, value: "2001:db8:9::1" }]\n  text: { type: TXT, value: x }\n',
);

const rig = (): QueryRig => rigOf([MAIN, OTHER]);
const answers = (one: QueryRig, name: string, type: string, subnet?: string) =>
  lines(one.ask(name, type, subnet === undefined ? {} : { subnet })).filter((line) =>
    line.startsWith('answer'),
  );

describe('ALIAS to a name of this server', () => {
  it('is answered at the apex by the policy of its target, with its scope and the smallest TTL', () => {
    const one = rig();
    const eu = one.ask('example.com', 'A', { subnet: '203.0.113.9/32' });
    expect(lines(eu).slice(0, 2)).toEqual(['NOERROR aa', 'answer example.com. 60 A 192.0.2.1']);
    expect(eu.edns?.scope).toBe(one.ask('www.example.com', 'A', { subnet: '203.0.113.9/32' }).edns?.scope);
    expect(eu.edns?.scope).toBeGreaterThan(0);
    expect(answers(one, 'example.com', 'AAAA', '203.0.113.9/32')).toEqual([
      'answer example.com. 60 AAAA 2001:db8::1',
    ]);
    expect(answers(one, 'example.com', 'A', '198.51.100.9/32')).toEqual([
      'answer example.com. 60 A 192.0.2.2',
    ]);
  });

  it('leaves the other types of its name alone', () => {
    const one = rig();
    expect(answers(one, 'example.com', 'MX')).toHaveLength(1);
    expect(answers(one, 'example.com', 'NS')).toHaveLength(1);
    expect(answers(one, 'example.com', 'SOA')).toHaveLength(1);
    const none = one.ask('example.com', 'SRV');
    expect([none.rcode, none.answers.length, none.authorities[0]?.type]).toEqual([0, 0, TYPE.SOA]);
  });

  it('follows the health of its target', () => {
    const one = rig();
    one.set('down', '192.0.2.2');
    expect(answers(one, 'example.com', 'A', '203.0.113.9/32')).toEqual([
      'answer example.com. 60 A 192.0.2.1',
    ]);
  });

  it.each([
    ['a static name of another zone', 'other.example.com', 40],
    ['aliases in between, with the smallest TTL', 'chain.example.com', 20],
    ['a DNAME in between', 'moved.example.com', 40],
  ])('leads to %s', (_, name, ttl) => {
    expect(answers(rig(), name, 'A')).toEqual([
      `answer ${name}. ${ttl} A 198.51.100.1`,
      `answer ${name}. ${ttl} A 198.51.100.2`,
    ]);
  });

  it('leads through a CNAME that is chosen for the client', () => {
    const one = rig();
    one.resolved('edge.cdn.test.', ['198.51.100.77']);
    expect(answers(one, 'via.example.com', 'A', '203.0.113.9/32')).toEqual([
      'answer via.example.com. 40 A 198.51.100.1',
      'answer via.example.com. 40 A 198.51.100.2',
    ]);
    expect(answers(one, 'via.example.com', 'A', '192.0.2.0/24')).toEqual([
      'answer via.example.com. 300 A 198.51.100.77',
    ]);
    expect(one.ask('via.example.com', 'A', { subnet: '203.0.113.9/32' }).edns?.scope).toBeGreaterThan(0);
  });

  it.each(['gone.example.com', 'texts.example.com'])(
    'is NODATA where the target has no address: %s',
    (name) => {
      const message = rig().ask(name, 'A');
      expect([message.rcode, message.answers.length, message.authorities[0]?.type]).toEqual([0, 0, TYPE.SOA]);
    },
  );

  it('fails in a loop', () => {
    expect(rig().ask('loop-a.example.com', 'A').rcode).toBe(2);
  });

  it('cuts an answer that does not fit', () => {
    const values = Array.from({ length: 60 }, (_, i) => `10.0.0.${i}`).join(', ');
    const one = rigOf(
      zoneText(
        'example.com',
        `records: { "": { type: ALIAS, value: w.example.com. }, w: { type: A, values: [${values}] } }`,
      ),
    );
    expect([
      one.ask('example.com', 'A').truncated,
      one.ask('example.com', 'A', { tcp: true }).answers.length,
    ]).toEqual([true, 60]);
  });

  it('follows rules by place', () => {
    const geo = trieOf([{ prefix: '84.0.0.0/8', data: { continent_code: 'EU', country_code: 'DE' } }]);
    const text = MAIN.replace('subnets: [203.0.113.0/24], pool: eu', 'geos: [EU], pool: eu');
    const one = rigOf([text, OTHER], { geo });
    expect(answers(one, 'example.com', 'A', '84.1.2.3/32')).toEqual(['answer example.com. 60 A 192.0.2.1']);
  });
});

describe('ALIAS to a name outside', () => {
  it('names what has to be resolved', () => {
    expect(rig().outside).toEqual(['edge.cdn.test.', 'lb.provider.test.', 'x.cut.example.com.']);
    expect(rigOf(zoneText('example.com', 'records: { w: { type: CNAME, value: a.test. } }')).outside).toEqual(
      [],
    );
  });

  it.each(['out.example.com', 'x.any.example.com', 'deleg.example.com', 'before.example.com'])(
    'fails with a reason before it was resolved: %s',
    (name) => {
      const message = rig().ask(name, 'A', { edns: true });
      expect([message.rcode, message.answers.length, message.authorities.length]).toEqual([2, 0, 0]);
      expect(message.edns?.options.find(({ code }) => code === 15)?.data.slice(0, 2)).toEqual(
        Uint8Array.of(0, 14),
      );
    },
  );

  it('answers with the addresses of each family under its own name, for as long as they are good', () => {
    const one = rig();
    one.resolved('lb.provider.test.', ['198.51.100.7', '198.51.100.8', '2001:db8:5::1'], 1_050);
    one.tick(1_000_000);
    expect([...answers(one, 'out.example.com', 'A')].sort()).toEqual([
      'answer out.example.com. 50 A 198.51.100.7',
      'answer out.example.com. 50 A 198.51.100.8',
    ]);
    expect(answers(one, 'x.any.example.com', 'AAAA')).toEqual([
      'answer x.any.example.com. 50 AAAA 2001:db8:5::1',
    ]);
    expect(answers(one, 'before.example.com', 'AAAA').at(-1)).toBe(
      'answer out.example.com. 50 AAAA 2001:db8:5::1',
    );
    // No longer confirmed: the last good ones, for a short time.
    one.tick(1_051_000);
    expect(answers(one, 'x.any.example.com', 'AAAA')).toEqual([
      'answer x.any.example.com. 30 AAAA 2001:db8:5::1',
    ]);
    one.tick(0);
    expect(answers(one, 'x.any.example.com', 'AAAA')).toEqual([
      'answer x.any.example.com. 300 AAAA 2001:db8:5::1',
    ]);
  });

  it('is NODATA for a family that the name does not have', () => {
    const one = rig();
    one.resolved('lb.provider.test.', ['198.51.100.7']);
    const message = one.ask('out.example.com', 'AAAA');
    expect([message.rcode, message.answers.length, message.authorities[0]?.type]).toEqual([0, 0, TYPE.SOA]);
  });

  it('keeps scope 0: all clients get the same', () => {
    const one = rig();
    one.resolved('lb.provider.test.', ['198.51.100.7']);
    expect(one.ask('out.example.com', 'A', { subnet: '203.0.113.9/32' }).edns?.scope).toBe(0);
  });
});

describe('ALIAS explained', () => {
  const steps = (one: QueryRig, name: string) =>
    explain(one.compiled.snapshot, one.compiled.index, one.health, {
      name: wireOf(name),
      type: TYPE.A,
      source: addressOf('203.0.113.1'),
      seed: 1,
    }).steps.map(({ text }) => text);

  it('says where it leads', () => {
    const one = rig();
    expect(steps(one, 'example.com')[1]).toBe(
      'the ALIAS is followed to www.example.com. (zone example.com.)',
    );
    expect(steps(one, 'out.example.com')[1]).toBe(
      'the ALIAS leads to lb.provider.test., outside this server: not resolved yet',
    );
    one.resolved('lb.provider.test.', ['198.51.100.7']);
    expect(steps(one, 'out.example.com')[1]).toBe(
      'the ALIAS leads to lb.provider.test., outside this server: 1 A, 0 AAAA',
    );
  });
});

describe('ALIAS in a zone file', () => {
  it('is read in octoDNS form, as DNAME is', () => {
    const text = `---
'': { type: ALIAS, value: www.example.com., ttl: 60 }
old: { type: DNAME, value: example.net. }
www: { type: A, values: [192.0.2.1] }
`;
    const result = loadZoneFile('example.com.yaml', text, { serial: 1 });
    if ('problems' in result) throw new Error(result.problems.map(({ message }) => message).join());
    const one = new QueryRig([result.zone]);
    expect(answers(one, 'example.com', 'A')).toEqual(['answer example.com. 60 A 192.0.2.1']);
    expect(one.ask('a.old.example.com', 'A').answers.map(({ rdata }) => rdata)).toEqual([
      'example.net.',
      'a.example.net.',
    ]);
  });

  it.each([
    [
      'beside A',
      'a: [{ type: ALIAS, value: b.test. }, { type: A, value: 192.0.2.1 }]',
      'has an ALIAS, which answers A and AAAA',
    ],
    [
      'beside CNAME',
      'a: [{ type: ALIAS, value: b.test. }, { type: CNAME, value: b.test. }]',
      'nothing may stand beside a CNAME',
    ],
    ['twice', 'a: { type: ALIAS, values: [b.test., c.test.] }', 'a name has only one ALIAS'],
    ['to itself', 'a: { type: ALIAS, value: a.example.com. }', 'an ALIAS cannot lead to its own name'],
    ['without a value', 'a: { type: ALIAS }', 'an ALIAS needs the key value'],
    ['to a relative name', 'a: { type: ALIAS, value: b }', 'must be an absolute name'],
    ['as dynamic', 'a: { type: ALIAS, value: b.test., fail: open }', 'is not for ALIAS'],
    ['in a list', 'a: { type: [ALIAS, AAAA], value: b.test. }', 'ALIAS stands alone'],
    [
      'at a delegation',
      'a: [{ type: NS, value: b.test. }, { type: ALIAS, value: b.test. }]',
      'only NS, DS and glue',
    ],
  ])('is refused %s', (_, records, message) => {
    expect(() => readZone(zoneText('example.com', `records:\n  ${records}\n`))).toThrow(message);
  });
});
