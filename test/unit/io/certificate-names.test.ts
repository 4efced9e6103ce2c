import { describe, expect, it } from 'vitest';
import { NameTable } from '../../../src/io/certificate-names.js';

describe('NameTable', () => {
  const table = new NameTable<string>();
  table.add(['a.example.com', '*.example.com'], 'first');
  table.add(['b.example.com', 'a.example.com', '*.c.example.com'], 'second');

  it.each([
    ['a.example.com', 'first'],
    ['A.Example.COM', 'first'],
    ['b.example.com', 'second'],
    ['x.example.com', 'first'],
    ['x.c.example.com', 'second'],
    ['x.y.c.example.com', undefined],
    ['example.com', undefined],
    ['*.example.com', 'first'],
    ['', undefined],
    ['.example.com', undefined],
    ['com', undefined],
  ])('finds for "%s" %s', (name, expected) => {
    expect(table.find(name)).toBe(expected);
  });
});
