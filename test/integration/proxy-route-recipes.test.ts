import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RegionalProxy } from '../../src/proxy/regional-proxy.js';
import { RouteBook } from '../../src/proxy/route-book.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import { networkUnavailable, startNetwork } from '../support/network-rig.js';
import { endAll, exchange, httpBackend, ok, waitFor } from './proxy-rig.js';

const cleanups: (() => void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  await endAll();
});

/** Runs the first example below a heading of docs/proxy.md, with other addresses and what else is replaced. */
async function run(
  io: 'batched' | 'portable',
  heading: string,
  replaced: Readonly<Record<string, string>>,
): Promise<{ readonly port: number; readonly book: RouteBook }> {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  let text = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf(`\n${heading}\n`)))![1]!;
  for (const [from, to] of Object.entries({ '0.0.0.0:8080': '127.0.0.1:0', ...replaced })) {
    expect(text).toContain(from);
    text = text.replaceAll(from, to);
  }
  const loaded = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
  if ('problems' in loaded) throw new Error(loaded.problems[0]!.message);
  const book = new RouteBook([new Uint8Array(16)]);
  const { network, close } = startNetwork(io);
  const proxy = new RegionalProxy(book.place(loaded.config), network, { sharing: book.shared });
  cleanups.push(() => {
    proxy.destroy();
    close();
  });
  expect(await proxy.listen()).toEqual([]);
  return { port: proxy.listeners[0]!.port, book };
}

const get = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}Connection: close\r\n\r\n`;

for (const io of ['batched', 'portable'] as const) {
  const missing = io === 'batched' ? networkUnavailable : undefined;
  describe.skipIf(missing !== undefined)(`examples of docs/proxy.md, ${io} tier`, () => {
    it('share requests between pools by weight, and keep a client where it is', async () => {
      const [blue, green] = [await httpBackend(() => ok('blue')), await httpBackend(() => ok('green'))];
      const ports = { '10.0.0.11:80': `127.0.0.1:${blue}`, '10.0.0.12:80': `127.0.0.1:${green}` };
      const { port } = await run(io, '## Several pools', ports);
      const drawn = await Promise.all(Array.from({ length: 200 }, () => exchange(port, get('/'))));
      // 50 ± 6: six standard deviations each way.
      const count = drawn.filter((text) => text.endsWith('green')).length;
      expect(count).toBeGreaterThan(13);
      expect(count).toBeLessThan(87);
      const first = await exchange(port, get('/cart'));
      const cookie =
        /\r\nSet-Cookie: (meridian-cart=[0-9a-f]{20}); Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax\r\n/.exec(
          first,
        )![1]!;
      for (let i = 0; i < 5; i++) {
        const again = await exchange(port, get('/cart', `Cookie: ${cookie}\r\n`));
        expect(again).not.toContain('Set-Cookie');
        expect(again.slice(-4)).toBe(first.slice(-4));
      }
      expect(await exchange(port, get('/cart', 'Cookie: meridian-cart=270f0000000000000000\r\n'))).toContain(
        'Set-Cookie',
      );
    });

    it('send copies elsewhere', async () => {
      const seen: string[] = [];
      const web = await httpBackend(() => ok('web'));
      const next = await httpBackend((head) => {
        seen.push(head);
        return ok('copy');
      });
      const { port, book } = await run(io, '## Mirroring', {
        '10.0.0.11:80': `127.0.0.1:${web}`,
        '10.0.0.21:80': `127.0.0.1:${next}`,
        'sample: 0.01': 'sample: 1',
      });
      expect(await exchange(port, get('/x'))).toMatch(/web$/);
      await waitFor(() => seen.length === 1, 'the copy');
      expect(seen[0]).toContain('X-Meridian-Mirror: 1');
      expect(book.mirrorTotals()).toMatchObject([{ pool: 'next', sent: 1 }]);
    });
  });
}
