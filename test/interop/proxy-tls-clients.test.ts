import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificate, hasOpenssl } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { endProxyPrograms, type ProxyProgram, startProxyProgram, TIERS } from '../support/proxy-program.js';

const has = (program: string, option: string): boolean =>
  spawnSync(program, [option], { stdio: 'ignore' }).error === undefined;
const NAME = 'www.example.com';

describe.skipIf(!hasOpenssl).each(TIERS)('TLS with io: %s (skipped without openssl),', (io) => {
  let endpoint: Server;
  let proxy: ProxyProgram;
  let folder: string;
  let cert: string;

  beforeAll(async () => {
    folder = temporaryFolder();
    cert = join(folder, 'cert.pem');
    const made = certificate();
    writeFileSync(cert, made.cert);
    writeFileSync(join(folder, 'key.pem'), made.key);
    endpoint = createServer((request, response) => {
      const { 'x-forwarded-proto': proto, host } = request.headers;
      response.end(`${request.method} ${request.url} ${host} ${proto}`);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => endpoint.once('listening', resolve));
    const certificates = [{ cert, key: join(folder, 'key.pem') }];
    const { port } = endpoint.address() as AddressInfo;
    proxy = await startProxyProgram({ io, ports: [port], listener: { tls: { certificates } } });
  });
  afterAll(async () => {
    await endProxyPrograms();
    endpoint.closeAllConnections();
    endpoint.close();
    removeFolders();
  });

  /** What `openssl s_client` prints; it sends one request, or none. */
  function client(
    args: string,
    request = `GET / HTTP/1.1\nHost: ${NAME}\nConnection: close\n\n`,
  ): Promise<string> {
    const all = ['s_client', '-connect', `127.0.0.1:${proxy.port}`, '-servername', NAME, '-CAfile', cert];
    // -crlf writes CRLF for LF; -ign_eof waits for the answer.
    const given = [...all, '-crlf', '-ign_eof', ...args.split(' ').filter(Boolean)];
    return new Promise((resolve) => {
      const program = execFile('openssl', given, { timeout: 10_000 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      );
      program.stdin?.on('error', () => {});
      program.stdin?.end(request);
    });
  }

  it.each(['1.2', '1.3'])(
    'openssl s_client speaks TLS %s, trusts the certificate and gets an answer',
    async (version) => {
      const text = await client(
        `-tls${version.replace('.', '_')} -verify_return_error -verify_hostname ${NAME}`,
      );
      expect(text).toMatch(new RegExp(`Protocol *: TLSv${version}|New, TLSv${version}`));
      expect(text).toMatch(/Verification: OK/);
      expect(text).toContain(`GET / ${NAME} https`);
    },
  );

  it.each(['-tls1', '-tls1_1'])('openssl s_client %s is refused', async (version) => {
    expect(await client(`${version} -cipher ALL:@SECLEVEL=0`)).not.toContain('HTTP/1.1');
  });

  it('openssl s_client agrees on http/1.1 by ALPN', async () => {
    expect(await client('-alpn http/1.1')).toContain('ALPN protocol: http/1.1');
  });

  it.each(['-tls1_2', '-tls1_3'])('openssl s_client %s resumes its session', async (version) => {
    const session = join(folder, `session${version}`);
    expect(await client(`${version} -sess_out ${session}`)).toMatch(/^New, TLSv1/m);
    const again = await client(`${version} -sess_in ${session}`);
    expect(again).toMatch(/^Reused, TLSv1/m);
    expect(again).toContain(`GET / ${NAME} https`);
  });

  it('who speaks HTTP without TLS gets no answer of an endpoint', async () => {
    const { stdout } = await run('curl', ['-s', '--max-time', '5', `http://127.0.0.1:${proxy.port}/`]);
    expect(stdout).not.toContain('GET /');
  });

  it.skipIf(!has('curl', '--version'))(
    'curl gets an answer (skipped where it is not installed)',
    async () => {
      const where = ['--cacert', cert, '--resolve', `${NAME}:${proxy.port}:127.0.0.1`, '--noproxy', '*'];
      const { stdout, stderr, code } = await run('curl', [
        '-s',
        '-S',
        '--http1.1',
        '--max-time',
        '20',
        ...where,
        `https://${NAME}:${proxy.port}/curl`,
      ]);
      expect(code, stderr).toBe(0);
      expect(stdout).toBe(`GET /curl ${NAME}:${proxy.port} https`);
    },
  );

  it.skipIf(!has('h2load', '--version'))(
    'h2load finds no error (skipped where it is not installed)',
    async () => {
      const { stdout, code } = await run('h2load', [
        '--h1',
        '-n1000',
        '-c16',
        `https://127.0.0.1:${proxy.port}/`,
      ]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/1000 succeeded, 0 failed, 0 errored/);
    },
  );

  it.skipIf(!has('wrk', '--version'))('wrk finds no error (skipped where it is not installed)', async () => {
    const { stdout } = await run('wrk', ['-t1', '-c16', '-d1s', `https://127.0.0.1:${proxy.port}/`]);
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
    expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(10);
  });
});
