import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCookieKeys, setCookieKeys } from '../../../../src/core/answer/identity.js';
import {
  readStickyCookie,
  STICKY_CHARACTERS,
  STICKY_COOKIE,
  stickyId,
  writeStickyCookie,
} from '../../../../src/core/balance/sticky-cookie.js';

const ISSUED = 1_800_000_000;

function keysOf(...secrets: readonly number[]): Int32Array {
  const keys = createCookieKeys();
  setCookieKeys(
    keys,
    secrets.map((byte) => new Uint8Array(16).fill(byte)),
  );
  return keys;
}

function cookieOf(keys: Int32Array, [low, high]: readonly [number, number], issued = ISSUED): string {
  const out = new Uint8Array(STICKY_CHARACTERS);
  writeStickyCookie(out, 0, keys, low, high, issued);
  return Buffer.from(out).toString('latin1');
}

function read(text: string, keys: Int32Array) {
  const into = { idLow: 0, idHigh: 0, issued: 0 };
  const bytes = Buffer.from(`x${text}x`, 'latin1');
  const verdict = readStickyCookie(bytes, 1, bytes.length - 1, keys, into);
  return verdict === STICKY_COOKIE.GOOD ? into : null;
}

const ID = stickyId('web', '10.0.0.1:80');

describe('readStickyCookie()', () => {
  it('reads what writeStickyCookie() wrote, for any id and time', () => {
    const keys = keysOf(7);
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(word, word, fc.nat(2 ** 32 - 1), (low, high, issued) => {
        const text = cookieOf(keys, [low, high], issued);
        expect(text).toMatch(/^[A-Za-z0-9_-]{28}$/);
        expect(read(text, keys)).toEqual({ idLow: low, idHigh: high, issued });
      }),
    );
  });

  it('refuses every change of a single character', () => {
    const keys = keysOf(7);
    const good = cookieOf(keys, ID);
    for (let i = 0; i < good.length; i++) {
      for (const character of 'AQgw_-%\0') {
        if (good[i] === character) continue;
        expect(read(good.slice(0, i) + character + good.slice(i + 1), keys)).toBeNull();
      }
    }
  });

  it.each([
    ['empty', ''],
    ['cut', cookieOf(keysOf(7), ID).slice(0, 27)],
    ['too long', `${cookieOf(keysOf(7), ID)}A`],
    ['64 KB', 'A'.repeat(65_536)],
    ['of zeros', 'A'.repeat(28)],
    ['with padding', `${cookieOf(keysOf(7), ID).slice(0, 26)}==`],
    ['no base64url', 'é'.repeat(28)],
    ['of another secret', cookieOf(keysOf(8), ID)],
  ])('refuses one that is %s', (_, text) => {
    expect(read(text, keysOf(7))).toBeNull();
  });

  it('never takes what nobody wrote', () => {
    const keys = keysOf(7, 8, 9);
    fc.assert(
      fc.property(fc.base64String({ minLength: 28, maxLength: 28 }), (text) => {
        expect(read(text, keys)).toBeNull();
      }),
    );
  });

  it('takes cookies of all secrets, and makes them with the first: secrets can be changed one proxy after another', () => {
    const [old, both, next] = [keysOf(1), keysOf(2, 1), keysOf(2)];
    expect(read(cookieOf(old, ID), both)).not.toBeNull();
    expect(read(cookieOf(both, ID), next)).not.toBeNull();
    expect(read(cookieOf(old, ID), next)).toBeNull();
  });

  it('refuses everything without a secret', () => {
    expect(read(cookieOf(keysOf(7), ID), createCookieKeys())).toBeNull();
  });
});

describe('writeStickyCookie()', () => {
  it('shows neither the endpoint nor that two cookies lead to the same one', () => {
    const keys = keysOf(7);
    const [first, second] = [cookieOf(keys, ID, ISSUED), cookieOf(keys, ID, ISSUED + 1)];
    const bytes = (text: string) => Buffer.from(text, 'base64url').subarray(5);
    const same = bytes(first).filter((byte, i) => byte === bytes(second)[i]).length;
    expect(same).toBeLessThan(4);
  });
});

describe('stickyId()', () => {
  it('depends on pool and endpoint, and on nothing else', () => {
    expect(stickyId('web', '10.0.0.1:80')).toEqual(ID);
    const others = [
      stickyId('web', '10.0.0.1:81'),
      stickyId('we', 'b\n10.0.0.1:80'),
      stickyId('api', '10.0.0.1:80'),
    ];
    for (const other of others) expect(other).not.toEqual(ID);
  });
});
