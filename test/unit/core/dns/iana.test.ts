import { describe, expect, it } from 'vitest';
import { rcodeName, TYPE, typeName, typeNumber } from '../../../../src/core/dns/iana.js';

describe('typeName()', () => {
  it('names a known type and falls back to TYPE123', () => {
    expect(typeName(TYPE.HTTPS)).toBe('HTTPS');
    expect(typeName(65280)).toBe('TYPE65280');
  });
});

describe('typeNumber()', () => {
  it.each([
    ['A', 1],
    ['caa', 257],
    ['TYPE65280', 65280],
    ['type1', 1],
    ['TYPE65536', undefined],
    ['TYPE', undefined],
    ['constructor', undefined],
    ['', undefined],
  ])('%s is %s', (text, expected) => {
    expect(typeNumber(text)).toBe(expected);
  });

  it('is the inverse of typeName() for every type', () => {
    for (const type of [...Object.values(TYPE), 0, 1000, 65535])
      expect(typeNumber(typeName(type))).toBe(type);
  });
});

it('rcodeName() falls back to a number', () => {
  expect([rcodeName(3), rcodeName(11)]).toEqual(['NXDOMAIN', 'RCODE11']);
});
