import { Resolver } from 'node:dns/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { type NodeOptions, startNode, type TestNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian } from '../support/process.js';
import { until } from '../support/until.js';

const ZONE = (minimum: number) => `zone: gslb.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.gslb.test, minimum: ${minimum} }
records:
  www: { type: A, value: 127.0.0.1 }
`;
const NAME = '_acme-challenge.www.gslb.test';
const txt = (letter: string) => letter.repeat(43);

interface Account {
  readonly username: string;
  readonly password: string;
  readonly subdomain: string;
}

const start = (options: NodeOptions = {}): Promise<TestNode> =>
  startNode({
    zones: { 'gslb.test.yaml': ZONE(60) },
    ...options,
    config: { acme: {}, dns: { workers: 2 }, ...options.config },
  });

async function add(node: TestNode): Promise<Account> {
  const ended = await meridian(['acme', 'add', 'www.gslb.test', '--api', node.api], { cwd: node.folder });
  expect(ended).toMatchObject({ code: 0 });
  return JSON.parse(ended.stdout) as Account;
}

async function update(node: TestNode, account: Account, value: string): Promise<number> {
  const { status } = await fetch(`${node.api}/update`, {
    method: 'POST',
    headers: { 'x-api-user': account.username, 'x-api-key': account.password },
    body: JSON.stringify({ subdomain: account.subdomain, txt: value }),
  });
  return status;
}

/** Asked from a socket of its own. */
async function values(node: TestNode): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${node.port}`]);
  try {
    return (await resolver.resolveTxt(NAME)).map((parts) => parts.join('')).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENODATA' || code === 'ENOTFOUND') return [];
    throw error;
  }
}

afterEach(endPrograms);
afterAll(removeFolders);

describe('ACME challenges of a running node', () => {
  it('are answered by every worker at once, and through reloads of the zone', async () => {
    const node = await start();
    const account = await add(node);
    expect(await values(node)).toEqual([]);
    expect(await update(node, account, txt('a'))).toBe(200);
    // From many ports: the system spreads them over the workers.
    const seen = await Promise.all(Array.from({ length: 40 }, () => values(node)));
    expect(new Set(seen.map((found) => found.join()))).toEqual(new Set([txt('a')]));
    const before = await node.metric('meridian_snapshot_id');
    node.writeZone('gslb.test.yaml', ZONE(61));
    await until('another snapshot', async () => (await node.metric('meridian_snapshot_id')) > before);
    expect(await values(node)).toEqual([txt('a')]);
    expect(await update(node, account, txt('b'))).toBe(200);
    expect(await values(node)).toEqual([txt('a'), txt('b')]);
    const explained = await node.get(`/v1/explain?name=${NAME}&type=TXT`);
    expect(JSON.stringify(explained)).toContain('kept for ACME challenges and has 2 values');
  });

  it('that were acknowledged are there after the process was killed', async () => {
    const node = await start();
    const account = await add(node);
    const acknowledged: string[] = [];
    const writing = (async () => {
      for (const letter of 'abcdefghijklmnopqrstuvwx') {
        const status = await update(node, account, txt(letter)).catch(() => 0);
        if (status !== 200) return;
        acknowledged.push(letter);
      }
    })();
    await until('some updates', () => acknowledged.length >= 5);
    await node.program.end('SIGKILL');
    await writing;
    const again = await start({ folder: node.folder });
    const found = (await values(again)).map((value) => value[0]!);
    // One more than was acknowledged may have reached the disk.
    const expected = acknowledged.at(-1)!;
    expect(found).toContain(expected);
    expect(found).toHaveLength(2);
    expect(await update(again, account, txt('Z'))).toBe(200);
  });

  it('says that accounts which cannot be read are put aside, and serves', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'state'));
    writeFileSync(join(folder, 'state', 'acme.json'), '{"version":1,"accou');
    const node = await start({ folder });
    expect(node.program.output).toContain('the ACME accounts are damaged');
    await add(node);
  });

  it('has nothing of it without the section acme', async () => {
    const node = await startNode({ zones: { 'gslb.test.yaml': ZONE(60) } });
    expect((await fetch(`${node.api}/update`, { method: 'POST' })).status).toBe(404);
    const ended = await meridian(['acme', 'list', '--api', node.api], { cwd: node.folder });
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('acme')]);
  });
});

describe('ACME challenges of two nodes', () => {
  const pair = async (): Promise<readonly [TestNode, TestNode]> => {
    const ports = await freePorts(2);
    const token = 'a-token-of-both-nodes-that-is-long-enough';
    const nodes = [0, 1].map((i) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'peer.token'), token, { mode: 0o600 });
      mkdirSync(join(folder, 'state'));
      writeFileSync(join(folder, 'state', 'report.token'), `${token}\n`, { mode: 0o600 });
      const other = {
        url: `http://127.0.0.1:${ports[1 - i]}`,
        token_file: './peer.token',
        node: `dns-${1 - i}`,
      };
      return start({
        folder,
        config: {
          node: { name: `dns-${i}` },
          api: { listen: `127.0.0.1:${ports[i]}` },
          dns: { workers: 1 },
          report_to: [other],
        },
      });
    });
    return (await Promise.all(nodes)) as unknown as readonly [TestNode, TestNode];
  };

  it('are the same on both within a second, whichever was told', async () => {
    const [one, two] = await pair();
    const account = await add(one);
    await until('the account is known', async () => (await update(two, account, txt('a'))) === 200);
    await until('the value is on the first', async () => (await values(one)).join() === txt('a'));
    const began = performance.now();
    expect(await update(one, account, txt('b'))).toBe(200);
    await until('both values on both', async () => (await values(two)).length === 2, 1_000);
    expect(performance.now() - began).toBeLessThan(1_000);
    await meridian(['acme', 'remove', account.username, '--api', two.api], { cwd: two.folder });
    await until('none on the first', async () => (await values(one)).length === 0);
    expect(await update(one, account, txt('c'))).toBe(401);
  });

  it('come to a node that was away', async () => {
    const [one, two] = await pair();
    const account = await add(one);
    await until('the account is known', async () => (await update(two, account, txt('a'))) === 200);
    await two.program.end('SIGKILL');
    expect(await update(one, account, txt('b'))).toBe(200);
    const config = {
      node: { name: 'dns-1' },
      api: { listen: two.api.replace('http://', '') },
      report_to: [{ url: one.api, token_file: './peer.token', node: 'dns-0' }],
    };
    const again = await start({ folder: two.folder, config });
    await until('the value has come', async () => (await values(again)).includes(txt('b')), 20_000);
  });
});
