import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { endPrograms, run, startMeridian } from '../support/process.js';

const hasCurl = isInstalled('curl', '--version');
const PAGE = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');

/** The examples below a heading of docs/proxy.md. */
function examplesOf(heading: string): readonly string[] {
  const section = PAGE.split('\n## ').find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

describe.skipIf(!hasCurl)(
  "sticky sessions with curl's cookie jar (skipped where curl is not installed)",
  () => {
    const servers: Server[] = [];
    const ports: number[] = [];
    let failing = false;
    const folder = temporaryFolder();

    beforeAll(async () => {
      for (let i = 0; i < 2; i++) {
        const server = createServer((request, response) => {
          if (request.url === '/login') response.setHeader('Set-Cookie', 'JSESSIONID=7; Path=/');
          if (request.url?.startsWith('/news')) response.setHeader('Cache-Control', 'max-age=1');
          if (failing) response.statusCode = 503;
          response.end(`endpoint ${i}`);
        });
        await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
        servers.push(server);
        ports.push((server.address() as AddressInfo).port);
      }
      writeFileSync(join(folder, 'sticky.secrets'), '000102030405060708090a0b0c0d0e0f\n', { mode: 0o600 });
    });
    afterAll(async () => {
      await endPrograms();
      closeServers();
      removeFolders();
    });

    function closeServers(): void {
      for (const server of servers.splice(0)) {
        server.close();
        server.closeAllConnections();
      }
    }

    /** An example with the endpoints and ports of this machine; its listeners speak HTTP/2 too. */
    async function start(example: string, name: string): Promise<readonly number[]> {
      const seen: string[] = [];
      const text = example
        .replace(/"10\.[\d.]+:\d+"/g, (address) => {
          if (!seen.includes(address)) seen.push(address);
          return `"127.0.0.1:${ports[seen.indexOf(address) % 2]}"`;
        })
        .replace(/"127\.0\.0\.1:(8080|6379)"/g, '"127.0.0.1:0"')
        .replace(/protocol: http\b/g, 'protocol: http, http2: on')
        .replace('protocol: http, http2: on\n', 'protocol: http\n    http2: on\n')
        .replace(/ {4}health: .*\n/g, '');
      const file = join(folder, `${name}.yaml`);
      writeFileSync(
        file,
        `${text}\nadmin: { listen: off }\n${text.includes('workers') ? '' : 'workers: 2\n'}`,
      );
      const { output } = await startMeridian(['proxy', '-c', file], /proxying/);
      return JSON.parse(/"ports":(\[[\d,]+\])/.exec(output)![1]!) as number[];
    }

    const VERSIONS = ['--http1.1', '--http2-prior-knowledge'] as const;

    async function curl(port: number, path: string, ...args: readonly string[]): Promise<string> {
      const { stdout } = await run('curl', ['-sS', '-m', '10', ...args, `http://127.0.0.1:${port}${path}`]);
      return stdout;
    }

    it('the recipe by cookie holds for both versions, all workers, and two proxies with one secret', async () => {
      const [recipe = ''] = examplesOf('Sticky sessions');
      const [one, other] = await Promise.all([start(recipe, 'one'), start(recipe, 'other')]);
      for (const [i, version] of VERSIONS.entries()) {
        const jar = join(folder, `jar-${i}`);
        const first = await curl(one[0]!, '/', version, '-c', jar, '-D', join(folder, 'head'));
        expect(first).toMatch(/^endpoint \d$/);
        expect(readFileSync(join(folder, 'head'), 'utf8')).toMatch(
          /^set-cookie: stay=[\w-]{28}; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict\r$/im,
        );
        expect(readFileSync(jar, 'utf8')).toMatch(/^#HttpOnly_127\.0\.0\.1\t.*\tstay\t[\w-]{28}$/m);
        for (let n = 0; n < 3; n++) {
          for (const [port = 0] of [one, other]) {
            for (const any of VERSIONS) expect(await curl(port, '/', any, '-b', jar)).toBe(first);
          }
        }
      }
    });

    it("the recipe by an application's cookie and by header", async () => {
      const [, recipe = ''] = examplesOf('Sticky sessions');
      const [port = 0] = await start(recipe, 'three');
      for (const [i, version] of VERSIONS.entries()) {
        const jar = join(folder, `app-${i}`);
        expect(await curl(port, '/', version, '-c', jar, '-b', jar)).toMatch(/^endpoint \d$/);
        expect(readFileSync(jar, 'utf8')).not.toContain('meridian_web');
        const first = await curl(port, '/login', version, '-c', jar, '-b', jar);
        expect(readFileSync(jar, 'utf8')).toContain('meridian_web');
        for (let n = 0; n < 3; n++) expect(await curl(port, '/', version, '-b', jar)).toBe(first);
      }
      const seen = new Map<string, string>();
      for (let n = 0; n < 12; n++) {
        const device = `X-Device: ${n % 6}`;
        const answer = await curl(port, '/api', VERSIONS[n % 2]!, '-H', device);
        expect(seen.get(device) ?? answer).toBe(answer);
        seen.set(device, answer);
      }
    });

    it('the recipe of a fallback: another pool', async () => {
      const [recipe = ''] = examplesOf("When a pool can't serve");
      const dead = recipe.replace(/"10\.0\.[\d.]+:80"/g, (_, at: number) => `"127.0.0.1:${9 + (at % 2)}"`);
      const [port = 0] = await start(dead, 'four');
      for (const version of VERSIONS) expect(await curl(port, '/', version)).toBe('endpoint 0');
    });

    it('the recipe of a fallback: the last good response, and a page', async () => {
      const [recipe = ''] = examplesOf("When a pool can't serve");
      const alone = recipe.replace('"10.9.0.11:80"', '"127.0.0.1:9"').replace(/^node/, 'workers: 1\nnode');
      const [port = 0] = await start(alone, 'five');
      const good = await Promise.all(VERSIONS.map((version, i) => curl(port, `/news?${i}`, version)));
      failing = true;
      for (const [i, version] of VERSIONS.entries()) {
        expect(await curl(port, `/news?${i}`, version, '-i')).toMatch(
          new RegExp(`^HTTP/\\S+ 200[^]*age: \\d\r\n[^]*stale-if-error[^]*${good[i]}$`, 'i'),
        );
        expect(await curl(port, '/other', version, '-i')).toMatch(/^HTTP\/\S+ 503[\s\S]*endpoint \d$/);
      }
      closeServers();
      for (const [i, version] of VERSIONS.entries()) {
        expect(await curl(port, `/news?${i}`, version)).toBe(good[i]);
        expect(await curl(port, '/', version, '-i')).toMatch(
          /^HTTP\/\S+ 503[\s\S]*retry-after: 60[\s\S]*<h1>We are back soon<\/h1>$/i,
        );
      }
    });
  },
);
