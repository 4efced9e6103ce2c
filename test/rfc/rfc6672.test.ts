import { describe, expect, it } from 'vitest';
import { lines, readZone, rigOf, zoneText } from '../support/query-rig.js';

const LONG = Array.from({ length: 3 }, (_, i) => String(i).repeat(60)).join('.');
const rig = rigOf([
  zoneText(
    'example.com',
    `records:
  old: [{ type: DNAME, value: new.example.com., ttl: 120 }, { type: A, value: 192.0.2.7 }]
  www.new: { type: A, value: 192.0.2.1 }
  "*.wild.new": { type: A, value: 192.0.2.2 }
  cut.new: { type: NS, value: ns.example.net. }
  away: { type: DNAME, value: example.net. }
  long: { type: DNAME, value: ${LONG}.example.com. }
  alias: { type: CNAME, value: www.old.example.com. }
  twice: { type: DNAME, value: old.example.com. }
  grow: { type: DNAME, value: more.grow.example.com. }
  ring-a: { type: DNAME, value: ring-b.example.com. }
  ring-b: { type: DNAME, value: ring-a.example.com. }
  "*.stars": { type: CNAME, value: www.old.example.com. }
  back.new: { type: CNAME, value: www.old.example.com. }
`,
  ),
  zoneText('child.away.example.com', 'records: { www: { type: A, value: 192.0.2.9 } }'),
  zoneText('apex.test', 'records: { www: { type: A, value: 192.0.2.8 } }'),
]);
const soa = (name: string) => [name, 6];

describe('RFC 6672: redirection of names below a DNAME', () => {
  it('§3.2: adds the DNAME and the CNAME that it stands for, with its TTL, and follows it in the zone', () => {
    expect(lines(rig.ask('www.old.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer old.example.com. 120 DNAME new.example.com.',
      'answer www.old.example.com. 120 CNAME www.new.example.com.',
      'answer www.new.example.com. 300 A 192.0.2.1',
    ]);
  });

  it('keeps the case in which the name was asked', () => {
    const { answers } = rig.ask('WwW.OlD.example.com', 'A');
    expect(answers.slice(0, 2).map(({ name, rdata }) => [name, rdata])).toEqual([
      ['OlD.example.com.', 'new.example.com.'],
      ['WwW.OlD.example.com.', 'WwW.new.example.com.'],
    ]);
  });

  it('§2.3: does not redirect the owner itself', () => {
    expect(lines(rig.ask('old.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer old.example.com. 300 A 192.0.2.7',
    ]);
    expect(lines(rig.ask('old.example.com', 'DNAME'))).toEqual([
      'NOERROR aa',
      'answer old.example.com. 120 DNAME new.example.com.',
    ]);
    const nothing = rig.ask('old.example.com', 'AAAA');
    expect([nothing.rcode, nothing.answers.length, nothing.authorities[0]?.type]).toEqual([0, 0, 6]);
  });

  it.each([
    ['a name below that does not exist', 'no.old.example.com', 3, 'no.new.example.com.'],
    ['a type that the target does not have', 'www.old.example.com', 0, 'www.new.example.com.'],
  ])('answers %s with the redirection and the SOA', (_, name, rcode, target) => {
    const message = rig.ask(name, 'MX');
    expect([message.rcode, message.answers.map(({ rdata }) => rdata)]).toEqual([
      rcode,
      ['new.example.com.', target],
    ]);
    expect(message.authorities.map(({ name: owner, type }) => [owner, type])).toEqual([soa('example.com.')]);
  });

  it('leads to a wildcard of the target', () => {
    expect(lines(rig.ask('a.wild.old.example.com', 'A')).at(-1)).toBe(
      'answer a.wild.new.example.com. 300 A 192.0.2.2',
    );
  });

  it.each(['x.away.example.com', 'x.cut.old.example.com'])(
    'leaves %s, which leads elsewhere, to the resolver',
    (name) => {
      const message = rig.ask(name, 'A');
      expect([message.rcode, message.answers.map(({ type }) => type), message.authorities]).toEqual([
        0,
        [39, 5],
        [],
      ]);
    },
  );

  it('§2.4, §3.2: a zone of its own below the DNAME is asked first', () => {
    expect(lines(rig.ask('www.child.away.example.com', 'A'))).toEqual([
      'NOERROR aa',
      'answer www.child.away.example.com. 300 A 192.0.2.9',
    ]);
  });

  it('§2.2: says YXDOMAIN, with the DNAME, where the new name would be too long', () => {
    const message = rig.ask(`${'x'.repeat(50)}.${'y'.repeat(50)}.long.example.com`, 'A');
    expect([message.rcode, message.answers.map(({ type }) => type)]).toEqual([6, [39]]);
    // The longest that fits: 255 bytes with the length bytes and the root.
    const room = 255 - (LONG.length + 1) - 'example.com'.length - 2 - 1;
    expect(rig.ask(`${'x'.repeat(room)}.long.example.com`, 'A').rcode).toBe(3);
    expect(rig.ask(`${'x'.repeat(room + 1)}.long.example.com`, 'A').rcode).toBe(6);
  });

  it('§3.3: a question for CNAME is answered by the made one', () => {
    expect(rig.ask('www.old.example.com', 'CNAME').answers.map(({ type }) => type)).toEqual([39, 5]);
    expect(rig.ask('www.old.example.com', 'ANY').answers.map(({ type }) => type)).toEqual([39, 5]);
  });

  it('follows a CNAME through a DNAME', () => {
    const tail = [
      'answer old.example.com. 120 DNAME new.example.com.',
      'answer www.old.example.com. 120 CNAME www.new.example.com.',
      'answer www.new.example.com. 300 A 192.0.2.1',
    ];
    for (const name of ['alias.example.com', 'x.stars.example.com']) {
      const alias = `answer ${name}. 300 CNAME www.old.example.com.`;
      expect(lines(rig.ask(name, 'A'))).toEqual(['NOERROR aa', alias, ...tail]);
    }
    expect(lines(rig.ask('www.twice.example.com', 'A')).slice(3)).toEqual(tail);
  });

  it.each(['x.grow.example.com', 'x.ring-a.example.com', 'back.old.example.com'])(
    'ends in a loop: %s',
    (name) => {
      const { rcode, answers } = rig.ask(name, 'A');
      const seen = answers.map(({ name: owner, type }) => `${owner} ${type}`);
      expect([rcode, new Set(seen).size]).toEqual([0, seen.length]);
    },
  );

  it('cuts an answer that does not fit', () => {
    const name = `${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.twice.example.com`;
    const message = rig.ask(name, 'A', { payload: 512 });
    expect([message.truncated, message.answers.length]).toEqual([true, 0]);
    expect(rig.ask(name, 'A', { tcp: true }).answers).toHaveLength(4);
  });
});

describe('RFC 6672 §2.4: what may stand where', () => {
  it.each([
    ['two at one name', 'd: { type: DNAME, values: [a.test., b.test.] }', 'a name has only one DNAME'],
    [
      'a CNAME beside it',
      'd: [{ type: DNAME, value: a.test. }, { type: CNAME, value: a.test. }]',
      'nothing may stand beside a CNAME',
    ],
    [
      'a name below it',
      'd: { type: DNAME, value: a.test. }\n  w.d: { type: A, value: 192.0.2.1 }',
      'has a DNAME: nothing may stand there',
    ],
    [
      'a name below the apex',
      '"": { type: DNAME, value: a.test. }\n  w: { type: A, value: 192.0.2.1 }',
      'has a DNAME: nothing may stand there',
    ],
    ['a DNAME at a wildcard', '"*": { type: DNAME, value: a.test. }', 'at a wildcard has no defined meaning'],
    [
      'a DNAME at a delegation',
      'd: [{ type: DNAME, value: a.test. }, { type: NS, value: ns.a.test. }]',
      'only NS, DS and glue',
    ],
  ])('refuses %s', (_, records, message) => {
    expect(() => readZone(zoneText('example.com', `records:\n  ${records}\n`))).toThrow(message);
  });

  it('allows one at the apex, beside SOA and NS', () => {
    const apex = rigOf(
      'zone: example.com\nnameservers: { ns.example.net.: }\nrecords: { "": { type: DNAME, value: a.test. } }',
    );
    expect(apex.ask('x.y.example.com', 'A').answers.map(({ rdata }) => rdata)).toEqual([
      'a.test.',
      'x.y.a.test.',
    ]);
    expect(apex.ask('example.com', 'NS').answers).toHaveLength(1);
  });
});
