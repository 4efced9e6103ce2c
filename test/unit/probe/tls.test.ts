import { createServer as createTcpServer } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TlsCheck } from '../../../src/core/zone/check.js';
import { certificate, hasOpenssl } from '../../support/certificate.js';
import { removeFolders } from '../../support/folder.js';
import { ask, closePeers, listen } from '../../support/peers.js';

const DAY_MS = 86_400_000;

describe.skipIf(!hasOpenssl)('a tls probe (needs the openssl command)', () => {
  let pair: ReturnType<typeof certificate>;

  beforeAll(() => {
    pair = certificate(30);
  });
  afterEach(closePeers);
  afterAll(removeFolders);

  async function askTls(changes: Partial<TlsCheck>, options: { trusted?: boolean; now?: () => number } = {}) {
    const server = createServer(pair, (socket) => socket.end());
    server.on('tlsClientError', () => {});
    const { port } = await listen(server);
    const check: TlsCheck = {
      type: 'tls',
      port,
      host: 'www.example.com',
      verify: true,
      minDays: 0,
      ...changes,
    };
    const { trusted = true, now } = options;
    return ask(check, { ...(trusted && { ca: pair.cert }), ...(now && { now }) });
  }

  it('is up with a certificate that is trusted, for the host, and long enough valid', async () => {
    expect(await askTls({ minDays: 29 })).toMatchObject({
      ok: true,
      detail: 'certificate valid for 29 days',
    });
  });

  it.each<[string, Partial<TlsCheck>, { trusted?: boolean }, string]>([
    ['for another name', { host: 'shop.example.com' }, {}, 'certificate is for another name'],
    ['that nobody trusts', {}, { trusted: false }, 'certificate self-signed'],
    ['with too few days', { minDays: 31 }, {}, 'certificate valid for 29 days, want 31'],
    [
      'with too few days, though not checked',
      { minDays: 31, verify: false },
      { trusted: false },
      'certificate valid for 29 days, want 31',
    ],
  ])('is down with a certificate %s', async (_, changes, options, detail) => {
    expect(await askTls(changes, options)).toMatchObject({ ok: false, detail });
  });

  it('takes any certificate with `verify: false`, but not one that has ended', async () => {
    const changes = { host: 'shop.example.com', verify: false };
    expect(await askTls(changes, { trusted: false })).toMatchObject({ ok: true });
    const now = () => Date.now() + 31 * DAY_MS;
    expect(await askTls(changes, { trusted: false, now })).toMatchObject({
      ok: false,
      detail: 'certificate valid for -2 days, want 0',
    });
  });

  it('is down when the peer hangs up in the handshake, or speaks something else', async () => {
    const closing = await listen(createTcpServer((socket) => socket.end()));
    const check = { type: 'tls', verify: true, minDays: 0 } as const;
    expect((await ask({ ...check, port: closing.port })).ok).toBe(false);
    const ssh = await listen(createTcpServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')));
    expect(await ask({ ...check, port: ssh.port })).toMatchObject({
      ok: false,
      detail: 'TLS handshake failed',
    });
  });
});
