import { describe, expect, it } from 'vitest';
import {
  formatName,
  isNameError,
  isSubdomain,
  labelCount,
  lowerName,
  nameLength,
  parentName,
  parseName,
} from '../../../../src/core/dns/name.js';

const LABEL = 'a'.repeat(63);

function wire(text: string): Uint8Array {
  const parsed = parseName(text);
  if (isNameError(parsed)) throw new Error(parsed.message);
  return parsed;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('parseName()', () => {
  it.each([
    ['.', '00'],
    ['com.', '03636f6d00'],
    ['wWw.com.', '0377577703636f6d00'],
    ['a\\.b.', '03612e6200'],
    ['a\\000\\255.', '036100ff00'],
    ['\\"\\\\.', '02225c00'],
    ['*.a.', '012a016100'],
  ])('reads %s', (text, expected) => {
    expect(hex(wire(text))).toBe(expected);
  });

  it('completes a relative name with the origin', () => {
    const origin = wire('example.com.');
    expect(formatName(parseName('www', origin) as Uint8Array)).toBe('www.example.com.');
    expect(formatName(parseName('www.', origin) as Uint8Array)).toBe('www.');
  });

  it.each([
    ['', 'empty'],
    ['..', 'empty-label'],
    ['a..b.', 'empty-label'],
    ['.a.', 'empty-label'],
    ['www', 'relative'],
    [`${LABEL}a.`, 'label-too-long'],
    [`${LABEL}.${LABEL}.${LABEL}.${LABEL}.`, 'name-too-long'],
    ['a\\256.', 'bad-escape'],
    ['a\\25.', 'bad-escape'],
    ['a\\', 'bad-escape'],
    ['a b.', 'bad-character'],
    ['bücher.', 'bad-character'],
  ])('refuses %j: %s', (text, code) => {
    expect(parseName(text)).toMatchObject({ code });
  });

  it('takes 255 bytes and not one more, also with an origin', () => {
    const longest = `${LABEL}.${LABEL}.${LABEL}.${'a'.repeat(61)}.`;
    expect(wire(longest)).toHaveLength(255);
    expect(parseName(`${LABEL}.${LABEL}.${LABEL}.${'a'.repeat(62)}.`)).toMatchObject({
      code: 'name-too-long',
    });
    expect(parseName('a', wire(longest))).toMatchObject({ code: 'name-too-long' });
    expect(parseName(`${LABEL}.${LABEL}.${LABEL}.${'a'.repeat(60)}`, wire('.'))).toHaveLength(254);
  });
});

describe('formatName()', () => {
  it('escapes what has a meaning in zone files', () => {
    expect(formatName(Uint8Array.of(7, 0x2e, 0x20, 0x40, 0x22, 0x5c, 0x00, 0xff, 0))).toBe(
      '\\.\\032\\@\\"\\\\\\000\\255.',
    );
  });

  it('reads at an offset, and stops at the end of what is there', () => {
    expect(formatName(Uint8Array.of(9, 9, 1, 0x61, 0), 2)).toBe('a.');
    expect(formatName(Uint8Array.of(5, 0x61))).toBe('a.');
    expect(formatName(Uint8Array.of(0xc0, 0x0c))).toBe('.');
    expect(formatName(new Uint8Array())).toBe('.');
  });
});

describe('nameLength()', () => {
  it.each([
    ['00', 1],
    ['0161000000', 3],
    ['0161', -1],
    ['', -1],
    ['c00c', -1],
    ['4061', -1],
  ])('%s has %i', (text, expected) => {
    expect(nameLength(Buffer.from(text, 'hex'))).toBe(expected);
  });

  it('refuses more than 255 bytes', () => {
    expect(nameLength(new Uint8Array(400).fill(1))).toBe(-1);
  });
});

describe('relations', () => {
  it.each([
    ['www.example.com.', 'example.com.', true],
    ['EXAMPLE.com.', 'example.COM.', true],
    ['example.com.', '.', true],
    ['badexample.com.', 'example.com.', false],
    ['com.', 'example.com.', false],
    ['a\\.example.com.', 'example.com.', false],
  ])('%s within %s: %s', (name, of, expected) => {
    expect(isSubdomain(wire(name), wire(of))).toBe(expected);
  });

  it('counts labels, lowers letters and finds the parent', () => {
    expect([labelCount(wire('.')), labelCount(wire('a.b.c.'))]).toEqual([0, 3]);
    expect(formatName(lowerName(wire('WwW.ExAmPlE.')))).toBe('www.example.');
    expect(formatName(parentName(wire('a.b.')))).toBe('b.');
    expect(formatName(parentName(wire('.')))).toBe('.');
  });
});
