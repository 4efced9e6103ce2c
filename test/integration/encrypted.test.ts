import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/core/dns/message.js';
import { hasOpenssl, makeCertificate } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const has = (command: string, flag: string) => spawnSync(command, [flag], { stdio: 'ignore' }).status === 0;
const isReady = hasOpenssl && existsSync(join(import.meta.dirname, '../../dist/main.js'));
const hasKdig = has('kdig', '--version');
const hasCurl = has('curl', '--version');

const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
records:
  www: { type: A, ttl: 77, value: 192.0.2.1 }
`;
const QUERY = packet({ name: 'www.serve.test' });

const framed = (...messages: readonly Uint8Array[]) =>
  Buffer.concat(messages.flatMap((bytes) => [Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]));
const rdata = (bytes: Uint8Array) => decodeMessage(bytes)?.answers[0]?.rdata;

describe.skipIf(!isReady)('encrypted transports (needs openssl and dist/)', () => {
  let node: TestNode;
  let folder: string;
  let dot: number;
  let doh: number;

  beforeAll(async () => {
    folder = temporaryFolder();
    for (const name of ['first', 'second']) makeCertificate(folder, name);
    copyFileSync(join(folder, 'first.pem'), join(folder, 'tls.pem'));
    copyFileSync(join(folder, 'first.key'), join(folder, 'tls.key'));
    const pair = { listen: ['127.0.0.1:0'], cert: './tls.pem', key: './tls.key' };
    const dns = {
      tls: pair,
      https: pair,
      tcp: { max_per_client: 5 },
    };
    node = await startNode({ folder, zones: { 'serve.test.yaml': ZONE }, config: { dns } });
    ({ dot, doh } = node);
  });

  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  async function open(port = dot): Promise<{ socket: TLSSocket; read: () => Buffer }> {
    const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['dot'], rejectUnauthorized: false });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'secureConnect');
    return { socket, read: () => Buffer.concat(chunks) };
  }

  async function ask(headers: Record<string, string>, body?: Uint8Array) {
    const session = connectHttp2(`https://127.0.0.1:${doh}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/dns-query', ...headers });
    stream.end(body);
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    session.destroy();
    return { answer, bytes: new Uint8Array(Buffer.concat(chunks)) };
  }

  const post = { ':method': 'POST', 'content-type': 'application/dns-message' };

  it('answers pipelined queries over TLS, and agrees on ALPN dot', async () => {
    const { socket, read } = await open();
    expect(socket.alpnProtocol).toBe('dot');
    socket.write(framed(QUERY, QUERY, QUERY));
    await until('the answers', () => read().length === 3 * (2 + QUERY.length + 16));
    expect(rdata(new Uint8Array(read().subarray(2, 2 + QUERY.length + 16)))).toBe('192.0.2.1');
    socket.destroy();
    expect(await node.metric('meridian_dns_requests_total{transport="dot",family="4"}')).toBe(3);
  });

  it('answers GET and POST over HTTP/2, with the TTL as max-age', async () => {
    const text = Buffer.from(QUERY).toString('base64url');
    for (const { answer, bytes } of [
      await ask({ ':path': `/dns-query?dns=${text}` }),
      await ask(post, QUERY),
    ]) {
      expect(answer).toMatchObject({
        ':status': 200,
        'content-type': 'application/dns-message',
        'cache-control': 'private, max-age=77',
      });
      expect(rdata(bytes)).toBe('192.0.2.1');
    }
  });

  it.each<[number, string, Record<string, string>, Uint8Array?]>([
    [400, 'no dns parameter', { ':path': '/dns-query' }],
    [400, 'padding', { ':path': '/dns-query?dns=AAAA%3D%3D' }],
    [400, 'a message that is no query', { ':path': '/dns-query?dns=AAAA' }],
    [404, 'another path', { ':path': '/' }],
    [405, 'another method', { ':method': 'PUT' }, QUERY],
    [413, 'a long body', post, new Uint8Array(5000)],
    [413, 'a long parameter', { ':path': `/dns-query?dns=${'A'.repeat(6000)}` }],
    [415, 'another type', { ':method': 'POST', 'content-type': 'text/plain' }, QUERY],
  ])('says %i to %s', async (status, _, headers, body) => {
    expect((await ask(headers, body)).answer[':status']).toBe(status);
  });

  it('lets one client have only so many connections: the oldest that never asked gives way', async () => {
    const opened: Awaited<ReturnType<typeof open>>[] = [];
    for (let i = 0; i < 7; i++) opened.push(await open());
    await until('the first to be closed', () => opened[0]!.socket.closed && opened[1]!.socket.closed);
    expect(opened.slice(2).map(({ socket }) => socket.closed)).toEqual(Array(5).fill(false));
    const { socket, read } = opened.at(-1)!;
    socket.write(framed(QUERY));
    await until('the answer', () => read().length > 0);
    for (const { socket } of opened) socket.destroy();
  });

  it('uses a new certificate for new handshakes, keeps connections, and refuses a broken pair', async () => {
    const { socket: old, read } = await open();
    const used = async () => {
      const { socket } = await open();
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const before = await used();
    writeFileSync(join(folder, 'tls.pem'), 'broken');
    const refused = 'meridian_certificate_reloads_total{result="refused"}';
    await until('the refusal', async () => (await node.metric(refused)) >= 1);
    expect(await used()).toBe(before);
    copyFileSync(join(folder, 'second.key'), join(folder, 'tls.key'));
    writeFileSync(join(folder, 'tls.pem'), readFileSync(join(folder, 'second.pem')));
    await until('the new certificate', async () => (await used()) !== before);
    old.write(framed(QUERY));
    await until('the answers', () => read().length > 0);
    old.destroy();
  });

  it.skipIf(!hasKdig)('works with kdig over TLS and HTTPS, verified', () => {
    const ca = [`+tls-ca=${join(folder, 'tls.pem')}`, '+tls-hostname=dns.example.com'];
    for (const [port, ...how] of [
      [dot, '+tls', ...ca],
      [doh, '+https', ...ca],
      [doh, '+https', '+https-get', ...ca],
    ]) {
      const args = ['@127.0.0.1', '-p', String(port), ...how.map(String), '+short', 'www.serve.test', 'A'];
      expect(execFileSync('kdig', args, { encoding: 'utf8' }).trim()).toBe('192.0.2.1');
    }
  });

  it.skipIf(!hasCurl)('works with curl over HTTP/1.1', () => {
    const file = join(folder, 'query');
    writeFileSync(file, QUERY);
    const type = 'content-type: application/dns-message';
    const url = `https://127.0.0.1:${doh}/dns-query`;
    const bytes = execFileSync('curl', ['-sk', '--http1.1', '-H', type, '--data-binary', `@${file}`, url]);
    expect(rdata(new Uint8Array(bytes))).toBe('192.0.2.1');
  });
});
