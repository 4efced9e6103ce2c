import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { endPrograms, run, startMeridian } from '../support/process.js';

const hasCurl = isInstalled('curl', '--version');

/** Every backend says its name, and what it was asked for. */
const POOLS = ['web', 'shop', 'static', 'writers', 'beta'] as const;

function configOf(ports: readonly number[]): string {
  const pools = POOLS.map((name, i) => `  ${name}: { endpoints: [ { address: "127.0.0.1:${ports[i]}" } ] }`);
  return `node: { name: p1, region: r1 }
workers: 1
admin: { listen: off }
listeners:
  - listen: "127.0.0.1:0"
    protocol: http
    routes: &routes
      - { match: { host: "*.shop.example", path_prefix: /cart }, pool: shop, rewrite: { prefix: /, host: cart.internal } }
      - { match: { path_pattern: "/[^/]+\\\\.(css|js)" }, pool: static, headers: { response: { set: { Cache-Control: "max-age=60" } } } }
      - { match: { methods: [ POST, PUT ] }, pool: writers }
      - { match: { headers: { X-Version: beta } }, pool: beta }
      - { match: { cookies: { canary: "1" } }, pool: beta }
      - { match: { query: { preview: { present: true } } }, priority: 10, pool: beta }
      - { match: { path_prefix: /docs }, redirect: { status: 308, pattern: "/docs/(.*)", to: "/help/$1" } }
      - { match: { path: /robots.txt }, respond: { status: 200, body: "Disallow: /\\n" } }
      - { pool: web }
  - { listen: "127.0.0.1:0", protocol: http, http2: on, routes: *routes }
pools:
${pools.join('\n')}
`;
}

describe.skipIf(!hasCurl)('routes with curl (skipped where curl is not installed)', () => {
  const servers: Server[] = [];
  let ports: readonly number[];

  beforeAll(async () => {
    for (const name of POOLS) {
      const server = createServer((request, response) => {
        request.resume();
        request.on('end', () => response.end(`${name} ${request.headers.host} ${request.url}\n`));
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      servers.push(server);
    }
    const file = join(temporaryFolder(), 'proxy.yaml');
    writeFileSync(file, configOf(servers.map((server) => (server.address() as AddressInfo).port)));
    const program = await startMeridian(['proxy', '--config', file], /proxying/);
    ports = /"ports":\[(\d+),(\d+)\]/.exec(program.output)!.slice(1).map(Number);
  });
  afterAll(async () => {
    await endPrograms();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    removeFolders();
  });

  describe.each([
    ['--http1.1', 0],
    ['--http2-prior-knowledge', 1],
  ] as const)('%s', (version, at) => {
    async function curl(path: string, ...args: readonly string[]): Promise<string> {
      const url = `http://127.0.0.1:${ports[at]}${path}`;
      const { stdout } = await run('curl', ['-sS', '--path-as-is', '-m', '10', version, ...args, url]);
      return stdout;
    }

    it.each<[string, string, readonly string[], string]>([
      ['no condition', '/', [], 'web 127.0.0.1'],
      [
        'a wildcard host and a rewritten path',
        '/cart/1?a=b',
        ['-H', 'Host: eu.shop.example'],
        'shop cart.internal /1?a=b',
      ],
      [
        'the same path in other words',
        '/x/../cart/%31',
        ['-H', 'Host: eu.shop.example'],
        'shop cart.internal /1',
      ],
      ['a pattern', '/site.css', [], 'static 127.0.0.1'],
      ['a method', '/any', ['-d', 'x=1'], 'writers 127.0.0.1'],
      ['a header', '/any', ['-H', 'x-version: beta'], 'beta 127.0.0.1'],
      ['a cookie', '/any', ['-b', 'a=b; canary=1'], 'beta 127.0.0.1'],
      ['a parameter, by priority', '/site.css?preview', [], 'beta 127.0.0.1'],
      ['a fixed response', '/robots.txt', [], 'Disallow: /'],
    ])('by %s', async (_, path, args, answer) => {
      expect(await curl(path, ...args)).toContain(answer);
    });

    it('changes the response', async () => {
      expect(await curl('/site.js', '-i')).toMatch(/^HTTP\/\S+ 200[\s\S]*\r\nCache-Control: max-age=60\r\n/i);
    });

    it('redirects with the query', async () => {
      expect(await curl('/docs/a?b', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}')).toBe(
        `308 http://127.0.0.1:${ports[at]}/help/a?b`,
      );
    });

    // curl 7.88 can't use an HTTP/2 connection twice that it opened without an upgrade.
    it.skipIf(version !== '--http1.1')('redirects, and curl follows', async () => {
      expect(await curl('/docs/a?b', '-L', '-w', '%{num_redirects}')).toMatch(/^web \S+ \/help\/a\?b\n1$/);
    });
  });

  it('refuses a file with a wrong route, with line and column', async () => {
    const file = join(temporaryFolder(), 'proxy.yaml');
    writeFileSync(file, configOf([1, 2, 3, 4, 5]).replace('pool: writers', 'pool: writer'));
    const program = await run(process.execPath, ['dist/main.js', 'proxy', '--config', file]);
    expect(program.code).toBe(1);
    expect(program.stderr).toMatch(/:10:\d+: listeners\[0\]\.routes\[2\]\.pool: there is no pool "writer"/);
  });
});
