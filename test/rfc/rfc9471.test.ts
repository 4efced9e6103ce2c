import { describe, expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const servers = Array.from({ length: 13 }, (_, i) => `ns${i}.big.example.com.`);
const rig = rigOf(
  zoneText(
    'example.com',
    `records:
  child: { type: NS, values: [ns.child.example.com., ns.sibling.example.com., ns.example.org.] }
  ns.child: [{ type: A, value: 192.0.2.1 }, { type: AAAA, value: "2001:db8::1" }]
  sibling: { type: NS, value: ns.sibling.example.com. }
  ns.sibling: { type: A, value: 192.0.2.2 }
  big: { type: NS, values: [${servers.join(', ')}] }
${servers.map((_, i) => `  ns${i}.big: [{ type: A, value: 192.0.2.${i} }, { type: AAAA, value: "2001:db8::${i + 1}" }]`).join('\n')}
`,
  ),
);
const glue = (name: string, question = {}) =>
  rig.ask(name, 'A', question).additionals.map(({ name: owner, rdata }) => `${owner} ${rdata}`);

describe('RFC 9471: glue in referrals', () => {
  it('has all addresses of in-domain name servers (§3.1)', () => {
    expect(glue('www.child.example.com')).toEqual(
      expect.arrayContaining(['ns.child.example.com. 192.0.2.1', 'ns.child.example.com. 2001:db8::1']),
    );
  });

  it('has the addresses of sibling name servers (§3.2), and none of others', () => {
    expect(glue('www.child.example.com').slice(2)).toEqual(['ns.sibling.example.com. 192.0.2.2']);
  });

  it('sets TC where in-domain glue does not fit (§3.1)', () => {
    for (const question of [{}, { payload: 512 }]) {
      const message = rig.ask('www.big.example.com', 'A', question);
      expect([message.truncated, message.additionals]).toEqual([true, []]);
    }
  });

  it.each([{ payload: 1232 }, { tcp: true }])('and not where all of it fits: %o', (question) => {
    const message = rig.ask('www.big.example.com', 'A', question);
    expect([message.truncated, message.additionals.length]).toEqual([false, 26]);
    expect(message.authorities.map(({ type }) => type)).toEqual(Array(13).fill(TYPE.NS));
  });
});
