import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { claimAddress } from '../../src/io/free-port.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

afterEach(async () => {
  await endPrograms();
  removeFolders();
});

const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
records: { www: { type: A, value: 192.0.2.1 } }
`;

describe('meridian serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s and frees its ports', async (signal) => {
    const node = await startNode({ zones: { 'serve.test.yaml': ZONE } });
    const { code, stdout } = await node.program.end(signal);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    for (const port of [node.port, Number(new URL(node.api).port)]) {
      await expect(claimAddress({ host: '127.0.0.1', port })).resolves.toMatchObject({ port });
    }
  });

  it('ends although clients hold connections and half of a request', async () => {
    const node = await startNode({ zones: { 'serve.test.yaml': ZONE } });
    const api = Number(new URL(node.api).port);
    const halves = [
      { port: node.port, bytes: '\0' },
      { port: api, bytes: 'GET /heal' },
      { port: api, bytes: 'POST /v1/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{' },
    ];
    const sockets = halves.map(({ port, bytes }) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      socket.write(bytes);
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const fromMs = performance.now();
    expect((await node.program.end()).code).toBe(0);
    expect(performance.now() - fromMs).toBeLessThan(5000);
  });

  it('takes keys from the environment, which wins over the file', async () => {
    const [port] = await freePorts(1);
    const env = {
      MERIDIAN_DNS_LISTEN: `127.0.0.1:${port}`,
      MERIDIAN_NODE_NAME: 'dns-env',
      MERIDIAN_DNS_IO: 'portable',
    };
    const node = await startNode({ env });
    expect(node.port).toBe(port);
    expect(await node.get('/v1/status')).toMatchObject({ node: 'dns-env', io: 'portable' });
  });

  it('needs no configuration file where the environment says enough', async () => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, 'zones'));
    const [dns, api] = await freePorts(2);
    const env = {
      MERIDIAN_NODE_NAME: 'dns-env',
      MERIDIAN_DNS_LISTEN: `127.0.0.1:${dns}`,
      MERIDIAN_API_LISTEN: `127.0.0.1:${api}`,
    };
    const program = await startMeridian(['serve'], /"msg":"serving"/, { cwd, env });
    // No zone is served yet.
    const { code, stderr } = await meridian(['status', '-q', '--api', `http://127.0.0.1:${api}`]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    await program.end();
  });

  it.each([
    { what: 'no file and no name', args: [], text: null, env: {}, says: 'the key "node" is missing' },
    {
      what: 'a file that is not there',
      args: ['-c', 'no.yaml'],
      text: null,
      env: {},
      says: 'cannot read no.yaml: ENOENT',
    },
    {
      what: 'a mistake in the file',
      args: [],
      text: 'node: { name: a }\ndns: { workers: 0 }',
      env: {},
      says: 'meridian.yaml:2:',
    },
    {
      what: 'a mistake in the environment',
      args: [],
      text: 'node: { name: a }',
      env: { MERIDIAN_DNS_WORKERS: 'many' },
      says: 'MERIDIAN_DNS_WORKERS',
    },
  ])('ends with 1 for $what', async ({ args, text, env, says }) => {
    const cwd = temporaryFolder();
    if (text !== null) writeFileSync(join(cwd, 'meridian.yaml'), text);
    const ended = await meridian(['serve', ...args], { cwd, env });
    expect(ended.stderr).toContain(says);
    expect(ended.stderr).not.toContain('    at ');
    expect(ended.code).toBe(1);
  });

  it.each([
    { setting: 'dns.listen', variable: 'MERIDIAN_DNS_LISTEN' },
    { setting: 'api.listen', variable: 'MERIDIAN_API_LISTEN' },
  ])('names $setting where its port is taken, and ends with 1', async ({ setting, variable }) => {
    const other = createServer();
    const [port, free] = (await freePorts(2)) as [number, number];
    await new Promise<void>((done) => other.listen(port, '127.0.0.1', done));
    const env = {
      MERIDIAN_NODE_NAME: 'a',
      MERIDIAN_DNS_LISTEN: `127.0.0.1:${free}`,
      MERIDIAN_API_LISTEN: '127.0.0.1:0',
      [variable]: `127.0.0.1:${port}`,
    };
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, 'zones'));
    const { code, stderr } = await meridian(['serve'], { cwd, env });
    other.close();
    expect(stderr).toContain(`${port}`);
    expect(stderr).toContain(`another program uses it): change ${setting} or ${variable}`);
    expect(code).toBe(1);
  });

  it.each([
    { setting: 'zones', variable: 'MERIDIAN_ZONES', path: 'nowhere' },
    { setting: 'state', variable: 'MERIDIAN_STATE', path: 'file' },
  ])(
    'names $setting where that folder is of no use, and ends with 1',
    async ({ setting, variable, path }) => {
      const cwd = temporaryFolder();
      mkdirSync(join(cwd, 'zones'));
      writeFileSync(join(cwd, 'file'), '');
      const env = {
        MERIDIAN_NODE_NAME: 'a',
        MERIDIAN_DNS_LISTEN: '127.0.0.1:0',
        [variable]: join(cwd, path),
      };
      const { code, stderr } = await meridian(['serve'], { cwd, env });
      expect(stderr).toContain(`change ${setting} or ${variable}`);
      expect(stderr).not.toContain('    at ');
      expect(code).toBe(1);
    },
  );

  it('keeps answering while its zone folder is away, and over SIGHUP', async () => {
    const node = await startNode({ zones: { 'serve.test.yaml': ZONE } });
    const ask = async () => {
      const { stdout } = await meridian(['query', 'www.serve.test', '-p', String(node.port)]);
      return stdout;
    };
    const problems = async () => ((await node.get('/v1/status')) as { problems: string[] }).problems;
    const zones = join(node.folder, 'zones');
    expect(await ask()).toContain('192.0.2.1');
    renameSync(zones, `${zones}.away`);
    node.program.kill('SIGHUP');
    await until('the loss is reported', async () => (await problems()).length > 0);
    expect(await ask()).toContain('192.0.2.1');
    renameSync(`${zones}.away`, zones);
    node.program.kill('SIGHUP');
    await until('the folder is back', async () => (await problems()).length === 0);
    expect(await ask()).toContain('192.0.2.1');
  });

  it('answers with two workers on one address', async () => {
    const node = await startNode({
      zones: { 'serve.test.yaml': ZONE },
      config: { dns: { workers: 2, io: 'auto' } },
    });
    const asked = spawnSync('dig', ['@127.0.0.1', '-p', String(node.port), '+short', 'www.serve.test'], {
      encoding: 'utf8',
    });
    if (asked.error === undefined) expect(asked.stdout).toBe('192.0.2.1\n');
    expect(((await node.get('/v1/status')) as { workers: number }).workers).toBeGreaterThan(0);
  });
});

describe('meridian proxy', () => {
  it('ends with 1 where its configuration is not there', async () => {
    const { code, stderr } = await meridian(['proxy'], { cwd: temporaryFolder() });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('cannot read proxy.yaml') });
  });
});
