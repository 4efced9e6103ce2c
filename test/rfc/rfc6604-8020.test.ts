import { describe, expect, it } from 'vitest';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `records:
  a.b.c: { type: A, value: 192.0.2.1 }
  gone: { type: CNAME, value: x.a.b.c.example.com. }
  chain: { type: CNAME, value: gone.example.com. }
  away: { type: CNAME, value: none.example.org. }
  empty: { type: CNAME, value: c.example.com. }
`,
  ),
);

describe('RFC 6604: the RCODE is that of the last name of an alias chain', () => {
  it.each([
    ['gone.example.com', 3, 1],
    ['chain.example.com', 3, 2],
    ['empty.example.com', 0, 1],
    ['away.example.com', 0, 1],
  ])('%s: %i after %i aliases', (name, rcode, aliases) => {
    const message = rig.ask(name, 'A');
    expect([message.rcode, message.answers.length, message.authoritative]).toEqual([rcode, aliases, true]);
  });

  it('is NOERROR for the alias itself', () => {
    expect(rig.ask('gone.example.com', 'CNAME').rcode).toBe(0);
  });
});

describe('RFC 8020: NXDOMAIN means that nothing is below', () => {
  it.each([
    ['c.example.com', 0],
    ['b.c.example.com', 0],
    ['d.example.com', 3],
    ['x.d.example.com', 3],
    ['b.example.com', 3],
  ])('%s: %i', (name, rcode) => {
    expect(rig.ask(name, 'A').rcode).toBe(rcode);
  });
});
