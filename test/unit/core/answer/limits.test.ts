import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../../../src/core/answer/counters.js';
import { packet } from '../../../support/packet.js';
import { lines, type Question, rigOf, zoneText } from '../../../support/query-rig.js';

const many = (count: number) => Array.from({ length: count }, (_, i) => `198.51.100.${i}`).join(', ');
const text = (bytes: number) => `"${'x'.repeat(bytes)}"`;

/** Question www.example.com: 12 + 17 + 4 bytes; each A record 16. */
const rig = rigOf(
  zoneText(
    'example.com',
    `records:
  fits: { type: A, values: [${many(29)}] }
  over: { type: A, values: [${many(30)}] }
  some: { type: A, values: [${many(60)}] }
  huge: { type: TXT, values: [${[1, 2, 3, 4, 5, 6].map((i) => text(240 + i)).join(', ')}] }
  giant: { type: TXT, values: [${Array.from({ length: 200 }, (_, i) => text(50 + i)).join(', ')}] }
  alias: { type: CNAME, value: huge.example.com. }
  child: { type: NS, values: [${Array.from({ length: 10 }, (_, i) => `n${i}.child.example.com.`).join(', ')}] }
${Array.from({ length: 10 }, (_, i) => `  n${i}.child: { type: AAAA, value: "2001:db8::${i}" }`).join('\n')}
`,
  ),
);

const bytesOf = (name: string, type: string, question: Question) =>
  rig.raw(
    packet({ name, type: type === 'A' ? 1 : type === 'NS' ? 2 : 16, opts: optOf(question) }),
    question,
  )!;
const optOf = ({ payload }: Question) => (payload === undefined ? [] : [{ payload }]);

describe('the size of an answer', () => {
  it.each<[what: string, name: string, type: string, question: Question, truncated: boolean]>([
    ['498 bytes without EDNS', 'fits.example.com', 'A', {}, false],
    ['514 bytes without EDNS', 'over.example.com', 'A', {}, true],
    ['514 bytes with a larger payload', 'over.example.com', 'A', { payload: 525 }, false],
    ['one byte less than answer and OPT need', 'over.example.com', 'A', { payload: 524 }, true],
    ['a payload below 512, which means 512', 'fits.example.com', 'A', { payload: 0 }, false],
    ['994 bytes with 1232', 'some.example.com', 'A', { payload: 1232 }, false],
    ['994 bytes with 900', 'some.example.com', 'A', { payload: 900 }, true],
    [
      'more than this server sends, whatever the client takes',
      'huge.example.com',
      'TXT',
      { payload: 4096 },
      true,
    ],
    ['the same over TCP', 'huge.example.com', 'TXT', { tcp: true }, false],
    [
      'the same over TCP with a small payload, which is about UDP',
      'huge.example.com',
      'TXT',
      { tcp: true, payload: 512 },
      false,
    ],
    ['31 KB over TCP', 'giant.example.com', 'TXT', { tcp: true }, false],
    ['a long alias chain over UDP', 'alias.example.com', 'TXT', {}, true],
    ['a referral whose glue does not fit', 'x.child.example.com', 'A', {}, true],
    ['the same referral with room', 'x.child.example.com', 'A', { payload: 1232 }, false],
  ])('%s', (_what, name, type, question, truncated) => {
    const reply = bytesOf(name, type, question);
    const message = rig.send(packet({ name, type: type === 'A' ? 1 : 16, opts: optOf(question) }), question)!;
    expect(message.truncated).toBe(truncated);
    expect(message.edns !== undefined).toBe(question.payload !== undefined);
    if (!question.tcp) expect(reply.length).toBeLessThanOrEqual(Math.max(512, question.payload ?? 0));
    const records = message.answers.length + message.authorities.length + message.additionals.length;
    expect(records > 0).toBe(!truncated);
    expect(message.question?.name).toBe(`${name}.`);
  });

  it('leaves room for OPT: 501 bytes of answer fit into 512 and not one more', () => {
    const zone = (bytes: number) =>
      zoneText('example.com', `records: { t: { type: TXT, values: [${text(200)}, ${text(bytes)}] } }`);
    // 12 header, 19 question, 12 + 201 and 12 + 1 + n records, 11 OPT.
    const left = 512 - 12 - 19 - 213 - 13 - 11;
    expect(rigOf(zone(left)).ask('t.example.com', 'TXT', { payload: 512 }).truncated).toBe(false);
    expect(rigOf(zone(left + 1)).ask('t.example.com', 'TXT', { payload: 512 }).truncated).toBe(true);
    expect(rigOf(zone(left + 1)).ask('t.example.com', 'TXT').truncated).toBe(false);
  });

  it('leaves room for the client-subnet option too', () => {
    const zone = zoneText(
      'example.com',
      `records: { t: { type: TXT, values: [${text(200)}, ${text(230)}] } }`,
    );
    const question = { payload: 512 };
    expect(rigOf(zone).ask('t.example.com', 'TXT', question).truncated).toBe(false);
    const subnet = rigOf(zone).ask('t.example.com', 'TXT', { ...question, subnet: '2001:db8:1::/56' });
    expect(subnet.truncated).toBe(true);
    expect(subnet.edns?.options[0]?.data).toHaveLength(4 + 7);
  });

  it('keeps RCODE and authority of a truncated answer', () => {
    expect(lines(rig.ask('alias.example.com', 'TXT'))).toEqual(['NOERROR aa tc']);
    expect(lines(rig.ask('x.child.example.com', 'A'))).toEqual(['NOERROR tc']);
  });

  it('counts truncated answers and response codes', () => {
    const fresh = rigOf(zoneText('example.com', `records: { t: { type: A, values: [${many(40)}] } }`));
    fresh.ask('t.example.com', 'A');
    fresh.ask('none.example.com', 'A', { subnet: '192.0.2.0/24' });
    fresh.ask('example.org', 'A', { edns: true });
    expect(fresh.counters[COUNTER.TRUNCATED]).toBe(1);
    expect(fresh.counters[COUNTER.RCODE]).toBe(1);
    expect(fresh.counters[COUNTER.RCODE + 3]).toBe(1);
    expect(fresh.counters[COUNTER.RCODE + 5]).toBe(1);
    expect(fresh.counters[COUNTER.EDNS]).toBe(2);
    expect(fresh.counters[COUNTER.ECS]).toBe(1);
  });

  it('never points past 16 KB: a large referral over TCP has true glue owners, or none', () => {
    const servers = Array.from({ length: 400 }, (_, i) => `n${i}.${'s'.repeat(40)}.child.example.com`);
    const values = servers.map((name) => `${name}.`).join(', ');
    const glue = servers.map(
      (name) => `  ${name.replace('.example.com', '')}: { type: A, value: 192.0.2.1 }`,
    );
    const text = `records:\n  child: { type: NS, values: [${values}] }\n${glue.join('\n')}\n`;
    const big = rigOf(zoneText('example.com', text));
    const { additionals, authorities, truncated } = big.ask('x.child.example.com', 'A', { tcp: true });
    expect(truncated).toBe(false);
    expect(authorities).toHaveLength(400);
    expect(additionals.length).toBeGreaterThan(200);
    expect(additionals.map(({ name }) => name)).toEqual(
      servers.slice(0, additionals.length).map((name) => `${name}.`),
    );
  });
});
