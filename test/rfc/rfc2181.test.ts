import { describe, expect, it } from 'vitest';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `pools: { p: { pick: all, endpoints: [${Array.from({ length: 8 }, (_, i) => `{ AAAA: "2001:db8::${i}" }`).join(', ')}] } }
records:
  many: { type: A, values: [${Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`).join(', ')}] }
  to-many: { type: CNAME, value: many.example.com. }
  loop: { type: CNAME, value: loop2.example.com. }
  loop2: { type: CNAME, value: loop.example.com. }
  self: { type: CNAME, value: self.example.com. }
  "*.wild": { type: CNAME, value: any.wild.example.com. }
  chosen: { type: AAAA, dynamic: { rules: [{ pool: p }] } }
`,
  ),
);

describe('RFC 2181 §9: truncation', () => {
  it('leaves no part of an RRset behind', () => {
    const message = rig.ask('many.example.com', 'A', { payload: 600 });
    expect(message.truncated).toBe(true);
    expect(message.answers).toEqual([]);
  });

  it('does not leave an alias that would look like the whole answer', () => {
    expect(rig.ask('to-many.example.com', 'A')).toMatchObject({ truncated: true, answers: [] });
  });

  it('is not used where everything fits', () => {
    expect(rig.ask('chosen.example.com', 'AAAA')).toMatchObject({ truncated: false });
    expect(rig.ask('many.example.com', 'A', { tcp: true }).answers).toHaveLength(60);
  });
});

describe('RFC 2181 §5.2: one TTL in an RRset', () => {
  it.each([
    ['many.example.com', 'A', 60],
    ['chosen.example.com', 'AAAA', 8],
  ])('%s', (name, type, count) => {
    const { answers } = rig.ask(name, type, { tcp: true });
    expect(answers).toHaveLength(count);
    expect(new Set(answers.map(({ ttl }) => ttl))).toEqual(new Set([300]));
  });
});

describe('RFC 2181 §5: no record stands twice in an RRset', () => {
  it.each([
    ['loop.example.com', 2],
    ['loop2.example.com', 2],
    ['self.example.com', 1],
    ['x.wild.example.com', 1],
  ])('%s is part of a loop of aliases: each once', (name, count) => {
    for (const tcp of [true, false]) {
      const { answers, rcode } = rig.ask(name, 'A', { tcp });
      expect([rcode, answers.length]).toEqual([0, count]);
      expect(new Set(answers.map((record) => record.name)).size).toBe(count);
    }
  });
});
