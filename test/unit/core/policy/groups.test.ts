import { describe, expect, it } from 'vitest';
import { loadZoneFile } from '../../../../src/sources/zone-file.js';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const [P1, P2, P3] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
const [B, C, D] = ['198.51.100.1', '198.51.100.2', '198.51.100.3'];

function text(dynamic: string, pools = ''): string {
  return zoneText(
    'example.com',
    `monitors: { m: { type: tcp, port: 80 } }
pools:
  a:
    monitor: m
    endpoints:
      - { A: ${P2}, priority: 2 }
      - { A: ${P1} }
      - { A: ${P3}, AAAA: "2001:db8::3", priority: 9 }
  b: { monitor: m, endpoints: [{ A: ${B} }] }
  c: { monitor: m, endpoints: [{ A: ${C}, AAAA: "2001:db8::c" }] }
  d: { monitor: m, endpoints: [{ A: ${D} }], fallback: b }
  bc: { pools: [b, c] }
  both: { pools: [bc, a], fallback: d }
${pools}records: { www: { type: [A, AAAA], dynamic: ${dynamic} } }
`,
  );
}

/** Which addresses answer while each one that answered before is down. */
function order(rig: QueryRig, steps: number): readonly string[] {
  return Array.from({ length: steps }, () => {
    const [address] = rig.values('www.example.com', 'A');
    rig.set('down', address!);
    return address!;
  });
}

describe('priorities of endpoints', () => {
  it('are used one after another, before the next pool', () => {
    expect(order(rigOf(text('{ steering: failover, pools: [a, b] }')), 4)).toEqual([P1, P2, P3, B]);
  });

  it('are one pool of a rule, and the first that can answers when failing open', () => {
    const rig = rigOf(text('{ rules: [{ pool: a }] }'));
    expect(order(rig, 3)).toEqual([P1, P2, P3]);
    expect(rig.values('www.example.com', 'A')).toEqual([P1]);
    rig.set('down', '2001:db8::3');
    expect(rig.values('www.example.com', 'AAAA')).toEqual(['2001:db8::3']);
  });

  it('climb back group by group: what a returning group does not take goes to the next one', () => {
    const rig = rigOf(text('{ steering: failover, pools: [a, b] }'));
    rig.share(64, P1);
    const answers = Array.from({ length: 2000 }, () => rig.values('www.example.com', 'A')[0]);
    const part = (address: string) => answers.filter((one) => one === address).length / 2000;
    expect(part(P1)).toBeCloseTo(0.25, 1);
    expect(part(P2)).toBeCloseTo(0.75, 1);
  });

  it('take part among weighted pools with the first group, the others before the fallbacks', () => {
    const rig = rigOf(text('{ steering: weighted, pools: { a: 1, d: 1 } }'));
    rig.set('down', P1);
    expect(rig.values('www.example.com', 'A')).toEqual([D]);
    rig.set('down', D);
    expect(order(rig, 3)).toEqual([P2, P3, B]);
  });
});

describe('pools of pools', () => {
  it('use the first member that is up, and their own fallback at the end', () => {
    expect(order(rigOf(text('{ rules: [{ pool: both }] }')), 6)).toEqual([B, C, P1, P2, P3, D]);
  });

  it('stand among other pools, each pool once', () => {
    expect(order(rigOf(text('{ steering: failover, pools: [c, bc, d] }')), 3)).toEqual([C, B, D]);
  });

  it.each<[string, string, string]>([
    ['a loop', '  x: { pools: [y] }\n  y: { pools: [b, x] }\n', 'a loop: the pool "y" leads back to "x"'],
    ['itself', '  x: { pools: [x] }\n', 'a loop: the pool "x" leads back to "x"'],
    ['an unknown name', '  x: { pools: [zz] }\n', 'no pool is named "zz"'],
    ['a name twice', '  x: { pools: [b, b] }\n', 'the pool "b" is already in this list'],
    ['neither kind', '  x: { region: eu }\n', 'needs the key "endpoints"'],
    ['both kinds', `  x: { pools: [b], endpoints: [{ A: ${D} }] }\n`, 'is not for a pool of pools'],
    ['a monitor', '  x: { pools: [b], monitor: m }\n', 'is not for a pool of pools'],
    ['a priority of 0', `  x: { endpoints: [{ A: ${D}, priority: 0 }] }\n`, 'priority'],
    [
      'a priority without weight',
      `  x: { endpoints: [{ A: ${D} }, { A: ${C}, priority: 2, weight: 0 }] }\n`,
      'each priority needs an endpoint with a weight above 0',
    ],
  ])('refuse %s', (_, pools, message) => {
    const result = loadZoneFile('a.yaml', text('{ rules: [{ pool: a }] }', pools));
    const messages =
      'problems' in result ? result.problems.map((problem) => `${problem.path}: ${problem.message}`) : [];
    expect(messages.join('\n')).toContain(message);
  });

  it('are read in time however many ways lead to one pool', () => {
    const layers = Array.from({ length: 200 }, (_, i) => {
      const below = i === 0 ? 'b, c' : `l${i - 1}a, l${i - 1}b`;
      return `  l${i}a: { pools: [${below}] }\n  l${i}b: { pools: [${below}] }\n`;
    });
    const rig = rigOf(text('{ rules: [{ pool: l199a }] }', layers.join('')));
    expect(order(rig, 2)).toEqual([B, C]);
  });
});
