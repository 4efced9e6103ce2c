import { describe, expect, it } from 'vitest';
import { type Explanation, explain } from '../../../../src/core/answer/explain.js';
import { typeNumber } from '../../../../src/core/dns/iana.js';
import { wireOf } from '../../../support/packet.js';
import { addressOf, type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }], fallback: us }
  us: { monitor: m, pick: all, endpoints: [{ A: 192.0.2.2 }, { A: 192.0.2.3, status: down }] }
records:
  www: { type: [A, AAAA], dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: eu }, { pool: us }] } }
  strict: { type: A, fail: closed, dynamic: { rules: [{ pool: eu }] } }
  alias: { type: CNAME, value: www.example.com. }
  out: { type: CNAME, value: www.example.org. }
  "*.w": { type: A, value: 192.0.2.9 }
  child: { type: NS, value: ns.example.org. }
`,
);

function ask(rig: QueryRig, name: string, type = 'A', subnet?: string): Explanation {
  const [address = '', length] = (subnet ?? '').split('/');
  return explain(rig.compiled.snapshot, rig.compiled.index, rig.health, {
    name: wireOf(name),
    type: typeNumber(type)!,
    source: addressOf('198.51.100.1'),
    seed: 1,
    ...(subnet !== undefined && { subnet: { address: addressOf(address), sourcePrefix: Number(length) } }),
  });
}

const steps = ({ steps: list }: Explanation) => list.map(({ step, text }) => `${step}: ${text}`);

describe('explain()', () => {
  it('gives the answer of the query path, with its scope', () => {
    const rig = rigOf(ZONE);
    const { rcode, authoritative, answers, scope } = ask(rig, 'www.example.com', 'A', '203.0.113.0/24');
    expect({ rcode, authoritative, answers, scope }).toEqual({
      rcode: 'NOERROR',
      authoritative: true,
      answers: [{ name: 'www.example.com.', type: 'A', ttl: 300, rdata: '192.0.2.1' }],
      scope: 24,
    });
  });

  it('says which rule, which pool and which endpoint led there', () => {
    const list = steps(ask(rigOf(ZONE), 'www.example.com', 'A', '203.0.113.0/24'));
    expect(list.map((text) => text.split(':')[0])).toEqual(['name', 'client', 'rule', 'pool', 'endpoint']);
    expect(list[1]).toContain('203.0.113.0/24');
    expect(list[2]).toContain('203.0.113.0/24');
    expect(list[2]).toContain('pool eu');
    expect(list[4]).toContain('192.0.2.1');
  });

  it('says why a pool was passed by', () => {
    const rig = rigOf(ZONE);
    rig.set('down', '192.0.2.1');
    const { steps: list, answers } = ask(rig, 'www.example.com', 'A', '203.0.113.0/24');
    const pools = list.filter(({ step }) => step === 'pool');
    expect(pools.map(({ pool, up, serves }) => [pool, up, serves])).toEqual([
      ['eu', 0, false],
      ['us', 1, true],
    ]);
    expect(pools[0]?.['endpoints']).toEqual([
      { endpoint: '192.0.2.1', weight: 1, status: 'obey', health: 'down', forced: false, unknown: false },
    ]);
    expect(answers.map(({ rdata }) => rdata)).toEqual(['192.0.2.2']);
  });

  it('says that a pool has no address of the family', () => {
    const rig = rigOf(ZONE);
    rig.set('down', '2001:db8::1');
    const list = steps(ask(rig, 'www.example.com', 'AAAA', '203.0.113.0/24'));
    expect(list.join('\n')).toContain('pool us has no AAAA endpoint');
  });

  it.each([
    ['www.example.com', 'open'],
    ['strict.example.com', 'closed'],
  ])('says how %s fails when all are down: %s', (name, fail) => {
    const rig = rigOf(ZONE);
    rig.set('down', '192.0.2.1', '192.0.2.2');
    const { steps: list, answers } = ask(rig, name);
    expect(list.find(({ step }) => step === 'all-down')).toMatchObject({ fail });
    expect(answers.length > 0).toBe(fail === 'open');
  });

  it.each([
    ['www.example.com', 'exact'],
    ['x.w.example.com', 'wildcard'],
    ['x.www.example.com', 'missing'],
    ['x.child.example.com', 'delegation'],
    ['child.example.com', 'delegation'],
    ['example.org', 'not-ours'],
  ])('says how it found %s: %s', (name, found) => {
    expect(ask(rigOf(ZONE), name).steps[0]).toMatchObject({ step: 'name', found });
  });

  it('follows aliases, and explains the policy of their target', () => {
    const list = steps(ask(rigOf(ZONE), 'alias.example.com', 'A', '203.0.113.0/24'));
    expect(list[1]).toBe('alias: the CNAME is followed to www.example.com.');
    expect(list[3]).toContain('leads to pool eu');
    expect(steps(ask(rigOf(ZONE), 'out.example.com'))[1]).toContain('leads out of this zone');
  });

  it('looks from the resolver where there is no subnet, and gives no scope then', () => {
    const { scope, steps: list } = ask(rigOf(ZONE), 'www.example.com');
    expect(scope).toBeUndefined();
    expect(list.find(({ step }) => step === 'client')?.text).toContain(
      "198.51.100.1 (the resolver's own address)",
    );
  });

  it('leaves no trace in the health table or the snapshot', () => {
    const rig = rigOf(ZONE);
    const before = rig.health.slice();
    ask(rig, 'www.example.com');
    expect(rig.health).toEqual(before);
    expect(rig.values('www.example.com', 'A')).toEqual(['192.0.2.2']);
  });
});
