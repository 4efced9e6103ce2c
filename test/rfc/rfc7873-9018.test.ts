import { describe, expect, it } from 'vitest';
import { hiddenIdentity, testIdentity } from '../support/identity.js';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const ZONE = zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n');
const COOKIE = 10;
const bytes = (hex: string) => [...Buffer.from(hex, 'hex')];

interface Asked {
  readonly cookie: string;
  readonly source?: string;
  readonly name?: string;
}

/** A node with these secrets; `ask` gives the RCODE and the cookie of the answer in hexadecimal digits. */
function node(secrets: readonly string[], epochSeconds: number) {
  const identity = secrets.length > 0 ? testIdentity({ secrets }) : hiddenIdentity();
  const rig = rigOf(ZONE, { identity, nowMs: epochSeconds * 1000 });
  const ask = ({
    cookie,
    source,
    name = 'www.example.com',
  }: Asked): readonly [number, string | undefined] => {
    const opts = [{ options: [[COOKIE, bytes(cookie)] as const] }];
    const message = rig.send(packet({ name, opts }), source === undefined ? {} : { source })!;
    const option = message.edns?.options.find(({ code }) => code === COOKIE);
    return [message.rcode, option && Buffer.from(option.data).toString('hex')];
  };
  return { rig, ask };
}

describe('RFC 9018 appendix A: test vectors', () => {
  const SECRET = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
  const CLIENT = '2464c4abcf10c957';
  const SERVER = '010000005cf79f111f8130c3eee29480';
  const source = '198.51.100.100';

  it('A.1: learning a new server cookie', () => {
    expect(node([SECRET], 1559731985).ask({ cookie: CLIENT, source })).toEqual([0, CLIENT + SERVER]);
  });

  it('A.2: a valid cookie, less than half an hour old, comes back as it is', () => {
    const { ask } = node([SECRET], 1559731985 + 1200);
    expect(ask({ cookie: CLIENT + SERVER, source })).toEqual([0, CLIENT + SERVER]);
  });

  it('A.2: a valid cookie of more than half an hour is replaced', () => {
    const { ask, rig } = node([SECRET], 1559734385);
    expect(ask({ cookie: CLIENT + SERVER, source })).toEqual([
      0,
      `${CLIENT}010000005cf7a871d4a564a1442aca77`,
    ]);
    expect(rig.counters[32]).toBe(1);
  });

  it('A.3: another client, IPv6, a secret that was replaced: still accepted, renewed with the new one', () => {
    const old = 'dd3bdf9344b678b185a6f5cb60fca715';
    const now = '445536bcd2513298075a5d379663c962';
    const client = '22681ab97d52c298';
    const { ask } = node([now, old], 1559741961);
    const cookie = `${client}010000005cf7c57926556bd0934c72f8`;
    const expected = `${client}010000005cf7c609a6bb79d16625507a`;
    const v6 = '2001:db8:220:1:59de:d0f4:8769:82b8';
    // 144 s old, and so kept; only its last hour is shown here.
    expect(ask({ cookie, source: v6 })).toEqual([0, cookie]);
    expect(node([now], 1559741961).ask({ cookie, source: v6 })).toEqual([0, expected]);
  });
});

describe('RFC 7873: DNS cookies', () => {
  const SECRET = '000102030405060708090a0b0c0d0e0f';
  const CLIENT = '0102030405060708';
  const START = 1_700_000_000;

  /** A cookie that this client was given at START. */
  function given(source: string): string {
    return node([SECRET], START).ask({ cookie: CLIENT, source })[1]!;
  }

  it('gives a cookie only to who sent one (§5.2.1)', () => {
    const { rig } = node([SECRET], START);
    expect(rig.ask('www.example.com', 'A', { edns: true }).edns?.options).toEqual([]);
  });

  it.each([0, 1, 7, 9, 15, 41, 60])('says FORMERR to a cookie of %i bytes (§5.2.2)', (length) => {
    expect(node([SECRET], START).ask({ cookie: '00'.repeat(length) })[0]).toBe(1);
  });

  it.each([16, 17, 24, 40])('answers a foreign cookie of %i bytes with a new one (§5.2.4)', (length) => {
    const { ask, rig } = node([SECRET], START);
    const [rcode, cookie] = ask({ cookie: `${CLIENT}${'ab'.repeat(length - 8)}` });
    expect([rcode, cookie?.slice(0, 16), cookie?.length]).toEqual([0, CLIENT, 48]);
    expect(rig.counters[33]).toBe(1);
  });

  it.each<[string, number, boolean]>([
    ['fresh', 0, true],
    ['an hour old', 3600, true],
    ['older', 3601, false],
    ['five minutes ahead', -300, true],
    ['further ahead', -301, false],
  ])('judges by age: %s', (_what, age, valid) => {
    const { ask, rig } = node([SECRET], START + age);
    ask({ cookie: given('192.0.2.9'), source: '192.0.2.9' });
    expect([rig.counters[32], rig.counters[33]]).toEqual(valid ? [1, 0] : [0, 1]);
  });

  it.each([
    ['another address', { source: '192.0.2.8' }],
    ['another family', { source: '2001:db8::9' }],
  ])('is bound to its client: not valid from %s', (_what, from) => {
    const { ask, rig } = node([SECRET], START);
    ask({ cookie: given('192.0.2.9'), ...from });
    expect(rig.counters[33]).toBe(1);
  });

  it('is not valid with one bit changed, wherever', () => {
    const cookie = Buffer.from(given('192.0.2.9'), 'hex');
    for (let bit = 0; bit < cookie.length * 8; bit++) {
      const changed = Buffer.from(cookie);
      changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
      const { ask, rig } = node([SECRET], START);
      ask({ cookie: changed.toString('hex'), source: '192.0.2.9' });
      expect(rig.counters[32]).toBe(0);
    }
  });

  it('is accepted by every node with the secret, and by none without', () => {
    const cookie = given('192.0.2.9');
    const other = node(['ff'.repeat(16), SECRET], START);
    other.ask({ cookie, source: '192.0.2.9' });
    const stranger = node(['ff'.repeat(16)], START);
    stranger.ask({ cookie, source: '192.0.2.9' });
    expect([other.rig.counters[32], stranger.rig.counters[32]]).toEqual([1, 0]);
  });

  it('comes with errors and negative answers too', () => {
    const { ask } = node([SECRET], START);
    for (const name of ['none.example.com', 'example.org'])
      expect(ask({ cookie: CLIENT, name })[1]).toHaveLength(48);
  });

  it('is all that a query without a question asks for (§5.4)', () => {
    const { rig } = node([SECRET], START);
    const bare = (options: readonly (readonly [number, readonly number[]])[]) => {
      const whole = packet({ name: '.', counts: [0], opts: [{ options }] });
      return rig.send(Uint8Array.from([...whole.slice(0, 12), ...whole.slice(17)]))!;
    };
    const message = bare([[COOKIE, bytes(CLIENT)]]);
    expect([message.rcode, message.authoritative, message.edns?.options[0]?.data.length]).toEqual([
      0,
      false,
      24,
    ]);
    expect(bare([]).rcode).toBe(1);
  });

  it('ignores the option where cookies are off', () => {
    expect(node([], START).ask({ cookie: CLIENT })).toEqual([0, undefined]);
    expect(node([], START).ask({ cookie: '00' })).toEqual([0, undefined]);
  });

  it('leaves an answer whole that fits without it: room is set aside first', () => {
    const values = Array.from({ length: 31 }, (_, i) => `192.0.2.${i}`).join(', ');
    const zone = zoneText('example.com', `records:\n  a: { type: A, values: [${values}] }\n`);
    const rig = rigOf(zone, { identity: testIdentity({ secrets: [SECRET] }) });
    const opts = [{ payload: 512, options: [[COOKIE, bytes(CLIENT)] as const] }];
    const reply = rig.raw(packet({ name: 'a.example.com', opts }))!;
    expect(reply.length).toBeLessThanOrEqual(512);
  });
});
