import { afterEach, describe, expect, it } from 'vitest';
import { type Calculation, calculate, type RecordPool } from '../../../src/core/health/calculated.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';
import { ControlRig } from '../../support/control-plane-rig.js';
import { wireOf } from '../../support/packet.js';

describe('calculate()', () => {
  it.each<[Calculation, string, string]>([
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
    expect(calculate(calculation, given).state).toBe(expected);
  });
});

describe('calculate() of a record', () => {
  const member = (part: number, weight = 1) => ({ part, weight });
  it.each<[string, RecordPool, string, string]>([
    ['enough weight', { name: 'p', needed: 2, members: [member(0, 3), member(1)] }, 'ud', 'up'],
    ['too little weight', { name: 'p', needed: 2, members: [member(0, 3), member(1)] }, 'du', 'down'],
    ['enough endpoints', { name: 'p', needed: -2, members: [member(0), member(1), member(2)] }, 'udu', 'up'],
    [
      'too few endpoints',
      { name: 'p', needed: -2, members: [member(0), member(1), member(2)] },
      'udd',
      'down',
    ],
    ['only a spare', { name: 'p', needed: 1, members: [member(0), member(1, 0)] }, 'du', 'up'],
    [
      'a spare, with too little weight',
      { name: 'p', needed: 2, members: [member(0), member(1, 0)] },
      'uu',
      'down',
    ],
    [
      'an endpoint that nothing watches',
      { name: 'p', needed: 1, members: [member(0), { weight: 1 }] },
      'd',
      'up',
    ],
    ['nothing', { name: 'p', needed: 0, members: [] }, '', 'down'],
    ['weight 0 needed, none up', { name: 'p', needed: 0, members: [member(0)] }, 'd', 'down'],
  ])('judges a pool with %s as the query path does', (_, pool, states, expected) => {
    const given = [...states].map((state) => (state === 'u' ? 'up' : 'down'));
    expect(calculate({ kind: 'record', pools: [pool] }, given).state).toBe(expected);
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
    [
      'a record and more',
      '  made: { record: www, any: [a] }',
      'must have exactly one of all, any, not, record',
    ],
    ['no kind', '  made: {}', 'must have exactly one of all, any, not'],
    ['three levels', '  x: { all: [a] }\n  y: { all: [x] }\n  made: { all: [y] }', 'is too deep'],
  ])('refuses %s', (_, calculated, message) => {
    const result = loadZoneFile('a.yaml', zone(calculated));
    const messages = 'problems' in result ? result.problems.map((problem) => problem.message) : [];
    expect(messages.join('\n')).toContain(message);
  });
});

/** www has its own monitor, and depends on the record "db", which has two pools. */
function dependent(options: {
  readonly www?: string;
  readonly db?: string;
  readonly calculated?: string;
}): string {
  const { www = 'made', db = 'd', calculated = '{ all: [w, db] }' } = options;
  return `zone: made.test
nameservers: { ns1: { A: 192.0.2.53 } }
monitors:
  w: { type: tcp, port: 80, interval: 1s, timeout: 500ms, fall: 1 }
  d: { type: tcp, port: 5432, interval: 1s, timeout: 500ms, fall: 1 }
calculated:
  db: { record: db }
  made: ${calculated}
pools:
  web: { monitor: ${www}, endpoints: [{ A: 192.0.2.1 }] }
  spare: { endpoints: [{ A: 192.0.2.2 }] }
  db-1: { monitor: ${db}, min_up: 0.6, endpoints: [{ A: 192.0.2.11 }, { A: 192.0.2.12 }], fallback: db-2 }
  db-2: { monitor: ${db}, endpoints: [{ A: 192.0.2.21, AAAA: "2001:db8::21" }] }
records:
  www: { type: A, ttl: 30, dynamic: { steering: failover, pools: [web, spare] } }
  db: { type: [A, AAAA], ttl: 30, fail: open, dynamic: { steering: failover, pools: [db-1] } }
`;
}

describe('a monitor that follows the health of a record', () => {
  let rig: ControlRig;
  afterEach(() => rig.close());

  it.each<[string, readonly string[], boolean]>([
    ['nothing down', [], true],
    ['one pool down, by min_up', ['192.0.2.11'], true],
    ['one pool and one family of the fallback down', ['192.0.2.11', '192.0.2.21'], true],
    ['all pools down in all families', ['192.0.2.11', '192.0.2.21', '2001:db8::21'], false],
    ['its own endpoint down', ['192.0.2.1'], false],
  ])('with %s', async (_, down, up) => {
    rig = new ControlRig();
    for (const host of down) rig.down.add(host);
    await rig.load({ 'a.yaml': dependent({}) });
    expect(rig.answer('www.made.test')).toEqual([up ? '192.0.2.1' : '192.0.2.2']);
  });

  it('follows changes at once, and shows the pools of the record and itself as a part', async () => {
    rig = new ControlRig();
    await rig.load({ 'a.yaml': dependent({}) });
    const all = ['192.0.2.11', '192.0.2.21', '2001:db8::21'];
    for (const host of all) rig.down.add(host);
    await rig.time.advance(1100);
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.2']);
    const find = (name: string) =>
      [...rig.health.targets.values()].find(({ calculated }) => calculated?.name === name)!;
    expect(rig.health.describe(find('db').key)).toMatchObject({
      verdict: { state: 'down', basis: 'observers', up: 0, known: 3 },
      observers: [
        { observer: 'pool:db-1 A', view: 'down', detail: 'weight 1 is up, it needs 2' },
        { observer: 'pool:db-2 A', view: 'down' },
        { observer: 'pool:db-2 AAAA', view: 'down' },
      ],
    });
    expect(rig.health.describe(find('made').key)!.observers).toMatchObject([
      { observer: 'monitor:w', view: 'up' },
      { observer: 'monitor:db', view: 'down', detail: '0 of 3 say up (observers)' },
    ]);
    const { steps } = rig.control.explain({
      name: wireOf('www.made.test'),
      type: 1,
      source: Uint8Array.of(127, 0, 0, 1),
      seed: 1,
    });
    expect(JSON.stringify(steps)).toContain('monitor:db: down (0 of 3 say up (observers))');
    for (const host of all) rig.down.delete(host);
    await rig.time.advance(1100);
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.1']);
  });

  it('can be the monitor of a pool by itself, and counts endpoints as up that nothing watches', async () => {
    rig = new ControlRig();
    rig.down.add('192.0.2.1');
    await rig.load({
      'a.yaml': dependent({ www: 'db', db: 'd' }).replace('min_up: 0.6, ', '').replaceAll('monitor: d,', ''),
    });
    expect(rig.answer('www.made.test')).toEqual(['192.0.2.1']);
  });

  it('follows a record that follows another one', async () => {
    rig = new ControlRig();
    const text = dependent({}).replace(
      'pools:\n',
      '  site: { record: www }\npools:\n  shop: { monitor: site, endpoints: [{ A: 192.0.2.31 }] }\n  closed: { endpoints: [{ A: 192.0.2.32 }] }\n',
    );
    const chained = `${text.replace('[web, spare]', '[web]')}  shop: { type: A, dynamic: { steering: failover, pools: [shop, closed] } }\n`;
    await rig.load({ 'a.yaml': chained });
    expect(rig.answer('shop.made.test')).toEqual(['192.0.2.31']);
    for (const host of ['192.0.2.12', '192.0.2.21', '2001:db8::21']) rig.down.add(host);
    await rig.time.advance(1100);
    expect(rig.answer('shop.made.test')).toEqual(['192.0.2.32']);
  });

  it.each<[string, string, string]>([
    [
      'a loop through the pool of the record',
      dependent({ db: 'made' }),
      'a.yaml:7:17: calculated.db.record: a loop: monitor "db" → record "db.made.test." → pool "db-1" → monitor "made" → monitor "db"',
    ],
    ['a record whose pool has the monitor itself', dependent({ db: 'db' }), 'pool "db-1" → monitor "db"'],
    [
      'an unknown record',
      dependent({}).replace('record: db', 'record: dbs'),
      'a.yaml:7:17: calculated.db.record: no dynamic record of this zone is named "dbs.made.test."; there are: www.made.test., db.made.test.',
    ],
    [
      'a record that is not dynamic',
      dependent({}).replace('record: db', 'record: ns1'),
      'no dynamic record of this zone',
    ],
    [
      'a record of another zone',
      dependent({}).replace('record: db', 'record: db.other.test.'),
      'no dynamic record',
    ],
    ['no name', dependent({}).replace('record: db', 'record: "a..b"'), 'calculated.db.record'],
  ])('is refused with %s', (_, text, message) => {
    const result = loadZoneFile('a.yaml', text);
    const problems = 'problems' in result ? result.problems.map(formatProblem) : [];
    expect(problems.join('\n')).toContain(message);
  });

  it('is told once for a loop that leads over several records', () => {
    const text = dependent({ db: 'site' }).replace('pools:\n', '  site: { record: www }\npools:\n');
    const result = loadZoneFile('a.yaml', text);
    const problems = 'problems' in result ? result.problems.map(({ path }) => path) : [];
    expect(problems).toEqual(['calculated.db.record', 'calculated.site.record']);
  });
});
