import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasOpenssl, makeCertificate } from '../support/certificate.js';
import { isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, run } from '../support/process.js';

const ZONE = `zone: edns.test
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.edns.test }
records:
  www: { type: A, value: 192.0.2.1 }
  large: { type: TXT, values: [ ${[1, 2, 3, 4, 5, 6, 7, 8].map((i) => `"${i}${'x'.repeat(240)}"`).join(', ')} ] }
`;
const isReady = hasOpenssl && isInstalled('kdig', '--version');

describe.skipIf(!isReady)('kdig over TLS and HTTPS (skipped without kdig and openssl)', () => {
  let node: TestNode;
  let verified: readonly string[];

  beforeAll(async () => {
    const folder = temporaryFolder();
    const { cert, key } = makeCertificate(folder, 'tls');
    const pair = { listen: ['127.0.0.1:0'], cert, key };
    verified = [`+tls-ca=${cert}`, '+tls-hostname=dns.example.com'];
    node = await startNode({
      folder,
      zones: { 'edns.test.yaml': ZONE },
      config: { dns: { tls: pair, https: pair } },
    });
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  async function kdig(port: number, ...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await run('kdig', ['@127.0.0.1', '-p', String(port), '+retry=0', ...args]);
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(/;; (WARNING|ERROR)/);
    return stdout;
  }
  const port = (transport: string) => (transport === '+tls' ? node.dot : node.doh);
  const over = (transport: string, ...args: readonly string[]) =>
    kdig(port(transport), transport, ...verified, ...args);
  const received = (text: string) =>
    [...text.matchAll(/;; Received (\d+) B/g)].map(([, size]) => Number(size));

  describe.each(['+tls', '+https'])('%s', (transport) => {
    it('gets padding, NSID and a cookie at once, in a block of 468 bytes', async () => {
      const text = await over(transport, '+padding', '+nsid', '+cookie', 'www.edns.test', 'A');
      expect(text).toMatch(/status: NOERROR/);
      expect(text).toMatch(/NSID: .*"dns-test"/);
      expect(text).toMatch(/PADDING: \d+ B/);
      expect(received(text)).toEqual([468]);
    });

    it('gets a large answer whole, in whole blocks', async () => {
      const text = await over(transport, '+padding', 'large.edns.test', 'TXT');
      expect(text).toMatch(/ANSWER: 8;/);
      expect(text).not.toMatch(/flags:[^;]* tc/);
      expect(received(text).map((size) => [size > 2000, size % 468])).toEqual([[true, 0]]);
    });

    it('gets no padding if it asks for none', async () => {
      const text = await over(transport, '+nopadding', '+nsid', 'www.edns.test', 'A');
      expect(text).not.toMatch(/PADDING/);
      expect(received(text)[0]).toBeLessThan(100);
    });

    it('gets several answers on one connection', async () => {
      const text = await over(
        transport,
        '+keepopen',
        'www.edns.test',
        'A',
        'edns.test',
        'SOA',
        'no.edns.test',
        'A',
      );
      expect(text.match(/status: (NOERROR|NXDOMAIN)/g)).toHaveLength(3);
    });

    it('gets a reason with what is refused', async () => {
      const text = await over(transport, '+padding', 'www.example.org', 'A');
      expect(text).toMatch(/status: REFUSED/);
      expect(text).toMatch(/EDE: 20/);
      expect(received(text)).toEqual([468]);
    });
  });

  it('gets the idle timeout over TLS and TCP, and not over HTTPS and UDP', async () => {
    const ask = ['+ednsopt=11', 'www.edns.test', 'A'];
    const keepalive = /Option \(11\)|KEEPALIVE|edns-tcp-keepalive/i;
    expect(await over('+tls', ...ask)).toMatch(keepalive);
    expect(await kdig(node.port, '+tcp', ...ask)).toMatch(keepalive);
    expect(await over('+https', ...ask)).not.toMatch(keepalive);
    expect(await kdig(node.port, ...ask)).not.toMatch(keepalive);
  });

  it('gets no padding in the clear', async () => {
    expect(await kdig(node.port, '+padding=128', 'www.edns.test', 'A')).not.toMatch(/PADDING/);
    expect(await kdig(node.port, '+tcp', '+padding=128', 'www.edns.test', 'A')).not.toMatch(/PADDING/);
  });
});
