import { appendFileSync, copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, readCertificate, watchCertificate } from '../../../src/sources/certificate.js';
import { hasOpenssl, makeCertificate } from '../../support/certificate.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { until } from '../../support/until.js';

describe.skipIf(!hasOpenssl)('certificates (skipped without openssl)', () => {
  let folder: string;
  let first: { readonly cert: string; readonly key: string };
  let second: typeof first;
  beforeAll(() => {
    folder = temporaryFolder();
    [first, second] = [makeCertificate(folder, 'first'), makeCertificate(folder, 'second')];
  });
  afterAll(() => removeFolders());

  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it('reads a pair', async () => {
    expect(await readCertificate(first)).toEqual({
      cert: readFileSync(first.cert, 'utf8'),
      key: readFileSync(first.key, 'utf8'),
    });
  });

  it('reads a chain: the key is that of its first certificate', async () => {
    const [own, other] = [readFileSync(first.cert, 'utf8'), readFileSync(second.cert, 'utf8')];
    expect(await readCertificate({ cert: file('chain', own + other), key: first.key })).toHaveProperty('key');
    expect(await readCertificate({ cert: file('wrong', other + own), key: first.key })).toHaveProperty(
      'problem',
    );
  });

  it.each<[string, () => typeof first, RegExp]>([
    ['a file that is not there', () => ({ ...first, cert: join(folder, 'none') }), /none.*: ENOENT/],
    ['a key that is not there', () => ({ ...first, key: join(folder, 'none') }), /none: ENOENT/],
    ['a folder', () => ({ ...first, cert: folder }), /EISDIR/],
    ['another certificate’s key', () => ({ ...first, key: second.key }), /is not the private key of/],
    ['a key in place of the certificate', () => ({ ...first, cert: first.key }), /cannot use/],
    ['a certificate in place of the key', () => ({ ...first, key: first.cert }), /cannot use/],
    ['text that is no PEM', () => ({ ...first, cert: file('text', 'hello') }), /cannot use/],
    ['an empty file', () => ({ ...first, key: file('empty', '') }), /cannot use/],
    [
      'a file that is too large',
      () => ({ ...first, cert: file('large', 'x'.repeat(1_048_577)) }),
      /at most 1048576 bytes/,
    ],
  ])('says what is wrong with %s', async (_, paths, message) => {
    expect(await readCertificate(paths())).toEqual({ problem: expect.stringMatching(message) });
  });

  describe('watched', () => {
    const results: (Certificate | { readonly problem: string })[] = [];
    let paths: typeof first;
    let watch: { close(): void };
    beforeAll(() => {
      paths = { cert: join(folder, 'live.pem'), key: join(folder, 'live.key') };
      copyFileSync(first.cert, paths.cert);
      copyFileSync(first.key, paths.key);
      watch = watchCertificate(paths, (result) => results.push(result), 10);
    });
    afterAll(() => watch.close());
    const last = () => results.at(-1);
    const isSecond = () => {
      const result = last();
      return result !== undefined && 'cert' in result && result.cert === readFileSync(second.cert, 'utf8');
    };

    it('says nothing while nothing changes', async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(results).toEqual([]);
    });

    it('tells of a half-done change as a problem, and then of the whole pair', async () => {
      copyFileSync(second.cert, paths.cert);
      await until('the problem', () => 'problem' in (last() ?? {}));
      copyFileSync(second.key, paths.key);
      await until('the pair', isSecond);
    });

    it('tells of a file that is gone, and of one that took its place by renaming', async () => {
      rmSync(paths.cert);
      await until('the problem', () => 'problem' in (last() ?? {}));
      copyFileSync(second.cert, join(folder, 'new.pem'));
      renameSync(join(folder, 'new.pem'), paths.cert);
      await until('the pair', isSecond);
    });

    it('is silent once it is closed', async () => {
      watch.close();
      const before = results.length;
      appendFileSync(paths.cert, '\n');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(results).toHaveLength(before);
    });
  });
});
