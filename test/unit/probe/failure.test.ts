import { describe, expect, it } from 'vitest';
import { describeFailure, isLocal, LocalFailure } from '../../../src/probe/failure.js';

function failure(code: string, message = 'something long and technical'): Error {
  return Object.assign(new Error(message), { code });
}

describe('describeFailure()', () => {
  it.each<[unknown, string]>([
    [failure('ECONNREFUSED'), 'connect refused'],
    [failure('CERT_HAS_EXPIRED'), 'certificate expired'],
    [failure('ERR_TLS_CERT_ALTNAME_INVALID'), 'certificate is for another name'],
    [failure('ERR_SSL_WRONG_VERSION_NUMBER'), 'TLS handshake failed'],
    [failure('ERR_HTTP2_ERROR'), 'not valid HTTP/2'],
    [failure('ERR_HTTP2_SESSION_ERROR'), 'HTTP/2 failed'],
    [new AggregateError([failure('EHOSTUNREACH'), failure('ECONNREFUSED')]), 'host unreachable'],
    [failure('EWHATEVER', 'never seen'), 'EWHATEVER: never seen'],
    [new Error('plain\r\ntext\u0000 here'), 'plain text here'],
    [new Error('x'.repeat(500)), 'x'.repeat(120)],
    ['not an error', 'not an error'],
    [new Error(''), 'probe failed'],
  ])('says %s in short', (error, expected) => {
    expect(describeFailure(error)).toBe(expected);
  });
});

describe('isLocal()', () => {
  it.each<[unknown, boolean]>([
    [failure('EMFILE'), true],
    [failure('EADDRNOTAVAIL'), true],
    [failure('EPERM'), true],
    [new AggregateError([failure('EAFNOSUPPORT'), failure('ECONNREFUSED')]), true],
    [new LocalFailure('not allowed here'), true],
    [failure('ECONNREFUSED'), false],
    [failure('EHOSTUNREACH'), false],
    [failure('ENETUNREACH'), false],
    [failure('ENOTFOUND'), false],
    [new Error('anything'), false],
    ['text', false],
  ])('of %s is %s', (error, local) => {
    expect(isLocal(error)).toBe(local);
  });
});
