import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian, startMeridian } from '../support/process.js';

const ZONE = `zone: cli.test
ttl: 7
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.cli.test }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 198.51.100.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }
  text: { type: TXT, values: [hello] }
`;

let node: TestNode;
let nobody: string;
let deadPort: number;
beforeAll(async () => {
  node = await startNode({ config: { geo: { database: 'embedded' } }, zones: { 'cli.test.yaml': ZONE } });
  [deadPort] = (await freePorts(1)) as [number];
  nobody = `http://127.0.0.1:${deadPort}`;
});
afterAll(async () => {
  await endPrograms();
  removeFolders();
});

/** In the folder of the node, where state/admin.token is. */
const here = (...args: readonly string[]) => meridian([...args, '--api', node.api], { cwd: node.folder });

describe('meridian', () => {
  it.each([
    ['demo', ['--dns-port', '--api-port', '--switch-port', '--state']],
    ['serve', ['--config']],
    ['proxy', ['--config']],
    ['check', ['<paths...>', '--config', '--json']],
    ['explain', ['--subnet', '--down', '--api', '--token-file']],
    ['simulate', ['--down', '--by', '--places', '--api', '--token-file']],
    ['status', ['--quiet', '--api', '--token-file']],
    ['geo lookup', ['--database', '--json']],
    ['query', ['--server', '--subnet', '--tcp']],
  ])('%s --help tells its options', async (command, options) => {
    const { code, stdout, stderr } = await meridian([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: meridian ${command} `);
    for (const option of options) expect(stdout).toContain(option);
  });

  it.each([
    { args: ['bogus'], says: "unknown command 'bogus'" },
    { args: ['status', '--bogus'], says: "unknown option '--bogus'" },
    { args: ['check'], says: "missing required argument 'paths'" },
    { args: ['demo', '--dns-port', '70000'], says: 'want 1 to 65535' },
    { args: ['status', '--api', 'somewhere'], says: '--api: somewhere is not a URL' },
    { args: ['query', 'a.test', '--server', 'localhost'], says: '--server: localhost is not an IP address' },
    { args: ['query', 'a.test', 'NOPE'], says: 'type NOPE is not known' },
    { args: ['query', 'a.test', '-s', '2001:db8::/32'], says: '--subnet: want an IPv4 prefix' },
    { args: ['status', '--token-file', 'no/such/file'], says: 'cannot read the token file no/such/file' },
  ])('ends with 2 for wrong usage: $args', async ({ args, says }) => {
    const { code, stderr } = await meridian(args);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('    at ');
    expect(code).toBe(2);
  });

  it.each([{ args: ['status'] }, { args: ['explain', 'www.cli.test'] }])(
    'ends with 3 where nobody answers: $args',
    async ({ args }) => {
      const { code, stderr } = await meridian([...args, '--api', nobody]);
      expect(stderr).toContain(`cannot reach ${nobody}`);
      expect(code).toBe(3);
    },
  );

  it('says nothing but its exit code with status --quiet', async () => {
    const { code, stdout, stderr } = await meridian(['status', '--quiet', '--api', nobody]);
    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: '' });
  });
});

describe('meridian check', () => {
  let folder: string;
  beforeAll(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder, 'good'));
    mkdirSync(join(folder, 'both'));
    mkdirSync(join(folder, 'none'));
    for (const name of ['good', 'both']) writeFileSync(join(folder, name, 'cli.test.yaml'), ZONE);
    writeFileSync(join(folder, 'both/bad.test.yaml'), 'zone: bad.test\nttl: -1\nrecords: []\n');
  });

  it('lists a good file and a good folder, and ends with 0', async () => {
    for (const path of ['good/cli.test.yaml', 'good']) {
      const { code, stdout, stderr } = await meridian(['check', path], { cwd: folder });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^ZONE +RRSETS +POOLS +FILE\ncli\.test\. +\d+ +2 +good\/cli\.test\.yaml\n$/);
    }
  });

  it('tells every mistake with its line, and ends with 1', async () => {
    const { code, stdout, stderr } = await meridian(['check', 'both'], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^both\/bad\.test\.yaml:2:\d+: ttl: /m);
    expect(stderr).toMatch(/^both\/bad\.test\.yaml:3:\d+: records: /m);
    expect(stdout).toContain('cli.test.');
  });

  it('gives the same as JSON', async () => {
    const { code, stdout } = await meridian(['check', 'both', '--json'], { cwd: folder });
    const found = JSON.parse(stdout) as { zones: readonly object[]; problems: readonly { line: number }[] };
    expect(code).toBe(1);
    expect(found.zones).toMatchObject([{ zone: 'cli.test.', file: 'both/cli.test.yaml' }]);
    expect(found.problems.map(({ line }) => line)).toEqual(expect.arrayContaining([2, 3]));
  });

  it('lets monitors use what the configuration of the server lists, and nothing without one', async () => {
    const config = join(folder, 'meridian.yaml');
    writeFileSync(config, 'node: { name: dns-1 }\nprobes: { programs: [ ./check ] }\n');
    mkdirSync(join(folder, 'exec'));
    const program = join(folder, 'check');
    const zone = `${ZONE}monitors: { own: { type: exec, program: ${program} } }\n`;
    writeFileSync(join(folder, 'exec/cli.test.yaml'), zone);
    expect(await meridian(['check', 'exec', '-c', 'meridian.yaml'], { cwd: folder })).toMatchObject({
      code: 0,
      stderr: '',
    });
    const { code, stderr } = await meridian(['check', 'exec'], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('probes.programs') });
    const broken = await meridian(['check', 'exec', '-c', 'no.yaml'], { cwd: folder });
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot read no.yaml: ENOENT') });
  });

  it('compares quorums with the observers of the server', async () => {
    const nodes = ['a', 'b'].map((node) => `{ url: "http://${node}", node: ${node} }`).join(', ');
    writeFileSync(join(folder, 'one.yaml'), 'node: { name: dns-1 }\n');
    writeFileSync(join(folder, 'three.yaml'), `node: { name: dns-1 }\nreport_to: [${nodes}]\n`);
    mkdirSync(join(folder, 'quorum'));
    const zone = `${ZONE}monitors: { own: { type: tcp, port: 1, quorum: 3 } }\n`;
    writeFileSync(join(folder, 'quorum/cli.test.yaml'), zone);
    const check = (...config: string[]) => meridian(['check', 'quorum', ...config], { cwd: folder });
    expect(await check('-c', 'three.yaml')).toMatchObject({ code: 0, stderr: '' });
    expect(await check()).toMatchObject({ code: 0, stderr: '' });
    const { code, stderr } = await check('-c', 'one.yaml');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /cli\.test\.yaml:\d+:\d+: monitors\.own\.quorum: is more than the observers, 1: this node alone/,
    );
  });

  it.each([
    { path: 'missing.yaml', says: 'missing.yaml:1:1: cannot be read: ENOENT' },
    { path: 'none', says: 'no zone files found' },
  ])('ends with 1 for $path', async ({ path, says }) => {
    const { code, stderr } = await meridian(['check', path], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(says) });
  });
});

describe('meridian status', () => {
  it('shows node, zones and targets', async () => {
    const { code, stdout } = await here('status');
    expect(code).toBe(0);
    expect(stdout).toContain('dns-test: Meridian ');
    expect(stdout).toMatch(/^cli\.test\. +current +\d+ +\S+cli\.test\.yaml$/m);
  });

  it('gives the same as JSON', async () => {
    const { stdout } = await here('status', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ node: 'dns-test', zones: [{ zone: 'cli.test.' }] });
  });

  it('prints it again and again with --watch', async () => {
    const args = ['status', '--watch', '--api', node.api];
    const again = /(?:dns-test: Meridian[\s\S]*?){2}/;
    const program = await startMeridian(args, again, { cwd: node.folder });
    expect((await program.end('SIGINT')).stderr).toBe('');
  });

  it('prints nothing with --quiet, for the health check of a container', async () => {
    const ended = await meridian(['status', '--quiet', '--api', node.api]);
    expect(ended).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

describe('the token of a command', () => {
  it('is MERIDIAN_TOKEN before --token-file, and that before state/admin.token', async () => {
    const wrong = join(node.folder, 'wrong.token');
    writeFileSync(wrong, 'wrong');
    const good = join(node.folder, 'state/admin.token');
    const MERIDIAN_TOKEN = node.tokens.admin;
    const cases = [
      { args: [], env: {}, cwd: node.folder, code: 0 },
      { args: ['--token-file', wrong], env: {}, cwd: node.folder, code: 3 },
      { args: ['--token-file', wrong], env: { MERIDIAN_TOKEN }, cwd: node.folder, code: 0 },
      { args: [], env: { MERIDIAN_TOKEN: 'wrong' }, cwd: node.folder, code: 3 },
      { args: [], env: { MERIDIAN_TOKEN_FILE: good }, cwd: temporaryFolder(), code: 0 },
      { args: ['--token-file', good], env: { MERIDIAN_TOKEN_FILE: wrong }, cwd: temporaryFolder(), code: 0 },
      { args: [], env: {}, cwd: temporaryFolder(), code: 3 },
    ];
    await Promise.all(
      cases.map(async ({ args, env, cwd, code }) => {
        const ended = await meridian(['status', '--api', node.api, ...args], { env, cwd });
        expect({ args, env, code: ended.code }).toEqual({ args, env, code });
      }),
    );
  });

  it('is asked for where there is none', async () => {
    const { stderr } = await meridian(['status', '--api', node.api], { cwd: temporaryFolder() });
    expect(stderr).toContain('401');
    expect(stderr).toContain('no token was found: name its file with --token-file');
  });
});

describe('meridian explain', () => {
  it('says what a client gets and why', async () => {
    const { code, stdout } = await here('explain', 'www.cli.test', '--subnet', '53.0.0.0/8');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'www.cli.test. A for 53.0.0.0/8 (DE)',
      '  - www.cli.test. is a name of the zone cli.test.',
      expect.stringMatching(/^ {2}- client 53\.0\.0\.0\/8 shares the decision with all of its \/\d+$/),
      expect.stringMatching(/^ {2}- rule 1 \(EU\) leads to pool eu \(.*cli\.test\.yaml:9\)$/),
      '  - pool eu (A): weight 1 of 1 is up, it serves',
      '  - answered: 192.0.2.1 (weight 1)',
      expect.stringMatching(/^= NOERROR, scope \/\d+$/),
      '  www.cli.test. 7 A 192.0.2.1',
      expect.stringContaining("TTL: the record's own, 7 s"),
      expect.stringContaining('scope: all of 53.0.0.0/'),
      'what would change it:',
      '  - if the only endpoint of pool eu that is up went down: eu, although all is down',
      '  - a client that no other rule is for would match rule 2: us',
      '',
    ]);
  });

  it.each([
    { args: ['www..cli.test'], says: 'name: ' },
    { args: ['www.cli.test', 'BOGUS'], says: 'type: BOGUS' },
    { args: ['www.cli.test', '-s', '1.2.3'], says: 'subnet: ' },
  ])('ends with 1 and says what is wrong: $args', async ({ args, says }) => {
    const { code, stderr } = await here('explain', ...args);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(says) });
  });
});

describe('meridian simulate', () => {
  it('says who gets what, and what moves', async () => {
    const args = ['www.cli.test', '--by', 'continent', '--places', '2', '--down', 'pool:eu'];
    const { code, stdout } = await here('simulate', ...args);
    expect(code).toBe(0);
    const [title, , summary] = stdout.split('\n');
    expect(title).toBe('www.cli.test. A, as if pool:eu was down');
    // The record fails open: the only pool of the rule answers all the same.
    expect(summary).toMatch(/^IPv4: .* addresses; nobody would get something else$/);
    expect(stdout).toMatch(/^NA .* us 100 % {2}█+$/m);
  });

  it.each([
    { args: ['www.cli.test', '--down', 'mars'], code: 1, says: 'no region, pool or endpoint is called mars' },
    { args: ['text.cli.test', 'TXT'], code: 1, says: 'is not dynamic' },
    { args: ['www.cli.test', '--by', 'planet'], code: 2, says: '--by: planet is none of' },
    { args: ['www.cli.test', '--places', 'many'], code: 2, says: '--places: want 0 to 1000' },
  ])('says what is wrong: $args', async ({ args, code, says }) => {
    const result = await here('simulate', ...args);
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code,
      stderr: expect.stringContaining(says),
    });
  });
});

describe('meridian geo lookup', () => {
  it('says where an address is, without a server', async () => {
    const { code, stdout } = await meridian(['geo', 'lookup', '53.1.2.3']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '53.1.2.3 in 53.0.0.0/8: country DE\n' });
    const json = await meridian(['geo', 'lookup', '2600::1', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ address: '2600::1', location: { country: 'US' } });
  });

  it.each([
    { args: ['nowhere'], says: 'nowhere is not an IP address' },
    { args: ['192.0.2.1', '-d', 'missing.mmdb'], says: 'missing.mmdb' },
  ])('ends with 1 for $args', async ({ args, says }) => {
    const { code, stderr } = await meridian(['geo', 'lookup', ...args]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(says) });
  });
});

describe('meridian query', () => {
  const query = (...args: readonly string[]) => meridian(['query', ...args, '-p', String(node.port)]);

  it('shows an answer with its scope, over UDP and TCP', async () => {
    for (const transport of [[], ['--tcp']]) {
      const { code, stdout } = await query('www.cli.test', '-s', '53.0.0.0/8', ...transport);
      expect(code).toBe(0);
      expect(stdout).toContain('www.cli.test. 7 A 192.0.2.1');
      expect(stdout).toMatch(/^; NOERROR, flags aa$/m);
      expect(stdout).toMatch(/^; scope \/\d+$/m);
    }
  });

  it('ends with 1 for a name that is not there', async () => {
    const { code, stdout } = await query('nope.cli.test');
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('; NXDOMAIN') });
  });

  it('ends with 3 where nobody answers', async () => {
    const { code, stderr } = await meridian(['query', 'www.cli.test', '--tcp', '-p', String(deadPort)]);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringContaining('no answer from 127.0.0.1'),
    });
  });
});
