import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dig, isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, run } from '../support/process.js';

const ZONES = resolve(import.meta.dirname, '../../zones');

/** An example zone without its health checks: they would ask addresses that are not on loopback. */
function example(path: string): string {
  const text = readFileSync(resolve(ZONES, path), 'utf8');
  return text
    .replace(/ monitor: web,/g, '')
    .replace(/^ +monitor: web\n/gm, '')
    .replace(/^ +healthcheck: .*\n/gm, '');
}

const ORIGIN = 'gslb.example.com.';

/** Question → what dig prints of the answer. */
const TABLE: readonly (readonly [question: string, ...answers: (string | RegExp)[]])[] = [
  // zones/gslb.example.com.yaml
  [
    `${ORIGIN} SOA`,
    /^gslb\.example\.com\. \d+ IN SOA ns1\.gslb\.example\.com\. hostmaster\.example\.com\. \d+ \d+ \d+ \d+ \d+$/,
  ],
  [`${ORIGIN} NS`, `${ORIGIN} 3600 IN NS ns1.${ORIGIN}`, `${ORIGIN} 3600 IN NS ns2.${ORIGIN}`],
  [`${ORIGIN} MX`, `${ORIGIN} 30 IN MX 10 mail.example.com.`],
  [`ns1.${ORIGIN} A`, `ns1.${ORIGIN} 3600 IN A 192.0.2.53`],
  [`ns1.${ORIGIN} AAAA`, `ns1.${ORIGIN} 3600 IN AAAA 2001:db8::53`],
  [`ns2.${ORIGIN} A`, `ns2.${ORIGIN} 3600 IN A 198.51.100.53`],
  [`www.${ORIGIN} A +subnet=53.0.0.0/8`, /^www\.gslb\.example\.com\. 30 IN A 192\.0\.2\.1[01]$/],
  [`www.${ORIGIN} AAAA +subnet=53.0.0.0/8`, `www.${ORIGIN} 30 IN AAAA 2001:db8::10`],
  [`www.${ORIGIN} A +subnet=10.1.0.0/16`, `www.${ORIGIN} 30 IN A 198.51.100.10`],
  [`www.${ORIGIN} A +subnet=133.11.0.0/16`, `www.${ORIGIN} 30 IN A 203.0.113.10`],
  [`www.${ORIGIN} A +subnet=2600::/32`, `www.${ORIGIN} 30 IN A 198.51.100.10`],
  [`near.${ORIGIN} A +subnet=133.11.0.0/16`, `near.${ORIGIN} 30 IN A 203.0.113.10`],
  [`split.${ORIGIN} A`, /^split\.gslb\.example\.com\. 30 IN A (?:192\.0\.2\.1[01]|198\.51\.100\.10)$/],
  [`backup.${ORIGIN} A`, `backup.${ORIGIN} 30 IN A 198.51.100.10`],
  [`_acme-challenge.${ORIGIN} TXT`, `_acme-challenge.${ORIGIN} 0 IN TXT "token"`],
  // zones/octodns/example.com.yaml
  ['example.com. A', 'example.com. 300 IN A 192.0.2.80'],
  [
    'example.com. CAA',
    'example.com. 3600 IN CAA 0 iodef "mailto:security@example.com"',
    'example.com. 3600 IN CAA 0 issue "letsencrypt.org"',
  ],
  [
    'example.com. MX',
    'example.com. 3600 IN MX 10 mx1.example.com.',
    'example.com. 3600 IN MX 20 mx2.example.net.',
  ],
  [
    'example.com. NS',
    'example.com. 86400 IN NS ns1.example.net.',
    'example.com. 86400 IN NS ns2.example.net.',
  ],
  [
    'example.com. TXT',
    'example.com. 3600 IN TXT "v=spf1 mx include:_spf.example.net -all"',
    'example.com. 3600 IN TXT "v=verification; site=1234"',
  ],
  [
    '_sip._tcp.example.com. SRV',
    '_sip._tcp.example.com. 600 IN SRV 10 60 5060 sip1.example.com.',
    '_sip._tcp.example.com. 600 IN SRV 20 0 5060 sip2.example.net.',
  ],
  ['cdn.example.com. CNAME', /^cdn\.example\.com\. \d+ IN CNAME [ab]\.cdn\.example\.net\.$/],
  ['cdn.example.com. A', /^cdn\.example\.com\. \d+ IN CNAME [ab]\.cdn\.example\.net\.$/],
  ['mx1.example.com. AAAA', 'mx1.example.com. 3600 IN AAAA 2001:db8::25'],
  ['sip1.example.com. A', 'sip1.example.com. 3600 IN A 192.0.2.60', 'sip1.example.com. 3600 IN A 192.0.2.61'],
  ['www.example.com. A +subnet=2600::/32', 'www.example.com. 60 IN A 198.51.100.10'],
  ['www.example.com. A +subnet=133.11.0.0/16', 'www.example.com. 60 IN A 203.0.113.10'],
  ['version.bind. TXT CH', /^version\.bind\. 0 CH TXT "Meridian [0-9.]+"$/],
  ['WwW.ExAmPlE.cOm. A +subnet=133.11.0.0/16', 'WwW.ExAmPlE.cOm. 60 IN A 203.0.113.10'],
];

/** Questions without an answer: status, and what stands in the authority section. */
const NEGATIVE: readonly (readonly [question: string, status: string, authority?: RegExp])[] = [
  [`nope.${ORIGIN} A`, 'NXDOMAIN', /^gslb\.example\.com\. \d+ IN SOA /],
  [`www.${ORIGIN} TXT`, 'NOERROR', /^gslb\.example\.com\. \d+ IN SOA /],
  ['_tcp.example.com. A', 'NOERROR', /^example\.com\. \d+ IN SOA /],
  ['host.sub.example.com. A', 'NOERROR', /^sub\.example\.com\. 3600 IN NS ns[12]\.example\.org\.$/],
  ['example.org. A', 'REFUSED'],
  ['authors.bind. TXT CH', 'REFUSED'],
];

describe.skipIf(!isInstalled('dig', '-v'))('dig (skipped where it is not installed)', () => {
  describe.each(['batched', 'portable'])('with dns.io: %s', (io) => {
    let node: TestNode;
    beforeAll(async () => {
      node = await startNode({
        config: { dns: { io }, geo: { database: 'embedded' } },
        zones: {
          'gslb.example.com.yaml': example('gslb.example.com.yaml'),
          'example.com.yaml': example('octodns/example.com.yaml'),
        },
      });
    });
    afterAll(async () => {
      await endPrograms();
      removeFolders();
    });

    const server = (host: string) => ({ host, port: host === '::1' ? node.portV6 : node.port });

    it('uses the tier that was asked for', async () => {
      expect(await node.get('/v1/status')).toMatchObject({ io, problems: [] });
    });

    describe.each([
      { host: '127.0.0.1', transport: '+notcp' },
      { host: '127.0.0.1', transport: '+tcp' },
      { host: '::1', transport: '+notcp' },
      { host: '::1', transport: '+tcp' },
    ])('at $host with $transport', ({ host, transport }) => {
      it('prints every record of the example zones', async () => {
        await Promise.all(
          TABLE.map(async ([question, ...expected]) => {
            const answer = await dig(server(host), transport, ...question.split(' '));
            expect(answer.text).not.toMatch(/WARNING|malformed|extra bytes/i);
            expect([question, answer.status]).toEqual([question, 'NOERROR']);
            expect(answer.flags).toEqual(expect.arrayContaining(['qr', 'aa']));
            const wanted = expected.map((text) =>
              typeof text === 'string' ? text : expect.stringMatching(text),
            );
            expect([question, ...answer.answers.toSorted()]).toEqual([question, ...wanted]);
          }),
        );
      });

      it('prints what is not there', async () => {
        await Promise.all(
          NEGATIVE.map(async ([question, status, authority]) => {
            const answer = await dig(server(host), transport, ...question.split(' '));
            expect([question, answer.status, answer.answers]).toEqual([question, status, []]);
            if (authority) expect(answer.authorities[0]).toMatch(authority);
            else expect(answer.authorities).toEqual([]);
            const isReferral = question.includes('.sub.');
            expect(answer.flags.includes('aa')).toBe(authority !== undefined && !isReferral);
          }),
        );
      });
    });

    it('gets no zone transfer', async () => {
      const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(node.port), 'example.com.', 'AXFR']);
      expect(stdout).toContain('Transfer failed');
      expect(stdout).not.toMatch(/\sIN\s/);
    });

    it('falls back to TCP by itself where an answer does not fit', async () => {
      const long = Array.from({ length: 40 }, (_, i) => `"${`${i}`.padEnd(60, 'x')}"`);
      node.writeZone(
        'long.test.yaml',
        `zone: long.test\nnameservers: { ns1: { A: 127.0.0.1 } }\nsoa: { contact: a.long.test }\nrecords: { "": { type: TXT, values: [${long.join()}] } }\n`,
      );
      const loaded = async () => (await dig(server('127.0.0.1'), 'long.test', 'SOA')).status;
      while ((await loaded()) === 'REFUSED') await new Promise((done) => setTimeout(done, 50));
      const answer = await dig(server('127.0.0.1'), 'long.test', 'TXT');
      expect(answer.text).toContain('Truncated, retrying in TCP mode');
      expect(answer.answers).toHaveLength(40);
      const cut = await dig(server('127.0.0.1'), 'long.test', 'TXT', '+ignore');
      expect([cut.flags.includes('tc'), cut.answers]).toEqual([true, []]);
    });
  });
});
