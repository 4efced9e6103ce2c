import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { readTlsFiles, tlsFilesOf } from '../../../src/sources/tls-files.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { hasOpenssl } from '../../support/certificate.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { Authority } from '../../support/tls-material.js';

const DAY_MS = 24 * 3_600_000;

let folder = '';

beforeAll(() => {
  if (!hasOpenssl) return;
  folder = temporaryFolder();
  const authority = new Authority(folder);
  authority.issue('a', ['a.example.com'], undefined, 60);
  authority.issue('b', ['b.example.com'], undefined, 60);
  writeFileSync(join(folder, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  writeFileSync(join(folder, 'large.pem'), 'x'.repeat(1024 * 1024 + 1));
  writeFileSync(join(folder, 'empty.pem'), '');
}, 30_000);

afterAll(removeFolders);

function load(tls: string, ofPool = '') {
  const text = `node: { name: p, region: r }
listeners:
  - listen: "127.0.0.1:1"
    protocol: http
    pool: web
    tls:
      ${tls}
pools:
  web: { endpoints: [ { address: "127.0.0.1:2" } ]${ofPool} }
`;
  const loaded = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: folder });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded;
}

async function read(tls: string, ofPool = '', nowMs = Date.now()) {
  const { config, problemAt } = load(tls, ofPool);
  const texts = await readTlsFiles(config, nowMs);
  if (!('mistakes' in texts)) return { texts, problems: [] };
  const problems = texts.mistakes.map(({ path, message }) => formatProblem(problemAt(path, message)));
  return { texts: null, problems };
}

describe.skipIf(!hasOpenssl)('readTlsFiles() (needs the openssl command)', () => {
  it('reads what listeners and pools name', async () => {
    const listener =
      'certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key } ]\n      client_ca: ca.pem';
    const pool =
      ', tls: { ca: ca.pem, server_name: b.example.com, certificate: { cert: b.pem, key: b.key } }';
    const { texts } = await read(listener, pool);
    const file = (name: string) => readFileSync(join(folder, name), 'utf8');
    const [a, b] = ['a', 'b'].map((name) => ({ cert: file(`${name}.pem`), key: file(`${name}.key`) }));
    expect(texts!.listeners).toEqual([
      {
        certificates: [a, b],
        alpn: ['http/1.1'],
        minVersion: 'TLSv1.2',
        clientCa: { ca: file('ca.pem'), required: true },
      },
    ]);
    expect(texts!.pools).toEqual({
      web: { verify: true, ca: file('ca.pem'), serverName: 'b.example.com', certificate: b },
    });
    expect(texts!.warnings).toEqual([]);
    const files = [...tlsFilesOf(load(listener, pool).config)].map((path) => path.slice(folder.length + 1));
    expect(files.sort()).toEqual(['a.key', 'a.pem', 'b.key', 'b.pem', 'ca.pem']);
  });

  it.each([
    [
      '{ cert: absent.pem, key: a.key }',
      /^proxy\.yaml:7:\d+: .*certificates\[0\]\.cert: .*absent\.pem cannot be read: ENOENT$/,
    ],
    ['{ cert: a.pem, key: absent.key }', /\.key: .*absent\.key cannot be read: ENOENT$/],
    ['{ cert: a.pem, key: b.key }', /\.key: .*b\.key is not the private key of .*a\.pem$/],
    ['{ cert: broken.pem, key: a.key }', /\.cert: .*broken\.pem is not a certificate in PEM form$/],
    ['{ cert: empty.pem, key: a.key }', /\.cert: .*empty\.pem is not a certificate in PEM form$/],
    ['{ cert: a.pem, key: a.pem }', /\.key: .*a\.pem is not a private key in PEM form without a passphrase$/],
    ['{ cert: large.pem, key: a.key }', /large\.pem is larger than 1048576 bytes$/],
  ])('says where the mistake is of %s', async (pair, message) => {
    const { problems } = await read(`certificates: [ ${pair} ]`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
    expect(problems[0]).not.toContain('BEGIN');
  });

  it('says which authorities are none, of clients and of endpoints', async () => {
    const { problems } = await read(
      'certificates: [ { cert: a.pem, key: a.key } ]\n      client_ca: broken.pem',
      ', tls: { ca: a.key }',
    );
    expect(problems).toEqual([
      expect.stringMatching(/^proxy\.yaml:8:\d+: .*broken\.pem does not hold certificates in PEM form$/),
      expect.stringMatching(/^proxy\.yaml:10:\d+: .*a\.key does not hold certificates in PEM form$/),
    ]);
  });

  it.each([
    [0, []],
    [50, [expect.stringMatching(/a\.pem expires on /)]],
    [61, [expect.stringMatching(/a\.pem expired on /)]],
    [-2, [expect.stringMatching(/a\.pem is not valid before /)]],
  ])('warns %i days from now', async (days, expected) => {
    const { texts } = await read(
      'certificates: [ { cert: a.pem, key: a.key } ]',
      '',
      Date.now() + days * DAY_MS,
    );
    expect(texts!.warnings.map(({ message }) => message)).toEqual(expected);
  });
});
