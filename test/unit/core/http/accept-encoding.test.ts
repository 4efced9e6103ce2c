import { expect, it } from 'vitest';
import { type ContentCoding, chooseCoding } from '../../../../src/core/http/accept-encoding.js';

const ALL: readonly ContentCoding[] = ['zstd', 'br', 'gzip'];

const CASES: readonly (readonly [field: string | null, chosen: ContentCoding | null])[] = [
  [null, null],
  ['', null],
  ['gzip', 'gzip'],
  ['GZip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'zstd'],
  ['gzip, deflate, br', 'br'],
  ['deflate', null],
  ['gzip;q=1.0, br;q=0.5', 'gzip'],
  ['gzip;q=0.5, br;q=0.501', 'br'],
  ['br ; q=0.2 , gzip\t;\tQ=0.9', 'gzip'],
  ['gzip;q=0', null],
  ['gzip;q=0.000, br;q=0', null],
  ['*', 'zstd'],
  ['*;q=0', null],
  ['*;q=0.1, gzip;q=0.2', 'gzip'],
  ['zstd;q=0, *', 'br'],
  ['identity', null],
  ['identity;q=1, gzip;q=0.5', null],
  ['identity;q=0.5, gzip', 'gzip'],
  ['identity;q=0, gzip;q=0.001', 'gzip'],
  ['gzip;q=0.5, gzip;q=0', 'gzip'],
  // Malformed elements count as not there.
  ['gzip;q=2', null],
  ['gzip;q=-1', null],
  ['gzip;q=0.1234', null],
  ['gzip;level=9', null],
  ['gzip;q=1;q=0', null],
  ['gz ip', null],
  [', ,gzip,,', 'gzip'],
  ['gzip;q=nan, br', 'br'],
  // More than anybody has to say.
  [`gzip, ${'a,'.repeat(40)}`, null],
  [`gzip, ${'a'.repeat(2000)}`, null],
];

it.each(CASES)('chooseCoding() of %j gives %s', (field, chosen) => {
  expect(chooseCoding(field, ALL)).toBe(chosen);
});

it('chooseCoding() gives none that is not offered', () => {
  expect(chooseCoding('br, gzip', ['gzip'])).toBe('gzip');
  expect(chooseCoding('*', [])).toBeNull();
});
