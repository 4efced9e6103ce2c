import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadOpenSsl } from '../../src/io/batched/openssl.js';
import { endAll, httpBackend, ok } from '../integration/proxy-rig.js';
import { hasOpenssl } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, MERIDIAN, type Program, run, startMeridian } from '../support/process.js';
import { Authority } from '../support/tls-material.js';
import { until } from '../support/until.js';

const isBuilt = existsSync(MERIDIAN);
const noBatched = 'unavailable' in loadOpenSsl();

let folder = '';
let authority: Authority;
let stranger: Authority;

beforeAll(() => {
  if (!hasOpenssl) return;
  folder = temporaryFolder();
  authority = new Authority(folder);
  stranger = new Authority(folder, 'stranger');
  authority.issue('shop', ['shop.example.com']);
  authority.issue('wild', ['*.example.net']);
  authority.issue('client', ['client.example.com']);
  stranger.issue('bad', ['client.example.com']);
});

afterEach(async () => {
  await endPrograms();
  await endAll();
});

afterAll(removeFolders);

describe.skipIf(!isBuilt || !hasOpenssl).each(['batched', 'portable'] as const)(
  'TLS of the proxy, %s tier (needs npm run build and openssl)',
  (io) => {
    const test = it.skipIf(io === 'batched' && noBatched);

    async function start(tls: string): Promise<{ port: number; plain: number; program: Program }> {
      const endpoint = await httpBackend((head) =>
        ok(/x-forwarded-proto: \w+/i.exec(head)?.[0] ?? 'no proto'),
      );
      const [port = 0, plain = 0] = await freePorts(2);
      const file = join(folder, `proxy-${port}.yaml`);
      writeFileSync(
        file,
        `node: { name: p1, region: r1 }
io: ${io}
workers: 2
admin: { listen: "off" }
listeners:
  - listen: "127.0.0.1:${port}"
    protocol: http
    pool: web
    tls: { certificates: [ { cert: shop.pem, key: shop.key }, { cert: wild.pem, key: wild.key } ]${tls} }
  - { listen: "127.0.0.1:${plain}", protocol: http, pool: front }
pools:
  web: { endpoints: [ { address: "127.0.0.1:${endpoint}" } ] }
  front:
    endpoints: [ { address: "127.0.0.1:${port}" } ]
    tls: { ca: ca.pem, server_name: shop.example.com, certificate: { cert: client.pem, key: client.key } }
`,
      );
      const program = await startMeridian(['proxy', '-c', file], /"proxying"/);
      return { port, plain, program };
    }

    const at = (name: string) => join(folder, name);

    /** `openssl s_client`, which asks for a page and waits for the answer. */
    async function client(port: number, ...options: string[]): Promise<string> {
      const request = 'GET / HTTP/1.1\\r\\nHost: shop.example.com\\r\\nConnection: close\\r\\n\\r\\n';
      const connect = `openssl s_client -connect 127.0.0.1:${port} -CAfile ${at('ca.pem')} ${options.join(' ')}`;
      // With -ign_eof it goes on after its input until the server ends the connection.
      const ended = await run('sh', ['-c', `printf '${request}' | timeout 5 ${connect} -ign_eof 2>&1`]);
      return ended.stdout;
    }

    test.each([
      ['shop.example.com', 'shop'],
      ['a.example.net', 'wild'],
      ['unknown.example.org', 'shop'],
    ])('shows openssl s_client for %s the certificate %s', async (name, subject) => {
      const { port } = await start('');
      const said = await client(port, '-servername', name);
      expect(said).toContain(`subject=CN = ${subject}`);
      expect(said).toContain('Verify return code: 0 (ok)');
      expect(said).toMatch(/x-forwarded-proto: https/i);
    });

    test.each([
      ['-tls1_3', 'TLSv1.3'],
      ['-tls1_2', 'TLSv1.2'],
    ])(
      'resumes with %s at any worker, and agrees on ALPN',
      async (flag, version) => {
        const { port } = await start('');
        const file = at(`session-${io}-${version}`);
        const first = await client(
          port,
          flag,
          '-servername',
          'shop.example.com',
          '-sess_out',
          file,
          '-alpn',
          'h2,http/1.1',
        );
        expect(first).toMatch(new RegExp(`New, ${version}`));
        expect(first).toContain('ALPN protocol: http/1.1');
        // The kernel chooses the worker: of four, some go to the other one.
        for (let i = 0; i < 4; i++) {
          const again = await client(port, flag, '-servername', 'shop.example.com', '-sess_in', file);
          expect(again).toMatch(new RegExp(`Reused, ${version}`));
        }
      },
      30_000,
    );

    test('asks clients for certificates', async () => {
      const { port } = await start(', client_ca: ca.pem');
      const pair = (name: string) => ['-cert', at(`${name}.pem`), '-key', at(`${name}.key`)];
      expect(await client(port, ...pair('client'))).toContain('200 OK');
      expect(await client(port, ...pair('bad'))).not.toContain('200 OK');
      expect(await client(port)).not.toContain('200 OK');
    });

    test('serves curl, and reaches endpoints by TLS', async () => {
      const { port, plain } = await start(', client_ca: ca.pem, min_version: TLSv1.3');
      const fixed = ['-sS', '--max-time', '10', '--cacert', at('ca.pem')];
      const own = ['--cert', at('client.pem'), '--key', at('client.key')];
      const name = ['--resolve', `shop.example.com:${port}:127.0.0.1`, `https://shop.example.com:${port}/`];
      expect((await run('curl', [...fixed, ...own, ...name])).stdout).toMatch(/proto: https/i);
      expect((await run('curl', [...fixed, '-w', '%{http_code}', ...name])).stdout).toBe('000');
      // The second listener is a client of the first one.
      expect((await run('curl', [...fixed, `http://127.0.0.1:${plain}/`])).stdout).toMatch(/proto: https/i);
    });

    test('takes changed certificates over, and refuses a key that does not fit', async () => {
      authority.issue('turning', ['shop.example.com']);
      const files = ['pem', 'key'].map((ending) => at(`shop.${ending}`));
      const kept = files.map((file) => readFileSync(file));
      const { port, program } = await start('');
      try {
        // One file after the other, as programs that renew certificates do it.
        writeFileSync(at('next'), readFileSync(at('turning.key')));
        renameSync(at('next'), at('shop.key'));
        await program.says(/certificates refused/);
        expect(await client(port)).toContain('subject=CN = shop');
        writeFileSync(at('next'), readFileSync(at('turning.pem')));
        renameSync(at('next'), at('shop.pem'));
        await program.says(/certificates changed/);
        await until('the new certificate', async () => (await client(port)).includes('subject=CN = turning'));
      } finally {
        files.forEach((file, i) => {
          writeFileSync(file, kept[i]!);
        });
      }
    }, 30_000);

    test('does not start with a key of another certificate, and says where it is written', async () => {
      const { program } = await start('');
      await program.end();
      const file = at('wrong.yaml');
      writeFileSync(
        file,
        `node: { name: p1, region: r1 }
listeners:
  - listen: "127.0.0.1:0"
    protocol: tcp
    pool: web
    tls: { certificates: [ { cert: shop.pem, key: wild.key } ] }
pools:
  web: { endpoints: [ { address: "127.0.0.1:1" } ] }
`,
      );
      const { code, stderr } = await run(process.execPath, [MERIDIAN, 'proxy', '-c', file]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/wrong\.yaml:6:\d+: .*wild\.key is not the private key of .*shop\.pem/);
    });
  },
);
