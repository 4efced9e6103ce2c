import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian, type Program, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

const TOKEN = 'a-token-of-this-test-that-is-long-enough';

const backends: Server[] = [];
const ports: number[] = [];

beforeAll(async () => {
  for (const name of ['one', 'two']) {
    const server = createServer((incoming, response) => {
      incoming.resume();
      const status = Number(new URL(incoming.url ?? '/', 'http://x').searchParams.get('status') ?? 200);
      incoming.on('end', () => response.writeHead(status).end(name));
    });
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    backends.push(server);
    ports.push((server.address() as AddressInfo).port);
  }
});
afterEach(endPrograms);
afterAll(() => {
  for (const server of backends) {
    server.closeAllConnections();
    server.close();
  }
  removeFolders();
});

interface Running {
  readonly program: Program;
  readonly port: number;
  readonly spare: number;
  readonly folder: string;
  readonly file: string;
  readonly config: (change?: { pool?: number; extra?: string; listeners?: string }) => string;
  readonly cli: (...args: readonly string[]) => ReturnType<typeof meridian>;
  readonly status: () => Promise<Status>;
}

interface Status {
  readonly configuration: {
    applied: number;
    refused: number;
    problems: string[];
    waiting_for_restart: string[];
  };
  readonly pools: { name: string; endpoints: { state: string; weight: number; requests: number }[] }[];
  readonly listeners: { listener: string; active: number; connections: number }[];
}

async function start(io: 'batched' | 'portable', workers: number, extra = ''): Promise<Running> {
  const folder = temporaryFolder();
  const file = join(folder, 'proxy.yaml');
  const [port, spare, admin] = (await freePorts(3)) as [number, number, number];
  const digest = createHash('sha256').update(TOKEN).digest('hex');
  writeFileSync(join(folder, 'tokens.yaml'), `tokens: [ { name: ops, role: admin, sha256: ${digest} } ]\n`, {
    mode: 0o600,
  });
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`, { mode: 0o600 });
  const config: Running['config'] = (change = {}) => `node: { name: p, region: r }
workers: ${workers}
io: ${io}
admin: { listen: "127.0.0.1:${admin}", tokens: ./tokens.yaml }
access_log: { sample: 1, file: ./access.log }
timeouts: { drain: 200ms }
listeners:
  - { listen: "127.0.0.1:${port}", protocol: http, pool: web }
${change.listeners ?? ''}pools:
  web: { endpoints: [ { address: "127.0.0.1:${change.pool ?? ports[0]}" }, { address: "127.0.0.1:${ports[1]}", weight: 0 } ] }
${change.extra ?? extra}`;
  writeFileSync(file, config());
  const program = await startMeridian(['proxy', '-c', file], /proxying/);
  const cli: Running['cli'] = (...args) =>
    meridian(['proxy', ...args, '--api', `http://127.0.0.1:${admin}`, '--token-file', join(folder, 'token')]);
  const status = async () => (await (await fetch(`http://127.0.0.1:${admin}/v1/status`)).json()) as Status;
  return { program, port, spare, folder, file, config, cli, status };
}

/** One request; the name of the backend, and the port of our end of the connection. */
function ask(
  port: number,
  agent: Agent,
  path = '/',
): Promise<{ body: string; from: number; status: number }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, agent, path }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () =>
        resolve({ body, from: outgoing.socket?.localPort ?? 0, status: response.statusCode ?? 0 }),
      );
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const TIERS = [
  ['batched', 2],
  ['portable', 1],
] as const;

describe.each(TIERS)('a proxy on %s with %d worker(s)', (io, workers) => {
  it('takes a changed file without dropping a connection or a request', async () => {
    const proxy = await start(io, workers);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await ask(proxy.port, agent);
    expect(first.body).toBe('one');

    let asked = 0;
    const failures: unknown[] = [];
    const others = new Agent({ keepAlive: true, maxSockets: 8 });
    let busy = true;
    const load = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (busy) {
          await ask(proxy.port, others).catch((error: unknown) => failures.push(error));
          asked++;
        }
      }),
    );
    const stop = async (): Promise<void> => {
      busy = false;
      await load;
    };
    onTestFinished(stop);
    for (let round = 1; round <= 4; round++) {
      const pool = ports[round % 2]!;
      const listeners =
        round % 2 === 1 ? `  - { listen: "127.0.0.1:${proxy.spare}", protocol: http, pool: web }\n` : '';
      const text = proxy.config({ pool, listeners });
      writeFileSync(
        proxy.file,
        pool === ports[1] ? text.replace(`, { address: "127.0.0.1:${ports[1]}", weight: 0 }`, '') : text,
      );
      proxy.program.kill('SIGHUP');
      await until('the change', async () => (await proxy.status()).configuration.applied === round);
      const { body, from } = await ask(proxy.port, agent);
      expect({ body, from }).toEqual({ body: round % 2 === 1 ? 'two' : 'one', from: first.from });
      if (round % 2 === 1) expect((await ask(proxy.spare, new Agent())).body).toBe('two');
      else await until('the end of the listener', () => isRefused(proxy.spare));
    }
    await stop();
    expect(failures).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    agent.destroy();
    others.destroy();
  });

  it('refuses a file with mistakes, says where they are, and goes on', async () => {
    const proxy = await start(io, workers);
    writeFileSync(proxy.file, proxy.config().replace('pool: web', 'pool: wbe'));
    await until('the refusal', async () => (await proxy.status()).configuration.refused > 0);
    const { stdout } = await proxy.cli('status');
    expect(stdout).toContain('PROBLEMS');
    expect(stdout).toMatch(/proxy\.yaml:8:\d+: listeners\[0\]\.pool: there is no pool "wbe"/);
    expect((await ask(proxy.port, new Agent())).body).toBe('one');
    writeFileSync(proxy.file, proxy.config());
    await until('no problems', async () => (await proxy.status()).configuration.problems.length === 0);
  });

  it('keeps all where a new listener cannot be opened', async () => {
    const proxy = await start(io, workers);
    const listeners = `  - { listen: "127.0.0.1:${ports[0]}", protocol: http, pool: web }\n`;
    writeFileSync(proxy.file, proxy.config({ listeners }));
    proxy.program.kill('SIGHUP');
    await until('the refusal', async () => (await proxy.status()).configuration.refused > 0);
    expect((await proxy.status()).configuration.problems[0]).toContain('is in use');
    expect((await ask(proxy.port, new Agent())).body).toBe('one');
  });

  it('takes orders for endpoints, and keeps them over a reload', async () => {
    const proxy = await start(io, workers);
    const [one, two] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
    const drained = await proxy.cli('drain', 'web', one);
    expect(drained).toMatchObject({ code: 0, stderr: '' });
    expect(drained.stdout).toBe(`${one} of pool web: draining, weight 1, 0 in progress\n`);
    await until('the other endpoint', async () => (await ask(proxy.port, new Agent())).body === 'two');
    writeFileSync(proxy.file, proxy.config({ extra: 'limits: { upstream_idle: 7 }\n' }));
    proxy.program.kill('SIGHUP');
    await until('the change', async () => (await proxy.status()).configuration.applied === 1);
    expect((await ask(proxy.port, new Agent())).body).toBe('two');
    expect((await proxy.cli('resume', 'web', one)).code).toBe(0);
    await until('the other endpoint', async () => (await ask(proxy.port, new Agent())).body === 'one');
    expect((await proxy.cli('weight', 'web', one, '0')).code).toBe(0);
    expect((await proxy.cli('weight', 'web', two, '5')).code).toBe(0);
    await until('the other endpoint', async () => (await ask(proxy.port, new Agent())).body === 'two');
    const { stdout } = await proxy.cli('status');
    expect(stdout).toContain('5 (of 0)');
    expect((await proxy.cli('weight', 'web', two, 'reset')).code).toBe(0);
    expect((await proxy.status()).pools[0]!.endpoints.map(({ weight }) => weight)).toEqual([0, 0]);
    const unknown = await proxy.cli('drain', 'web', '127.0.0.1:1');
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stderr).toContain(`pool web has no endpoint 127.0.0.1:1; there are ${one}, ${two}`);
  });

  it('logs requests, and counts them', async () => {
    const proxy = await start(io, workers);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await ask(proxy.port, agent, '/a/b?secret=1');
    await ask(proxy.port, agent, '/failing?status=503');
    const lines = () =>
      readFileSync(join(proxy.folder, 'access.log'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    await until('two lines', () => lines().length === 2);
    expect(lines()).toMatchObject([
      {
        client: '127.0.0.1',
        listener: `127.0.0.1:${proxy.port}`,
        protocol: 'HTTP/1.1',
        method: 'GET',
        host: `127.0.0.1:${proxy.port}`,
        path: '/a/b',
        status: 200,
        bytes_in: 0,
        pool: 'web',
        endpoint: `127.0.0.1:${ports[0]}`,
      },
      { path: '/failing', status: 503 },
    ]);
    expect(Number(lines()[0]!['duration_ms'])).toBeGreaterThan(0);
    expect(Number(lines()[0]!['upstream_ms'])).toBeGreaterThan(0);
    expect(JSON.stringify(lines())).not.toContain('secret');
    expect((await proxy.status()).pools[0]!.endpoints[0]).toMatchObject({ requests: 2, errors: 1 });
    agent.destroy();
  });
});

/** For a second, a listener that goes still takes connections that were on their way. */
async function isRefused(port: number): Promise<boolean> {
  try {
    await ask(port, new Agent());
    return false;
  } catch (error) {
    return String(error).includes('ECONNREFUSED');
  }
}
