import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashToken } from '../../src/sources/token-file.js';
import { hasOpenssl } from '../support/certificate.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, meridian } from '../support/process.js';
import { Authority } from '../support/tls-material.js';
import { until } from '../support/until.js';

const ZONE = `zone: tls.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.tls.test }
records: { www: { type: A, value: 192.0.2.1 } }
`;

afterAll(async () => {
  await endPrograms();
  removeFolders();
});

const hex = (token: string) => Buffer.from(hashToken(token)).toString('hex');

/** The folder of a node, with the tokens that the rig of tests looks for. */
function folderWith(tokens: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'state'));
  for (const role of ['admin', 'report'])
    writeFileSync(join(folder, 'state', `${role}.token`), role, { mode: 0o600 });
  writeFileSync(join(folder, 'tokens.yaml'), tokens, { mode: 0o600 });
  return folder;
}

describe.skipIf(!hasOpenssl)('the API over TLS with certificates of clients', () => {
  let node: TestNode;
  let authority: Authority;
  let folder: string;
  let port: string;
  beforeAll(async () => {
    folder = folderWith(`tokens: [ { name: alice, role: admin, sha256: ${hex('alice-token')} } ]\n`);
    authority = new Authority(folder);
    authority.issue('api', ['127.0.0.1']);
    authority.issue('operator', ['operator.test']);
    node = await startNode({
      folder,
      zones: { 'tls.test.yaml': ZONE },
      config: {
        api: { tokens: 'tokens.yaml', tls: { cert: 'api.pem', key: 'api.key', client_ca: 'ca.pem' } },
      },
    });
    port = new URL(node.api).port;
  }, 60_000);

  const file = (name: string) => join(folder, name);
  const env = (more: Record<string, string> = {}) => ({
    MERIDIAN_API: `https://127.0.0.1:${port}`,
    MERIDIAN_TOKEN: 'alice-token',
    ...more,
  });
  const CLIENT = () => ['--cert', file('operator.pem'), '--key', file('operator.key')];

  it('answers who shows a certificate, with TLS 1.2 at least', async () => {
    const status = await new Promise((resolve, reject) => {
      const [ca, cert, key] = [
        authority.ca,
        readFileSync(file('operator.pem')),
        readFileSync(file('operator.key')),
      ];
      get(`https://127.0.0.1:${port}/healthz`, { ca, cert, key }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
    expect(status).toBe(200);
  });

  it.each<[string, () => ConnectionOptions]>([
    ['without a certificate', () => ({})],
    ['with TLS 1.1', () => ({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })],
  ])('refuses who comes %s', async (_what, options) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), ca: authority.ca, ...options() });
    const error = await new Promise<Error>((resolve) => {
      socket.once('error', resolve);
      socket.once('data', () => resolve(new Error('it answered')));
      socket.once('secureConnect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'));
    });
    expect(error.message).toMatch(/alert|handshake|version|protocol/i);
  });

  it('is used by the command line with --ca, --cert and --key, or their variables', async () => {
    const made = await meridian(
      ['--ca', file('ca.pem'), ...CLIENT(), 'token', 'create', 'ci', '-r', 'read', '-e', '1h'],
      {
        env: env(),
      },
    );
    expect(made.stderr).toContain('ci (read, until ');
    expect(made.stdout).toMatch(/^mrd_[\w-]{43}\n$/);
    const variables = {
      MERIDIAN_CA: file('ca.pem'),
      MERIDIAN_CERT: file('operator.pem'),
      MERIDIAN_KEY: file('operator.key'),
    };
    const status = await meridian(['status'], {
      env: env({ ...variables, MERIDIAN_TOKEN: made.stdout.trim() }),
    });
    expect([status.code, status.stderr]).toEqual([0, '']);
    const list = await meridian(['token', 'list'], { env: env(variables) });
    expect(list.stdout).toMatch(/^ci +read +valid +api \(alice\)/m);
    const revoked = await meridian(['token', 'revoke', 'ci'], { env: env(variables) });
    expect(revoked.stdout).toBe('ci is revoked\n');
    const late = await meridian(['status'], {
      env: env({ ...variables, MERIDIAN_TOKEN: made.stdout.trim() }),
    });
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining('401')]);
    const last = await meridian(['token', 'revoke', 'alice'], { env: env(variables) });
    expect([last.code, last.stderr]).toEqual([1, expect.stringContaining('last token of the role admin')]);
  });

  it('tells on the command line what is missing', async () => {
    const stranger = await meridian(['status'], { env: env() });
    expect([stranger.code, stranger.stderr]).toEqual([
      3,
      expect.stringContaining('name its PEM file with --ca'),
    ]);
    const bare = await meridian(['--ca', file('ca.pem'), 'status'], { env: env() });
    expect([bare.code, bare.stderr]).toEqual([3, expect.stringContaining('--cert and --key')]);
    const half = await meridian(['--cert', file('operator.pem'), 'status'], { env: env() });
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining('name both')]);
    const gone = await meridian(['--ca', '/nowhere.pem', 'status'], { env: env() });
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('cannot read /nowhere.pem')]);
  });

  it('keeps tokens as digests, for their owner only, and writes down who changed what', () => {
    const store = file('state/tokens.json');
    expect(statSync(store).mode & 0o777).toBe(0o600);
    const log = readFileSync(file('state/audit.log'), 'utf8');
    for (const text of [readFileSync(store, 'utf8'), log, node.program.output]) {
      expect(text).not.toMatch(/mrd_|alice-token/);
    }
    expect(log).toMatch(/"who":"alice".*"method":"DELETE","path":"\/v1\/tokens\/ci".*"status":200/);
  });

  it('shows a new certificate to new connections once the files changed, and refuses a broken one', async () => {
    const subject = () =>
      new Promise<string>((resolve, reject) => {
        const [cert, key] = [readFileSync(file('operator.pem')), readFileSync(file('operator.key'))];
        const socket = connect({ host: '127.0.0.1', port: Number(port), ca: authority.ca, cert, key }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.once('error', reject);
      });
    expect(await subject()).toBe('api');
    authority.issue('next', ['127.0.0.1']);
    renameSync(file('next.key'), file('api.key'));
    renameSync(file('next.pem'), file('api.pem'));
    await until('the new certificate', async () => (await subject()) === 'next');
    writeFileSync(file('api.pem'), 'broken');
    await until('a line in the log', () => node.program.output.includes('certificate of the API refused'));
    expect(await subject()).toBe('next');
  });
});

describe('a token file', () => {
  it('is followed: a new token is taken, a removed one refused, a broken file changes nothing', async () => {
    const line = (name: string) => `  - { name: ${name}, role: admin, sha256: ${hex(name)} }\n`;
    const folder = folderWith(`tokens:\n${line('one')}`);
    const node = await startNode({
      folder,
      zones: { 'tls.test.yaml': ZONE },
      config: { api: { tokens: 'tokens.yaml' } },
    });
    const status = async (token: string) =>
      (await fetch(`${node.api}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await status('one'), await status('two')]).toEqual([200, 401]);
    writeFileSync(join(folder, 'tokens.yaml'), `tokens:\n${line('two')}`);
    await until('the second token', async () => (await status('two')) === 200);
    // 429 where so many wrong ones were tried meanwhile.
    expect([401, 429]).toContain(await status('one'));
    writeFileSync(join(folder, 'tokens.yaml'), 'tokens: [ { nam: x } ]');
    await until('a line in the log', () => node.program.output.includes('token file refused'));
    expect(await status('two')).toBe(200);
  });

  it('keeps what was made and revoked through the API over a restart', async () => {
    const folder = temporaryFolder();
    const start = () => startNode({ folder, zones: { 'tls.test.yaml': ZONE } });
    const first = await start();
    const ask = async (node: TestNode, method: string, path: string, token: string, body?: object) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      };
      const response = await fetch(`${node.api}${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as { token: string } };
    };
    const { admin, report } = first.tokens;
    const made = await ask(first, 'POST', '/v1/tokens', admin, { name: 'ci', role: 'admin' });
    expect((await ask(first, 'DELETE', '/v1/tokens/report', admin)).status).toBe(200);
    // As a crash would: what was acknowledged is there.
    await first.program.end('SIGKILL');
    const second = await start();
    expect((await ask(second, 'GET', '/v1/whoami', made.body.token)).status).toBe(200);
    const refused = await ask(second, 'POST', '/v1/reports', report, {});
    expect(refused.status).toBe(401);
  });
});
