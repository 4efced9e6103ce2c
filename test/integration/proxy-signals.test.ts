/** Recipes of docs/proxy.md as the built proxy runs them, with all of its threads. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { ProxyNode } from '../../src/compose/proxy-node.js';
import type { ProxyModel } from '../../src/core/balance/model.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { networkUnavailable } from '../support/network-rig.js';
import { endAll, FakeChecker, httpBackend, ok, QUIET } from './proxy-rig.js';

const FILE = join(import.meta.dirname, '../../dist/compose/proxy-node.js');
const isBuilt = existsSync(FILE);
const { startProxyNode } = isBuilt
  ? ((await import(pathToFileURL(FILE).href)) as typeof import('../../src/compose/proxy-node.js'))
  : { startProxyNode: null as never };

const FOLDER = temporaryFolder();
afterAll(removeFolders);

const started: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of started.splice(0)) await close();
  await endAll();
});

/** The first example below a heading, with every endpoint on `port`. */
function recipe(heading: string, port: number, io: ProxyModel['io']): ProxyModel {
  const page = readFileSync(join(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  const part = page.slice(page.indexOf(`\n## ${heading}\n`));
  const text = /```yaml\n([\s\S]*?)```/
    .exec(part)![1]!
    .replaceAll(/listen: "127\.0\.0\.1:\d+"/g, 'listen: "127.0.0.1:0"')
    .replaceAll(/address: "[\d.]+:9000"/g, `address: "127.0.0.1:${port}"`);
  const result = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 2, cwd: FOLDER });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return { ...result.config, io, admin: { listen: { host: '127.0.0.1', port: 0 } } };
}

async function start(model: ProxyModel): Promise<ProxyNode> {
  const node = await startProxyNode(model, { log: QUIET, checker: new FakeChecker() });
  if (!node.ok) throw new Error(node.failures[0]!.message);
  started.push(() => node.close());
  return node;
}

async function fetchRaw(port: number, path: string, accept: string) {
  return new Promise<{ coding: string; body: Buffer }>((resolve, reject) => {
    const headers = { 'accept-encoding': accept };
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ coding: response.headers['content-encoding'] ?? '', body: Buffer.concat(chunks) }),
      );
      response.on('error', reject);
    }).on('error', reject);
  });
}

const PAGE = '<li>one of many lines that look alike</li>\n'.repeat(20_000);

describe.skipIf(!isBuilt)('recipes of docs/proxy.md', () => {
  it.skipIf(networkUnavailable !== undefined).each(['batched', 'portable'] as const)(
    'compression, %s tier',
    async (io) => {
      const port = await httpBackend(() => ok(PAGE, 'Content-Type: text/html\r\n'));
      const node = await start(recipe('Compression', port, io));
      const at = node.ports[0]!;
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => fetchRaw(at, '/', i % 2 === 0 ? 'gzip' : 'gzip;q=0.5, br')),
      );
      for (const [i, { coding, body }] of answers.entries()) {
        expect(coding).toBe(i % 2 === 0 ? 'gzip' : 'br');
        const text = (coding === 'br' ? brotliDecompressSync : gunzipSync)(body).toString();
        expect(text === PAGE).toBe(true);
      }
      expect((await fetchRaw(at, '/account', 'gzip')).coding).toBe('');
      const metrics = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text();
      expect(metrics).toMatch(/compression_responses_total\{listener="[^"]+",outcome="gzip"\} 4\n/);
      expect(metrics).toMatch(/compression_bytes_total\{listener="[^"]+",direction="in"\} 6880000\n/);
    },
  );

  it('autoscaling signals', async () => {
    const port = await httpBackend(() => ok('x'));
    const node = await start(recipe('Autoscaling signals', port, 'portable'));
    const admin = `http://127.0.0.1:${node.adminPort}`;
    const body = (await (await fetch(`${admin}/v1/scaling`)).json()) as {
      proxy: Record<string, unknown>;
      pools: Record<string, Record<string, unknown>>;
    };
    expect(body.proxy).toMatchObject({
      current: 1,
      reason: expect.any(String),
      limiting: expect.any(String),
    });
    const { web } = body.pools;
    expect(web).toMatchObject({ action: 'hold', current: 1, desired: 1 });
    expect(Object.keys(web!['metrics'] as object)).toEqual(
      expect.arrayContaining(['connections', 'queue', 'latency']),
    );
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(metrics).toContain('meridian_proxy_scaling_desired{subject="web"} 1\n');
    await node.close();
    const file = join(FOLDER, 'scaling.json');
    const text = readFileSync(file, 'utf8');
    expect(Object.keys(JSON.parse(text).subjects)).toEqual(['(proxy)', 'web']);
    // A restart goes on with it; a damaged one is no reason not to start.
    writeFileSync(file, text.replace('"compared":0', '"compared":700'));
    const again = await start(recipe('Autoscaling signals', port, 'portable'));
    const after = await (await fetch(`http://127.0.0.1:${again.adminPort}/v1/scaling`)).json();
    expect(after).toMatchObject({ proxy: { forecast: { compared: 700 } } });
    await again.close();
    writeFileSync(file, 'damaged');
    await start(recipe('Autoscaling signals', port, 'portable'));
  });
});
