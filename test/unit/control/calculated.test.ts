import { afterEach, describe, expect, it } from 'vitest';
import { calculate } from '../../../src/core/health/calculated.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';
import { ControlRig } from '../../support/control-plane-rig.js';

describe('calculate()', () => {
  it.each<[Parameters<typeof calculate>[0], string, string]>([
    [{ kind: 'all' }, 'uu', 'up'],
    [{ kind: 'all' }, 'ud', 'down'],
    [{ kind: 'any' }, 'ud', 'up'],
    [{ kind: 'any' }, 'dd', 'down'],
    [{ kind: 'at_least', count: 2 }, 'uud', 'up'],
    [{ kind: 'at_least', count: 2 }, 'udd', 'down'],
    [{ kind: 'not' }, 'd', 'up'],
    [{ kind: 'not' }, 'u', 'down'],
  ])('%j of "%s" is %s', (calculation, states, expected) => {
    const given = [...states].map((state) => (state === 'u' ? 'up' : 'down'));
    expect(calculate(calculation, given)).toBe(expected);
  });
});

function zone(calculated: string, monitor = 'made'): string {
  return `zone: made.test
nameservers: { ns1: { A: 192.0.2.53 } }
monitors:
  a: { type: tcp, port: 1001, interval: 1s, timeout: 500ms, fall: 1 }
  b: { type: tcp, port: 1002, interval: 1s, timeout: 500ms, fall: 1 }
  c: { type: tcp, port: 1003, interval: 1s, timeout: 500ms, fall: 1 }
calculated:
${calculated}
pools:
  p: { monitor: ${monitor}, endpoints: [{ A: 192.0.2.1 }] }
  q: { endpoints: [{ A: 192.0.2.2 }] }
records: { www: { type: A, ttl: { min: 0, max: 60 }, dynamic: { steering: failover, pools: [p, q] } } }
`;
}

describe('a calculated monitor', () => {
  let rig: ControlRig;
  afterEach(() => rig.close());

  it.each<[string, readonly number[], boolean]>([
    ['{ all: [a, b, c] }', [], true],
    ['{ all: [a, b, c] }', [1002], false],
    ['{ any: [a, b] }', [1001], true],
    ['{ any: [a, b] }', [1001, 1002], false],
    ['{ at_least: 2, of: [a, b, c] }', [1001], true],
    ['{ at_least: 2, of: [a, b, c] }', [1001, 1003], false],
    ['{ not: a }', [], false],
    ['{ not: a }', [1001], true],
  ])('%s with the ports %j down: up is %s', async (calculated, down, up) => {
    rig = new ControlRig();
    rig.isDown = (_, check) => 'port' in check && down.includes(check.port);
    await rig.load({ 'a.yaml': zone(`  made: ${calculated}`) });
    expect(rig.answer('www.made.test')).toEqual([up ? '192.0.2.1' : '192.0.2.2']);
  });

  it('follows its parts through another one, and shows them', async () => {
    rig = new ControlRig();
    const down = new Set<number>();
    rig.isDown = (_, check) => 'port' in check && down.has(check.port);
    await rig.load({ 'a.yaml': zone('  ab: { any: [a, b] }\n  made: { all: [ab, c] }') });
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.1']);
    down.add(1001).add(1002);
    await rig.time.advance(2000);
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.2']);
    const made = [...rig.health.targets.values()].find(({ calculated }) => calculated?.name === 'made')!;
    expect(rig.health.describe(made.key)).toMatchObject({
      verdict: { state: 'down', basis: 'observers', up: 1, known: 2 },
      observers: [
        { observer: 'monitor:ab', view: 'down' },
        { observer: 'monitor:c', view: 'up' },
      ],
    });
    down.clear();
    await rig.time.advance(2000);
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.1']);
  });
});

describe('a zone file with calculated monitors', () => {
  it.each([
    ['a loop', '  x: { all: [y] }\n  made: { all: [a] }\n  y: { any: [x, a] }', 'leads back to'],
    ['an unknown monitor', '  made: { all: [zz] }', 'no monitor is named "zz"'],
    ['a name twice', '  made: { all: [a, a] }', 'names a monitor twice'],
    ['a name that a monitor has', '  a: { any: [b] }\n  made: { any: [b] }', 'a monitor is named "a", too'],
    ['more than there are', '  made: { at_least: 3, of: [a, b] }', 'must be from 1 to 2'],
    ['two kinds', '  made: { all: [a], any: [b] }', 'must have exactly one of all, any, not'],
    ['at_least without of', '  made: { at_least: 1 }', 'must have exactly one of all, any, not'],
    ['no kind', '  made: {}', 'must have exactly one of all, any, not'],
    ['three levels', '  x: { all: [a] }\n  y: { all: [x] }\n  made: { all: [y] }', 'is too deep'],
  ])('refuses %s', (_, calculated, message) => {
    const result = loadZoneFile('a.yaml', zone(calculated));
    const messages = 'problems' in result ? result.problems.map((problem) => problem.message) : [];
    expect(messages.join('\n')).toContain(message);
  });
});
