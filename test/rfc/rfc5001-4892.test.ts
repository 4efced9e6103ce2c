import { describe, expect, it } from 'vitest';
import { hiddenIdentity, testIdentity } from '../support/identity.js';
import { packet } from '../support/packet.js';
import { lines, rigOf, zoneText } from '../support/query-rig.js';

const ZONE = zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n');
const open = rigOf(ZONE, { identity: testIdentity() });
const hidden = rigOf(ZONE, { identity: hiddenIdentity() });
const NSID = 3;
const [TXT, A, ANY] = [16, 1, 255];
const CH = 3;

describe('RFC 5001: name server identifier', () => {
  const nsid = (
    rig: typeof open,
    options: readonly (readonly [number, readonly number[]])[],
    name = 'www.example.com',
  ) =>
    rig
      .send(packet({ name, opts: [{ options }] }))!
      .edns?.options.filter(({ code }) => code === NSID)
      .map(({ data }) => Buffer.from(data).toString());

  it('is given to who asks, once, and to nobody else (§2.1, §2.2)', () => {
    expect(nsid(open, [[NSID, []]])).toEqual(['dns-1']);
    expect(
      nsid(open, [
        [NSID, []],
        [NSID, [1, 2]],
      ]),
    ).toEqual(['dns-1']);
    expect(nsid(open, [])).toEqual([]);
  });

  it('is given with errors too', () => {
    expect(nsid(open, [[NSID, []]], 'example.org')).toEqual(['dns-1']);
    expect(nsid(open, [[NSID, []]], 'none.example.com')).toEqual(['dns-1']);
  });

  it('can be hidden', () => {
    expect(nsid(hidden, [[NSID, []]])).toEqual([]);
  });
});

describe('RFC 4892: class CH', () => {
  const chaos = (rig: typeof open, name: string, type = TXT) =>
    lines(rig.send(packet({ name, type, class: CH }))!);

  it.each([
    ['version.bind', 'Meridian 9'],
    ['version.server', 'Meridian 9'],
    ['id.server', 'dns-1'],
    ['hostname.bind', 'dns-1'],
    ['VERSION.Bind', 'Meridian 9'],
  ])('tells %s', (name, text) => {
    expect(chaos(open, name)).toEqual(['NOERROR aa', `answer ${name}. 0 TXT "${text}"`]);
    expect(chaos(open, name, ANY)).toHaveLength(2);
  });

  it('answers in class CH', () => {
    const message = open.send(packet({ name: 'id.server', type: TXT, class: CH }))!;
    expect(message.answers[0]?.class).toBe(CH);
  });

  it('has no other type at these names', () => {
    expect(chaos(open, 'id.server', A)).toEqual(['NOERROR aa']);
  });

  it.each(['version.bind', 'version.server', 'id.server', 'hostname.bind'])(
    'refuses %s where it is hidden',
    (name) => {
      expect(chaos(hidden, name)).toEqual(['REFUSED']);
    },
  );

  it.each(['authors.bind', 'www.example.com', '.', 'bind', 'x.version.bind'])('refuses %s', (name) => {
    expect(chaos(open, name)).toEqual(['REFUSED']);
  });

  it('does not answer these names in class IN', () => {
    expect(lines(open.ask('version.bind', 'TXT'))).toEqual(['REFUSED']);
  });

  it('refuses other classes', () => {
    expect(lines(open.send(packet({ name: 'version.bind', type: TXT, class: 4 }))!)).toEqual(['REFUSED']);
  });
});
