import { describe, expect, it } from 'vitest';
import { packHealth } from '../../../../src/core/health/word.js';
import { type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const [A, B, C] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];

/** Pools a, b and c; every health word may be kept for so many seconds, as the test says. */
function rigWith(
  dynamic: string,
  seconds: Readonly<Record<string, number>>,
  down: readonly string[] = [],
): QueryRig {
  const rig = rigOf(
    zoneText(
      'example.com',
      `monitors: { m: { type: tcp, port: 80 } }
pools:
  a: { monitor: m, endpoints: [{ A: ${A} }] }
  b: { monitor: m, endpoints: [{ A: ${B} }], fallback: c }
  c: { monitor: m, endpoints: [{ A: ${C} }] }
  free: { endpoints: [{ A: 192.0.2.4 }] }
records:
  www: { type: A, ttl: { min: 5, max: 1m }, dynamic: ${dynamic} }
  fixed: { type: A, ttl: 30, dynamic: ${dynamic} }
  equal: { type: A, ttl: { min: 7, max: 7 }, dynamic: ${dynamic} }
`,
    ),
  );
  for (const [host, ttlSeconds] of Object.entries(seconds)) {
    rig.write(host, packHealth({ down: down.includes(host), forced: false, unknown: false, ttlSeconds }));
  }
  return rig;
}

function ttlOf(rig: QueryRig, name = 'www'): number {
  return rig.ask(`${name}.example.com`, 'A').answers[0]!.ttl;
}

describe('a TTL from health', () => {
  it.each<[string, string, Record<string, number>, readonly string[], number]>([
    ['is the time of its pool', '{ rules: [{ pool: a }] }', { [A]: 15 }, [], 15],
    ['is not less than the least', '{ rules: [{ pool: a }] }', { [A]: 2 }, [], 5],
    ['is not more than the most', '{ rules: [{ pool: a }] }', { [A]: 600 }, [], 60],
    ['is the most where nothing bounds it', '{ rules: [{ pool: free }] }', {}, [], 60],
    [
      'does not ask pools behind the one that serves',
      '{ steering: failover, pools: [a, c] }',
      { [A]: 20, [C]: 9 },
      [],
      20,
    ],
    [
      'asks the pools that were passed by',
      '{ steering: failover, pools: [a, c] }',
      { [A]: 9, [C]: 20 },
      [A],
      9,
    ],
    [
      'asks all weighted pools',
      '{ steering: weighted, pools: { a: 1000, c: 1 } }',
      { [A]: 20, [C]: 9 },
      [],
      9,
    ],
    [
      'asks the fallback of weighted pools when it serves',
      '{ steering: weighted, pools: { a: 1, b: 1 } }',
      { [A]: 20, [B]: 30, [C]: 9 },
      [A, B],
      9,
    ],
    [
      'does not ask that fallback otherwise',
      '{ steering: weighted, pools: { a: 1, b: 1 } }',
      { [A]: 20, [B]: 30, [C]: 9 },
      [],
      20,
    ],
    [
      'asks all when everything is down',
      '{ steering: failover, pools: [a, c] }',
      { [A]: 20, [C]: 9 },
      [A, C],
      20,
    ],
  ])('%s', (_, dynamic, seconds, down, expected) => {
    const rig = rigWith(dynamic, seconds, down);
    expect(ttlOf(rig)).toBe(expected);
    expect(ttlOf(rig, 'fixed')).toBe(30);
    expect(ttlOf(rig, 'equal')).toBe(7);
  });
});
