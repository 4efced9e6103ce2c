import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AskHealth } from '../../../src/control/impact-measure.js';
import type { PlanFindings, PlanJob, Proposal } from '../../../src/control/plan-job.js';
import { Planner } from '../../../src/control/planner.js';
import { etagOf } from '../../../src/control/zone-write.js';
import { packHealth } from '../../../src/core/health/word.js';
import { LastGoodZones } from '../../../src/sources/last-good.js';
import { loadZones } from '../../../src/sources/zone-folder.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { bitsOf, locationTree } from '../../support/location-tree.js';

const GEO = locationTree([
  { v4: bitsOf('32.0.0.0/4'), v6: '0010', location: { country: 'DE' } },
  { v4: bitsOf('48.0.0.0/4'), v6: '0011', location: { country: 'US' } },
]);

const HEAD = 'nameservers: { ns1: { A: 192.0.2.53 } }';
const zone = (name: string, rule: string) => `# ${name}
zone: ${name}
${HEAD}
monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, endpoints: [{ A: 192.0.2.1 }], fallback: us }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records: { www: { type: A, dynamic: { rules: [${rule}] } } }
`;
const EU_FIRST = '{ geos: [EU], pool: eu }, { pool: us }';

let root = '';
let zones = '';
let served: PlanJob['served'] = [];
let asked: readonly string[] = [];
beforeEach(() => {
  root = temporaryFolder();
  zones = join(root, 'zones');
  mkdirSync(join(zones, 'sub'), { recursive: true });
  served = [];
});
afterEach(removeFolders);

function serve(file: string, text: string, origin = 'a.test.'): void {
  writeFileSync(join(zones, file), text);
  served = [...served, { origin, file: join(zones, file) }];
}

/** `down`: what the key of a target that is down holds; the others are not watched. */
function healthWith(down = 'nothing'): AskHealth {
  return async (keys) => {
    asked = keys;
    const words = Int32Array.from(keys, (key) =>
      packHealth({ down: key.includes(down), forced: false, unknown: false, ttlSeconds: 60 }),
    );
    return { words, known: Uint8Array.from(keys, (key) => (key.includes(down) ? 1 : 0)) };
  };
}

function plan(proposal: Proposal, health = healthWith()): Promise<PlanFindings> {
  const planner = new Planner({ zones, state: join(root, 'state') }, () => 0);
  planner.useGeo(GEO);
  return planner.plan({ proposal, served }, health);
}

const files = (texts: Readonly<Record<string, string | null>>, complete = false): Proposal => ({
  kind: 'files',
  files: new Map(Object.entries(texts)),
  complete,
});

describe('Planner', () => {
  it('tells what differs, who moves, and the ETags of what it was made upon', async () => {
    const text = zone('a.test', EU_FIRST);
    serve('a.yaml', text);
    const found = await plan(files({ 'a.yaml': zone('a.test', '{ pool: us }') }));
    expect(found).toMatchObject({
      problems: [],
      etags: new Map([['a.yaml', etagOf(text)]]),
      zones: [{ zone: 'a.test.', file: 'a.yaml', kind: 'changed', changesTotal: 1 }],
      impact: {
        compared: 1,
        changed: 1,
        unchecked: 1,
        isPlaced: true,
        groups: [{ v4: 0.5, v6: expect.closeTo(0.5, 3) }],
      },
    });
    expect(asked).toHaveLength(1);
  });

  it('compares two sides that are given, whatever is on disk', async () => {
    serve('a.yaml', zone('a.test', '{ pool: us }'));
    const sides = { path: 'a.yaml', before: zone('a.test', '{ pool: us }'), after: zone('a.test', EU_FIRST) };
    const planner = new Planner({ zones, state: join(root, 'state') }, () => 0);
    planner.useGeo(GEO);
    const compare = (file: typeof sides | { path: string; before: string | null; after: string | null }) =>
      planner.compare({ files: [file], served: [join(zones, 'a.yaml')] }, healthWith());
    expect(await compare(sides)).toMatchObject({ compared: 1, changed: 1, groups: [{ v4: 0.5 }] });
    // All names of a zone that is new.
    expect((await compare({ ...sides, before: null })).changed).toBeGreaterThan(1);
    // What can't be read on one side says nothing.
    expect(await compare({ ...sides, before: 'zone: [' })).toMatchObject({ compared: 0 });
  });

  it('goes by the health of now', async () => {
    serve('a.yaml', zone('a.test', EU_FIRST));
    const { impact } = await plan(
      files({ 'a.yaml': zone('a.test', '{ pool: us }') }),
      healthWith('192.0.2.1'),
    );
    expect(impact).toMatchObject({ changed: 0, unchecked: 0 });
  });

  it('leaves out files that are as they were, and tells of those where only a comment differs', async () => {
    const text = zone('a.test', EU_FIRST);
    serve('a.yaml', text);
    expect((await plan(files({ 'a.yaml': text }))).files.size).toBe(0);
    const found = await plan(files({ 'a.yaml': `${text}# more\n` }));
    expect([found.files.size, found.zones.length, found.impact?.changed]).toEqual([1, 0, 0]);
    expect(found.touched).toEqual(['a.test.']);
  });

  it('names the zones of all files that it changes, though nobody can read them', async () => {
    serve('a.yaml', 'zone: [');
    writeFileSync(join(zones, 'junk.yaml'), 'zone: [');
    const touched = async (texts: Readonly<Record<string, string | null>>) =>
      (await plan(files(texts))).touched;
    expect(await touched({ 'a.yaml': null })).toEqual(['a.test.']);
    expect(await touched({ 'a.yaml': zone('b.test', EU_FIRST) })).toEqual(['a.test.', 'b.test.']);
    expect(await touched({ 'junk.yaml': null })).toEqual([null]);
    expect(await touched({ 'junk.yaml': zone('b.test', EU_FIRST) })).toEqual([null, 'b.test.']);
    expect(await touched({ 'new.yaml': zone('b.test', EU_FIRST) })).toEqual(['b.test.']);
  });

  it('adds and removes zones; a complete set removes what it does not name', async () => {
    serve('a.yaml', zone('a.test', EU_FIRST));
    serve('sub/b.yaml', zone('b.test', EU_FIRST), 'b.test.');
    const found = await plan(files({ 'a.yaml': null, 'c.yaml': zone('c.test', EU_FIRST) }));
    expect(found.zones.map(({ zone: name, kind }) => `${kind} ${name}`)).toEqual([
      'removed a.test.',
      'added c.test.',
    ]);
    const complete = await plan(files({ 'a.yaml': zone('a.test', EU_FIRST) }, true));
    expect([...complete.files]).toEqual([['sub/b.yaml', null]]);
  });

  it('sees a zone that moves to another file as the same zone', async () => {
    const text = zone('a.test', EU_FIRST);
    serve('a.yaml', text);
    const found = await plan(files({ 'a.yaml': null, 'sub/a.yaml': text }));
    expect(found.problems).toEqual([]);
    expect(found.zones).toMatchObject([
      { zone: 'a.test.', file: 'sub/a.yaml', kind: 'changed', changesTotal: 0 },
    ]);
    expect(found.impact?.changed).toBe(0);
  });

  it('tells every mistake with its place, and no impact then', async () => {
    serve('a.yaml', zone('a.test', EU_FIRST));
    const found = await plan(
      files({ 'a.yaml': 'zone: a.test\nrecrods: {}\n', 'b.yaml': `zone: b.test\n${HEAD}\nttl: soon\n` }),
    );
    expect(found.problems.map(({ file, line }) => `${file}:${line}`)).toEqual(
      expect.arrayContaining(['a.yaml:2', 'b.yaml:3']),
    );
    expect([found.impact, found.zones]).toEqual([undefined, []]);
  });

  it.each([
    ['two files of one zone', { 'b.yaml': 'TEXT' }, 'already in a.yaml'],
    [
      'two new files of one zone',
      { 'b.yaml': 'TEXT', 'c.yaml': 'TEXT', 'a.yaml': null },
      'already in b.yaml',
    ],
    ['a path out of the folder', { '../b.yaml': 'TEXT' }, 'must be a path in the zone folder'],
    ['an absolute path', { '/etc/b.yaml': 'TEXT' }, 'must be a path in the zone folder'],
    ['a hidden file', { '.git/b.yaml': 'TEXT' }, 'must be a path in the zone folder'],
    ['a path with a zero byte', { 'a\0.yaml': 'TEXT' }, 'must be a path in the zone folder'],
    ['a path with a backslash', { 'a\\b.yaml': 'TEXT' }, 'must be a path in the zone folder'],
    ['another ending', { 'b.txt': 'TEXT' }, 'must end in .yaml'],
    ['a name that is too long', { [`${'x'.repeat(600)}.yaml`]: 'TEXT' }, 'must be a path in the zone folder'],
  ])('refuses %s', async (_, texts, message) => {
    const text = zone('a.test', EU_FIRST);
    serve('a.yaml', text);
    const list = Object.entries(texts).map(([file, value]) => [file, value === 'TEXT' ? `${text}#\n` : null]);
    const { problems } = await plan(files(Object.fromEntries(list)));
    expect(problems.map((problem) => problem.message).join()).toContain(message);
  });

  it('finds the file of a zone by itself, or names one', async () => {
    serve('sub/mine.yaml', zone('a.test', EU_FIRST));
    const text = zone('a.test', '{ pool: us }');
    expect([...(await plan({ kind: 'zone', text })).files.keys()]).toEqual(['sub/mine.yaml']);
    const fresh = { kind: 'zone' as const, text: zone('new.test', EU_FIRST) };
    expect([...(await plan(fresh)).files.keys()]).toEqual(['new.test.yaml']);
    expect([...(await plan({ ...fresh, name: 'x.yaml' })).files.keys()]).toEqual(['x.yaml']);
  });

  it('compares with the last good version of a file that has mistakes', async () => {
    serve('a.yaml', zone('a.test', EU_FIRST));
    await new LastGoodZones(join(root, 'state')).save(await loadZones([zones]));
    writeFileSync(join(zones, 'a.yaml'), 'zone: a.test\noops: {}\n');
    const found = await plan(files({ 'a.yaml': zone('a.test', '{ pool: us }') }));
    expect(found).toMatchObject({ zones: [{ kind: 'changed', changesTotal: 1 }], impact: { changed: 1 } });
  });

  it('plans master files, whose includes stay in the folder', async () => {
    writeFileSync(join(root, 'secret.zone'), 'x IN A 192.0.2.9\n');
    const master = (rest: string) =>
      `$ORIGIN m.test.\n@ 60 IN SOA ns1 h 1 60 60 60 60\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.53\n${rest}`;
    const good = await plan(files({ 'm.test.zone': master('www 60 IN A 192.0.2.1\n') }));
    expect(good.zones).toMatchObject([{ zone: 'm.test.', kind: 'added' }]);
    const bad = await plan(files({ 'm.test.zone': master('$INCLUDE ../secret.zone\n') }));
    expect(bad.problems).toMatchObject([{ file: 'm.test.zone', line: 5 }]);
  });

  it('keeps to the one file of a node that reads one', async () => {
    serve('a.yaml', zone('a.test', EU_FIRST));
    const planner = new Planner({ zones, state: root, only: 'a.yaml' }, () => 0);
    const job = (texts: Readonly<Record<string, string>>) => ({ proposal: files(texts), served });
    const { problems } = await planner.plan(job({ 'b.yaml': zone('b.test', EU_FIRST) }), healthWith());
    expect(problems).toMatchObject([{ file: 'b.yaml', message: 'the node reads the one file a.yaml' }]);
    expect(
      (await planner.plan(job({ 'a.yaml': zone('a.test', '{ pool: us }') }), healthWith())).zones,
    ).toHaveLength(1);
  });
});
