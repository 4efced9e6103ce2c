import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';

function problemsOf(monitor: string, observers: number | undefined, pools = POOL): readonly string[] {
  const text = `zone: example.com
nameservers: { ns1: { A: 192.0.2.53 } }
monitors:
  m: { type: tcp, port: 80, ${monitor} }
  other: { type: tcp, port: 81 }
calculated: { both: { all: [m, other] }, either: { any: [both, other] } }
pools:
${pools}
records: { www: { type: A, dynamic: { steering: failover, pools: [p] } } }
`;
  const result = loadZoneFile('a.yaml', text, observers === undefined ? {} : { observers });
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

const POOL = '  p: { monitor: m, endpoints: [{ A: 192.0.2.1 }] }';
const OWNED = '  p: { monitor: m, endpoints: [{ A: 192.0.2.1, proxy: eu }] }';
const MIXED = `${OWNED}\n  q: { monitor: either, endpoints: [{ A: 192.0.2.2 }] }`;
const CALCULATED = '  p: { monitor: either, endpoints: [{ A: 192.0.2.1, proxy: eu }] }';

const ALONE = 'this node alone (report_to in meridian.yaml names no other node)';
const TWO = '2 DNS nodes (this one, and those that report_to in meridian.yaml names)';

describe('a monitor that asks for more observers than there are', () => {
  it.each<[string, number, string, string]>([
    ['quorum: 2', 1, POOL, `a.yaml:4:37: monitors.m.quorum: is more than the observers, 1: ${ALONE}`],
    ['quorum: 3', 2, POOL, `a.yaml:4:37: monitors.m.quorum: is more than the observers, 2: ${TWO}`],
    [
      'quorum: 4',
      2,
      OWNED,
      `a.yaml:4:37: monitors.m.quorum: is more than the observers, 3: ${TWO}, and the proxy of each endpoint`,
    ],
    ['quorum: 3', 2, MIXED, `a.yaml:4:37: monitors.m.quorum: is more than the observers, 2: ${TWO}`],
    [
      'min_observers: 2',
      1,
      OWNED,
      `a.yaml:4:44: monitors.m.min_observers: is more than the observers: ${ALONE}; so the verdict could never change`,
    ],
  ])('%s of %d nodes: is an error with its place', (monitor, observers, pools, expected) => {
    expect(problemsOf(monitor, observers, pools)).toEqual([expected]);
  });

  it.each<[string, number | undefined, string]>([
    ['quorum: 2', 2, POOL],
    ['quorum: 3', 2, OWNED],
    ['quorum: 3', 2, CALCULATED],
    ['quorum: all', 1, POOL],
    ['min_observers: 2', 2, POOL],
    ['quorum: 64, min_observers: 64', undefined, POOL],
  ])('%s of %s nodes is none', (monitor, observers, pools) => {
    expect(problemsOf(monitor, observers, pools)).toEqual([]);
  });
});
