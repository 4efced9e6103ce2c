import { describe, expect, it } from 'vitest';
import { explain } from '../../../../src/core/answer/explain.js';
import { TYPE } from '../../../../src/core/dns/iana.js';
import { wireOf } from '../../../support/packet.js';
import { addressOf, lines, type QueryRig, readZone, rigOf, zoneText } from '../../../support/query-rig.js';

const AUTO = 'ipv4hint: auto, ipv6hint: auto';
const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }] }
  us: { monitor: m, pick: all, shuffle: false, endpoints: [{ A: 192.0.2.2 }, { A: 192.0.2.3 }] }
  cdn: { endpoints: [{ CNAME: plain.example.com. }] }
records:
  "":
    - { type: ALIAS, value: www.example.com. }
    - { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { alpn: [h3, h2], ${AUTO} } } }
  www:
    - { type: [A, AAAA], ttl: 60, fail: closed, dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: eu }, { pool: us }] } }
    - { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ${AUTO}, alpn: [h2], ech: AQID, dohpath: "/d{?dns}", key700: x } } }
  plain:
    - { type: A, values: [198.51.100.1, 198.51.100.2], ttl: 20 }
    - { type: SVCB, value: { svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto, port: 8443 } } }
  both:
    type: HTTPS
    values:
      - { svcpriority: 1, targetname: www.example.com., svcparams: { ipv4hint: auto } }
      - { svcpriority: 2, targetname: plain.example.com., svcparams: { ipv4hint: auto, ipv6hint: ["2001:db8::9"] } }
      - { svcpriority: 3, targetname: away.example.net., svcparams: { ipv4hint: auto } }
  front: { type: CNAME, value: www.example.com. }
  via: { type: CNAME, dynamic: { rules: [{ pool: cdn }] } }
  chosen: { type: HTTPS, value: { svcpriority: 1, targetname: via.example.com., svcparams: { ipv4hint: auto } } }
  "*.w": [{ type: A, value: 198.51.100.9 }, { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto } } }]
  out: [{ type: ALIAS, value: lb.provider.test. }, { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ${AUTO} } } }]
  many: [{ type: A, values: [${Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`).join(', ')}] }, { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto } } }]
`,
);
const rig = (): QueryRig => rigOf(ZONE);
const ask = (one: QueryRig, name: string, type: string, subnet?: string) =>
  one.ask(name, type, subnet === undefined ? {} : { subnet });
const EU = '203.0.113.7/32';

describe('hints that are auto', () => {
  it('are the addresses that the client would get, in the order of the keys, with their scope and TTL', () => {
    const one = rig();
    const eu = ask(one, 'www.example.com', 'HTTPS', EU);
    expect(lines(eu)[1]).toBe(
      'answer www.example.com. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 ech=AQID ipv6hint=2001:db8::1 dohpath="/d{?dns}" key700="x"',
    );
    expect(eu.edns?.scope).toBe(ask(one, 'www.example.com', 'A', EU).edns?.scope);
    expect(eu.edns?.scope).toBeGreaterThan(0);
  });

  it('are left out where nothing is chosen', () => {
    const one = rig();
    expect(lines(ask(one, 'www.example.com', 'HTTPS'))[1]).toBe(
      'answer www.example.com. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.2,192.0.2.3 ech=AQID dohpath="/d{?dns}" key700="x"',
    );
    one.set('down', '192.0.2.2', '192.0.2.3');
    expect(lines(ask(one, 'www.example.com', 'HTTPS'))[1]).toBe(
      'answer www.example.com. 300 HTTPS 1 . alpn=h2 ech=AQID dohpath="/d{?dns}" key700="x"',
    );
  });

  it('follow health', () => {
    const one = rig();
    one.set('down', '192.0.2.3');
    expect(lines(ask(one, 'www.example.com', 'HTTPS'))[1]).toContain('ipv4hint=192.0.2.2 ');
  });

  it.each([
    [
      'the owner, behind its ALIAS',
      'example.com',
      'HTTPS',
      ['60 HTTPS 1 . alpn=h3,h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1'],
    ],
    [
      'a static owner',
      'plain.example.com',
      'SVCB',
      ['20 SVCB 1 . port=8443 ipv4hint=198.51.100.1,198.51.100.2'],
    ],
    [
      'a name that a dynamic CNAME leads to',
      'chosen.example.com',
      'HTTPS',
      ['20 HTTPS 1 via.example.com. ipv4hint=198.51.100.1,198.51.100.2'],
    ],
    ['a wildcard', 'x.w.example.com', 'HTTPS', ['300 HTTPS 1 . ipv4hint=198.51.100.9']],
    [
      'other names, each record its own',
      'both.example.com',
      'HTTPS',
      [
        '20 HTTPS 1 www.example.com. ipv4hint=192.0.2.1',
        '20 HTTPS 2 plain.example.com. ipv4hint=198.51.100.1,198.51.100.2 ipv6hint=2001:db8::9',
        '20 HTTPS 3 away.example.net.',
      ],
    ],
  ])('come from %s', (_, name, type, expected) => {
    expect(lines(ask(rig(), name, type, EU)).slice(1)).toEqual(
      expected.map((text) => `answer ${name}. ${text}`),
    );
  });

  it('stand behind an alias too', () => {
    expect(lines(ask(rig(), 'front.example.com', 'HTTPS', EU)).slice(1)).toEqual([
      'answer front.example.com. 300 CNAME www.example.com.',
      expect.stringContaining('answer www.example.com. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1'),
    ]);
  });

  it('are those of a name outside once it is resolved', () => {
    const one = rig();
    expect(lines(ask(one, 'out.example.com', 'HTTPS'))[1]).toBe('answer out.example.com. 300 HTTPS 1 .');
    one.resolved('lb.provider.test.', ['198.51.100.7', '2001:db8:5::1'], 50);
    expect(lines(ask(one, 'out.example.com', 'HTTPS'))[1]).toBe(
      'answer out.example.com. 50 HTTPS 1 . ipv4hint=198.51.100.7 ipv6hint=2001:db8:5::1',
    );
  });

  it('are at most eight', () => {
    const [, text = ''] = lines(ask(rig(), 'many.example.com', 'HTTPS'));
    expect(text.split(',')).toHaveLength(8);
  });

  it('leave nothing behind when they do not fit', () => {
    const keys = Array.from({ length: 9 }, (_, i) => `key${700 + i}: ${'x'.repeat(50)}`).join(', ');
    const one = rigOf(
      zoneText(
        'example.com',
        `records: { w: [{ type: A, value: 192.0.2.1 }, { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto, ${keys} } } }] }`,
      ),
    );
    const message = one.ask('w.example.com', 'HTTPS', { payload: 512 });
    expect([message.truncated, message.answers.length]).toEqual([true, 0]);
    expect(one.ask('w.example.com', 'HTTPS', { payload: 1232 }).answers).toHaveLength(1);
    expect(one.ask('w.example.com', 'A').answers).toHaveLength(1);
  });

  it('are explained', () => {
    const one = rig();
    const { steps } = explain(one.compiled.snapshot, one.compiled.index, one.health, {
      name: wireOf('example.com'),
      type: TYPE.HTTPS,
      source: addressOf('203.0.113.1'),
      seed: 1,
    });
    const texts = steps.map(({ text }) => text);
    expect(texts).toContain('the ipv4hint is followed to www.example.com. (zone example.com.)');
    expect(texts).toContain('the ipv6hint is followed to www.example.com. (zone example.com.)');
  });

  it.each([
    [
      'in an alias',
      '{ svcpriority: 0, targetname: a.test., svcparams: { ipv4hint: auto } }',
      'an alias (svcpriority 0) has no parameters',
    ],
    [
      'in a list',
      '{ svcpriority: 1, targetname: ., svcparams: { ipv4hint: [auto] } }',
      'a list of IPv4 addresses',
    ],
    [
      'beside the same key by its number',
      '{ svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto, key4: x } }',
      'is there twice',
    ],
    [
      'as mandatory',
      '{ svcpriority: 1, targetname: ., svcparams: { mandatory: [ipv4hint], ipv4hint: auto } }',
      'mandatory',
    ],
  ])('are refused %s', (_, value, message) => {
    expect(() =>
      readZone(zoneText('example.com', `records: { w: { type: HTTPS, value: ${value} } }`)),
    ).toThrow(message);
  });
});
