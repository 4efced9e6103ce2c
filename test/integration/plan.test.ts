import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PlanJob } from '../../src/control/plan-job.js';
import { PLAN_LIMITS, PlanThread, type PlanThreadLimits } from '../../src/control/plan-thread.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { bitsOf, locationTree } from '../support/location-tree.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, meridian } from '../support/process.js';

const ENTRY = pathToFileURL(resolve(import.meta.dirname, '../../dist/control/plan-worker.js'));
const GEO = locationTree([
  { v4: bitsOf('32.0.0.0/4'), location: { country: 'DE' } },
  { v4: bitsOf('48.0.0.0/4'), location: { country: 'US' } },
]);
const zone = (rule: string, more = '') => `# by hand
zone: plan.test
nameservers: { ns1: { A: 127.0.0.1 } }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 198.51.100.1 }] }
records:
  www: { type: A, dynamic: { rules: [${rule}] } }
${more}`;
const EU_FIRST = '{ geos: [EU], pool: eu }, { pool: us }';

afterAll(async () => {
  await endPrograms();
  removeFolders();
});

describe('the plan thread', () => {
  let thread: PlanThread | undefined;
  afterEach(() => thread?.close());

  function start(entry: URL = ENTRY, limits: Partial<PlanThreadLimits> = {}): PlanJob {
    const zones = temporaryFolder();
    writeFileSync(join(zones, 'a.yaml'), zone(EU_FIRST));
    const asked = { words: new Int32Array(0), known: new Uint8Array(0) };
    const modules = { geo: () => GEO, healthOf: () => asked };
    thread = new PlanThread({ zones, state: zones }, modules, { ...PLAN_LIMITS, ...limits }, entry);
    return {
      served: [{ origin: 'plan.test.', file: join(zones, 'a.yaml') }],
      proposal: { kind: 'files', complete: false, files: new Map([['a.yaml', zone('{ pool: us }')]]) },
    };
  }

  /** A thread that does `body` with each message. */
  function threadOf(body: string): URL {
    const file = join(temporaryFolder(), 'thread.mjs');
    writeFileSync(
      file,
      `import { parentPort as port } from 'node:worker_threads';\nport.on('message', (message) => { ${body} });`,
    );
    return pathToFileURL(file);
  }

  it('makes plans with the geo database of the node, and again after it was idle', async () => {
    const job = start(ENTRY, { idleMs: 1 });
    const expected = {
      impact: { changed: 1, groups: [{ v4: 0.5, moves: [{ countries: [{ code: 'DE' }] }] }] },
    };
    expect(await thread!.plan(job)).toMatchObject(expected);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await thread!.plan(job)).toMatchObject(expected);
  });

  it('gives up a plan that takes too long, and makes the next one', async () => {
    const job = start(threadOf(''), { jobMs: 50 });
    expect(await thread!.plan(job)).toMatchObject({ code: 'plan_timeout' });
    expect(await thread!.plan(job)).toMatchObject({ code: 'plan_timeout' });
  });

  it.each([
    ['ends', 'process.exit(0)'],
    ['throws', 'throw new Error("broken")'],
    ['says that it failed', "if (message.type === 'plan') port.postMessage({ type: 'failed', error: 'no' })"],
  ])('hands on why there is no plan when the thread %s', async (_, body) => {
    const job = start(threadOf(body));
    expect(await thread!.plan(job)).toMatchObject({ code: 'plan_failed' });
  });

  it('lets so many wait, and not for ever', async () => {
    const job = start(threadOf(''), { jobMs: 300, queue: 2, waitMs: 20 });
    const first = thread!.plan(job);
    const waiting = [thread!.plan(job), thread!.plan(job)];
    expect(await thread!.plan(job)).toMatchObject({ code: 'plan_busy' });
    expect(await Promise.all(waiting)).toMatchObject([{ code: 'plan_busy' }, { code: 'plan_busy' }]);
    expect(await first).toMatchObject({ code: 'plan_timeout' });
  });

  it('ends plans that are under way when it is closed', async () => {
    const job = start(threadOf(''));
    const both = [thread!.plan(job), thread!.plan(job)];
    await thread!.close();
    expect(await Promise.all(both)).toMatchObject([{ code: 'plan_failed' }, { code: 'plan_failed' }]);
    expect(await thread!.plan(job)).toMatchObject({ code: 'plan_failed' });
  });
});

describe('meridian plan and apply', () => {
  let node: TestNode;
  let next = '';
  beforeAll(async () => {
    node = await startNode({
      config: { geo: { database: 'embedded' } },
      zones: { 'plan.test.yaml': zone(EU_FIRST) },
    });
    next = join(node.folder, 'next');
    mkdirSync(next);
  });

  const here = (...args: readonly string[]) => meridian([...args, '--api', node.api], { cwd: node.folder });
  const served = () => readFileSync(join(node.folder, 'zones', 'plan.test.yaml'), 'utf8');

  it('plan exits with 0 for no changes, 2 for changes, 1 for mistakes, 3 without a server', async () => {
    const file = join(next, 'plan.test.yaml');
    writeFileSync(file, served());
    expect(await here('plan', 'next')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('No changes'),
    });
    writeFileSync(file, zone('{ geos: [EU-DE], pool: eu }, { pool: us }'));
    const changed = await here('plan', 'next');
    expect(changed).toMatchObject({ code: 2, stderr: '' });
    expect(changed.stdout).toContain('~ www.plan.test. A  EU -> pool eu => EU-DE -> pool eu');
    expect(changed.stdout).toMatch(/% of IPv4 and .* % of IPv6 clients get another answer/);
    expect(changed.stdout).not.toContain('\u001b[');
    writeFileSync(file, 'zone: plan.test\nrecrods: {}\n');
    const wrong = await here('plan', 'next');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('next/plan.test.yaml:2:1: recrods: unknown key; did you mean records?');
    expect((await meridian(['plan', file, '--api', 'http://127.0.0.1:1'], { cwd: node.folder })).code).toBe(
      3,
    );
    mkdirSync(join(node.folder, 'empty'));
    expect(await here('plan', 'empty')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no zone files'),
    });
  });

  it('apply asks, does it once, and refuses what is of another state', async () => {
    const file = join(next, 'plan.test.yaml');
    writeFileSync(file, zone(EU_FIRST, '  new: { type: A, value: 192.0.2.77 }\n'));
    expect((await here('plan', 'next', '--output', 'id')).code).toBe(2);
    const id = readFileSync(join(node.folder, 'id'), 'utf8').trim();
    const stale = JSON.parse((await here('plan', 'next', '--json')).stdout) as { id: string };
    expect(await here('apply', id)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    const done = await here('apply', id, '--yes', '--message', 'a new name');
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('it is answered from now') });
    expect(served()).toBe(readFileSync(file, 'utf8'));
    const answer = await here('explain', 'new.plan.test', 'A');
    expect(answer.stdout).toContain('192.0.2.77');
    expect(await here('apply', id, '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('409'),
    });
    expect(await here('apply', stale.id, '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('412'),
    });
    expect(await here('apply', 'next', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('No changes'),
    });
  });
});
