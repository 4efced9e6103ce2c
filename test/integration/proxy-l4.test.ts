import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificate, hasOpenssl } from '../support/certificate.js';
import { digShort, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { networkUnavailable } from '../support/network-rig.js';
import { startNode, type TestNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, run, startMeridian } from '../support/process.js';

const execute = promisify(execFile);

const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
pools: { here: { endpoints: [{ A: 192.0.2.1 }] }, nine: { endpoints: [{ A: 192.0.2.9 }] } }
records:
  place: { type: A, dynamic: { rules: [ { pool: nine, subnets: [ 127.0.0.9/32 ] }, { pool: here } ] } }
  long: { type: TXT, values: [ "${'x'.repeat(250)}", "${'y'.repeat(250)}", "${'z'.repeat(250)}" ] }
`;

const hasDig = isInstalled('dig', '-v');
const hasDnsperf = isInstalled('dnsperf', '-h');
const hasCurl = isInstalled('curl', '--version');

describe.each(['batched', 'portable'] as const)('meridian proxy with io: %s', (io) => {
  const missing = io === 'batched' && networkUnavailable !== undefined;
  let node: TestNode;
  let folder: string;
  let ports: readonly number[];
  const servers: Server[] = [];

  /** A TLS server that answers any HTTP request with its name and the name that the client asked for. */
  async function tlsServer(name: string): Promise<number> {
    const server = createServer(certificate(), (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        const body = `${name} ${String(socket.servername)}\n`;
        socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  beforeAll(async () => {
    if (missing) return;
    const dns = { proxy_protocol: { from: ['127.0.0.1'] } };
    node = await startNode({ zones: { 'serve.test.yaml': ZONE }, config: { dns } });
    folder = temporaryFolder();
    ports = await freePorts(4);
    const [one, two] = hasOpenssl ? [await tlsServer('one'), await tlsServer('two')] : [1, 2];
    writeFileSync(
      join(folder, 'proxy.yaml'),
      `node: { name: p, region: r }
io: ${io}
workers: 1
admin: { listen: "127.0.0.1:${ports[2]}" }
listeners:
  - { listen: "127.0.0.1:${ports[0]}", protocol: udp, pool: dns, udp: { idle: 2s, answers: 1 } }
  - { listen: "127.0.0.1:${ports[0]}", protocol: tcp, pool: dns }
  - { listen: "127.0.0.1:${ports[1]}", protocol: tls_passthrough, sni: { www.example.com: one, "*.example.org": two } }
pools:
  dns: { endpoints: [ { address: "127.0.0.1:${node.port}" } ], proxy_protocol: v2 }
  one: { endpoints: [ { address: "127.0.0.1:${one}" } ] }
  two: { endpoints: [ { address: "127.0.0.1:${two}" } ] }
`,
    );
    await startMeridian(['proxy'], /"msg":"proxying"/, { cwd: folder });
  });

  afterAll(async () => {
    for (const server of servers) server.close();
    await endPrograms();
    removeFolders();
  });

  async function metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${ports[2]}/metrics`)).text();
  }

  it.skipIf(missing || !hasDig)(
    'answers dig over UDP and TCP, and the DNS node knows the client',
    async () => {
      const server = { host: '127.0.0.1', port: ports[0]! };
      expect(await digShort(server, 'place.serve.test')).toEqual(['192.0.2.1']);
      expect(await digShort(server, '-b', '127.0.0.9', 'place.serve.test')).toEqual(['192.0.2.9']);
      expect(await digShort(server, '+tcp', '-b', '127.0.0.9', 'place.serve.test')).toEqual(['192.0.2.9']);
      expect((await digShort(server, 'long.serve.test', 'TXT'))[0]!.length).toBeGreaterThan(250);
      expect(await metrics()).toContain(
        `meridian_proxy_connections_active{listener="127.0.0.1:${ports[0]}"} 0`,
      );
    },
  );

  it.skipIf(missing || !hasDnsperf)('loses no query of dnsperf', async () => {
    writeFileSync(join(folder, 'queries'), 'place.serve.test A\nserve.test SOA\n');
    const { stdout } = await run('dnsperf', [
      ...['-s', '127.0.0.1', '-p', String(ports[0]), '-d', join(folder, 'queries')],
      ...['-n', '1000', '-c', '10', '-q', '50'],
    ]);
    expect(stdout).toMatch(/Queries completed:\s+2000 \(100\.00%\)/);
  });

  it.skipIf(missing || !hasOpenssl || !hasCurl)('leads curl to the endpoint of its name', async () => {
    const curl = async (name: string): Promise<string> => {
      const resolve = `${name}:${ports[1]}:127.0.0.1`;
      const { stdout } = await execute('curl', ['-sk', '--resolve', resolve, `https://${name}:${ports[1]}/`]);
      return stdout;
    };
    expect(await curl('www.example.com')).toBe('one www.example.com\n');
    expect(await curl('a.b.example.org')).toBe('two a.b.example.org\n');
  });

  it.skipIf(missing || !hasOpenssl)('leads openssl too, and tells it why when there is no way', async () => {
    const client = (...args: readonly string[]) =>
      run('openssl', ['s_client', '-connect', `127.0.0.1:${ports[1]}`, ...args]);
    const good = await client('-servername', 'www.example.com', '-tls1_2');
    expect(good.stdout).toContain('CN = www.example.com');
    const unknown = await client('-servername', 'other.example.net');
    expect(`${unknown.stdout}${unknown.stderr}`).toMatch(/unrecognized name/);
    const nameless = await client('-noservername');
    expect(`${nameless.stdout}${nameless.stderr}`).toMatch(/missing extension|alert number 109/);
    expect(await metrics()).toContain(`event="hello_unknown_name"} 1`);
  });
});
