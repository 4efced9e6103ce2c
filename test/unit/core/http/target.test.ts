import { describe, expect, it } from 'vitest';
import { normalisePath, parseTarget } from '../../../../src/core/http/target.js';

describe('normalisePath()', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a//b/', '/a//b/'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/../../b', '/b'],
    ['/a/..', '/'],
    ['/a/.', '/a/'],
    ['/%2e%2E/admin', '/admin'],
    ['/a/%2e%2e/b', '/b'],
    ['/%61%7e', '/a~'],
    ['/a%2fb', '/a%2Fb'],
    ['/a\\..\\b', '/a%5C..%5Cb'],
    ['/"<>', '/%22%3C%3E'],
    ['/...', '/...'],
    ['/.well-known/x', '/.well-known/x'],
  ])('turns %s into %s, and leaves that as it is', (raw, normal) => {
    expect(normalisePath(raw)).toBe(normal);
    expect(normalisePath(normal)).toBe(normal);
  });

  it.each(['/%', '/%4', '/%g0', '/%00', '/a%'])('refuses %s', (raw) => {
    expect(normalisePath(raw)).toBeNull();
  });
});

describe('parseTarget()', () => {
  it.each([
    ['/a/../b?x=../y', 'GET', { authority: null, path: '/b', forwarded: '/b?x=../y' }],
    ['http://h', 'GET', { authority: 'h', path: '/', forwarded: '/' }],
    ['HTTP://h:80/a?q', 'GET', { authority: 'h:80', path: '/a', forwarded: '/a?q' }],
    ['http://h?q', 'GET', { authority: 'h', path: '/', forwarded: '/?q' }],
    ['*', 'OPTIONS', { authority: null, path: '/', forwarded: '*' }],
    ['http://h', 'OPTIONS', { authority: 'h', path: '/', forwarded: '*' }],
  ])('reads %s of %s', (text, method, expected) => {
    expect(parseTarget(text, method)).toMatchObject(expected);
  });

  it.each([
    ['a', 'GET'],
    ['a:80', 'GET'],
    ['*', 'GET'],
    ['ftp://h/', 'GET'],
    ['http:///x', 'GET'],
    ['/a#b', 'GET'],
  ])('refuses %s of %s', (text, method) => {
    expect(parseTarget(text, method)).toBeNull();
  });
});
