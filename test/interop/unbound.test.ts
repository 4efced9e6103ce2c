import { createSocket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dig, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, startProgram } from '../support/process.js';
import { until } from '../support/until.js';

/** A delegation has no port in it: the servers of this little world need port 53. */
const PARENT = '127.0.53.1';
const OURS = '127.0.53.2';

const missing = [
  ...['dig', 'unbound', 'nsd'].filter((tool) => !isInstalled(tool, tool === 'dig' ? '-v' : '-h')),
  ...((await mayUse(OURS)) && (await mayUse(PARENT)) ? [] : ['port 53']),
];

const TITLE = missing.length > 0 ? `unbound (skipped: no ${missing.join(', no ')})` : 'unbound';

const ZONE = `zone: gslb.example.test
ttl: 30
nameservers: { ns1: { A: ${OURS} } }
soa: { contact: hostmaster.example.test }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 198.51.100.1 }] }
  ap: { endpoints: [{ A: 203.0.113.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU, AF], pool: eu }, { geos: [AS, OC], pool: ap }, { pool: us }] } }
  a.deep.name: { type: A, value: 192.0.2.9 }
  alias: { type: CNAME, value: www.gslb.example.test. }
  "":
    - { type: ALIAS, value: www.gslb.example.test. }
    - { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { ipv4hint: auto } } }
  old: { type: DNAME, value: deep.name.gslb.example.test. }
  long: { type: TXT, values: [${Array.from({ length: 30 }, (_, i) => `"${`${i}`.padEnd(60, 'x')}"`).join()}] }
`;

const SOA = '@ 300 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60';
const PARENT_ZONES = {
  root: `$ORIGIN .\n${SOA}\n@ 300 IN NS ns.test.\nns.test. 300 IN A ${PARENT}\nexample.test. 300 IN NS ns.test.\n`,
  'example.test': `$ORIGIN example.test.\n${SOA}\n@ 300 IN NS ns.test.\nwww 300 IN A 192.0.2.200\ngslb 300 IN NS ns1.gslb\nns1.gslb 300 IN A ${OURS}\n`,
};

describe.skipIf(missing.length > 0)(TITLE, () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startNode({
      zones: { 'gslb.example.test.yaml': ZONE },
      config: { dns: { listen: [`${OURS}:53`] }, geo: { database: 'embedded' } },
    });
    await startParent();
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  describe.each([
    { transport: 'UDP', settings: ['tcp-upstream: no'] },
    { transport: 'TCP', settings: ['tcp-upstream: yes'] },
  ])('that asks over $transport, with 0x20 and minimised names', ({ transport, settings }) => {
    let port: number;
    beforeAll(async () => {
      port = await startResolver(['module-config: "iterator"', ...settings]);
    });

    const resolve = (...question: readonly string[]) => dig({ port }, '+rec', ...question);

    it('follows the delegation and resolves the geo name', async () => {
      const before = await requests(node, transport);
      const answer = await resolve('www.gslb.example.test', 'A');
      expect([answer.status, answer.answers]).toEqual([
        'NOERROR',
        ['www.gslb.example.test. 30 IN A 198.51.100.1'],
      ]);
      expect(answer.flags).toContain('ra');
      expect(await requests(node, transport)).toBeGreaterThan(before);
    });

    it('finds names below empty ones, which minimised queries ask for first', async () => {
      const answer = await resolve('a.deep.name.gslb.example.test', 'A');
      expect(answer.answers).toEqual(['a.deep.name.gslb.example.test. 30 IN A 192.0.2.9']);
    });

    it('follows an alias', async () => {
      const { answers } = await resolve('alias.gslb.example.test', 'A');
      expect(answers).toEqual([
        'alias.gslb.example.test. 30 IN CNAME www.gslb.example.test.',
        expect.stringMatching(/^www\.gslb\.example\.test\. \d+ IN A 198\.51\.100\.1$/),
      ]);
    });

    // The made name keeps the random case of the question.
    it('follows a DNAME', async () => {
      const { answers } = await resolve('a.old.gslb.example.test', 'A');
      expect(answers).toEqual([
        'old.gslb.example.test. 30 IN DNAME deep.name.gslb.example.test.',
        expect.stringMatching(
          /^a\.old\.gslb\.example\.test\. \d+ IN CNAME a\.deep\.name\.gslb\.example\.test\.$/i,
        ),
        expect.stringMatching(/^a\.deep\.name\.gslb\.example\.test\. \d+ IN A 192\.0\.2\.9$/i),
      ]);
    });

    it('gets the addresses of an ALIAS at the apex, and hints that are the same', async () => {
      expect((await resolve('gslb.example.test', 'A')).answers).toEqual([
        'gslb.example.test. 30 IN A 198.51.100.1',
      ]);
      expect((await resolve('gslb.example.test', 'HTTPS')).answers).toEqual([
        'gslb.example.test. 30 IN HTTPS 1 . ipv4hint=198.51.100.1',
      ]);
    });

    it('gets an answer that does not fit into a datagram', async () => {
      expect((await resolve('long.gslb.example.test', 'TXT', '+tcp')).answers).toHaveLength(30);
    });

    it.each([
      { question: ['nope.gslb.example.test', 'A'], status: 'NXDOMAIN' },
      { question: ['www.gslb.example.test', 'AAAA'], status: 'NOERROR' },
      { question: ['deep.name.gslb.example.test', 'A'], status: 'NOERROR' },
    ])('takes the negative answer to $question', async ({ question, status }) => {
      const answer = await resolve(...question);
      expect([answer.status, answer.answers]).toEqual([status, []]);
      expect(answer.authorities[0]).toMatch(/^gslb\.example\.test\. \d+ IN SOA /);
    });
  });

  it('that sends client subnets gets the region of each, and keeps it for the scope', async () => {
    const port = await startResolver([
      'module-config: "subnetcache iterator"',
      `send-client-subnet: ${OURS}`,
      'client-subnet-always-forward: yes',
      'max-client-subnet-ipv4: 24',
    ]);
    const ask = (subnet: string) => dig({ port }, '+rec', 'www.gslb.example.test', 'A', `+subnet=${subnet}`);
    const answers = async (subnet: string) =>
      (await ask(subnet)).answers.map((line) => line.split(' ').at(-1));
    expect(await answers('53.0.0.0/24')).toEqual(['192.0.2.1']);
    expect(await answers('133.11.0.0/24')).toEqual(['203.0.113.1']);
    expect(await answers('8.8.8.0/24')).toEqual(['198.51.100.1']);
    // 53.0.0.0/8 is all in one country: another client of it is answered from the cache.
    const before = await requests(node, 'UDP');
    expect(await answers('53.200.0.0/24')).toEqual(['192.0.2.1']);
    expect(await requests(node, 'UDP')).toBe(before);
  });
});

async function startParent(): Promise<void> {
  const folder = temporaryFolder();
  const zones = Object.entries(PARENT_ZONES).map(([name, text]) => {
    const file = join(folder, `${name}.zone`);
    writeFileSync(file, text);
    return `zone:\n  name: "${name === 'root' ? '.' : name}"\n  zonefile: "${file}"\n`;
  });
  const files = ['xfrdfile', 'zonelistfile', 'pidfile'].map((key) => `  ${key}: "${join(folder, key)}"`);
  const server = [
    `  ip-address: ${PARENT}@53`,
    '  username: ""',
    '  server-count: 1',
    ...files,
    `  xfrdir: "${folder}"`,
  ];
  const control = 'remote-control:\n  control-enable: no\n';
  const config = join(folder, 'nsd.conf');
  writeFileSync(config, `server:\n${server.join('\n')}\n${control}${zones.join('')}`);
  await startProgram('nsd', ['-d', '-c', config], /nsd started/);
  await until('the parent zone', async () =>
    (await dig({ host: PARENT, port: 53 }, 'example.test', 'SOA')).flags.includes('aa'),
  );
}

async function startResolver(settings: readonly string[]): Promise<number> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'run'));
  const [port] = (await freePorts(1)) as [number];
  writeFileSync(join(folder, 'root.hints'), `. 300 IN NS ns.test.\nns.test. 300 IN A ${PARENT}\n`);
  const server = [
    `interface: 127.0.0.1@${port}`,
    ...['username: ""', 'chroot: ""', `directory: "${folder}"`, `pidfile: "${join(folder, 'run/pid')}"`],
    ...['use-syslog: no', 'logfile: ""', 'verbosity: 1', 'do-daemonize: no', 'do-ip6: no', 'num-threads: 1'],
    ...[
      'do-not-query-localhost: no',
      `root-hints: "${join(folder, 'root.hints')}"`,
      'local-zone: "test." nodefault',
    ],
    ...['use-caps-for-id: yes', 'qname-minimisation: yes', 'qname-minimisation-strict: yes'],
    ...settings,
  ];
  const config = join(folder, 'unbound.conf');
  writeFileSync(
    config,
    `server:\n${server.map((line) => `  ${line}\n`).join('')}remote-control:\n  control-enable: no\n`,
  );
  await startProgram('unbound', ['-d', '-c', config], /start of service/);
  return port;
}

function requests(node: TestNode, transport: string): Promise<number> {
  return node.metric(`meridian_dns_requests_total{transport="${transport.toLowerCase()}",family="4"}`);
}

function mayUse(host: string): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port: 53, address: host, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
