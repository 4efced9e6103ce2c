import { describe, expect, it } from 'vitest';
import { Head } from '../../../../src/core/http/head.js';
import { SplitCookie } from '../../../../src/core/http/split-cookie.js';

const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);
const OTHER = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
const cookie = new SplitCookie('meridian-shop', 'shop', [SECRET]);
const good = cookie.valueOf(1234);

function headOf(...lines: readonly string[]): Head {
  const head = new Head('request');
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
    'latin1',
  );
  head.parse(bytes, 0, bytes.length);
  return head;
}

describe('the cookie of a split', () => {
  it.each([0, 1, 255, 256, 9_999])('tells position %i', (position) => {
    expect(cookie.positionOf(headOf(`Cookie: meridian-shop=${cookie.valueOf(position)}`))).toBe(position);
  });

  it('is as short as it can be, and the same for all clients of a position', () => {
    expect(good).toMatch(/^04d2[0-9a-f]{16}$/);
    expect(new SplitCookie('meridian-shop', 'shop', [SECRET]).valueOf(1234)).toBe(good);
  });

  it.each([
    ['no cookie', []],
    ['another name', [`Cookie: meridian-shops=${good}; meridian=${good}; Meridian-Shop=${good}`]],
    ['an empty one', ['Cookie: meridian-shop=']],
    ['one that is cut', [`Cookie: meridian-shop=${good.slice(0, -1)}`]],
    ['one that is longer', [`Cookie: meridian-shop=${good}0`]],
    ['a forged position', [`Cookie: meridian-shop=270f${good.slice(4)}`]],
    ['a forged authentication', [`Cookie: meridian-shop=${good.slice(0, 4)}${'0'.repeat(16)}`]],
    ['a position that is none', [`Cookie: meridian-shop=ffff${good.slice(4)}`]],
    ['capital letters', [`Cookie: meridian-shop=${good.toUpperCase()}`]],
    ['what is no digit', [`Cookie: meridian-shop=${'/'.repeat(20)}`]],
    ['what is no digit either', [`Cookie: meridian-shop=${good.slice(0, 19)}g`]],
    ['bytes of 8 bits', [`Cookie: meridian-shop=${'\xff'.repeat(20)}`]],
    ['16 KB', [`Cookie: meridian-shop=${'a'.repeat(16_000)}`]],
    ['quotes', [`Cookie: meridian-shop="${good}"`]],
  ])('is not good with %s', (_, lines) => {
    expect(cookie.positionOf(headOf(...lines))).toBe(-1);
  });

  it.each([
    ['between others', [`Cookie: a=b; meridian-shop=${good}; c=d`]],
    ['with blanks', [`Cookie: a=b;meridian-shop=${good} ;c=d`]],
    ['after a bad one', [`Cookie: meridian-shop=bad; meridian-shop=${good}`]],
    ['in a second line', ['Cookie: a=b', `Cookie: meridian-shop=${good}`]],
  ])('is found %s', (_, lines) => {
    expect(cookie.positionOf(headOf(...lines))).toBe(1234);
  });

  it('of another route, or of another secret, is worth nothing', () => {
    const head = headOf(`Cookie: meridian-shop=${good}`);
    expect(new SplitCookie('meridian-shop', 'news', [SECRET]).positionOf(head)).toBe(-1);
    expect(new SplitCookie('meridian-shop', 'shop', [OTHER]).positionOf(head)).toBe(-1);
  });

  it('is made with the first secret, and taken with each', () => {
    const both = new SplitCookie('meridian-shop', 'shop', [OTHER, SECRET]);
    expect(both.positionOf(headOf(`Cookie: meridian-shop=${good}`))).toBe(1234);
    expect(both.valueOf(1234)).not.toBe(good);
    expect(both.positionOf(headOf(`Cookie: meridian-shop=${both.valueOf(7)}`))).toBe(7);
  });
});
