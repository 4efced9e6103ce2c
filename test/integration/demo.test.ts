import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoArguments, demoPorts, startDemo, type TestDemo } from '../support/demo.js';
import { dig, digShort, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { endPrograms, meridian, run } from '../support/process.js';
import { until } from '../support/until.js';

const hasDig = isInstalled('dig', '-v');

let demo: TestDemo;
beforeAll(async () => {
  demo = await startDemo(temporaryFolder());
});
afterAll(async () => {
  await endPrograms();
  removeFolders();
});

/** Subnet of a country, and the region that the demo's zone gives it. */
const CLIENTS = [
  { country: 'DE', subnet: '53.0.0.0/8', address: '127.0.1.1', region: 'eu' },
  { country: 'DE', subnet: '2a02:2e0::/32', address: '127.0.1.1', region: 'eu' },
  { country: 'US', subnet: '8.8.8.0/24', address: '127.0.2.1', region: 'us' },
  { country: 'US', subnet: '2600::/32', address: '127.0.2.1', region: 'us' },
  { country: 'JP', subnet: '133.11.0.0/16', address: '127.0.3.1', region: 'ap' },
  { country: 'JP', subnet: '2400:2410::/32', address: '127.0.3.1', region: 'ap' },
];

const HELLO = /^Hello from region (\w+), endpoint 127\.0\./;

describe.skipIf(!hasDig)('meridian demo (skipped where dig is not installed)', () => {
  it('answers within 10 s of work after its start', async () => {
    await dig({ port: demo.ports['dns-port'] }, 'www.demo.test', 'A');
    const { startedInMs, startedWithMs } = demo;
    process.stdout.write(
      `measured: the demo introduced itself after ${Math.round(startedInMs)} ms, ${startedWithMs} ms of work\n`,
    );
    // Of work, since a machine may be busy with something else.
    expect(startedWithMs).toBeLessThan(10_000);
  });

  it.each(CLIENTS)(
    'sends $subnet ($country) to $address, with a scope that the database bears out',
    async (client) => {
      const server = { port: demo.ports['dns-port'] };
      const answer = await dig(server, 'www.demo.test', 'A', `+subnet=${client.subnet}`);
      expect(answer.status).toBe('NOERROR');
      expect(answer.flags).toContain('aa');
      expect(answer.answers).toEqual([`www.demo.test. 5 IN A ${client.address}`]);
      const known = await locate(client.subnet);
      expect(known.location.country).toBe(client.country);
      expect(answer.scope).toBeGreaterThan(0);
      expect(answer.scope).toBeLessThanOrEqual(Number(known.prefix.split('/')[1]));
    },
  );

  it('answers the same on ::1 and over TCP', async () => {
    const port = demo.ports['dns-port'];
    const question = ['www.demo.test', 'A', '+subnet=53.0.0.0/8'];
    expect(await digShort({ host: '::1', port }, ...question)).toEqual(['127.0.1.1']);
    expect(await digShort({ port }, ...question, '+tcp')).toEqual(['127.0.1.1']);
    expect(await digShort({ host: '::1', port }, ...question, '+tcp')).toEqual(['127.0.1.1']);
  });

  it.skipIf(!isInstalled('curl', '--version')).each(CLIENTS)(
    'leads curl from $subnet to the region $region by its answer (skipped where curl is not installed)',
    async ({ subnet, region }) => {
      const [address] = await digShort(
        { port: demo.ports['dns-port'] },
        'www.demo.test',
        `+subnet=${subnet}`,
      );
      const site = `www.demo.test:${demo.ports['http-port']}`;
      const { code, stdout } = await run('curl', [
        '-s',
        '--resolve',
        `${site}:${address}`,
        `http://${site}/`,
      ]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(HELLO) });
      expect(HELLO.exec(stdout)?.[1]).toBe(region);
    },
  );

  it('probes its proxies on the port that was chosen', async () => {
    const targets = await until('every target up for both observers', async () => {
      const { stdout } = await meridian(statusArguments(demo));
      const { health } = JSON.parse(stdout) as {
        health: readonly { observers: readonly { view: string }[] }[];
      };
      return health.every(({ observers }) => observers.every(({ view }) => view === 'up')) && health;
    });
    expect(targets).toHaveLength(3);
  });

  it('says nothing of deprecated calls', () => {
    expect(demo.program.output).not.toMatch(/Deprecat/);
  });

  it('leaves a region that is stopped within 3 s, and comes back', async () => {
    const ask = () =>
      digShort({ port: demo.ports['dns-port'] }, 'www.demo.test', '+subnet=53.0.0.0/8').then(String);
    await demo.turn('eu', 'stop');
    const fromMs = performance.now();
    await until('the answer of another region', async () => (await ask()) === '127.0.2.1', 3_000);
    const leftMs = performance.now() - fromMs;
    await demo.turn('eu', 'start');
    const againMs = performance.now();
    await until('the region again', async () => (await ask()) === '127.0.1.1', 3_000);
    const backMs = performance.now() - againMs;
    process.stdout.write(
      `measured: left after ${Math.round(leftMs)} ms, back after ${Math.round(backMs)} ms\n`,
    );
  });

  it.each([
    { taken: 'dns-port', host: '127.0.0.1' },
    { taken: 'api-port', host: '127.0.0.1' },
    { taken: 'http-port', host: '127.0.2.1' },
    { taken: 'endpoint-port', host: '127.0.3.11' },
    { taken: 'proxy-admin-port', host: '127.0.1.1' },
    { taken: 'switch-port', host: '127.0.0.1' },
  ] as const)('names the option where the $taken is taken, and ends with 1', async ({ taken, host }) => {
    const ports = await demoPorts();
    const other = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => other.listen(ports[taken], host, done));
    try {
      const ended = await meridian(demoArguments(ports, temporaryFolder()));
      expect(ended.stderr).toContain(`--${taken}`);
      expect(ended.stderr).toContain(String(ports[taken]));
      expect(ended).toMatchObject({ code: 1, stdout: '' });
    } finally {
      await new Promise((done) => other.close(done));
    }
  });

  it('ends everything on SIGINT with exit code 0 and frees its ports, whatever its clients do', async () => {
    const slow = connect(demo.ports['http-port'], '127.0.1.1').on('error', () => {});
    slow.write('GET / HTT');
    await once(slow, 'connect');
    const fromMs = performance.now();
    const ended = await demo.program.end('SIGINT');
    expect(ended.code).toBe(0);
    expect(performance.now() - fromMs).toBeLessThan(5000);
    const hosts = ['127.0.0.1', '127.0.1.1', '127.0.2.11'];
    for (const port of Object.values(demo.ports)) {
      for (const host of hosts) await expect(bind(host, port)).resolves.toBe(port);
    }
  });
});

/** What `meridian geo lookup` says of the first address of a prefix. */
async function locate(subnet: string): Promise<{ prefix: string; location: { country?: string } }> {
  const { stdout } = await meridian(['geo', 'lookup', subnet.split('/')[0]!, '--json']);
  return JSON.parse(stdout) as { prefix: string; location: { country?: string } };
}

function statusArguments({ ports, state }: TestDemo): readonly string[] {
  const api = `http://127.0.0.1:${ports['api-port']}`;
  return ['status', '--json', '--api', api, '--token-file', `${state}/admin.token`];
}

function bind(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => server.close(() => resolve(port)));
  });
}
