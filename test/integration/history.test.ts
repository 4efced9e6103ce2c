import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, meridian } from '../support/process.js';
import { until } from '../support/until.js';

const ZONE = `# the zone of this test
zone: a.test
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.a.test }
records:
  www: { type: A, value: 192.0.2.1 } # here
`;

afterEach(async () => {
  await endPrograms();
  removeFolders();
});

async function run(node: TestNode, ...args: readonly string[]) {
  return meridian([...args, '--api', node.api], { cwd: node.folder });
}

interface History {
  readonly head: number;
  readonly revisions: readonly { readonly id: number; readonly source: string; readonly message: string }[];
}

async function historyOf(node: TestNode): Promise<History> {
  const { stdout } = await run(node, 'history', '--json');
  return JSON.parse(stdout) as History;
}

async function untilHead(node: TestNode, head: number): Promise<History> {
  let found: History = { head: 0, revisions: [] };
  await until(`revision ${head}`, async () => {
    found = await historyOf(node);
    return found.head >= head;
  });
  return found;
}

describe('the history of a node', () => {
  it('has what was edited by hand, shows it, and rolls it back', async () => {
    const node = await startNode({ zones: { 'a.yaml': ZONE } });
    const file = join(node.folder, 'zones/a.yaml');
    await untilHead(node, 1);
    writeFileSync(file, ZONE.replace('192.0.2.1 ', '192.0.2.7 '));
    expect((await untilHead(node, 2)).revisions).toMatchObject([
      { id: 2, source: 'file', message: 'edited: a.yaml' },
      { id: 1, source: 'file', message: 'the zone folder as it was found: 1 file' },
    ]);
    expect((await run(node, 'history')).stdout).toMatch(
      /^ID +TIME +AUTHOR.*\n2 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +/,
    );
    expect((await run(node, 'show', '2')).stdout).toContain('~ www.a.test. A  192.0.2.1 => 192.0.2.7');
    expect((await run(node, 'diff', '2', '1')).stdout).toContain('192.0.2.7 => 192.0.2.1');
    expect((await run(node, 'show', '1', '--file', 'a.yaml')).stdout).toBe(ZONE);
    const dry = await run(node, 'rollback', '1', '--dry-run');
    expect(dry.stdout).toContain('192.0.2.7 => 192.0.2.1');
    expect(dry.stdout).toContain('clients of 1 of 1 name get other answers');
    const asked = await run(node, 'rollback', '1');
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('add --yes')]);
    const done = await run(node, 'rollback', '1', '--yes', '--message', 'oops');
    expect([done.code, done.stdout, done.stderr]).toEqual([0, 'rolled back to 1: revision 3\n', '']);
    expect(readFileSync(file, 'utf8')).toBe(ZONE);
    expect((await historyOf(node)).revisions[0]).toMatchObject({
      id: 3,
      source: 'rollback',
      message: 'oops',
    });
    const unknown = await run(node, 'show', '9');
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      'meridian: 404 there is no revision 9: kept are 1 to 3\n  next: `meridian history` shows the revisions\n',
    ]);
  });

  it('lets plans be applied and zones be rolled back after orders of steering', async () => {
    const node = await startNode({ zones: { 'a.yaml': ZONE } });
    await untilHead(node, 1);
    const pool = 'pools: { eu: { endpoints: [{ A: 192.0.2.9 }] } }\n';
    mkdirSync(join(node.folder, 'next'));
    writeFileSync(join(node.folder, 'next/a.yaml'), `${ZONE}${pool}`);
    expect(await run(node, 'apply', 'next', '--yes')).toMatchObject({ code: 0 });
    expect(await run(node, 'drain', 'a.test/eu')).toMatchObject({ code: 0 });
    writeFileSync(join(node.folder, 'next/a.yaml'), `${ZONE.replace('192.0.2.1', '192.0.2.8')}${pool}`);
    expect(await run(node, 'apply', 'next', '--yes')).toMatchObject({ code: 0, stderr: '' });
    expect(await run(node, 'dial', 'a.test/eu', '50')).toMatchObject({ code: 0 });
    expect(await run(node, 'rollback', '2', '--yes')).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(join(node.folder, 'zones/a.yaml'), 'utf8')).toBe(`${ZONE}${pool}`);
  });

  it('keeps zones as they are in gitops mode', async () => {
    const node = await startNode({ zones: { 'a.yaml': ZONE }, env: { MERIDIAN_MODE: 'gitops' } });
    const file = join(node.folder, 'zones/a.yaml');
    await untilHead(node, 1);
    writeFileSync(file, ZONE.replace('192.0.2.1 ', '192.0.2.7 '));
    await untilHead(node, 2);
    const refused = await run(node, 'rollback', '1', '--yes');
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringContaining('403 this node runs with `mode: gitops`'),
    ]);
    expect(readFileSync(file, 'utf8')).toContain('192.0.2.7');
    rmSync(file);
    expect((await untilHead(node, 3)).revisions[0]).toMatchObject({ message: 'deleted: a.yaml' });
  });
});
