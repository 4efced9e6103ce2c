import { describe, expect, it } from 'vitest';
import { loadOpenSsl, versionProblem } from '../../../../src/io/batched/openssl.js';

describe('versionProblem()', () => {
  it.each([
    [0x300000c0, 'OpenSSL 3.0.12 24 Oct 2023', '3.0.12+quic', undefined],
    [0x30500040, 'OpenSSL 3.5.4 30 Sep 2025', '3.5.4', undefined],
    [0x101010a0, 'OpenSSL 1.1.1j  16 Feb 2021', '1.1.1j+quic', /not version 3/],
    [0x40000000, 'OpenSSL 4.0.0 1 Jan 2027', '4.0.0', /not version 3/],
    [0x300000c0, 'OpenSSL 3.0.12 24 Oct 2023', '3.0.13', /node was built with 3\.0\.13/],
    [0x300000c0, 'BoringSSL', '3.0.12', /the loaded library is BoringSSL/],
    [0x300000c0, 'OpenSSL 3.0.12 24 Oct 2023', undefined, /built with none/],
  ])('judges %i, "%s" in a node with %s', (number, text, ofNode, expected) => {
    const problem = versionProblem(number, text, ofNode);
    if (expected === undefined) expect(problem).toBeUndefined();
    else expect(problem).toMatch(expected);
  });
});

const openSsl = loadOpenSsl();

describe.skipIf('unavailable' in openSsl)('OpenSSL by FFI', () => {
  const library = openSsl as Exclude<typeof openSsl, { unavailable: string }>;

  it('reads nothing out of texts without certificates, and refuses broken ones', () => {
    expect(library.readCertificates('no certificate here')).toEqual([]);
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(library.readCertificates(broken)).toBeNull();
    expect(library.readKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')).toBe(0);
    library.clearErrors();
    expect(library.takeError()).toBe('');
  });

  it('is loaded once', () => {
    expect(loadOpenSsl()).toBe(openSsl);
  });
});
