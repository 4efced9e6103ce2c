import { describe, expect, it } from 'vitest';
import { lines, rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `pools: { p: { endpoints: [{ A: 192.0.2.1 }] }, c: { endpoints: [{ CNAME: www.example.org. }] } }
records:
  www: [{ type: A, value: 192.0.2.1 }, { type: TXT, value: text }]
  chosen: { type: A, dynamic: { rules: [{ pool: p }] } }
  alias: { type: CNAME, value: www.example.com. }
  chosen-alias: { type: CNAME, dynamic: { rules: [{ pool: c }] } }
  a.empty: { type: A, value: 192.0.2.1 }
`,
  ),
);
const HINFO = '3600 HINFO \\# 9 075246433834383200';

describe('RFC 8482: ANY', () => {
  it.each(['www.example.com', 'chosen.example.com', 'example.com'])(
    'gets one HINFO record from %s (§4.2)',
    (name) => {
      for (const tcp of [false, true]) {
        expect(lines(rig.ask(name, 'ANY', { tcp }))).toEqual(['NOERROR aa', `answer ${name}. ${HINFO}`]);
      }
    },
  );

  it.each([
    ['alias.example.com', 'www.example.com.'],
    ['chosen-alias.example.com', 'www.example.org.'],
  ])('gets the alias from %s, and nothing beside it (§4.1)', (name, target) => {
    expect(lines(rig.ask(name, 'ANY'))).toEqual(['NOERROR aa', `answer ${name}. 300 CNAME ${target}`]);
  });

  it('gets NODATA where nothing is, and NXDOMAIN where no name is', () => {
    expect(rig.ask('empty.example.com', 'ANY')).toMatchObject({ rcode: 0, answers: [] });
    expect(rig.ask('none.example.com', 'ANY').rcode).toBe(3);
  });
});
