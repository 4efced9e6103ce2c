import { describe, expect, it } from 'vitest';
import {
  addChallengeName,
  createChallengeTable,
  removeChallengeName,
  setChallengeValues,
} from '../../../../src/core/answer/challenge-table.js';
import { wireOf } from '../../../support/packet.js';
import { lines, type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const A = 'a'.repeat(43);
const B = `${'b'.repeat(41)}_-`;
const C = 'C'.repeat(43);
const SOA = /^authority gslb\.test\. (\d+) SOA /;

const ZONE = zoneText(
  'gslb.test',
  `records:
  www: { type: A, values: [192.0.2.1] }
  txt: { type: TXT, values: [static] }
  _acme-challenge.txt: { type: TXT, values: [static] }
  _acme-challenge.alias: { type: CNAME, value: 1234.auth.gslb.test. }
  _acme-challenge.outside: { type: CNAME, value: _acme-challenge.other.test. }
  _acme-challenge.chain: { type: CNAME, value: _acme-challenge.alias.gslb.test. }
  "*.wild": { type: TXT, values: [wildcard] }
  "*.cname": { type: CNAME, value: www.gslb.test. }
  below: { type: DNAME, value: auth.gslb.test. }
  sub: { type: NS, values: [ns.elsewhere.test.] }
`,
);

interface Rig {
  readonly rig: QueryRig;
  set(name: string, ...texts: readonly string[]): void;
  remove(name: string): void;
}

/** Values expire at second 1,000. */
function challengeRig(...names: readonly string[]): Rig {
  const challenges = createChallengeTable(16);
  for (const name of names) addChallengeName(challenges, wireOf(name));
  return {
    rig: rigOf(ZONE, { challenges, nowMs: 1_000 }),
    set(name, ...texts) {
      setChallengeValues(
        challenges,
        wireOf(name),
        texts.map((text) => ({ text, expires: 1_000 })),
      );
    },
    remove: (name) => removeChallengeName(challenges, wireOf(name)),
  };
}

const texts = (rig: QueryRig, name: string) =>
  rig.ask(name, 'TXT').answers.map(({ ttl, type, rdata }) => (type === 16 ? `${ttl} ${rdata}` : rdata));

describe('names with values of ACME challenges', () => {
  const WWW = '_acme-challenge.www.gslb.test';

  it('answer TXT with TTL 0, and nothing else', () => {
    const { rig, set } = challengeRig(WWW);
    set(WWW, A, B);
    expect(lines(rig.ask(WWW, 'TXT'))).toEqual([
      'NOERROR aa',
      `answer ${WWW}. 0 TXT "${A}"`,
      `answer ${WWW}. 0 TXT "${B}"`,
    ]);
    expect(texts(rig, '_ACME-Challenge.WWW.gslb.TEST')).toHaveLength(2);
    const other = lines(rig.ask(WWW, 'A'));
    expect(other).toEqual(['NOERROR aa', expect.stringMatching(SOA)]);
    expect(SOA.exec(other[1]!)![1]).toBe('0');
  });

  it('answer NODATA that is not kept while they have none, and NXDOMAIN after they are gone', () => {
    const { rig, remove } = challengeRig(WWW);
    const [rcode, soa] = lines(rig.ask(WWW, 'TXT'));
    expect([rcode, SOA.exec(soa!)![1]]).toEqual(['NOERROR aa', '0']);
    remove(WWW);
    const gone = lines(rig.ask(WWW, 'TXT'));
    expect([gone[0], SOA.exec(gone[1]!)![1]]).toEqual(['NXDOMAIN aa', '60']);
  });

  it('have only values that have not expired', () => {
    const { rig, set } = challengeRig(WWW);
    set(WWW, A);
    rig.tick(999_999);
    expect(texts(rig, WWW)).toEqual([`0 "${A}"`]);
    rig.tick(1_000_000);
    expect(texts(rig, WWW)).toEqual([]);
  });

  it('make the names above them exist, in no other way than NODATA', () => {
    const { rig, remove } = challengeRig('_acme-challenge.new.gslb.test', '_acme-challenge.a.new.gslb.test');
    expect(lines(rig.ask('new.gslb.test', 'A'))[0]).toBe('NOERROR aa');
    expect(lines(rig.ask('neW.gslb.test', 'TXT'))[0]).toBe('NOERROR aa');
    expect(lines(rig.ask('old.gslb.test', 'A'))[0]).toBe('NXDOMAIN aa');
    // The TXT of names in the zone is as it was: the apex has none, and may be kept.
    expect(SOA.exec(lines(rig.ask('gslb.test', 'TXT'))[1]!)![1]).toBe('60');
    remove('_acme-challenge.new.gslb.test');
    expect(lines(rig.ask('new.gslb.test', 'A'))[0]).toBe('NOERROR aa');
    remove('_acme-challenge.a.new.gslb.test');
    expect(lines(rig.ask('new.gslb.test', 'A'))[0]).toBe('NXDOMAIN aa');
  });

  it('answer static values too, all with one TTL (RFC 2181 §5.2)', () => {
    const name = '_acme-challenge.txt.gslb.test';
    const { rig, set } = challengeRig(name, 'txt.gslb.test');
    expect(texts(rig, name)).toEqual(['300 "static"']);
    set(name, A);
    expect(texts(rig, name)).toEqual(['0 "static"', `0 "${A}"`]);
  });

  it('hide wildcards while they have values, for TXT alone', () => {
    const name = '_acme-challenge.x.wild.gslb.test';
    const cname = '_acme-challenge.x.cname.gslb.test';
    const { rig, set } = challengeRig(name, cname);
    expect(texts(rig, name)).toEqual(['300 "wildcard"']);
    expect(texts(rig, 'y.wild.gslb.test')).toEqual(['300 "wildcard"']);
    set(name, A);
    set(cname, B);
    expect(texts(rig, name)).toEqual([`0 "${A}"`]);
    expect(texts(rig, cname)).toEqual([`0 "${B}"`]);
    // A name of its own would take the address away from x.cname (RFC 4592 §2.2.2); a challenge must not.
    expect(rig.values('x.cname.gslb.test', 'A')).toContain('192.0.2.1');
    expect(texts(rig, 'x.wild.gslb.test')).toEqual(['300 "wildcard"']);
  });

  it('are reached through a CNAME in the zone', () => {
    const target = '1234.auth.gslb.test';
    const { rig, set } = challengeRig(target);
    expect(lines(rig.ask('_acme-challenge.alias.gslb.test', 'TXT')).slice(0, 2)).toEqual([
      'NOERROR aa',
      `answer _acme-challenge.alias.gslb.test. 300 CNAME ${target}.`,
    ]);
    set(target, A, B);
    for (const name of ['_acme-challenge.alias', '_acme-challenge.chain', '1234.below']) {
      const { answers } = rig.ask(`${name}.gslb.test`, 'TXT');
      const found = answers.filter(({ type }) => type === 16);
      expect(found.map(({ name: owner, ttl, rdata }) => [owner, ttl, rdata])).toEqual([
        [`${target}.`, 0, `"${A}"`],
        [`${target}.`, 0, `"${B}"`],
      ]);
    }
    expect(lines(rig.ask('_acme-challenge.alias.gslb.test', 'A'))[0]).toBe('NOERROR aa');
  });

  it('leave a CNAME and a delegation as they are', () => {
    const { rig, set } = challengeRig('_acme-challenge.outside.gslb.test', '_acme-challenge.x.sub.gslb.test');
    set('_acme-challenge.outside.gslb.test', A);
    set('_acme-challenge.x.sub.gslb.test', A);
    expect(texts(rig, '_acme-challenge.outside.gslb.test')).toEqual(['_acme-challenge.other.test.']);
    const { authoritative, answers } = rig.ask('_acme-challenge.x.sub.gslb.test', 'TXT');
    expect([authoritative, answers]).toEqual([false, []]);
  });

  it('are refused in zones that this server does not have', () => {
    const { rig, set } = challengeRig('_acme-challenge.other.test');
    set('_acme-challenge.other.test', A);
    expect(lines(rig.ask('_acme-challenge.other.test', 'TXT'))[0]).toBe('REFUSED');
  });

  it('keep the answer within what the transport carries', () => {
    const { rig, set } = challengeRig(WWW);
    set(WWW, C, B);
    expect(rig.ask(WWW, 'TXT', { payload: 512 }).answers).toHaveLength(2);
    const long = `_acme-challenge.${`${'x'.repeat(60)}.`.repeat(3)}gslb.test`;
    const longRig = challengeRig(long);
    longRig.set(long, A, B);
    expect(longRig.rig.ask(long, 'TXT').answers).toHaveLength(2);
  });

  it('fail where the table is never still, instead of denying what may be there', () => {
    const challenges = createChallengeTable(4);
    addChallengeName(challenges, wireOf(WWW));
    const rig = rigOf(ZONE, { challenges });
    Atomics.store(challenges, 0, 1);
    expect(lines(rig.ask(WWW, 'TXT'))[0]).toBe('SERVFAIL aa');
    expect(lines(rig.ask('www.gslb.test', 'A'))[0]).toBe('NOERROR aa');
  });
});
