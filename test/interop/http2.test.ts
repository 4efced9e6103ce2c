import { execFile, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProxyNode } from '../../src/compose/proxy-node.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import { formatProblem } from '../../src/sources/yaml-document.js';
import { endHttp2, http2Backend } from '../integration/http2-rig.js';
import { endAll, FakeChecker, httpBackend, ok, QUIET, waitFor } from '../integration/proxy-rig.js';
import { certificate, hasOpenssl } from '../support/certificate.js';
import { temporaryFolder } from '../support/folder.js';

const run = promisify(execFile);
const FILE = join(import.meta.dirname, '../../dist/compose/proxy-node.js');
const { startProxyNode } = existsSync(FILE)
  ? ((await import(pathToFileURL(FILE).href)) as typeof import('../../src/compose/proxy-node.js'))
  : { startProxyNode: null as never };

const has = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const curlSpeaks = spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout?.includes('HTTP2') === true;

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await endHttp2();
  await endAll();
});

let made: { readonly key: Buffer; readonly cert: Buffer } | null = null;

/** Of the proxy and of its endpoint: one certificate for all tests. */
function identity(): { readonly key: Buffer; readonly cert: Buffer } {
  made ??= certificate();
  return made;
}

interface Started {
  readonly node: ProxyNode;
  readonly clear: string;
  readonly tls: string;
  readonly http1: string;
}

/** A node with three listeners: HTTP/2 in the clear, HTTP/2 over TLS, and HTTP/1.1 alone. */
async function startNode(io: string, endpoints: { h1: number; h2c: number; h2?: number }): Promise<Started> {
  const folder = temporaryFolder();
  const { cert, key } = identity();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const text = `node: { name: p1, region: r1 }
io: ${io}
workers: 1
admin: { listen: "127.0.0.1:0" }
listeners:
  - listen: "127.0.0.1:0"
    protocol: http
    http2: on
    routes:
      - { match: { path_prefix: /h2c }, pool: h2c }
      - { match: { path_prefix: /h2 }, pool: h2 }
      - { match: { path_prefix: /old }, redirect: { path: /new } }
      - { match: { path_prefix: /edit }, pool: h1, rewrite: { prefix: /edited }, headers: { response: { set: { x-set: "yes" } } } }
      - { pool: h1 }
  - listen: "127.0.0.1:0"
    protocol: http
    http2: on
    tls: { certificates: [ { cert: cert.pem, key: key.pem } ] }
    routes: [ { match: { path_prefix: /h2c }, pool: h2c }, { pool: h1 } ]
  - { listen: "127.0.0.1:0", protocol: http, pool: h1 }
pools:
  h1: { endpoints: [ { address: "127.0.0.1:${endpoints.h1}" } ] }
  h2c: { protocol: h2c, endpoints: [ { address: "127.0.0.1:${endpoints.h2c}" } ] }
  h2:
    protocol: h2
    tls: { ca: cert.pem, server_name: www.example.com }
    endpoints: [ { address: "127.0.0.1:${endpoints.h2 ?? 1}" } ]
`;
  const loaded = loadProxyConfig(join(folder, 'proxy.yaml'), text, { environment: {}, cores: 1, cwd: '/' });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const node = await startProxyNode(loaded.config, { log: QUIET, checker: new FakeChecker() });
  if (!node.ok) throw new Error(node.failures[0]!.message);
  closing.push(() => node.close());
  const [clear, tls, http1] = node.ports;
  return {
    node,
    clear: `http://127.0.0.1:${clear}`,
    tls: `https://127.0.0.1:${tls}`,
    http1: `http://127.0.0.1:${http1}`,
  };
}

async function backends(): Promise<{ h1: number; h2c: number }> {
  const h1 = await httpBackend((head) => ok(head.split('\r\n')[0] ?? ''));
  // It answers after the whole request: curl 7.88 waits for ever for an answer that ended before its upload did.
  const h2c = await http2Backend((stream, headers) => {
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
      stream.end(`${headers[':method']} ${headers[':path']} HTTP/2${bytes > 0 ? ` ${bytes}` : ''}`);
    });
  });
  return { h1, h2c };
}

async function curl(...options: readonly string[]): Promise<string> {
  const written = '\n%{http_version} %{http_code}';
  const { stdout } = await run('curl', ['-sk', '--max-time', '10', '-w', written, ...options]);
  return stdout;
}

describe.skipIf(!existsSync(FILE) || !curlSpeaks || !hasOpenssl)('curl', () => {
  it.each(['auto', 'portable'])('speaks both versions on one listener, io: %s', async (io) => {
    const { clear, tls, http1 } = await startNode(io, await backends());
    const prior = '--http2-prior-knowledge';
    expect(await curl(prior, `${clear}/a?b`)).toBe('GET /a?b HTTP/1.1\n2 200');
    expect(await curl('--http1.1', `${clear}/a`)).toBe('GET /a HTTP/1.1\n1.1 200');
    expect(await curl('--http2', `${tls}/a`)).toBe('GET /a HTTP/1.1\n2 200');
    expect(await curl('--http1.1', `${tls}/a`)).toBe('GET /a HTTP/1.1\n1.1 200');
    expect(await curl('--http1.1', `${http1}/a`)).toBe('GET /a HTTP/1.1\n1.1 200');
    expect(await curl(prior, `${clear}/h2c/x`)).toBe('GET /h2c/x HTTP/2\n2 200');
    expect(await curl('--http2', `${tls}/h2c/x`)).toBe('GET /h2c/x HTTP/2\n2 200');
    const body = join(temporaryFolder(), 'body');
    writeFileSync(body, 'x'.repeat(500_000));
    expect(await curl(prior, '--data-binary', `@${body}`, `${clear}/h2c`)).toBe(
      'POST /h2c HTTP/2 500000\n2 200',
    );
  });

  it.each(['auto', 'portable'])('reaches endpoints of HTTP/2 by HTTP/1.1 and 1.0, io: %s', async (io) => {
    const secure = await secureBackend(identity());
    const { clear, tls, node } = await startNode(io, { ...(await backends()), h2: secure });
    const old = '--http1.1';
    for (const base of [clear, tls]) {
      expect(await curl(old, `${base}/h2c/x`)).toBe('GET /h2c/x HTTP/2\n1.1 200');
      expect(await curl('--http1.0', '--no-alpn', `${base}/h2c/x`)).toBe('GET /h2c/x HTTP/2\n1.1 200');
    }
    expect(await curl(old, `${clear}/h2`)).toBe('over TLS\n1.1 200');
    expect(await curl(old, '-I', `${clear}/h2c`)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const body = join(temporaryFolder(), 'body');
    writeFileSync(body, 'x'.repeat(500_000));
    const sent = 'POST /h2c HTTP/2 500000\n1.1 200';
    expect(await curl(old, '--data-binary', `@${body}`, `${clear}/h2c`)).toBe(sent);
    const chunked = ['-H', 'Transfer-Encoding: chunked', '-H', 'Expect: 100-continue'];
    expect(await curl(old, ...chunked, '--data-binary', `@${body}`, `${tls}/h2c`)).toBe(sent);
    expect(await curl(old, '-i', `${clear}/h2c`)).toMatch(/x-sum: 7/i);
    const metrics = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text();
    const counted = [
      ...metrics.matchAll(/meridian_proxy_requests_total\{[^}]*pool="h2c"[^}]*status="2xx"\} (\d+)/g),
    ];
    expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(8);
  });

  it('gets redirects and rewritten responses of routes', async () => {
    const { clear } = await startNode('auto', await backends());
    const prior = '--http2-prior-knowledge';
    expect(await curl(prior, '-i', `${clear}/old?q`)).toMatch(/HTTP\/2 30\d[\s\S]*location: .*\/new\?q/);
    expect(await curl(prior, '-i', `${clear}/edit/x`)).toMatch(/x-set: yes[\s\S]*GET \/edited\/x HTTP\/1\.1/);
  });

  it('reaches endpoints that speak HTTP/2 over TLS, and only those with the right certificate', async () => {
    const { h1, h2c } = await backends();
    const prior = '--http2-prior-knowledge';
    const good = await startNode('auto', { h1, h2c, h2: await secureBackend(identity()) });
    expect(await curl(prior, `${good.clear}/h2`)).toBe('over TLS\n2 200');
    const other = await startNode('auto', { h1, h2c, h2: await secureBackend(certificate()) });
    expect(await curl(prior, `${other.clear}/h2`)).toContain('2 502');
  });
});

async function secureBackend({
  cert,
  key,
}: {
  readonly cert: Buffer;
  readonly key: Buffer;
}): Promise<number> {
  const server = createSecureServer({ cert, key });
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('over TLS');
  });
  server.on('sessionError', () => {});
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe.skipIf(!existsSync(FILE) || !has('h2load') || !hasOpenssl)('h2load', () => {
  it('gets a whole answer for each request, in the clear and over TLS', async () => {
    const { clear, tls, node } = await startNode('auto', await backends());
    const old = ['--h1', `${clear}/h2c`];
    for (const url of [[`${clear}/a`], [`${tls}/a`], [`${clear}/h2c`], old]) {
      const { stdout } = await run('h2load', ['-n', '2000', '-c', '10', '-m', '20', ...url]);
      expect(stdout).toContain('2000 succeeded, 0 failed, 0 errored, 0 timeout');
    }
    const counted = async (): Promise<string> =>
      await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text();
    const until = await counted();
    expect(until).toMatch(/meridian_proxy_requests_total\{[^}]*pool="h2c"[^}]*status="2xx"\} 4000/);
  });
});

describe.skipIf(!existsSync(FILE) || !has('nghttp') || !hasOpenssl)('nghttp', () => {
  it('gets trailers, and sends them', async () => {
    const { clear } = await startNode('auto', await backends());
    const { stdout } = await run('nghttp', ['-v', '--trailer', 'x-t: 1', '-d', FILE, `${clear}/h2c`]);
    expect(stdout).toContain('x-sum: 7');
    expect(stdout).toContain(':status: 200');
  });
});

describe.skipIf(!existsSync(FILE) || !hasOpenssl)('a node that ends', () => {
  it('lets its HTTP/2 connections end first', async () => {
    const { node, clear } = await startNode('auto', await backends());
    const { connect } = await import('node:http2');
    const session = connect(clear);
    session.on('error', () => {});
    let goaway = false;
    session.on('goaway', () => {
      goaway = true;
    });
    await new Promise((resolve) => session.request({ ':path': '/a' }).on('close', resolve).resume().end());
    await node.close();
    await waitFor(() => goaway && session.destroyed, 'the end of the session');
  });
});
